//! Parameters of operations: in the path, in the query, and in headers.

use actix_web::http::Method;
use utoipa::PartialSchema as _;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Required, Schema};

use super::component::Components;
use crate::reply::Caching;
use crate::route::Route;
use crate::schema::{Country, ExperimentKey, ExperimentStatus, FlagKey, FlagVersion, Language, ParameterKey, PlaceName, Role};

/// All parameters of a route.
pub(super) fn of(route: &Route, components: &mut Components) -> Vec<Parameter> {
    let mut parameters = in_path(route.path, components);
    for parameter in route.query {
        let required = if parameter.required { Required::True } else { Required::False };
        let schema = in_query(parameter.name, components);
        parameters.push(made(parameter.name, ParameterIn::Query, required, parameter.about, schema));
    }
    if route.caching == Caching::Revalidate {
        let about = "The `ETag` of what the caller holds: a 304 says that it is still good";
        parameters.push(made("If-None-Match", ParameterIn::Header, Required::False, about, String::schema()));
    }
    if names_a_revision(route) {
        let about = "The `ETag` or revision of what the caller has read: the change is refused when it is no longer that. \
                     The last writer wins without it, and with `*`";
        parameters.push(made("If-Match", ParameterIn::Header, Required::False, about, String::schema()));
    }
    if route.path.ends_with("/stats/events") {
        let about = "The same for each repetition of a batch: it counts once within a quarter of an hour";
        let key =
            ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(128)).pattern(Some("^[ -~]+$"));
        parameters.push(made("Idempotency-Key", ParameterIn::Header, Required::False, about, key.into()));
    }
    parameters
}

/// Whether a route changes a record that has a revision: something under a platform that is there already.
pub(super) fn names_a_revision(route: &Route) -> bool {
    let changes = match route.method {
        Method::PUT | Method::PATCH | Method::DELETE => true,
        Method::POST => route.path.contains("{key}/"),
        _ => false,
    };
    changes && route.path.starts_with("/api/v1/internal/platforms/") && route.errors.contains(&409)
}

fn made(name: &str, place: ParameterIn, required: Required, about: &str, schema: RefOr<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn in_path(path: &str, components: &mut Components) -> Vec<Parameter> {
    let mut before = "";
    let mut parameters = Vec::new();
    for segment in path.split('/') {
        if let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            let (about, schema) = place(name, before, components);
            parameters.push(made(name, ParameterIn::Path, Required::True, about, schema));
        }
        before = segment;
    }
    parameters
}

/// What a segment called `name` after a segment called `before` stands for.
fn place(name: &str, before: &str, components: &mut Components) -> (&'static str, RefOr<Schema>) {
    match (name, before) {
        ("platform", _) => ("The platform's name", components.value::<PlaceName>()),
        ("environment", _) => ("The environment's name", components.value::<PlaceName>()),
        ("key", "configs") => ("The parameter's key", components.value::<ParameterKey>()),
        ("key", "flags") => ("The flag's key", components.value::<FlagKey>()),
        ("key", "experiments") => ("The experiment's key", components.value::<ExperimentKey>()),
        ("version", _) => ("The version", components.value::<FlagVersion>()),
        ("id", "users" | "api-keys") => ("Its id", text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).into()),
        _ => ("Its id", String::schema()),
    }
}

/// What is expected of a query's parameter. Counts that are out of bounds are brought within them rather than refused.
fn in_query(name: &str, components: &mut Components) -> RefOr<Schema> {
    match name {
        "limit" | "perPage" => whole(1, Some(100)),
        "days" => whole(1, Some(365)),
        "page" | "maxItems" => whole(1, None),
        "offset" => whole(0, None),
        "userId" => text().min_length(Some(1)).into(),
        "country" => components.value::<Country>(),
        "language" => components.value::<Language>(),
        "status" => components.value::<ExperimentStatus>(),
        "role" => components.value::<Role>(),
        "track" | "global" => bool::schema(),
        _ => String::schema(),
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn whole(least: usize, most: Option<usize>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(most).into()
}
