//! For whom a request is, and what is open to it there.

use std::fmt::Debug;
use std::sync::Arc;

use togglebox_core::TenantId;

use crate::error::{ApiError, Code, Result};
use crate::route::{Access, RouteClass};

/// For whom a request is.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) tenant: TenantId,
    /// How many bytes at the beginning of the path name the tenant.
    pub(crate) skip: usize,
    /// What is closed there, if anything is.
    pub(crate) closed: Option<Arc<Closed>>,
    /// What is known of the tenant, where there are several.
    pub(crate) known: Option<Arc<dyn Known>>,
}

/// What is known of a tenant.
pub(crate) trait Known: Debug + Send + Sync {
    /// What its people call it, as in its address: for the log. `None` where that is not known.
    fn label(&self) -> Option<&str>;

    /// How many requests it may make in a month; `None` when as many as it likes.
    #[cfg(feature = "cloud")]
    fn requests_at_most(&self) -> Option<u64>;
}

/// What a tenant's standing closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The tenant's status, in the word of the wire.
    pub(crate) status: &'static str,
    /// Why, in words that its people may read.
    pub(crate) reason: Option<String>,
    /// Whether what clients do is closed as well, and not only what people do.
    pub(crate) evaluation: bool,
}

impl Visit {
    /// To the only tenant of the open-source server.
    pub(crate) const ONLY: Self = Self::of(TenantId::DEFAULT);

    /// To a tenant that its host names.
    pub(crate) const fn of(tenant: TenantId) -> Self {
        Self { tenant, skip: 0, closed: None, known: None }
    }

    /// What the log calls the tenant; `None` where there is only one, it is the deployment itself, or its name is not known.
    pub(crate) fn label(&self) -> Option<&str> {
        self.known.as_deref().and_then(Known::label)
    }

    /// How many requests the tenant may make in a month; `None` when as many as it likes.
    #[cfg(feature = "cloud")]
    pub(crate) fn requests_at_most(&self) -> Option<u64> {
        self.known.as_deref()?.requests_at_most()
    }

    /// The path as routes know it.
    pub(crate) fn path<'p>(&self, path: &'p str) -> &'p str {
        match path.get(self.skip..) {
            Some("") | None => "/",
            Some(rest) => rest,
        }
    }

    /// Lets whoever may call a route through, unless the tenant's standing closes it. Who somebody is may be asked and said at any time,
    /// and whether the service lives; and whoever has something here may take it out.
    pub(crate) fn expect_open(&self, access: Access, class: RouteClass) -> Result<()> {
        let Some(closed) = &self.closed else { return Ok(()) };
        let is_open = match access {
            _ if class == RouteClass::Service => true,
            #[cfg(feature = "cloud")]
            _ if class == RouteClass::Export => true,
            Access::Open => true,
            Access::Conditional => !closed.evaluation,
            Access::User | Access::Operator | Access::Permission(_) => false,
        };
        if is_open { Ok(()) } else { Err(closed.error()) }
    }
}

impl Closed {
    fn error(&self) -> ApiError {
        let error = ApiError::new(Code::WorkspaceClosed, "This workspace is not open: see meta for its status and the reason");
        let error = error.with_meta("status", self.status);
        match &self.reason {
            Some(reason) => error.with_meta("reason", reason.as_str()),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use togglebox_auth::Permission;

    use super::*;

    #[test]
    fn what_names_the_tenant_is_no_part_of_the_path() {
        let at = |skip, path| Visit { skip, ..Visit::ONLY }.path(path).to_owned();
        assert_eq!(at(0, "/api/v1/x"), "/api/v1/x");
        assert_eq!(at("/t/acme".len(), "/t/acme/api/v1/x"), "/api/v1/x");
        assert_eq!(at("/t/acme".len(), "/t/acme"), "/");
        assert_eq!(at(9, "/t/acme"), "/");
    }

    #[test]
    fn a_standing_closes_management_first() {
        let closed = |evaluation| Visit {
            closed: Some(Arc::new(Closed { status: "suspended", reason: Some("unpaid".to_owned()), evaluation })),
            ..Visit::ONLY
        };
        let manage = Access::Permission(Permission::ConfigWrite);
        for (visit, evaluation) in [(closed(false), true), (closed(true), false)] {
            assert!(visit.expect_open(Access::Open, RouteClass::Login).is_ok());
            assert!(visit.expect_open(Access::Conditional, RouteClass::Service).is_ok());
            assert_eq!(visit.expect_open(Access::Conditional, RouteClass::Evaluation).is_ok(), evaluation);
            for access in [manage, Access::User] {
                let error = visit.expect_open(access, RouteClass::Write).unwrap_err();
                let body: serde_json::Value = serde_json::from_slice(&error.body("now", "r-1")).unwrap();
                assert_eq!((body["code"].as_str(), body["meta"]["reason"].as_str()), (Some("WORKSPACE_CLOSED"), Some("unpaid")));
            }
        }
        assert!(Visit::ONLY.expect_open(manage, RouteClass::Write).is_ok());
    }
}
