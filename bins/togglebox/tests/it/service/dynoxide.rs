//! A server of DynamoDB's protocol.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::Service;
use super::database::{Database, Kind};
use crate::engine::variable_or_skip;

impl Database {
    /// A running dynoxide; `None` where the test is to be skipped. What it acknowledges is in a file.
    pub(crate) async fn dynamodb() -> Option<Self> {
        let program = variable_or_skip("TOGGLEBOX_TEST_DYNOXIDE")?;
        let folder = tempfile::tempdir().expect("a folder for the data");
        let file = folder.path().join("data.db");
        let start = Box::new(move |port: u16| {
            let mut command = Command::new(&program);
            command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string(), "--db-path"]).arg(&file);
            command
        });
        let mut service = Service::stopped("dynoxide", folder, start, Box::new(|_, port| answers(port)));
        service.start().await;
        let endpoint = format!("http://127.0.0.1:{}", service.port());
        Some(Self { service, kind: Kind::DynamoDb { endpoint } })
    }
}

/// Whether it answers a request, in whatever way.
fn answers(port: u16) -> bool {
    let patience = Duration::from_secs(1);
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience) else {
        return false;
    };
    let request = b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let mut answer = [0; 9];
    stream.set_read_timeout(Some(patience)).is_ok()
        && stream.write_all(request).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && &answer == b"HTTP/1.1 "
}
