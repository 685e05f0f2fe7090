//! What the conformance suites of the ports are made with, and the suite of [`ChangeBus`](crate::ChangeBus).
//!
//! [`Faulty`] stands before any store and lets calls go wrong as [`Faults`] say: before they are made, after they were made, twice,
//! late. The libraries implement their ports for it with [`faulty_port!`](crate::faulty_port); so a suite written against the ports
//! can ask of every adapter what a caller may rely on when an answer is lost.

mod bus;
mod fault;
mod faults;
mod faulty;
mod watched;

pub use self::bus::*;
pub use self::fault::{Delay, Fault, Gate};
pub use self::faults::{At, FaultCounts, Faults};
pub use self::faulty::{AUDIT, Faulty, Operation};
