//! The parts of the description that operations refer to.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, SchemaFormat, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ArrayBuilder, ComponentsBuilder, Header, ObjectBuilder, OneOfBuilder, Ref, RefOr, Response, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::Code;
use crate::route::SchemaOf;

/// Name of the security scheme of sign-in tokens.
pub(super) const TOKEN: &str = "token";
/// Name of the security scheme of API keys.
pub(super) const API_KEY: &str = "apiKey";
/// Name of the schema of every error.
pub(super) const ERROR: &str = "Error";

/// What was referred to so far.
#[derive(Default)]
pub(super) struct Components {
    schemas: BTreeMap<String, RefOr<Schema>>,
    responses: BTreeMap<String, Response>,
    clashes: Vec<String>,
}

impl Components {
    /// A reference to a route's schema, which is kept with all that it refers to.
    pub(super) fn refer(&mut self, schema: &SchemaOf) -> Ref {
        let name = (schema.name)();
        let reference = Ref::from_schema_name(&name);
        let mut others = Vec::new();
        (schema.others)(&mut others);
        self.keep(name, (schema.schema)());
        for (name, schema) in others {
            self.keep(name, schema);
        }
        reference
    }

    /// A reference to the schema of a value.
    pub(super) fn value<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.keep(T::name().into_owned(), T::schema());
        Ref::from_schema_name(T::name()).into()
    }

    /// A reference to a response, which is made when it is new.
    pub(super) fn response(&mut self, name: &str, make: impl FnOnce() -> Response) -> Ref {
        if !self.responses.contains_key(name) {
            self.responses.insert(name.to_owned(), make());
        }
        Ref::from_response_name(name)
    }

    fn keep(&mut self, name: String, schema: RefOr<Schema>) {
        match self.schemas.get(&name) {
            None => {
                self.schemas.insert(name, schema);
            }
            Some(known) if *known == schema => {}
            Some(_) => self.clashes.push(name),
        }
    }

    /// Everything that was kept, and the names that were taken twice.
    pub(super) fn finish(mut self) -> (utoipa::openapi::Components, Vec<String>) {
        self.keep(ERROR.to_owned(), error());
        let mut builder = ComponentsBuilder::new()
            .security_scheme(TOKEN, SecurityScheme::Http(token()))
            .security_scheme(API_KEY, SecurityScheme::ApiKey(api_key()));
        for (name, schema) in self.schemas {
            builder = builder.schema(name, schema);
        }
        for (name, response) in self.responses {
            builder = builder.response(name, response);
        }
        (builder.build(), self.clashes)
    }
}

fn token() -> Http {
    HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The token that signing in answers with."))
        .build()
}

fn api_key() -> ApiKey {
    ApiKey::Header(ApiKeyValue::with_description("X-API-Key", "A key that was made under `/api-keys`."))
}

/// A header of answers.
pub(super) fn header(schema: impl Into<RefOr<Schema>>, about: &str) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

pub(super) fn timestamp() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// `true` or `false`, and nothing else.
pub(super) fn exactly(value: bool) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([value]))
}

/// The body of every error.
fn error() -> RefOr<Schema> {
    let lines = ArrayBuilder::new().items(String::schema()).description(Some("As `path: message`."));
    let field = ObjectBuilder::new()
        .property("field", String::schema())
        .required("field")
        .property("message", String::schema())
        .required("message");
    let fields = ArrayBuilder::new().items(field).description(Some("In the routes of accounts."));
    let details = OneOfBuilder::new().item(lines).item(fields).description(Some("What is wrong, and where."));
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let meta = ObjectBuilder::new()
        .property("requestId", ObjectBuilder::new().schema_type(Type::String).description(Some("Finds the request in the log.")))
        .required("requestId")
        .property("requiredPermission", text("What a 403 misses."))
        .property("currentRevision", count("Where the record stands that has changed since it was read."))
        .property("limitBytes", count("The largest body that the route takes."))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    ObjectBuilder::new()
        .description(Some("What went wrong."))
        .property("success", exactly(false))
        .required("success")
        .property("error", text("For people."))
        .required("error")
        .property(
            "code",
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).description(Some("For programs.")),
        )
        .required("code")
        .property("details", details)
        .property("timestamp", timestamp())
        .required("timestamp")
        .property("meta", meta)
        .required("meta")
        .examples([json!({
            "success": false,
            "error": "Validation failed",
            "code": Code::ValidationFailed.as_str(),
            "details": ["name: Required"],
            "timestamp": "2026-01-01T00:00:00.000Z",
            "meta": { "requestId": "1767225600000-k3v9x2m1q" },
        })])
        .into()
}

fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(about))
}

fn count(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some(about))
}
