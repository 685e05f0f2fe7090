//! The API as a whole, over a real store: what no part of it can promise by itself.

mod bodies;
mod counts;
mod documents;
pub(crate) mod identity;
mod limits;
pub(crate) mod lines;
mod outage;
mod outages;
mod pages;
mod panics;
pub(crate) mod rig;
mod slow;
pub(crate) mod socket;
mod tags;
