//! What is done with tenants, over the ports.
//!
//! What callers may do is checked before: these methods do what they are told, within the rules that hold for everyone. Every write
//! leaves an audit record with the tenant, and what nodes remember is announced on the [`ChangeBus`].

mod domain;
mod ending;
mod error;
mod export;
mod invite;
mod life;
mod note;
mod paid;
mod team;
mod workspace;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use togglebox_core::{
    Actor, AuditRecord, Change, ChangeBus, Clock, Entropy, EntropyExt as _, Revision, StoreErrorKind, StoreResult, TenantId,
    Timestamp, Written,
};

pub use self::domain::Recheck;
pub use self::ending::Ending;
pub use self::error::{Result, TenancyError};
pub use self::invite::Issued;
pub use self::paid::Entitled;
pub use self::workspace::{NewTenant, TenantUpdate};
use crate::store::{DomainStore, InvitationStore, MemberStore, RemainsStore, TenantChange, TenantDirectory, TenantStore};
use crate::{
    AccessPolicy, DomainName, InvitationMailer, PlanCatalogue, PlanName, RecheckPolicy, RenamePolicy, SubdomainPolicy, Tenant,
    TxtResolver, Unpaid, UsagePeriod,
};

/// How often a write without a version is tried when others write at the same time. Each failure means that another got through.
const TRIES: usize = 64;

/// What [`Tenancy`] works with.
#[derive(Clone, Debug)]
pub struct TenancyPorts {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Members.
    pub members: Arc<dyn MemberStore>,
    /// Invitations.
    pub invitations: Arc<dyn InvitationStore>,
    /// Custom domains.
    pub domains: Arc<dyn DomainStore>,
    /// What is known before the tenant is.
    pub directory: Arc<dyn TenantDirectory>,
    /// What is left of a tenant at its end.
    pub remains: Arc<dyn RemainsStore>,
    /// Where changes are announced.
    pub bus: Arc<dyn ChangeBus>,
    /// What looks up TXT records.
    pub resolver: Arc<dyn TxtResolver>,
    /// What sends invitations; without one, whoever invites hands the token over.
    pub mailer: Option<Arc<dyn InvitationMailer>>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Ids and tokens.
    pub entropy: Arc<dyn Entropy>,
}

/// The rules of [`Tenancy`].
#[derive(Clone, Debug)]
pub struct TenancySettings {
    /// The plans.
    pub plans: Arc<PlanCatalogue>,
    /// Which subdomains nobody may take.
    pub subdomains: SubdomainPolicy,
    /// How often a tenant may get another one.
    pub renames: RenamePolicy,
    /// The domains that the service itself is reached under: nobody may claim one, or one below.
    pub own_domains: Vec<DomainName>,
    /// How often the records of verified domains are looked for again, and when one is given up.
    pub rechecks: RecheckPolicy,
    /// Whether tenants may have domains of their own. If not, none leads anywhere, also none that was verified before.
    pub custom_domains: bool,
    /// What each status allows.
    pub access: AccessPolicy,
    /// How long an invitation is good.
    pub invitation_life: Duration,
    /// The most invitations of a tenant that wait at a time.
    pub invitations: usize,
    /// How long a deleted tenant can be restored.
    pub grace: Duration,
    /// How long nobody else gets a subdomain that was given up.
    pub quarantine: Duration,
}

impl Default for TenancySettings {
    /// The built-in plans; three renames within 30 days; domains looked at each day; invitations for a week, a hundred at a time; 30 days
    /// of grace, 90 of quarantine.
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        Self {
            plans: Arc::new(PlanCatalogue::default()),
            subdomains: SubdomainPolicy::default(),
            renames: RenamePolicy::default(),
            own_domains: Vec::new(),
            rechecks: RecheckPolicy::default(),
            custom_domains: true,
            access: AccessPolicy::default(),
            invitation_life: days(7),
            invitations: 100,
            grace: days(30),
            quarantine: days(90),
        }
    }
}

/// Tenants, their people and their names.
#[derive(Debug)]
pub struct Tenancy {
    ports: TenancyPorts,
    settings: TenancySettings,
}

impl Tenancy {
    /// Over these ports, by these rules.
    pub const fn new(ports: TenancyPorts, settings: TenancySettings) -> Self {
        Self { ports, settings }
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn record(&self, actor: &Actor, action: &str, target: &impl ToString) -> AuditRecord {
        AuditRecord {
            id: self.ports.entropy.uuid(),
            at: self.now(),
            actor: actor.clone(),
            action: action.to_owned(),
            platform: None,
            environment: None,
            target: target.to_string(),
            before: None,
            after: None,
        }
    }

    /// Tells all nodes. They also poll, so a lost notice is no error.
    async fn publish(&self, change: Change) {
        if let Err(error) = self.ports.bus.publish(change).await {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "A change of a tenant was not announced; nodes will learn of it by polling");
        }
    }

    async fn announce(&self, before: Option<&Tenant>, after: &Tenant) {
        let (revision, at, tenant) = (after.version, after.updated_at, after.id);
        let what = TenantChange::between(before, after);
        self.publish(TenantChange { revision, at, tenant, what }.notice()).await;
    }

    async fn announce_members(&self, tenant: TenantId, revision: Revision) {
        self.publish(Change::Members { tenant, revision }).await;
    }

