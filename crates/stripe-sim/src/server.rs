//! HTTP: one connection, one task; a dropped answer is a dropped connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::api::{Answer, Ask};
use crate::clock::Clock;
use crate::control;
use crate::shared::Shared;

/// Of request bodies, in bytes.
const LIMIT: usize = 1 << 20;
/// How often the real clock is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
struct Dropped;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start(shared: Arc<Shared>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, shared)).abort_handle();
        Ok(Self { address, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Aborts all connections when this task is aborted.
    let mut connections = JoinSet::new();
    if matches!(shared.world().clock, Clock::Real { .. }) {
        connections.spawn(tick(Arc::clone(&shared)));
    }
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&shared), request));
            // An error is a client that went away, or an answer that was dropped on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// With the real clock, what becomes due happens without being asked.
async fn tick(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(TICK).await;
        shared.world().run_due();
        shared.deliver_soon();
    }
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(response(413, &[], "{}".to_owned())),
    };
    let path = head.uri.path().to_owned();
    if path.starts_with("/_sim/") {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, answer) = control::route(&shared, head.method.as_str(), &path, body).await;
        return Ok(response(status, &[("Content-Type".to_owned(), "application/json".to_owned())], format!("{answer:#}")));
    }
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let form = if head.method == Method::POST {
        String::from_utf8_lossy(&body).into_owned()
    } else {
        head.uri.query().unwrap_or_default().to_owned()
    };
    let ask = Ask {
        path,
        form,
        api_key: text(header::AUTHORIZATION.as_str()).and_then(|value| api_key(&value)),
        version: text("stripe-version"),
        key: text("idempotency-key"),
        method: head.method,
    };
    // In a task of its own: what was asked for happens even if the client does not wait.
    let answer: Option<Answer> = tokio::spawn(shared.handle(ask)).await.unwrap_or(None);
    let answer = answer.ok_or(Dropped)?;
    Ok(response(answer.status, &answer.headers, format!("{:#}", answer.body)))
}

fn response(status: u16, headers: &[(String, String)], body: String) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder.body(Full::from(body)).unwrap_or_default()
}

/// The key of `Bearer …`, or the user name of `Basic …`.
fn api_key(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let decoded = String::from_utf8(base64(rest.trim())?).ok()?;
    decoded.split_once(':').map_or(Some(decoded.clone()), |(user, _)| Some(user.to_owned()))
}

/// Standard alphabet, padding optional.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_as_bearer_or_as_user_name() {
        assert_eq!(api_key("Bearer sk_test_1").as_deref(), Some("sk_test_1"));
        assert_eq!(api_key("Basic c2tfdGVzdF8xOg==").as_deref(), Some("sk_test_1"));
        assert_eq!(api_key("nonsense"), None);
    }
}
