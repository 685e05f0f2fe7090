//! What holds of the crate as a whole.

mod config_reference;