    /// A tenant, whatever its standing.
    ///
    /// # Errors
    /// `TenantNotFound`, `Store`.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Tenant> {
        self.ports.tenants.find(tenant).await?.ok_or(TenancyError::TenantNotFound)
    }

    /// A tenant, and a place in the sequence of changes up to which each one of this tenant's is in it: what a token may tell of it
    /// ([`Claims`](crate::Claims)).
    ///
    /// # Errors
    /// `TenantNotFound`, `Store`.
    pub async fn tenant_as_of(&self, tenant: TenantId) -> Result<(Tenant, Revision)> {
        // Before the tenant: what is written between the two is of a later place, and the tenant may have it or not.
        let as_of = self.ports.directory.revision().await?;
        Ok((self.tenant(tenant).await?, as_of))
    }

    /// Changes a tenant as `change` says and announces it. Without an expected version the change is worked out again when somebody
    /// else wrote meanwhile. A change that changes nothing is not written.
    async fn amend(
        &self,
        tenant: TenantId,
        (actor, action): (&Actor, &'static str),
        expected: Option<Revision>,
        change: impl Fn(&mut Tenant) -> Result<()> + Send + Sync,
    ) -> Result<Tenant> {
        // Whoever sends the whole record renames nothing by that.
        let named = |before: &Tenant, after: &Tenant| if after.subdomain == before.subdomain { action } else { "tenant.rename" };
        self.amend_as(tenant, actor, named, expected, change).await
    }

    /// The same, where what the audit log calls it depends on what is changed.
    async fn amend_as(
        &self,
        tenant: TenantId,
        actor: &Actor,
        named: impl Fn(&Tenant, &Tenant) -> &'static str + Send + Sync,
        expected: Option<Revision>,
        change: impl Fn(&mut Tenant) -> Result<()> + Send + Sync,
    ) -> Result<Tenant> {
        let mut tries = TRIES;
        loop {
            let before = self.tenant(tenant).await?;
            if expected.is_some_and(|expected| expected != before.version) {
                return Err(TenancyError::Conflict { current: before.version });
            }
            let mut after = before.clone();
            change(&mut after)?;
            if after == before {
                return Ok(before);
            }
            let (old, new) = differences(&before, &after);
            let action = named(&before, &after);
            let record = AuditRecord { before: Some(old), after: Some(new), ..self.record(actor, action, &tenant) };
            let free_at = record.at.plus(self.settings.quarantine);
            let written = twice(|| self.ports.tenants.change(tenant, &after, before.version, free_at, &record)).await;
            tries -= 1;
            match written {
                Ok(Written { value, .. }) => {
                    self.announce(Some(&before), &value).await;
                    return Ok(value);
                }
                Err(error) if error.is_conflict() && expected.is_none() && tries > 0 => {}
                Err(error) => return Err(TenancyError::of_tenant(error, &after.subdomain)),
            }
        }
    }
}

/// Makes a write, and once more when its outcome is unknown. The ports promise that a write repeated with its audit record is done once.
async fn twice<T, F: Future<Output = StoreResult<T>>>(write: impl Fn() -> F) -> StoreResult<T> {
    match write().await {
        Err(error) if *error.kind() == StoreErrorKind::Unavailable => {
            tracing::debug!(operation = error.operation(), "Repeating a write whose outcome is unknown");
            write().await
        }
        outcome => outcome,
    }
}

/// A tenant as audit records show it.
fn shown(tenant: &Tenant) -> Map<String, Value> {
    let overrides: Map<String, Value> =
        tenant.overrides.iter().map(|(limited, limit)| (limited.to_string(), json!(limit.get()))).collect();
    let standing = &tenant.standing;
    let members = [
        ("name", json!(tenant.name.as_str())),
        ("subdomain", json!(tenant.subdomain.as_str())),
        ("status", json!(tenant.status().as_str())),
        ("pastDueSince", json!(standing.past_due_since)),
        ("restriction", json!(standing.unpaid.map(Unpaid::as_str))),
        ("restrictedSince", json!(standing.unpaid_since())),
        ("suspensionReason", json!(standing.suspension.as_ref().map(|suspension| suspension.reason.as_str()))),
        ("deletedAt", json!(tenant.deleted_at())),
        ("plan", json!(tenant.plan.as_str())),
        ("overrides", json!(overrides)),
        ("customer", json!(tenant.billing.customer)),
        ("subscription", json!(tenant.billing.subscription)),
        ("currentPeriodEnd", json!(tenant.billing.current_period_end)),
        ("usagePeriod", json!(tenant.billing.usage.as_ref().map(usage_shown))),
        ("owner", json!(tenant.owner)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn usage_shown(usage: &UsagePeriod) -> Value {
    let plans: Vec<&str> = usage.plans.iter().map(PlanName::as_str).collect();
    json!({ "from": usage.from, "until": usage.until, "plans": plans })
}

/// What a change is about, before and after.
fn differences(before: &Tenant, after: &Tenant) -> (Value, Value) {
    let (mut old, mut new) = (shown(before), shown(after));
    let same: Vec<String> =
        old.iter().filter(|(name, value)| new.get(*name) == Some(value)).map(|(name, _)| name.clone()).collect();
    for name in same {
        old.remove(&name);
        new.remove(&name);
    }
    (Value::Object(old), Value::Object(new))
}
