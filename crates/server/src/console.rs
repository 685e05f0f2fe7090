//! What programs say to whoever started them.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Writes a text to standard output; nothing where there is nothing to say.
///
/// # Errors
/// Standard output is closed.
pub fn say(text: &str) -> anyhow::Result<()> {
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout(), "{text}").context("standard output is closed")
}

/// Writes a text to standard error: where standard output is for something else.
///
/// # Errors
/// Standard error is closed.
pub fn say_aside(text: &str) -> anyhow::Result<()> {
    writeln!(io::stderr(), "{}", text.trim_end()).context("standard error is closed")
}

/// Writes what is wrong to standard error, after the program's name.
pub fn complain(program: &str, text: &str) {
    // Nobody is left to tell when standard error is closed, too.
    let _ = write!(io::stderr(), "{program}: {text}");
}
