//! A node that listens, and clients that do as they please on a connection.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer, rt};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::rig::Rig;

/// How long anything that is waited for may take. Far more than it does; a test that gets here fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node on a loopback port.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Listening {
    pub(crate) fn start(rig: &Rig) -> Self {
        let api = Arc::clone(&rig.api);
        Self::serving(move |config| api.routes()(config))
    }

    /// A node that answers what `mount` mounts.
    pub(crate) fn serving(mount: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = HttpServer::new(move || App::new().configure(mount.clone())).workers(1).disable_signals();
        let server = server.listen(listener).unwrap().run();
        let handle = server.handle();
        rt::spawn(server);
        Self { address, handle }
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }
}

/// A client's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer's status, head and body.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.unwrap();
    }

    /// Like [`write`](Self::write), to a server that may have hung up.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("the server reads")
    }

    /// The next answer, which must have a length.
    pub(crate) async fn hear(&mut self) -> Heard {
        self.try_hear().await.unwrap()
    }

    /// Like [`hear`](Self::hear), from a server that may hang up.
    pub(crate) async fn try_hear(&mut self) -> std::io::Result<Heard> {
        loop {
            if let Some((heard, length)) = parse(&self.read) {
                self.read.drain(..length);
                return Ok(heard);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.expect("the server answers")?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Connection {
    /// Waits until this has come.
    pub(crate) async fn until(&mut self, wanted: &str) {
        while !self.read.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.expect("the server goes on").unwrap();
            assert!(read > 0, "the server has hung up");
        }
    }

    /// All that comes until the server hangs up.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        // What is cut off may end in an error as well as in nothing.
        while timeout(PATIENCE, self.stream.read_buf(&mut self.read))
            .await
            .expect("the server hangs up")
            .is_ok_and(|read| read > 0)
        {}
        self.read
    }
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let values = head.lines().filter_map(|line| line.split_once(':'));
    values.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

fn parse(bytes: &[u8]) -> Option<(Heard, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap().to_owned();
    let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let body = bytes.get(end..end + length)?.to_vec();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((Heard { status, head, body }, end + length))
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it never came true that {what}");
        sleep(Duration::from_millis(1)).await;
    }
}
