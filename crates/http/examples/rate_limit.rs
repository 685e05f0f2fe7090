//! Limits before any actix app: `cargo run -p togglebox-http --example rate_limit`, and then
//!
//! ```sh
//! for i in 1 2 3 4 5 6; do curl -si localhost:3001/ | grep -iE '^(HTTP|ratelimit|retry-after)'; done
//! ```

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::{App, HttpServer, web};
use togglebox_http::limiting::RateLimit;
use togglebox_ratelimit::{Fact, Limiter, MemoryStore, Policy, Quota, Subject};

/// By the address that the connection comes from.
fn subject(request: &ServiceRequest) -> Subject<'_> {
    let subject = Subject::of("read");
    match request.peer_addr() {
        Some(client) => subject.address(client.ip()),
        None => subject,
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quota = Quota::rate(1, Duration::from_secs(10)).burst(3)?;
    let limiter = Limiter::over(Arc::new(MemoryStore::new())).policy(Policy::new("ip", &[Fact::Address], quota)?).build()?;
    let app = move || App::new().wrap(RateLimit::new(limiter.clone(), subject)).route("/", web::get().to(|| async { "hello\n" }));
    HttpServer::new(app).bind("127.0.0.1:3001")?.run().await?;
    Ok(())
}
