//! Workspaces, as billing makes them and gives them what is paid for.

use std::sync::Arc;

use async_trait::async_trait;
use togglebox_billing::{Entitlement, Mode, PortError, PortResult, Profile, Reservation, Reserved, Tenants, UsagePeriod};
use togglebox_core::{Actor, Clock, Email, TenantId};
use togglebox_multitenancy::manage::{Entitled, NewTenant, Tenancy, TenancyError};
use togglebox_multitenancy::{InvalidPlanName, Person, PlanName, Subdomain, TenantName, Unpaid};

/// The register of workspaces.
#[derive(Debug)]
pub(super) struct Workspaces {
    tenancy: Arc<Tenancy>,
    clock: Arc<dyn Clock>,
}

impl Workspaces {
    pub(super) const fn new(tenancy: Arc<Tenancy>, clock: Arc<dyn Clock>) -> Self {
        Self { tenancy, clock }
    }
}

/// What does not fail for what was asked can be asked again.
fn trouble(error: TenancyError) -> PortError {
    match error {
        TenancyError::Store(_) | TenancyError::Conflict { .. } => PortError::Unavailable(error.into()),
        error => PortError::Refused(error.into()),
    }
}

#[async_trait]
impl Tenants for Workspaces {
    async fn reserve(&self, reservation: &Reservation) -> PortResult<Reserved> {
        let new = match new_tenant(reservation) {
            Ok(new) => new,
            Err(why) => return Ok(Reserved::Refused(why)),
        };
        match self.tenancy.create(&Actor::system(), new).await {
            Ok(_) => Ok(Reserved::Kept),
            // The id is this sign-up's own: it was given up.
            Err(TenancyError::SubdomainTaken(_) | TenancyError::SubdomainQuarantined(_) | TenancyError::IdTaken) => {
                Ok(Reserved::Taken)
            }
            Err(error @ (TenancyError::Subdomain(_) | TenancyError::UnknownPlan(_))) => Ok(Reserved::Refused(error.to_string())),
            Err(error) => Err(trouble(error)),
        }
    }

    async fn entitle(&self, tenant: TenantId, entitlement: &Entitlement) -> PortResult<bool> {
        let plan = entitlement.plan.as_deref().map(str::parse::<PlanName>).transpose();
        let since = || entitlement.restricted_since.unwrap_or_else(|| self.clock.now());
        let entitled = Entitled {
            plan: plan.map_err(|error| PortError::Refused(error.into()))?,
            past_due_since: entitlement.past_due_since,
            restricted: match entitlement.mode {
                Mode::Full | Mode::Overdue => None,
                Mode::ReadOnly => Some(Unpaid::ReadOnly(since())),
                Mode::NotYet => Some(Unpaid::Reserved(since())),
                Mode::Closed => Some(Unpaid::Closed(since())),
            },
            customer: entitlement.customer.as_deref().map(str::to_owned),
            subscription: entitlement.subscription.as_deref().map(str::to_owned),
            period_end: entitlement.period_end,
            usage: entitlement.usage.as_ref().map(usage_period).transpose().map_err(|error| PortError::Refused(error.into()))?,
        };
        match self.tenancy.entitle(tenant, &Actor::system(), &entitled).await {
            Ok(_) => Ok(true),
            Err(TenancyError::TenantNotFound) => Ok(false),
            Err(error) => Err(trouble(error)),
        }
    }

    async fn discard(&self, tenant: TenantId) -> PortResult<()> {
        match self.tenancy.discard(tenant, &Actor::system()).await {
            Ok(()) | Err(TenancyError::NotReserved) => Ok(()),
            Err(error) => Err(trouble(error)),
        }
    }

    async fn profile(&self, tenant: TenantId) -> PortResult<Option<Profile>> {
        match self.tenancy.tenant(tenant).await {
            Ok(tenant) if tenant.standing.is_purged() => Ok(None),
            Ok(tenant) => Ok(Some(Profile {
                name: tenant.name.as_str().into(),
                subdomain: tenant.subdomain.as_str().into(),
                plan: tenant.plan.as_str().into(),
            })),
            Err(TenancyError::TenantNotFound) => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }
}

/// The same, as the register has it.
fn usage_period(usage: &UsagePeriod) -> Result<togglebox_multitenancy::UsagePeriod, InvalidPlanName> {
    let plans = usage.plans.iter().map(|plan| plan.parse()).collect::<Result<_, _>>()?;
    Ok(togglebox_multitenancy::UsagePeriod { from: usage.from, until: usage.until, plans })
}

/// What is to be made; why not, for whoever signs up.
fn new_tenant(reservation: &Reservation) -> Result<NewTenant, String> {
    let Reservation { tenant, name, subdomain, plan, owner, email } = reservation;
    Ok(NewTenant {
        name: TenantName::new(name).map_err(|error| error.to_string())?,
        subdomain: subdomain.parse::<Subdomain>().map_err(|error| error.to_string())?,
        plan: Some(plan.parse::<PlanName>().map_err(|error| error.to_string())?),
        owner: Person { user: *owner, email: Email::new(email).map_err(|error| error.to_string())? },
        id: Some(*tenant),
        unpaid: true,
    })
}

#[cfg(test)]
mod tests;
