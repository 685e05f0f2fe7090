//! The rules of the simulator, as behaviour.

mod support;

mod changes;
mod checkout;
mod dunning;
mod events;
mod everything;
mod faults;
mod fixtures;
mod metered;
mod python_sdk;
mod requests;
mod schedules;
mod trials;
mod webhooks;
