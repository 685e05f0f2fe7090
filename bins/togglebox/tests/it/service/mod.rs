//! Servers of a test's own, which it freezes, kills and starts again on the same port with the same data.

mod daemon;
mod database;
mod dynoxide;
mod redis;

use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use self::daemon::Daemon;
pub(crate) use self::database::Database;
pub(crate) use self::redis::Redis;
use crate::server::{PATIENCE, PAUSE};

/// How to start a program that listens on this port.
type Start = Box<dyn Fn(u16) -> Command + Send + Sync>;

/// Whether the program with this process id, on this port, is ready.
type Ready = Box<dyn Fn(u32, u16) -> bool + Send + Sync>;

/// A server program with a folder of its own. Killed when dropped.
pub(crate) struct Service {
    name: &'static str,
    start: Start,
    ready: Ready,
    port: u16,
    daemon: Option<Daemon>,
    // After the daemon, so that it is dropped later.
    folder: TempDir,
}

impl Service {
    /// One that does not run yet.
    fn stopped(name: &'static str, folder: TempDir, start: Start, ready: Ready) -> Self {
        Self { name, start, ready, port: free_port(), daemon: None, folder }
    }

    /// The port, which stays the same.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        let log = self.folder.path().join("log");
        let daemon = self.daemon.insert(Daemon::start((self.start)(self.port), &log));
        let began = Instant::now();
        while !(self.ready)(daemon.id(), self.port) {
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "{} does not get ready; its log:\n{}", self.name, log());
            // What a killed server has left behind may be in use for a moment longer than it itself.
            if daemon.has_ended() {
                *daemon = Daemon::start((self.start)(self.port), &self.folder.path().join("log"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stops all of it in the middle of whatever it does: connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) {
        self.running().freeze();
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.running().thaw();
    }

    /// As `kill -9` of all its processes.
    pub(crate) fn kill(&mut self) {
        drop(self.daemon.take().expect("it runs"));
    }

    fn running(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }
}

/// A loopback port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}
