//! A Redis.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::Service;
use crate::engine::variable_or_skip;
use crate::server::eventually;

/// The channel that notices of changes go over.
const CHANNEL: &str = "togglebox:changes";

/// In memory only.
pub(crate) struct Redis(pub(crate) Service);

impl Redis {
    /// A running one; `None` where the test is to be skipped.
    pub(crate) async fn start() -> Option<Self> {
        let program = variable_or_skip("TOGGLEBOX_TEST_REDIS_SERVER")?;
        let folder = tempfile::tempdir().expect("a folder for its files");
        let home = folder.path().to_owned();
        let start = Box::new(move |port: u16| {
            let mut command = Command::new(&program);
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]).current_dir(&home);
            command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
            command
        });
        let ready = Box::new(|_, port| told(port, "PING").is_some_and(|answer| answer.starts_with("+PONG")));
        let mut service = Service::stopped("Redis", folder, start, ready);
        service.start().await;
        Some(Self(service))
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port())
    }

    /// What it answers to one short command.
    pub(crate) fn told(&self, command: &str) -> String {
        told(self.0.port(), command).unwrap_or_else(|| panic!("Redis does not answer {command}"))
    }

    /// Waits until so many nodes hear what the others tell.
    pub(crate) async fn has_listeners(&self, nodes: usize) {
        let (port, wanted) = (self.0.port(), format!("\r\n:{nodes}\r\n"));
        let ask = async || told(port, &format!("PUBSUB NUMSUB {CHANNEL}")).is_some_and(|answer| answer.ends_with(&wanted));
        eventually(format!("{nodes} nodes listen at Redis"), ask).await;
    }
}

/// What it answers to one short command.
fn told(port: u16, command: &str) -> Option<String> {
    let patience = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    // It closes the connection behind the answer.
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.strip_suffix("+OK\r\n")?.to_owned())
}
