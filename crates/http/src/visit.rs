//! For whom a request is, and what is open to it there.

use std::fmt::Debug;
use std::sync::Arc;

use actix_web::http::Method;
use togglebox_core::{TenantId, Timestamp};

#[cfg(feature = "cloud")]
use crate::cloud::metering::Tab;
use crate::error::{ApiError, Code, Result};
use crate::route::{Access, Route, RouteClass};
use crate::serving::Home;

/// For whom a request is.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) tenant: TenantId,
    /// How many bytes at the beginning of the path name the tenant.
    pub(crate) skip: usize,
    /// What is closed there, if anything is.
    pub(crate) closed: Option<Arc<Closed>>,
    /// What is known of the tenant, where there are several.
    pub(crate) known: Option<Arc<dyn Known>>,
    /// What the request is counted under, where there are several.
    #[cfg(feature = "cloud")]
    pub(crate) tab: Tab,
}

/// What is known of a tenant.
pub(crate) trait Known: Debug + Send + Sync {
    /// What its people call it, as in its address: for the log. `None` where that is not known.
    fn label(&self) -> Option<&str>;

    /// How many requests it may make; `None` where that is not known.
    #[cfg(feature = "cloud")]
    fn allowance(&self) -> Option<&togglebox_multitenancy::Allowance>;

    /// Whether none of them may ever go beyond that.
    #[cfg(feature = "cloud")]
    fn has_hard_quota(&self) -> bool;

    /// Where what is served of it is in memory.
    fn home(&self) -> &Home;
}

/// What a tenant's standing closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The tenant's status, in the word of the wire.
    pub(crate) status: &'static str,
    /// Why it was stopped, in words that its people may read.
    pub(crate) reason: Option<String>,
    /// What has to be paid for, where that is what opens it.
    pub(crate) owed: Option<Owed>,
    /// Whether what changes something is closed.
    pub(crate) management: bool,
    /// Whether it cannot even be looked at.
    pub(crate) reading: bool,
    /// Whether what clients do is closed as well, and not only what people do.
    pub(crate) evaluation: bool,
    /// From when on it is, if it is not yet.
    pub(crate) evaluation_until: Option<Timestamp>,
}

/// What a tenant has not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// Nothing was ever paid: nothing is there yet.
    Everything,
    /// A payment is overdue.
    #[cfg_attr(not(feature = "cloud"), expect(dead_code, reason = "the only tenant owes nothing"))]
    Overdue,
    /// A payment was overdue for too long.
    #[cfg_attr(not(any(feature = "cloud", test)), expect(dead_code, reason = "the only tenant owes nothing"))]
    Long,
    /// It is over.
    #[cfg_attr(not(feature = "cloud"), expect(dead_code, reason = "the only tenant owes nothing"))]
    Subscription,
}

impl Visit {
    /// To the only tenant of the open-source server.
    pub(crate) const ONLY: Self = Self::of(TenantId::DEFAULT);

    /// To a tenant that its host names.
    pub(crate) const fn of(tenant: TenantId) -> Self {
        Self {
            tenant,
            skip: 0,
            closed: None,
            known: None,
            #[cfg(feature = "cloud")]
            tab: Tab::NEW,
        }
    }

    /// What the log calls the tenant; `None` where there is only one, it is the deployment itself, or its name is not known.
    pub(crate) fn label(&self) -> Option<&str> {
        self.known.as_deref().and_then(Known::label)
    }

    /// How many requests the tenant may make; `None` where that is not known.
    #[cfg(feature = "cloud")]
    pub(crate) fn allowance(&self) -> Option<&togglebox_multitenancy::Allowance> {
        self.known.as_deref()?.allowance()
    }

    /// Whether none of them may ever go beyond that.
    #[cfg(feature = "cloud")]
    pub(crate) fn has_hard_quota(&self) -> bool {
        self.known.as_deref().is_some_and(Known::has_hard_quota)
    }

    /// The path as routes know it.
    pub(crate) fn path<'p>(&self, path: &'p str) -> &'p str {
        match path.get(self.skip..) {
            Some("") | None => "/",
            Some(rest) => rest,
        }
    }

    /// Turns everybody away from a tenant that is not there yet, whoever they are: nobody can belong to it.
    pub(crate) fn expect_begun(&self, route: &Route) -> Result<()> {
        match &self.closed {
            Some(closed) if closed.owed == Some(Owed::Everything) && route.class != RouteClass::Service => Err(closed.error()),
            _ => Ok(()),
        }
    }

    /// Lets whoever may call a route through, unless the tenant's standing closes it. Who somebody is may be asked and said at any time,
    /// and whether the service lives; whoever has something here may take it out; and whoever owes something may pay it.
    pub(crate) fn expect_open(&self, route: &Route, now: Timestamp) -> Result<()> {
        let Some(closed) = &self.closed else { return Ok(()) };
        self.expect_begun(route)?;
        let is_open = match route.access {
            _ if route.class == RouteClass::Service => true,
            #[cfg(feature = "cloud")]
            _ if route.class == RouteClass::Export => true,
            Access::Open => true,
            Access::Conditional => !closed.evaluation && closed.evaluation_until.is_none_or(|until| now < until),
            _ if route.stays_open && closed.owed.is_some() => true,
            Access::User | Access::Operator | Access::Admin | Access::Permission(_) if route.method == Method::GET => {
                !closed.reading
            }
            Access::User | Access::Operator | Access::Admin | Access::Permission(_) => !closed.management,
        };
        if is_open { Ok(()) } else { Err(closed.error()) }
    }
}

