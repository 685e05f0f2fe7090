//! Requests byte by byte, as no HTTP library would send them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::PATIENCE;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: String,
    head: Vec<u8>,
    body: Vec<u8>,
    sized: bool,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Answers to HEAD have none.
    pub(super) body_is_omitted: bool,
}

impl Request {
    pub(super) fn new(method: &str, target: impl Into<Vec<u8>>) -> Self {
        let mut head = format!("{method} ").into_bytes();
        head.extend(target.into());
        head.extend(b" HTTP/1.1\r\nhost: togglebox\r\nconnection: close\r\n");
        Self { method: method.to_owned(), head, body: Vec::new(), sized: false }
    }

    /// Exactly these bytes.
    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { method: String::new(), head: Vec::new(), body: bytes.into(), sized: true }
    }

    pub(super) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend(name.as_bytes());
        self.head.extend(b": ");
        self.head.extend(value.as_ref());
        self.head.extend(b"\r\n");
        self.sized |= name == "content-length" || name == "transfer-encoding";
        self
    }

    /// With a body, and its length unless a header says otherwise.
    pub(super) fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: bytes.into(), ..self }
    }

    pub(super) fn json(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(bytes)
    }

    /// Sends it over a connection of its own, and reads the whole answer.
    pub(super) async fn send(mut self, to: SocketAddr) -> Result<Answer, String> {
        if !self.sized {
            self = self.clone().header("content-length", self.body.len().to_string());
        }
        if !self.head.is_empty() {
            self.head.extend(b"\r\n");
        }
        let exchange = async {
            let mut stream = TcpStream::connect(to).await.map_err(|error| format!("no connection: {error}"))?;
            let (mut from, mut into) = stream.split();
            let send = async {
                // A server may answer, and close, before it has read everything.
                let _ = into.write_all(&self.head).await;
                let _ = into.write_all(&self.body).await;
            };
            let receive = async {
                let (mut bytes, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
                loop {
                    let read = from.read(&mut chunk).await;
                    bytes.extend_from_slice(&chunk[..*read.as_ref().unwrap_or(&0)]);
                    let ended = !matches!(read, Ok(1..));
                    match Answer::parse(&bytes, self.method == "HEAD") {
                        // Without a length, the end of the connection is the end of the answer; and only there it shows that an
                        // answer to HEAD has no body.
                        Some(answer) if ended || answer.has_length() => return Ok(answer),
                        _ if ended => return Err(format!("no answer but {:?} ({read:?})", String::from_utf8_lossy(&bytes))),
                        _ => {}
                    }
                }
            };
            // What is still to be sent when the answer is there is of no interest to either side.
            tokio::pin!(send, receive);
            tokio::select! {
                answer = &mut receive => answer,
                () = &mut send => receive.await,
            }
        };
        timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

impl Answer {
    /// `None` when it is cut off.
    fn parse(bytes: &[u8], body_is_omitted: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())))
            .collect::<Option<_>>()?;
        let answer = Self { status, headers, body: bytes[end + 4..].to_vec(), body_is_omitted };
        let length = answer.header("content-length").map(str::parse::<usize>);
        let whole = match length {
            _ if body_is_omitted => answer.body.is_empty(),
            Some(length) => length.ok()? == answer.body.len(),
            None => answer.body.is_empty() || answer.header("transfer-encoding").is_some(),
        };
        whole.then_some(answer)
    }

    fn has_length(&self) -> bool {
        self.header("content-length").is_some() && !self.body_is_omitted
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
