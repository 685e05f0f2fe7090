//! Log lines.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Settings};

/// Starts writing log lines to standard error. To be called once, by a binary.
///
/// # Errors
/// When log lines are written already.
pub fn start(settings: &Settings) -> anyhow::Result<()> {
    let filter = filter(&settings.log_filter)?;
    let terminal = io::stderr().is_terminal();
    let format = settings.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Pretty => builder.with_ansi(terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

/// The protocol layer calls it an error when a client sends what is not HTTP or goes away half-way, which anyone may do at any time.
/// Those lines are written only to those who ask for them by name.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    const CLIENTS_MISTAKES: &str = "actix_http";
    let filter = EnvFilter::try_new(text).context("the log filter is not valid")?;
    if text.contains(CLIENTS_MISTAKES) {
        return Ok(filter);
    }
    let quiet = format!("{CLIENTS_MISTAKES}::h1::dispatcher=off").parse().context("the module cannot be left out")?;
    Ok(filter.add_directive(quiet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_do_wrong_is_told_to_those_who_ask() {
        assert_eq!(filter("debug").unwrap().to_string(), "actix_http::h1::dispatcher=off,debug");
        assert_eq!(filter("info,actix_http=error").unwrap().to_string(), "actix_http=error,info");
    }
}
