//! One call of a route, as its handler sees it.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, IF_MATCH};
use serde_json::Value;
use togglebox_auth::{Principal, SignedInUser};
use togglebox_core::{Actor, Revision, TenantId, Timestamp};
use togglebox_toggles::{EnvironmentName, PlatformName, Scope};
use uuid::Uuid;

use crate::api::Api;
use crate::error::{ApiError, Code, Result};
use crate::etag::{EntityTag, Malformed, Precondition, if_match};
use crate::failure;
use crate::query::Query;
use crate::serving::{Fresh, ServedDirectory, ServedEnvironment};

/// An environment as it was read from memory, kept.
pub(crate) type KeptEnvironment = Fresh<Arc<ServedEnvironment>>;

/// An environment as it was read from memory.
pub(crate) type ReadEnvironment<'r> = Fresh<&'r ServedEnvironment>;

/// One call of a route that only looks at an environment. Everything in it is borrowed: see [`Handler::Reads`](crate::route::Handler).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'r> {
    pub(crate) api: &'r Api,
    pub(crate) tenant: TenantId,
    pub(crate) now: Timestamp,
    pub(crate) method: &'r Method,
    /// Values of the path's parameters, decoded, in order.
    pub(crate) params: &'r [Cow<'r, str>],
    pub(crate) query: &'r Query<'r>,
}

impl<'r> Read<'r> {
    /// The `index`th parameter of the path.
    ///
    /// # Panics
    /// When the route has fewer: a mistake in the route table, found by any test of the route.
    pub(crate) fn param(&self, index: usize) -> &'r str {
        &self.params[index]
    }
}

/// One call: authenticated, authorised, its body read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) tenant: TenantId,
    pub(crate) now: Timestamp,
    /// Values of the path's parameters, decoded, in order.
    pub(crate) params: Vec<Cow<'static, str>>,
    pub(crate) query: Query<'static>,
    pub(crate) body: Option<Value>,
    /// The body as it came, where the route takes it like that.
    #[cfg(feature = "cloud")]
    pub(crate) raw: Option<crate::body::Raw>,
    pub(crate) request: HttpRequest,
    pub(crate) principal: Option<Arc<Principal>>,
}

impl Call {
    /// The `index`th parameter of the path.
    ///
    /// # Panics
    /// When the route has fewer: a mistake in the route table, found by any test of the route.
    pub(crate) fn param(&self, index: usize) -> &str {
        &self.params[index]
    }

    /// The `index`th parameter of the path as an id; an error with this message where it is none: what is no id is nobody's.
    pub(crate) fn id<T: FromStr>(&self, index: usize, missing: &'static str) -> Result<T> {
        self.param(index).parse().map_err(|_| ApiError::not_found(missing))
    }

    /// The same call, as those see it that only look.
    pub(crate) fn read(&self) -> Read<'_> {
        Read {
            api: &self.api,
            tenant: self.tenant,
            now: self.now,
            method: self.request.method(),
            params: &self.params,
            query: &self.query,
        }
    }

    /// The request's headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The scope that the first two parameters name; `None` when they cannot be names, so that there can be no such environment.
    pub(crate) fn scope(&self) -> Option<Scope> {
        let (platform, environment) = (PlatformName::new(self.param(0)).ok()?, EnvironmentName::new(self.param(1)).ok()?);
        Some(Scope::new(platform, environment))
    }

    /// The body as a document.
    pub(crate) const fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// The revision that `If-Match` asks of the thing with the id `container`; `None` for whatever there is.
    pub(crate) fn expected(&self, container: Option<Uuid>) -> Result<Option<Revision>> {
        let expected = if_match(self.headers().get(IF_MATCH)).within(container);
        expected
            .map_err(|Malformed| ApiError::new(Code::BadRequest, "If-Match must be an ETag of this API, a revision number or *"))
    }

    /// The revision that `If-Match` asks of something in the environment that the first two parameters name.
    pub(crate) async fn expected_within(&self) -> Result<Option<Revision>> {
        let container = match if_match(self.headers().get(IF_MATCH)) {
            Precondition::State(_) => self.environment().await?.map(|environment| environment.value.id()),
            _ => None,
        };
        self.expected(container)
    }

    /// Who calls.
    pub(crate) fn principal(&self) -> Result<&Principal> {
        self.principal.as_deref().ok_or_else(unauthenticated)
    }

    /// Who calls, as the author of a change.
    pub(crate) fn actor(&self) -> Result<Actor> {
        self.principal().map(Principal::actor)
    }

    /// The signed-in user; a key is not one.
    pub(crate) fn user(&self) -> Result<&SignedInUser> {
        self.principal()?.signed_in().ok_or_else(unauthenticated)
    }

    /// The tenant's directory.
    pub(crate) async fn directory(&self) -> Result<Fresh<Arc<ServedDirectory>>> {
        self.api.memory.directory(self.tenant).await.map_err(failure::store)
    }

    /// The environment that the first two parameters name.
    pub(crate) async fn environment(&self) -> Result<Option<KeptEnvironment>> {
        self.api.memory.environment(self.tenant, self.param(0), self.param(1)).await.map_err(failure::store)
    }

    /// Brings what was just written into memory, and names the state that the written record is in.
    pub(crate) async fn settled(&self, scope: &Scope, container: Revision, record: Revision) -> Option<EntityTag> {
        let environment = self.api.memory.settle(self.tenant, scope, container).await?;
        Some(environment.record_tag(record))
    }
}

fn unauthenticated() -> ApiError {
    ApiError::new(Code::Unauthorized, "Authentication required")
}
