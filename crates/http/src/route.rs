//! The route table: the one place that says what the API consists of, who may call what, and what it answers.
//!
//! The router, the gate, the API description and the tests that go through "every route" are made from it.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::Method;
use togglebox_auth::Permission;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::body;
use crate::call::{Call, Read, ReadEnvironment};
use crate::error::Result;
use crate::reply::{Caching, Reply};

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Reply>>>>;

/// How a route answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    /// By whatever it takes.
    Waits(fn(Call) -> Answer),
    /// From the environment that the path's first two parameters name (`None`: there is no such one) and nothing else. As it waits
    /// for nothing, neither does its caller while the environment is in memory: that is the hot path.
    Reads(fn(&Read<'_>, Option<ReadEnvironment<'_>>) -> Result<Reply>),
}

/// Turns an `async fn(Call) -> Result<Reply>` into a [`Handler`].
macro_rules! handler {
    ($f:path) => {
        crate::route::Handler::Waits(|call| Box::pin($f(call)))
    };
}
pub(crate) use handler;

/// What kind of thing a route does: what limits tell routes apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RouteClass {
    /// Says whether the service lives, or what it is. Never limited.
    Service,
    /// Reads something.
    Read,
    /// Evaluates a flag, or assigns to an experiment.
    Evaluation,
    /// Reports figures. Its clients give up what they are told not to send: it is never denied with a 429, but with a 503.
    Statistics,
    /// Changes something.
    Write,
    /// Signs in.
    Login,
    /// Makes an account.
    Register,
    /// Asks for a mail that resets a password.
    PasswordReset,
    /// Takes out all that a workspace has.
    #[cfg(feature = "cloud")]
    Export,
    /// Is about what a workspace pays: mostly, the payment service is asked.
    #[cfg(feature = "cloud")]
    Billing,
    /// Is told something by another service. What comes with a good signature is never limited; the rest is, where that is known.
    #[cfg(feature = "cloud")]
    Webhook,
}

impl RouteClass {
    /// Its name in policies.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Read => "read",
            Self::Evaluation => "evaluation",
            Self::Statistics => "statistics",
            Self::Write => "write",
            Self::Login => "login",
            Self::Register => "register",
            Self::PasswordReset => "password-reset",
            #[cfg(feature = "cloud")]
            Self::Export => "export",
            #[cfg(feature = "cloud")]
            Self::Billing => "billing",
            #[cfg(feature = "cloud")]
            Self::Webhook => "webhook",
        }
    }
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// Anybody, unless authentication is switched on: then every valid credential.
    Conditional,
    /// A signed-in user; not a key.
    User,
    /// A signed-in person in the role of admin; not a key. On the central host those are the operator's people.
    #[cfg_attr(not(feature = "cloud"), expect(dead_code, reason = "there is no operator but the only tenant's admin"))]
    Operator,
    /// A signed-in admin of the workspace; not a key.
    #[cfg_attr(not(feature = "cloud"), expect(dead_code, reason = "nothing is paid for"))]
    Admin,
    /// Every credential that has this permission.
    Permission(Permission),
}

/// How a body is read.
#[cfg(feature = "cloud")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As a document.
    Document,
    /// As it comes, byte by byte.
    Bytes,
}

/// A query parameter, for the description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

/// A schema and those that it refers to, for the description.
#[derive(Clone, Copy)]
pub(crate) struct SchemaOf {
    pub(crate) name: fn() -> String,
    pub(crate) schema: fn() -> RefOr<Schema>,
    pub(crate) others: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl SchemaOf {
    fn of<T: ToSchema>() -> Self {
        Self { name: || T::name().into_owned(), schema: T::schema, others: T::schemas }
    }
}

impl std::fmt::Debug for SchemaOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.name)())
    }
}

