//! Tenants of an axum service: `cargo run -p togglebox-multitenancy --example tenants_axum`, and then
//!
//! ```sh
//! for host in acme.localtest globex.localtest flags.acme.test nobody.localtest; do curl -s -H "Host: $host" localhost:3002; done
//! ```

mod support;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::HOST};
use axum::routing::get;
use support::Workspace;
use togglebox_multitenancy::{HostRules, ResolveError, Resolver};

type Tenants = Arc<(HostRules, Resolver<Workspace>)>;

/// Whom a request is for. To the client, a host that is nobody's and one that cannot be are the same.
async fn tenant(tenants: &Tenants, headers: &HeaderMap) -> Result<Arc<Workspace>, StatusCode> {
    let host = headers.get(HOST).and_then(|host| tenants.0.read(host.as_bytes()).ok()).ok_or(StatusCode::NOT_FOUND)?;
    let found = tenants.1.resolve(host.key().ok_or(StatusCode::NOT_FOUND)?).await.map_err(|error| match error {
        ResolveError::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    })?;
    Ok(found.entry)
}

async fn hello(State(tenants): State<Tenants>, headers: HeaderMap) -> Result<String, StatusCode> {
    Ok(format!("Hello, {}\n", tenant(&tenants, &headers).await?.name))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tenants = Arc::new((HostRules::new("localtest")?, support::resolver()));
    let app = Router::new().route("/", get(hello)).with_state(tenants);
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3002").await?, app).await?;
    Ok(())
}
