//! The cloud's routes over their hosts.

mod allowance;
mod billing;
mod export;
mod log;
mod paid;
mod people;
mod plans;
mod rig;
mod standing;
mod tables;
mod tokens;
mod usage;
mod workspaces;
