//! What the command line does, as functions: text in, text out.

mod admin;
mod check;
mod demo;

pub use admin::{create_admin, set_password};
pub use check::check;
pub use demo::demo;
