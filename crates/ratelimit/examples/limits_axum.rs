//! Limits before an axum service: `cargo run -p togglebox-ratelimit --features tower --example limits_axum`, and then
//!
//! ```sh
//! for i in 1 2 3 4 5 6; do curl -si localhost:3001/ | grep -iE '^(HTTP|ratelimit|retry-after)'; done
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::request::Parts;
use togglebox_ratelimit::tower::RateLimitLayer;
use togglebox_ratelimit::{Fact, Limiter, MemoryStore, Policy, Quota, Subject};

/// By the address that the connection comes from.
fn subject(request: &Parts) -> Subject<'_> {
    let subject = Subject::of("read");
    match request.extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(client)) => subject.address(client.ip()),
        None => subject,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quota = Quota::rate(1, Duration::from_secs(10)).burst(3)?;
    let limiter = Limiter::over(Arc::new(MemoryStore::new())).policy(Policy::new("ip", &[Fact::Address], quota)?).build()?;
    let app = Router::new().route("/", get(|| async { "hello\n" })).layer(RateLimitLayer::new(limiter, subject));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3001").await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
