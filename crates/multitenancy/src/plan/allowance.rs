//! How many requests a tenant may make, and in what.

use togglebox_core::Timestamp;

use super::{Beyond, Limit, LimitOverrides, Limited, PlanCatalogue, PlanName};
use crate::Tenant;

/// What a tenant may make of requests, now and when its period is over. What is refused, what people see, what they are told of, and what is
/// billed go by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    beyond: Beyond,
    /// What its plan includes.
    included: Option<u64>,
    /// What the period includes that it is in by what was paid for.
    period: Option<(Timestamp, Timestamp, Option<u64>)>,
    /// Whether another such period follows.
    goes_on: bool,
}

/// What of requests counts at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// How many there may be; `None`: as many as they like.
    pub included: Option<u64>,
    /// In what, the last moment not in it; `None`: in a month of the calendar (UTC). What comes before it counts in none.
    pub period: Option<(Timestamp, Timestamp)>,
    /// What becomes of those beyond.
    pub beyond: Beyond,
}

impl PlanCatalogue {
    /// What a tenant may make of requests; `None` when its plan is not known (any more).
    ///
    /// Limits of its own count where what is beyond is refused. Where it is served, the plan's count alone, as on the bill; that is of a whole
    /// period, so they count for none of its plans when one of them is served beyond.
    pub fn allowance(&self, tenant: &Tenant) -> Option<Allowance> {
        let current = self.find(&tenant.plan)?;
        let included = self.included(&tenant.plan, &tenant.overrides)?.get();
        let period = tenant.billing.usage.as_ref().map(|usage| {
            let mut plans = usage.plans.iter().filter_map(|plan| self.find(plan));
            let is_billed = plans.any(|plan| plan.beyond == Beyond::Served);
            let own = if is_billed { &LimitOverrides::NONE } else { &tenant.overrides };
            // One that is not in the catalogue any more includes nothing.
            let of_plans = usage.plans.iter().chain([&tenant.plan]).filter_map(|plan| self.included(plan, own));
            let most = of_plans.map(Limit::get).reduce(|most, of_plan| Some(most?.max(of_plan?))).flatten();
            (usage.from, usage.until, most)
        });
        let goes_on = tenant.billing.subscription.is_some();
        Some(Allowance { beyond: current.beyond, included, period, goes_on })
    }

    /// What a plan includes in a month, of a tenant with these limits of its own.
    fn included(&self, plan: &PlanName, own: &LimitOverrides) -> Option<Limit> {
        let plan = self.find(plan)?;
        let limits = match plan.beyond {
            Beyond::Refused => own.over(&plan.limits),
            Beyond::Served => plan.limits,
        };
        Some(limits.get(Limited::RequestsPerMonth))
    }
}

impl Allowance {
    /// What counts at `now`. A period that is over is followed by the next one, a month long, as long as there is a subscription, also when
    /// nobody has told of it yet; after the last, months of the calendar follow.
    pub fn at(&self, now: Timestamp) -> Requests {
        let Self { beyond, included, .. } = *self;
        match self.period {
            Some((from, until, most)) if now < until => Requests { included: most, period: Some((from, until)), beyond },
            Some((_, until, _)) if self.goes_on => Requests { included, period: Some(until.month_at(now)), beyond },
            _ => Requests { included, period: None, beyond },
        }
    }
}

#[cfg(test)]
mod tests;
