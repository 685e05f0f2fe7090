//! The cloud's routes over their hosts.

mod people;
mod rig;
mod standing;
mod tables;
mod workspaces;
