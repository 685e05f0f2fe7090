//! Purging caches in front of the API.
//!
//! Reads are revalidated against the environment's revision, so nothing needs purging; the routes answer as the original does without
//! a CDN, for the admin UI and for scripts that call them.

use serde::Serialize;
use serde_json::Value;
use togglebox_auth::Permission;
use togglebox_core::input::{Issues, Reader};
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};
use crate::schema::PurgeBody;

const PURGE: &[Parameter] = &[
    Parameter { name: "global", required: false, about: "`true`: everything" },
    Parameter { name: "platform", required: false, about: "Only below this platform" },
    Parameter { name: "environment", required: false, about: "Only in this environment" },
    Parameter { name: "version", required: false, about: "Kept for clients that send it" },
];
const LIST: &[Parameter] = &[Parameter { name: "maxItems", required: false, about: "At most this many, at least 1" }];

/// A purge that was not necessary.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Purge {
    /// Always `null`: there is no CDN.
    #[schema(required)]
    invalidation_id: Option<String>,
    /// Always empty.
    paths: Vec<String>,
    /// In milliseconds.
    duration: u64,
}

/// A purge of everything that was not necessary.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GlobalPurge {
    success: bool,
    message: &'static str,
    invalidated_paths: [&'static str; 1],
    /// Always `null`: there is no CDN.
    #[schema(required)]
    invalidation_id: Option<String>,
    timestamp: String,
}

/// A purge that was not necessary, by its scope.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ScopedPurge {
    /// Always `null`: there is no CDN.
    #[schema(required)]
    invalidation_id: Option<String>,
    paths: Vec<&'static str>,
    /// `global`, `platform:x`, `platform:x/environment:y` or `platform:x/environment:y/version:z`.
    scope: String,
}

/// Past purges.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Purges {
    /// Always empty.
    invalidations: Vec<String>,
    is_truncated: bool,
    marker: String,
    #[schema(required)]
    next_marker: Option<String>,
    max_items: u64,
}

pub(super) fn routes() -> Vec<Route> {
    let purge = Access::Permission(Permission::CacheInvalidate);
    let read = Access::Permission(Permission::ConfigRead);
    vec![
        Route::post("/api/v1/internal/cache/invalidate", "purgeCache", purge, handler!(invalidate))
            .about("Purges what caches hold of a platform or environment")
            .takes::<PurgeBody>()
            .one::<Purge>(),
        Route::post("/api/v1/internal/cache/invalidate-all", "purgeCaches", purge, handler!(invalidate_all))
            .about("Purges everything that caches hold")
            .bare::<GlobalPurge>(),
        Route::get("/api/v1/internal/webhook/cache/invalidate", "purgeCacheByWebhook", purge, handler!(webhook))
            .about("Purges what caches hold, for webhooks that can only GET")
            .query(PURGE)
            .one::<ScopedPurge>()
            .errors(&[422]),
        Route::post("/api/v1/internal/webhook/cache/invalidate", "purgeCacheByWebhookPost", purge, handler!(webhook))
            .about("Purges what caches hold, for webhooks")
            .query(PURGE)
            .one::<ScopedPurge>()
            .errors(&[422]),
        Route::get("/api/v1/internal/webhook/cache/invalidations/{id}", "getPurge", read, handler!(invalidation))
            .about("Shows a past purge")
            .one::<Purge>()
            .errors(&[404]),
        Route::get("/api/v1/internal/webhook/cache/invalidations", "listPurges", read, handler!(invalidations))
            .about("Lists past purges")
            .query(LIST)
            .one::<Purges>()
            .errors(&[422]),
    ]
}

async fn invalidate(call: Call) -> Result<Reply> {
    check(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    Ok(Reply::data(call.now, &Purge { invalidation_id: None, paths: Vec::new(), duration: 0 }))
}

/// The admin UI sends any subset of platform, environment and version; an environment belongs to a platform.
fn check(body: Option<&Value>) -> Result<(), Issues> {
    let root = Reader::new(body);
    let read = root.object().and_then(|_| {
        let platform = root.field("platform").text().min(1, "Platform is required").get();
        let environment = root.field("environment").optional(|place| place.text().min(1, "Environment is required").get());
        let version = root.field("version").optional(|place| place.text().get());
        platform.zip(environment).zip(version)
    });
    root.finish(read).map(drop)
}

async fn invalidate_all(call: Call) -> Result<Reply> {
    let body = GlobalPurge {
        success: true,
        message: "Global cache invalidation initiated",
        invalidated_paths: ["/*"],
        invalidation_id: None,
        timestamp: call.now.to_string(),
    };
    Ok(Reply::json(actix_web::http::StatusCode::OK, serde_json::to_vec(&body).expect("texts always serialise")))
}

async fn webhook(call: Call) -> Result<Reply> {
    let get = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
    let invalid = |message: &'static str| Err(ApiError::new(Code::ValidationFailed, message));
    let (scope, paths) = if get("global") == Some("true") {
        ("global".to_owned(), vec!["/*"])
    } else {
        let scope = match (get("platform"), get("environment"), get("version")) {
            (None, _, _) => return invalid("Platform parameter is required when global is not true"),
            (Some(_), None, Some(_)) => return invalid("Environment parameter is required when version is specified"),
            (Some(platform), None, None) => format!("platform:{platform}"),
            (Some(platform), Some(environment), None) => format!("platform:{platform}/environment:{environment}"),
            (Some(platform), Some(environment), Some(version)) => {
                format!("platform:{platform}/environment:{environment}/version:{version}")
            }
        };
        (scope, Vec::new())
    };
    Ok(Reply::data(call.now, &ScopedPurge { invalidation_id: None, paths, scope }))
}

async fn invalidation(call: Call) -> Result<Reply> {
    Err(ApiError::not_found(format!("Invalidation {} not found", call.param(0))))
}

async fn invalidations(call: Call) -> Result<Reply> {
    let max_items = match call.query.get("maxItems").filter(|text| !text.is_empty()).map(str::parse::<u64>) {
        None => 100,
        Some(Ok(n)) if n > 0 => n,
        Some(_) => return Err(ApiError::new(Code::ValidationFailed, "maxItems must be a positive integer")),
    };
    let purges = Purges { invalidations: Vec::new(), is_truncated: false, marker: String::new(), next_marker: None, max_items };
    Ok(Reply::data(call.now, &purges))
}
