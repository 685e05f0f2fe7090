//! A server that stands still.

use std::process::Command;

use crate::support::Server;

/// Stops a server in the middle of whatever it does: connections stay open, and nothing answers.
pub(crate) fn freeze(server: &Server) {
    signal(server, "-STOP");
}

/// Lets it go on.
pub(crate) fn thaw(server: &Server) {
    signal(server, "-CONT");
}

fn signal(server: &Server, signal: &str) {
    assert!(Command::new("kill").args([signal, &server.child.id().to_string()]).status().unwrap().success());
}