/// What a success looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// The envelope with `data`.
    One(SchemaOf),
    /// The envelope with a list in `data`, and `meta` where there is any.
    Many(SchemaOf, Option<SchemaOf>),
    /// The envelope with a message and no `data`.
    Message,
    /// A body of its own.
    Bare(SchemaOf),
    /// No body.
    Empty,
    /// Not JSON.
    Text(&'static str),
    /// A file that is told as it comes.
    #[cfg(feature = "cloud")]
    Download(&'static str),
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    pub(crate) class: RouteClass,
    /// Whether it stays open to those who owe something: what they pay with, and what comes before it.
    pub(crate) stays_open: bool,
    /// Whether it is of somebody who has to pay, and may be refused for that.
    pub(crate) is_charged: bool,
    pub(crate) caching: Caching,
    /// The largest body, in bytes; `None` when the body is not read.
    pub(crate) body_limit: Option<usize>,
    pub(crate) handler: Handler,
    pub(crate) query: &'static [Parameter],
    pub(crate) body: Option<SchemaOf>,
    /// How its body is read.
    #[cfg(feature = "cloud")]
    pub(crate) reading: Reading,
    /// Whether a missing body is a mistake, rather than one without members.
    pub(crate) body_required: bool,
    pub(crate) status: u16,
    pub(crate) shape: Shape,
    /// What another success looks like, and its status.
    #[cfg(feature = "cloud")]
    pub(crate) or: Option<(u16, SchemaOf)>,
    /// Statuses of errors that are particular to this route (those of every route are not listed).
    pub(crate) errors: &'static [u16],
}

impl Route {
    fn new(method: Method, path: &'static str, id: &'static str, access: Access, handler: Handler) -> Self {
        Self {
            class: if method == Method::GET { RouteClass::Read } else { RouteClass::Write },
            method,
            path,
            id,
            summary: "",
            access,
            stays_open: false,
            is_charged: false,
            caching: if path.starts_with("/api/v1/internal") { Caching::Never } else { Caching::Silent },
            body_limit: None,
            handler,
            query: &[],
            body: None,
            #[cfg(feature = "cloud")]
            reading: Reading::Document,
            body_required: false,
            status: 200,
            shape: Shape::Message,
            #[cfg(feature = "cloud")]
            or: None,
            errors: &[],
        }
    }

    pub(crate) fn get(path: &'static str, id: &'static str, access: Access, handler: Handler) -> Self {
        Self::new(Method::GET, path, id, access, handler)
    }

    /// A POST; reads a body of up to 10 MiB.
    pub(crate) fn post(path: &'static str, id: &'static str, access: Access, handler: Handler) -> Self {
        Self { body_limit: Some(body::MAX_BYTES), ..Self::new(Method::POST, path, id, access, handler) }
    }

    /// A PUT; reads a body of up to 10 MiB.
    pub(crate) fn put(path: &'static str, id: &'static str, access: Access, handler: Handler) -> Self {
        Self { body_limit: Some(body::MAX_BYTES), ..Self::new(Method::PUT, path, id, access, handler) }
    }

    /// A PATCH; reads a body of up to 10 MiB.
    pub(crate) fn patch(path: &'static str, id: &'static str, access: Access, handler: Handler) -> Self {
        Self { body_limit: Some(body::MAX_BYTES), ..Self::new(Method::PATCH, path, id, access, handler) }
    }

    pub(crate) fn delete(path: &'static str, id: &'static str, access: Access, handler: Handler) -> Self {
        Self { status: 204, shape: Shape::Empty, ..Self::new(Method::DELETE, path, id, access, handler) }
    }

    /// One sentence for people.
    pub(crate) fn about(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// The same route with another answer.
    #[cfg(feature = "cloud")]
    pub(crate) fn answered_by(self, handler: Handler) -> Self {
        Self { handler, ..self }
    }

    /// What kind of thing it does, where its method does not tell.
    pub(crate) fn class(self, class: RouteClass) -> Self {
        Self { class, ..self }
    }

    /// Is of somebody who has to pay.
    #[cfg(feature = "cloud")]
    pub(crate) fn charged(self) -> Self {
        Self { is_charged: self.class != RouteClass::Service, ..self }
    }

    /// Stays open to those who owe something, whatever that closes: they pay with it, or come to where they pay.
    pub(crate) fn stays_open(self) -> Self {
        Self { stays_open: true, ..self }
    }

    /// Nothing in its body is long.
    pub(crate) fn small(self) -> Self {
        Self { body_limit: Some(body::SMALL_BYTES), ..self }
    }

    /// Clients and caches may keep the answer if they ask again.
    pub(crate) fn revalidated(self) -> Self {
        Self { caching: Caching::Revalidate, ..self }
    }

    /// Nobody may keep the answer.
    pub(crate) fn uncached(self) -> Self {
        Self { caching: Caching::Never, ..self }
    }

    pub(crate) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    /// What its body must be like.
    pub(crate) fn takes<T: ToSchema>(self) -> Self {
        Self { body: Some(SchemaOf::of::<T>()), body_required: true, ..self }
    }

    /// What its body is like, if there is one: none says as much as one without members.
    pub(crate) fn may_take<T: ToSchema>(self) -> Self {
        Self { body_required: false, ..self.takes::<T>() }
    }

    /// Takes what the body must be like byte by byte, at most so many.
    #[cfg(feature = "cloud")]
    pub(crate) fn takes_bytes<T: ToSchema>(self, most: usize) -> Self {
        Self { reading: Reading::Bytes, body_limit: Some(most), ..self.takes::<T>() }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn one<T: ToSchema>(self) -> Self {
        Self { shape: Shape::One(SchemaOf::of::<T>()), ..self }
    }

    /// Or something else, with another status.
    #[cfg(feature = "cloud")]
    pub(crate) fn or<T: ToSchema>(self, status: u16) -> Self {
        Self { or: Some((status, SchemaOf::of::<T>())), ..self }
    }

    pub(crate) fn many<T: ToSchema>(self) -> Self {
        Self { shape: Shape::Many(SchemaOf::of::<T>(), None), ..self }
    }

    pub(crate) fn paged<T: ToSchema, M: ToSchema>(self) -> Self {
        Self { shape: Shape::Many(SchemaOf::of::<T>(), Some(SchemaOf::of::<M>())), ..self }
    }

    pub(crate) fn bare<T: ToSchema>(self) -> Self {
        Self { shape: Shape::Bare(SchemaOf::of::<T>()), ..self }
    }

    pub(crate) fn message(self) -> Self {
        Self { status: 200, shape: Shape::Message, ..self }
    }

    pub(crate) fn text(self, content_type: &'static str) -> Self {
        Self { shape: Shape::Text(content_type), ..self }
    }

    /// A file of this type.
    #[cfg(feature = "cloud")]
    pub(crate) fn download(self, content_type: &'static str) -> Self {
        Self { shape: Shape::Download(content_type), ..self }
    }

    pub(crate) fn errors(self, errors: &'static [u16]) -> Self {
        Self { errors, ..self }
    }
}
