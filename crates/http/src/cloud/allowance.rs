//! Whether a workspace has requests left in the period: of its subscription, or without one in the month of the calendar.
//!
//! What people do to flags and configs stops first, when everything that the plan includes is used; what clients do, a tenth later, for
//! that is what others see. Accounts, members, usage and the way out are always open.
//!
//! Where the quota is a hard one, both stop with the last request that is included, on all nodes together: each takes a unit, which is
//! given back unless the answer is counted.

use std::time::Duration;

use togglebox_core::{TenantId, Timestamp};
use togglebox_metering::{Check, Minute, Period, Quota, Span};
use togglebox_multitenancy::{Beyond, Requests};

use super::metering::Metering;
use crate::api::Api;
use crate::error::{ApiError, Code, Result};
use crate::failure;
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

/// What a request of a limited workspace needs.
struct Need<'m> {
    metering: &'m Metering,
    tenant: TenantId,
    /// What people are told: how many requests the plan includes.
    included: u64,
    quota: Quota,
    /// Whether none may ever go beyond.
    is_hard: bool,
}

/// `None` where nothing limits it.
fn need<'m>(api: &'m Api, visit: &Visit, route: &Route, now: Timestamp) -> Option<Need<'m>> {
    let (metering, allowance, part) = (api.metering()?, visit.allowance()?, part(route)?);
    let requests = allowance.at(now);
    let (Some(included), Beyond::Refused) = (requests.included, requests.beyond) else { return None };
    // What is used before the first full hour of a subscription counts in no period.
    if requests.period.is_some_and(|(from, _)| now < from) {
        return None;
    }
    let is_hard = visit.has_hard_quota();
    let limit = match part {
        Part::Clients if !is_hard => included.saturating_add(included / 10),
        Part::Management | Part::Clients => included,
    };
    let quota = Quota { limit, period: period(&requests), warn_percent: WARN_PERCENT };
    Some(Need { metering, tenant: visit.tenant, included, quota, is_hard })
}

/// Lets a request of somebody who was let in through, unless it is one too many. `None`: it is not known here, and somebody has to be
/// [asked](expect_room).
pub(crate) fn expect_room_now(api: &Api, visit: &mut Visit, route: &Route, now: Timestamp) -> Option<Result<()>> {
    let Some(need) = need(api, visit, route, now) else { return Some(Ok(())) };
    if !need.is_hard {
        return Some(need.room(need.metering.period().check(need.tenant, &need.quota, 1, now), now));
    }
    // One that has its unit is let in again.
    if !visit.tab.has_unit() {
        visit.tab.put(need.metering.units().take_now(need.tenant, &need.quota, now)?);
    }
    Some(Ok(()))
}

/// The same, and asks the store where it has to be asked.
pub(crate) async fn expect_room(api: &Api, visit: &mut Visit, route: &Route, now: Timestamp) -> Result<()> {
    if let Some(known) = expect_room_now(api, visit, route, now) {
        return known;
    }
    let Some(need) = need(api, visit, route, now) else { return Ok(()) };
    match need.metering.units().take(need.tenant, &need.quota, now).await.map_err(failure::store)? {
        Ok(unit) => {
            visit.tab.put(unit);
            Ok(())
        }
        Err(check) => need.room(check, now),
    }
}

impl Need<'_> {
    fn room(&self, check: Check, now: Timestamp) -> Result<()> {
        let Check::Deny { used, resets_at, .. } = check else { return Ok(()) };
        let error =
            ApiError::new(Code::ApiLimitExceeded, "The workspace has made all requests that its plan includes in this month");
        let error = error.with_meta("usage", used).with_meta("limit", self.included);
        let error = error.with_meta("resetsAt", resets_at.to_string());
        let wait = resets_at.since(now).clamp(Duration::from_secs(1), LONGEST_WAIT);
        Err(error.retry_after(wait.as_secs()))
    }
}

/// The period in which requests count.
pub(super) fn period(requests: &Requests) -> Period {
    let own = requests.period.and_then(|(from, until)| Span::new(Minute::of(from).ok()?, Minute::of(until).ok()?).ok());
    own.map_or(Period::MONTH, Period::Of)
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
