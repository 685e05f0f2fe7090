//! Ctrl-C and SIGTERM: noted here, acted on by whoever waits, so that servers are stopped and folders removed on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Starts to note SIGINT, SIGTERM and SIGHUP.
pub(crate) fn listen() -> Result<()> {
    ctrlc::set_handler(|| REQUESTED.store(true, Ordering::Relaxed)).context("cannot listen for ctrl-c")
}

/// Fails once an interrupt was asked for. Every loop that waits calls this.
pub(crate) fn check() -> Result<()> {
    if REQUESTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}
