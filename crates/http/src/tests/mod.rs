//! The API as a whole, over a real store: what no part of it can promise by itself.

mod outage;
mod pages;
mod rig;
mod slow;
mod socket;
mod tags;
