//! What a tenant has by what was paid for it.

use togglebox_core::{Actor, AuditRecord, TenantId, Timestamp};

use super::{Result, TRIES, Tenancy, TenancyError, differences, twice};
use crate::{Billing, Deletion, PlanName, Standing, Step, Tenant, Unpaid, UsagePeriod};

/// What the audit log calls that a reserved tenant is one from now on.
const ENTITLE: &str = "tenant.entitle";
/// That it can do less because nobody pays for it.
const RESTRICT: &str = "tenant.restrict";
/// That it has another plan.
const PLAN: &str = "tenant.plan";
/// That the payment service knows it by something else.
const BILLING: &str = "tenant.billing";
/// That a reserved tenant is given up.
const DISCARD: &str = "tenant.discard";

/// What a tenant is to have, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entitled {
    /// Its plan; `None` is the first one of the catalogue.
    pub plan: Option<PlanName>,
    /// Since when a payment has been overdue.
    pub past_due_since: Option<Timestamp>,
    /// What is restricted for that. [`Unpaid::Reserved`] means that nothing is paid for yet: a tenant that was never paid for stays
    /// reserved, with the plan that it is to have; any other one keeps its plan and all that it may do.
    pub restricted: Option<Unpaid>,
    /// The customer's id at the payment service.
    pub customer: Option<String>,
    /// The subscription's id there.
    pub subscription: Option<String>,
    /// Until when the current period is paid for.
    pub period_end: Option<Timestamp>,
    /// By what its requests are counted; `None`: by months of the calendar.
    pub usage: Option<UsagePeriod>,
}

impl Tenancy {
    /// Gives a tenant what it is to have by what was paid for it, in one act. What it has already is not written again. A suspension and a
    /// deletion stay as they are; its own limits stay, too.
    ///
    /// # Errors
    /// `UnknownPlan`, `TenantNotFound`, also when it is given up for good, `Store`.
    pub async fn entitle(&self, tenant: TenantId, actor: &Actor, entitled: &Entitled) -> Result<Tenant> {
        let plan = match &entitled.plan {
            Some(plan) => self.known(plan.clone())?,
            None => self.settings.plans.first().name.clone(),
        };
        self.amend_as(tenant, actor, named, None, |tenant| {
            if tenant.standing.is_purged() {
                return Err(TenancyError::TenantNotFound);
            }
            let is_paid = !matches!(entitled.restricted, Some(Unpaid::Reserved(_)));
            if is_paid || tenant.standing.is_reserved() {
                tenant.plan = plan.clone();
            }
            tenant.standing = tenant.standing.paid(entitled.past_due_since, entitled.restricted);
            tenant.billing = Billing {
                customer: entitled.customer.clone(),
                subscription: entitled.subscription.clone(),
                current_period_end: entitled.period_end,
                usage: entitled.usage.clone(),
            };
            Ok(())
        })
        .await
    }

    /// Gives a reserved tenant up that was never [entitled](Self::entitle): its subdomain is free from then on, for anybody, and it cannot be
    /// restored. One that is given up already, or not there, is fine. What is left of it goes as with any tenant whose grace period is over:
    /// it is among the [`ending`](Self::ending) ones, and [`end`](Self::end) removes it.
    ///
    /// Of this and an entitlement at the same time one comes first: then the tenant is not reserved, or not there, to the other.
    ///
    /// # Errors
    /// `NotReserved`, also when it is deleted: nothing is changed then; `Conflict` when others write all the time, `Store`: repeating is safe.
    pub async fn discard(&self, tenant: TenantId, actor: &Actor) -> Result<()> {
        let mut tries = TRIES;
        loop {
            let before = match self.tenant(tenant).await {
                Err(TenancyError::TenantNotFound) => return Ok(()),
                before => before?,
            };
            if before.standing.is_purged() {
                return Ok(());
            }
            let record = self.record(actor, DISCARD, &tenant);
            let standing = Standing { deletion: Some(Deletion::at_once(record.at)), ..before.standing.clone() };
            let (old, new) = differences(&before, &Tenant { standing, ..before.clone() });
            let record = AuditRecord { before: Some(old), after: Some(new), ..record };
            let written = twice(|| self.ports.tenants.discard(tenant, before.version, &record)).await;
            tries -= 1;
            match written {
                Ok(written) => {
                    self.announce(Some(&before), &written.value).await;
                    return Ok(());
                }
                Err(error) if error.is_conflict() && tries > 0 => {}
                // Somebody else has come to its end meanwhile.
                Err(error) => match TenancyError::or_absent(error, TenancyError::TenantNotFound) {
                    TenancyError::TenantNotFound => return Ok(()),
                    other => return Err(other),
                },
            }
        }
    }
}

/// What an entitlement is called in the audit log: by what weighs most of what it changes, in the words of those who change that alone.
fn named(before: &Tenant, after: &Tenant) -> &'static str {
    let (old, new) = (&before.standing, &after.standing);
    if old.is_reserved() && !new.is_reserved() {
        ENTITLE
    } else if new.unpaid.is_some() && new.unpaid != old.unpaid {
        RESTRICT
    } else if old.unpaid.is_some() && new.unpaid.is_none() || old.past_due_since.is_some() && new.past_due_since.is_none() {
        Step::Settle.as_str()
    } else if old.past_due_since != new.past_due_since {
        Step::MarkPastDue.as_str()
    } else if before.plan != after.plan {
        PLAN
    } else {
        BILLING
    }
}
