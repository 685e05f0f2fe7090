//! Configuration: from a file and the environment to checked values, with every problem told at once.

mod names;
mod read;
mod values;

pub use names::{Setting, all as reference};
pub use read::Problems;
pub use values::{DatabaseSettings, LogFormat, MailSettings, Settings, TokenSettings};
