#![doc = include_str!("../README.md")]
// A literal of JSON takes a step of recursion for every key.
#![recursion_limit = "256"]

mod api;
mod calendar;
mod calls;
mod clock;
mod control;
mod delivery;
mod engine;
mod error;
mod faults;
mod form;
mod idempotency;
mod ids;
mod model;
mod money;
mod seed;
mod server;
mod shared;
mod sim;
mod truth;
mod version;
mod world;

pub use api::{Answer, Ask};
pub use calendar::Unit;
pub use calls::Call;
pub use clock::DEFAULT_NOW;
pub use delivery::{Chaos, Delivery};
pub use engine::Outcome;
pub use faults::{Effect, Fault, Hold, Matcher, Moment};
pub use model::customer::Card;
pub use seed::{SeedPrice, SeedTier};
pub use sim::{Builder, ControlError, Sim, StartError};
pub use version::DEFAULT_VERSION;
pub use world::{Dunning, FinalAction};