impl Closed {
    pub(crate) fn error(&self) -> ApiError {
        let error = match self.owed {
            None => ApiError::new(Code::WorkspaceClosed, "This workspace is not open: see meta for its status and the reason"),
            Some(owed) => ApiError::new(Code::PaymentRequired, owed.text()),
        };
        let error = error.with_meta("status", self.status);
        match &self.reason {
            Some(reason) => error.with_meta("reason", reason.as_str()),
            None => error,
        }
    }
}

impl Owed {
    /// What to do.
    const fn text(self) -> &'static str {
        match self {
            Self::Everything => "This workspace is not open yet: complete the payment of its sign-up",
            Self::Overdue => "A payment of this workspace is overdue: pay what is open, and it goes on at once",
            Self::Long => "This workspace is read-only, because a payment is overdue: pay what is open, and it goes on at once",
            Self::Subscription => "The subscription of this workspace has ended: subscribe again, and it goes on at once",
        }
    }
}

#[cfg(test)]
mod tests {
    use togglebox_auth::Permission;

    use super::*;
    use crate::reply::Reply;
    use crate::route::handler;

    async fn nothing(_: crate::call::Call) -> Result<Reply> {
        Ok(Reply::no_content())
    }

    fn get(access: Access, class: RouteClass) -> Route {
        Route::get("/x", "x", access, handler!(nothing)).class(class)
    }

    fn post(access: Access) -> Route {
        Route::post("/x", "x", access, handler!(nothing))
    }

    const NOW: Timestamp = Timestamp::EPOCH;

    const MANAGE: Access = Access::Permission(Permission::ConfigWrite);

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
        let reason = Some("unpaid".to_owned());
        let closed = |evaluation| Visit {
            closed: Some(Arc::new(Closed { reason: reason.clone(), evaluation, ..closed(None) })),
            ..Visit::ONLY
        };
        for (visit, evaluation) in [(closed(false), true), (closed(true), false)] {
            assert!(visit.expect_open(&get(Access::Open, RouteClass::Login), NOW).is_ok());
            assert!(visit.expect_open(&get(Access::Conditional, RouteClass::Service), NOW).is_ok());
            assert_eq!(visit.expect_open(&get(Access::Conditional, RouteClass::Evaluation), NOW).is_ok(), evaluation);
            // Money does not open it.
            for route in [post(MANAGE), post(Access::User), get(MANAGE, RouteClass::Read), post(Access::User).stays_open()] {
                let body = told(&visit, &route);
                assert_eq!((body["code"].as_str(), body["meta"]["reason"].as_str()), (Some("WORKSPACE_CLOSED"), Some("unpaid")));
            }
        }
        assert!(Visit::ONLY.expect_open(&post(MANAGE), NOW).is_ok());
    }

    /// Everything, but for what `owed` leaves.
    fn closed(owed: Option<Owed>) -> Closed {
        Closed {
            status: "suspended",
            reason: None,
            owed,
            management: true,
            reading: true,
            evaluation: true,
            evaluation_until: None,
        }
    }

    fn told(visit: &Visit, route: &Route) -> serde_json::Value {
        let error = visit.expect_open(route, NOW).unwrap_err();
        serde_json::from_slice(&error.body("now", "r-1")).unwrap()
    }

    #[test]
    fn who_owes_something_looks_on_and_may_pay() {
        let owing = Closed { status: "past_due", reading: false, evaluation: false, ..closed(Some(Owed::Long)) };
        let visit = Visit { closed: Some(Arc::new(owing)), ..Visit::ONLY };
        let evaluation = get(Access::Conditional, RouteClass::Evaluation);
        for route in [get(MANAGE, RouteClass::Read), get(Access::User, RouteClass::Read), evaluation, post(Access::Open)] {
            assert!(visit.expect_open(&route, NOW).is_ok(), "{route:?}");
        }
        for access in [MANAGE, Access::User] {
            assert!(visit.expect_open(&post(access).stays_open(), NOW).is_ok());
            let body = told(&visit, &post(access));
            assert_eq!((body["code"].as_str(), body["meta"]["status"].as_str()), (Some("PAYMENT_REQUIRED"), Some("past_due")));
        }
    }

    #[test]
    fn what_clients_do_may_end_by_itself() {
        let until = NOW.plus(std::time::Duration::from_secs(1));
        let owing = Closed { evaluation: false, evaluation_until: Some(until), ..closed(Some(Owed::Long)) };
        let visit = Visit { closed: Some(Arc::new(owing)), ..Visit::ONLY };
        let evaluation = get(Access::Conditional, RouteClass::Evaluation);
        assert!(visit.expect_open(&evaluation, NOW).is_ok());
        assert_eq!(visit.expect_open(&evaluation, until).unwrap_err().code(), Code::PaymentRequired);
        assert!(visit.expect_open(&get(Access::Conditional, RouteClass::Service), until).is_ok(), "the probe");
    }

    #[test]
    fn nothing_is_open_where_nothing_was_ever_paid() {
        let visit = Visit { closed: Some(Arc::new(closed(Some(Owed::Everything)))), ..Visit::ONLY };
        let routes = [
            post(Access::Open).class(RouteClass::Login),
            post(Access::User).stays_open(),
            get(MANAGE, RouteClass::Read),
            get(Access::Conditional, RouteClass::Evaluation),
        ];
        for route in routes {
            assert_eq!(told(&visit, &route)["code"], "PAYMENT_REQUIRED", "{route:?}");
            assert!(visit.expect_begun(&route).is_err());
        }
        assert!(visit.expect_open(&get(Access::Open, RouteClass::Service), NOW).is_ok());
        #[cfg(feature = "cloud")]
        assert!(visit.expect_open(&get(Access::User, RouteClass::Export), NOW).is_err());
    }
}
