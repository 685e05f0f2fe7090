//! Whether a workspace has requests left in the month.
//!
//! What people do to flags and configs stops first, when everything that the plan includes is used; what clients do, a tenth later, for
//! that is what others see. Accounts, members, usage and the way out are always open.

use std::time::Duration;

use togglebox_core::Timestamp;
use togglebox_metering::{Check, Period, Quota};

use crate::api::Api;
use crate::error::{ApiError, Code, Result};
use crate::route::{Access, Route, RouteClass};
use crate::visit::Visit;

/// From how many percent of the limit on a check warns.
const WARN_PERCENT: u16 = 80;

/// Clients are not told to wait longer than this: another plan counts at once.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What of a workspace is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Management,
    Clients,
}

/// Lets a request of somebody who was let in through, unless it is one too many.
pub(crate) fn expect_room(api: &Api, visit: &Visit, route: &Route, now: Timestamp) -> Result<()> {
    let (Some(metering), Some(included)) = (api.metering(), visit.requests_at_most()) else { return Ok(()) };
    let Some(part) = part(route) else { return Ok(()) };
    let limit = match part {
        Part::Management => included,
        Part::Clients => included.saturating_add(included / 10),
    };
    let quota = Quota { limit, period: Period::MONTH, warn_percent: WARN_PERCENT };
    let Check::Deny { used, resets_at, .. } = metering.month().check(visit.tenant, &quota, 1, now) else { return Ok(()) };
    let error = ApiError::new(Code::ApiLimitExceeded, "The workspace has made all requests that its plan includes in this month");
    let error = error.with_meta("usage", used).with_meta("limit", included).with_meta("resetsAt", resets_at.to_string());
    let wait = resets_at.since(now).clamp(Duration::from_secs(1), LONGEST_WAIT);
    Err(error.retry_after(wait.as_secs()))
}

fn part(route: &Route) -> Option<Part> {
    match route.class {
        RouteClass::Evaluation | RouteClass::Statistics => Some(Part::Clients),
        RouteClass::Read if route.access == Access::Conditional => Some(Part::Clients),
        _ if route.path.starts_with("/api/v1/internal/platforms") => Some(Part::Management),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn what_is_about_people_and_money_is_never_limited() {
        let of = |id: &str| routes::table().iter().find(|route| route.id == id).map(part).unwrap();
        assert_eq!(of("getHealth"), None);
        let all = routes::table();
        let paths = |wanted| all.iter().filter(move |route| part(route) == Some(wanted)).map(|route| route.path);
        assert!(paths(Part::Management).count() > 10 && paths(Part::Clients).count() > 5);
        for open in ["/auth", "/users", "/api-keys", "/internal/api-keys", "/internal/users", "/internal/audit"] {
            let limited = all.iter().find(|route| route.path.starts_with(&format!("/api/v1{open}")) && part(route).is_some());
            assert!(limited.is_none(), "{:?}", limited.map(|route| route.path));
        }
    }
}
