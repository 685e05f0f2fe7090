//! One POST over plain HTTP/1.1: a client of a few lines, since a receiver under test needs no more.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::Delivery;

/// A receiver that hangs counts as one that refused. Real time: only there so that a test ends.
const LIMIT: Duration = Duration::from_secs(20);

/// Whether the receiver answered with 2xx.
pub(crate) async fn post(url: &str, delivery: &Delivery) -> bool {
    let attempt = tokio::time::timeout(LIMIT, status(url, delivery)).await;
    matches!(attempt, Ok(Some(200..=299)))
}

async fn status(url: &str, delivery: &Delivery) -> Option<u16> {
    let (authority, path) = split(url)?;
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in &delivery.headers {
        // Writing to a string cannot fail.
        let _ = write!(request, "{name}: {value}\r\n");
    }
    let _ = write!(request, "Content-Length: {}\r\n\r\n", delivery.body.len());
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.write_all(&delivery.body).await.ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    let status = line.split(' ').nth(1)?.parse().ok();
    // To the end, so that the receiver is not cut off while it answers.
    let _ = reader.read_to_end(&mut Vec::new()).await;
    status
}

fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let path = &rest[end..];
    Some((&rest[..end], if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_path() {
        assert_eq!(split("http://127.0.0.1:80/a?b"), Some(("127.0.0.1:80", "/a?b")));
        assert_eq!(split("http://host"), Some(("host", "/")));
        assert_eq!(split("https://host"), None);
    }
}
