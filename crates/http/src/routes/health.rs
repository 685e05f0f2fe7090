//! Whether the service lives, and whether it can work.

use std::sync::{Arc, LazyLock};

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::{RETRY_AFTER_S, Result};
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};
use crate::serving::Rendered;

/// The service lives.
#[derive(Serialize, ToSchema)]
struct Health {
    success: bool,
    message: &'static str,
    /// `ok`.
    status: &'static str,
    timestamp: String,
    /// Seconds since the start.
    uptime: f64,
}

/// Whether the service can work.
#[derive(Serialize, ToSchema)]
struct Readiness {
    success: bool,
    message: &'static str,
    timestamp: String,
    checks: Checks,
}

/// What the service needs.
#[derive(Serialize, ToSchema)]
struct Checks {
    /// `connected` or `disconnected`.
    database: &'static str,
}

static ROOT: LazyLock<Arc<Rendered>> = LazyLock::new(|| Rendered::of("text/html; charset=utf-8", include_str!("root.html")));

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/", "getRoot", Access::Open, handler!(root))
            .class(RouteClass::Service)
            .about("Says where things are, to people")
            .text("text/html")
            .errors(&[404]),
        Route::get("/health", "getHealth", Access::Open, handler!(health))
            .class(RouteClass::Service)
            .about("Says that the service lives")
            .bare::<Health>(),
        Route::get("/ready", "getReadiness", Access::Open, handler!(ready))
            .class(RouteClass::Service)
            .about("Says whether the service can work")
            .bare::<Readiness>()
            .errors(&[503]),
        Route::get("/api/v1/health", "getApiHealth", Access::Open, handler!(api_health))
            .class(RouteClass::Service)
            .about("Says that the service lives")
            .bare::<Health>(),
    ]
}

/// People get a page that leads on; programs get what the original says.
async fn root(call: Call) -> Result<Reply> {
    let accept = call.headers().get(actix_web::http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return Ok(Reply::rendered(&ROOT));
    }
    Ok(Reply::json(StatusCode::NOT_FOUND, br#"{"success":false,"error":"Not Found"}"#.to_vec()))
}

async fn health(call: Call) -> Result<Reply> {
    Ok(alive(&call, "ToggleBox Config Service is running"))
}

async fn api_health(call: Call) -> Result<Reply> {
    Ok(alive(&call, "Config Service is running"))
}

fn alive(call: &Call, message: &'static str) -> Reply {
    let uptime = call.now.since(call.api.started_at).as_secs_f64();
    bare(StatusCode::OK, &Health { success: true, message, status: "ok", timestamp: call.now.to_string(), uptime })
}

/// Asks the store itself; what it says stays in the log. A node that can still serve from memory stays ready without it: taking every
/// node out of rotation would turn a lost database into lost reads.
async fn ready(call: Call) -> Result<Reply> {
    let memory = &call.api.memory;
    let reachable = memory.reach(call.tenant).await;
    let ready = reachable || memory.can_serve(call.tenant);
    let (status, message) = match (reachable, ready) {
        (true, _) => (StatusCode::OK, "Service is ready"),
        (false, true) => {
            (StatusCode::OK, "Service is ready: the database does not answer; reads are served from memory, writes are refused")
        }
        (false, false) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Service not ready: the database does not answer, and there is nothing in memory to serve",
        ),
    };
    let checks = Checks { database: if reachable { "connected" } else { "disconnected" } };
    let reply = bare(status, &Readiness { success: ready, message, timestamp: call.now.to_string(), checks });
    Ok(if ready { reply } else { reply.retry_after(RETRY_AFTER_S) })
}

fn bare(status: StatusCode, body: &impl Serialize) -> Reply {
    Reply::json(status, serde_json::to_vec(body).expect("texts and numbers always serialise"))
}
