//! Redis servers: the one that all tests share, and those that a test stops and kills.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::told::variable;

/// The address of the shared server.
pub(super) fn shared() -> Option<String> {
    variable("TOGGLEBOX_TEST_REDIS")
}

/// A prefix that no other test uses, of this run or another.
pub(super) fn prefix() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// A server of the test's own, on a port that stays the same.
#[derive(Debug)]
pub(super) struct Server {
    program: String,
    port: u16,
    password: Option<&'static str>,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// One that does not run yet.
    pub(super) fn stopped() -> Option<Self> {
        let program = variable("TOGGLEBOX_TEST_REDIS_SERVER")?;
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Some(Self { program, port, password: None, folder: tempfile::tempdir().unwrap(), child: None })
    }

    pub(super) fn running() -> Option<Self> {
        let mut server = Self::stopped()?;
        server.start();
        Some(server)
    }

    /// One that lets in whoever knows the password.
    pub(super) fn locked(password: &'static str) -> Option<Self> {
        let mut server = Self::stopped()?;
        server.password = Some(password);
        server.start();
        Some(server)
    }

    pub(super) fn address(&self) -> String {
        let credentials = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{credentials}127.0.0.1:{}", self.port)
    }

    pub(super) fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(self.folder.path());
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it in the middle of whatever it does: connections stay open, and nothing answers.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Also one that is frozen ends by this.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
