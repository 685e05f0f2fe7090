//! The description of the API: for programs, and for people.

use std::sync::{Arc, LazyLock};

use serde_json::Value;
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::Result;
use crate::openapi;
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};
use crate::serving::Rendered;

const HTML: &str = "text/html; charset=utf-8";

/// An OpenAPI 3.1 document.
#[derive(ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "describes the answer; the document is rendered directly")]
struct OpenApiDocument(Value);

/// Made when somebody first looks: it depends on nothing but the route table.
static PAGE: LazyLock<Arc<Rendered>> =
    LazyLock::new(|| Rendered::of(HTML, openapi::page(&openapi::document(&super::table(), env!("CARGO_PKG_VERSION")))));

#[cfg(test)]
pub(crate) fn page_in_memory() -> &'static Rendered {
    &PAGE
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", "getDescription", Access::Open, handler!(description))
            .class(RouteClass::Service)
            .about("Describes the API, for programs")
            .bare::<OpenApiDocument>(),
        Route::get("/docs", "getDescriptionPage", Access::Open, handler!(page))
            .class(RouteClass::Service)
            .about("Describes the API, for people")
            .text(HTML),
    ]
}

async fn description(call: Call) -> Result<Reply> {
    Ok(Reply::rendered(&call.api.openapi))
}

async fn page(_call: Call) -> Result<Reply> {
    Ok(Reply::rendered(&PAGE))
}
