//! What operations answer with.

use actix_web::http::{Method, StatusCode};
use utoipa::PartialSchema as _;
use utoipa::openapi::schema::Type;
#[cfg(feature = "cloud")]
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{
    ArrayBuilder, Content, ContentBuilder, Header, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Responses,
    ResponsesBuilder, Schema,
};

use super::component::{Components, ERROR, exactly, header, timestamp};
use super::parameter;
use crate::error::Code;
use crate::reply::Caching;
use crate::route::{Access, Route, RouteClass, Shape};

const JSON: &str = "application/json";

/// All answers of a route.
pub(super) fn of(route: &Route, components: &mut Components) -> Responses {
    let mut answers = ResponsesBuilder::new().response(route.status.to_string(), success(route, components));
    if route.caching == Caching::Revalidate {
        answers = answers.response("304", components.response("NotModified", not_modified));
    }
    #[cfg(feature = "cloud")]
    if let Some((status, schema)) = &route.or {
        let about = if *status == 202 { "Begun; it is not done yet" } else { "Done" };
        let whole = envelope().property("data", components.refer(schema)).required("data");
        answers = answers.response(status.to_string(), answer(about).content(JSON, json(whole)));
    }
    for status in errors(route) {
        let answer = match (&route.shape, status) {
            // Says the same in its own shape, or in the few words that the contract has for it.
            (Shape::Bare(schema), 503) if route.errors.contains(&503) => {
                let schema = components.refer(schema);
                let built = answer("What the service needs is not there").header("Retry-After", seconds_to_wait());
                RefOr::T(built.content(JSON, json(schema)).build())
            }
            (Shape::Text(_), 404) => {
                RefOr::T(answer("For programs there is nothing here").content(JSON, json(nothing())).build())
            }
            _ => failure(status, components).into(),
        };
        answers = answers.response(status.to_string(), answer);
    }
    answers.build()
}

/// The statuses of all errors that can come of a route, in order.
fn errors(route: &Route) -> Vec<u16> {
    let gate: &[u16] = match route.access {
        Access::Open => &[],
        Access::Conditional | Access::User => &[401],
        Access::Operator | Access::Admin | Access::Permission(_) => &[401, 403],
    };
    let read: &[u16] = if route.body_limit.is_some() { &[408, 413, 415] } else { &[] };
    let checked: &[u16] = if route.body.is_some() { &[422] } else { &[] };
    // Reports are put off with a 503.
    let limited: &[u16] = if matches!(route.class, RouteClass::Service | RouteClass::Statistics) { &[] } else { &[429] };
    let owed: &[u16] = if route.is_charged { &[402] } else { &[] };
    let mut statuses = [&[400, 500, 503], gate, owed, read, checked, limited, route.errors].concat();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn success(route: &Route, components: &mut Components) -> Response {
    let mut built = answer(match route.status {
        201 => "Made",
        204 => "Done; there is nothing to show",
        _ => "Done",
    });
    let schema: RefOr<Schema> = match &route.shape {
        Shape::Empty => return built.build(),
        Shape::Text(content_type) => {
            let content = ContentBuilder::new().schema(Some(String::schema())).build();
            return built.content(*content_type, content).build();
        }
        #[cfg(feature = "cloud")]
        Shape::Download(content_type) => {
            let bytes =
                ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
            built = built.header("Content-Disposition", header(String::schema(), "What the file is to be called"));
            return built.content(*content_type, json(bytes)).build();
        }
        Shape::Bare(schema) => components.refer(schema).into(),
        Shape::Message => envelope().property("message", String::schema()).required("message").into(),
        Shape::One(schema) => {
            let about =
                ObjectBuilder::new().schema_type(Type::String).description(Some("For people, where there is something to say."));
            envelope().property("data", components.refer(schema)).required("data").property("message", about).into()
        }
        Shape::Many(schema, meta) => {
            let data = ArrayBuilder::new().items(components.refer(schema));
            let list = envelope().property("data", data).required("data");
            match meta {
                Some(meta) => list.property("meta", components.refer(meta)).required("meta").into(),
                None => list.into(),
            }
        }
    };
    if route.caching == Caching::Revalidate || parameter::names_a_revision(route) || makes_a_record(route) {
        built =
            built.header("ETag", header(String::schema(), "Names the state that is shown, for `If-None-Match` and `If-Match`"));
    }
    if route.caching == Caching::Revalidate {
        built = built.header("X-ToggleBox-Stale", header(String::schema(), "`true` when the node knows of something newer"));
    }
    built.content(JSON, json(schema)).build()
}

/// Whether a route makes something that has a revision.
fn makes_a_record(route: &Route) -> bool {
    route.method == Method::POST && route.status == 201 && route.path.starts_with("/api/v1/internal/platforms")
}

fn answer(about: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(about).header("X-Request-ID", header(String::schema(), "Finds the request in the log"))
}

fn json(schema: impl Into<RefOr<Schema>>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn envelope() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("success", exactly(true))
        .required("success")
        .property("timestamp", timestamp().description(Some("When it was answered.")))
        .required("timestamp")
}

fn not_modified() -> Response {
    answer("What the caller holds is still good").header("ETag", header(String::schema(), "Names that state")).build()
}

fn nothing() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("success", exactly(false))
        .required("success")
        .property("error", String::schema())
        .required("error")
}

fn seconds_to_wait() -> Header {
    header(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)), "Seconds to wait")
}

fn failure(status: u16, components: &mut Components) -> Ref {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let name: String = reason.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    components.response(&name, || {
        let words = Code::ALL.iter().filter(|code| code.status().as_u16() == status).map(|code| format!("`{}`", code.as_str()));
        let words: Vec<String> = words.collect();
        let mut built = answer(&format!("{reason}: {}", words.join(", ")));
        if matches!(status, 429 | 503) {
            built = built.header("Retry-After", seconds_to_wait());
        }
        if status == 401 {
            built = built.header("WWW-Authenticate", header(String::schema(), "`Bearer`"));
        }
        built.content(JSON, json(Ref::from_schema_name(ERROR))).build()
    })
}
