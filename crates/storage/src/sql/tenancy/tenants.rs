//! Tenants.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use togglebox_multitenancy::store::{
    NOT_AN_ADMIN, NOT_DELETED, NOT_EMPTY, NOT_PURGED, NOT_RESERVED, NOT_THE_OWNER, TenantChange, TenantStore,
};
use togglebox_multitenancy::{
    Billing, Deletion, DomainName, Member, MemberRole, Standing, Subdomain, Suspension, Tenant, Unpaid,
};
use uuid::Uuid;

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::{Engine, Row};
use super::super::statement::Statement;
use super::super::write::{Revised, Turn, Write};
use super::cells::{UnpaidWord, overrides_shape, usage_shape};
use super::{domains, invitations, members, register};

/// The columns that a tenant is read from.
macro_rules! columns {
    () => {
        "tenants.tenant, tenants.name, tenants.subdomain, tenants.domains, tenants.owner, tenants.past_due_since, \
        tenants.suspended_at, tenants.suspension_reason, tenants.deleted_at, tenants.restorable_until, tenants.purged_at, \
        tenants.plan, tenants.overrides, tenants.customer, tenants.subscription, tenants.current_period_end, tenants.version, \
        tenants.created_at, tenants.updated_at, tenants.renames, tenants.unpaid, tenants.unpaid_since, \
        tenants.usage_period"
    };
}
pub(super) use columns;

pub(super) const FIND: &str = concat!("-- tenants.find\nSELECT ", columns!(), " FROM tenants WHERE tenant = $1");

const CREATE: &str = "-- tenants.create
INSERT INTO tenants (tenant, name, name_key, subdomain, domains, owner, status, past_due_since, suspended_at, suspension_reason,
    deleted_at, restorable_until, purged_at, plan, overrides, customer, subscription, current_period_end, version, updated_at,
    renames, unpaid, unpaid_since, usage_period, created_at, member_count)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, 1)";

const REPLACE: &str = "-- tenants.replace
UPDATE tenants SET name = $2, name_key = $3, subdomain = $4, domains = $5, owner = $6, status = $7, past_due_since = $8,
    suspended_at = $9, suspension_reason = $10, deleted_at = $11, restorable_until = $12, purged_at = $13, plan = $14,
    overrides = $15, customer = $16, subscription = $17, current_period_end = $18, version = $19, updated_at = $20,
    renames = $21, unpaid = $22, unpaid_since = $23, usage_period = $24
WHERE tenant = $1";

const FORGET: &str = "-- tenants.forget
DELETE FROM tenants WHERE tenant = $1";

impl Revised for Tenant {
    fn revision(&self) -> Revision {
        self.version
    }
}

#[async_trait]
impl<E: Engine> TenantStore for Database<E> {
    async fn create(
        &self,
        tenant: TenantId,
        record: &Tenant,
        owner: &Member,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("tenants.create", tenant, audit).await?;
            let stands = find(&mut write).await?;
            if let Some(revision) = write.earlier() {
                return write.repeated(stands, revision);
            }
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let after = Tenant { id: tenant, domains: Vec::new(), owner: owner.user, updated_at: audit.at, ..record.clone() };
            let what = TenantChange::between(None, &after);
            let version = register::raise(&mut write, &what, held(&after), audit.at).await?;
            let after = Tenant { version, ..after };
            let create = bound(&write, CREATE, &after)?.bind(after.created_at);
            write.execute(create).await?;
            members::add(&mut write, &Member { tenant, version, ..owner.clone() }).await?;
            write.commit(after, version).await
        })
        .await
    }

    async fn find(&self, tenant: TenantId) -> StoreResult<Option<Tenant>> {
        let mut reader = self.reader("tenants.find", tenant).await?;
        find(&mut reader).await
    }

    async fn change(
        &self,
        tenant: TenantId,
        record: &Tenant,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("tenants.change", tenant, audit).await?;
            let stands = find(&mut write).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let record = record.clone();
            let after = Tenant {
                name: record.name,
                subdomain: record.subdomain,
                renames: record.renames,
                standing: record.standing,
                plan: record.plan,
                overrides: record.overrides,
                billing: record.billing,
                ..stands.clone()
            };
            let after = take_turn(&mut write, &stands, after, Some(quarantined_until), audit).await?;
            put(write, after).await
        })
        .await
    }

    async fn transfer(&self, tenant: TenantId, from: Uuid, to: Uuid, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("tenants.transfer", tenant, audit).await?;
            let stands = find(&mut write).await?;
            if let Some(revision) = write.earlier() {
                return write.repeated(stands, revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let member = members::find(&mut write, to).await?.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            if stands.owner != from {
                return Err(write.error(StoreErrorKind::Refused(NOT_THE_OWNER)));
            }
            if member.role != MemberRole::Admin {
                return Err(write.error(StoreErrorKind::Refused(NOT_AN_ADMIN)));
            }
            let after = Tenant { owner: to, ..stands.clone() };
            let after = take_turn(&mut write, &stands, after, None, audit).await?;
            put(write, after).await
        })
        .await
    }

    async fn purge(
        &self,
        tenant: TenantId,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("tenants.purge", tenant, audit).await?;
            let stands = find(&mut write).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let mut after = Tenant { domains: Vec::new(), ..stands.clone() };
            match &mut after.standing.deletion {
                Some(deletion) if deletion.purged_at.is_none() => deletion.purged_at = Some(audit.at),
                _ => return Err(write.error(StoreErrorKind::Refused(NOT_DELETED))),
            }
            let after = take_turn(&mut write, &stands, after, Some(quarantined_until), audit).await?;
            domains::drop_all(&mut write).await?;
            put(write, after).await
        })
        .await
    }

    async fn discard(&self, tenant: TenantId, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("tenants.discard", tenant, audit).await?;
            let stands = find(&mut write).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            if !stands.standing.is_reserved() || stands.standing.deletion.is_some() {
                return Err(write.error(StoreErrorKind::Refused(NOT_RESERVED)));
            }
            let mut after = stands.clone();
            after.standing.deletion = Some(Deletion::at_once(audit.at));
            let after = take_turn(&mut write, &stands, after, None, audit).await?;
            put(write, after).await
        })
        .await
    }

    async fn sweep(&self, tenant: TenantId, limit: usize) -> StoreResult<usize> {
        let limit = limit as u64;
        self.attempt(|| async {
            let mut call = self.unaudited("tenants.sweep", tenant).await?;
            let stands = find(&mut call).await?.ok_or_else(|| call.error(StoreErrorKind::NotFound))?;
            if !stands.standing.is_purged() {
                return Err(call.error(StoreErrorKind::Refused(NOT_PURGED)));
            }
            let members = members::sweep(&mut call, limit).await?;
            let invitations = invitations::sweep(&mut call, limit.saturating_sub(members)).await?;
            call.commit().await?;
            Ok(usize::try_from(members + invitations).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn forget(&self, tenant: TenantId) -> StoreResult<()> {
        self.attempt(|| async {
            let mut call = self.unaudited("tenants.forget", tenant).await?;
            let Some(stands) = find(&mut call).await? else { return Ok(()) };
            if !stands.standing.is_purged() {
                return Err(call.error(StoreErrorKind::Refused(NOT_PURGED)));
            }
            if members::count(&mut call).await? + invitations::count(&mut call).await? > 0 {
                return Err(call.error(StoreErrorKind::Refused(NOT_EMPTY)));
            }
            call.execute(call.statement(FORGET)).await?;
            call.commit().await
        })
        .await
    }
}

/// The subdomain that leads to a tenant. None leads to one that is purged.
fn held(tenant: &Tenant) -> Option<&Subdomain> {
    (!tenant.standing.is_purged()).then_some(&tenant.subdomain)
}

/// Takes the number for a change of a tenant, and its new subdomain. A subdomain that does not lead to it any more is kept away from
/// others until `quarantined_until`; without that, it is free at once. What else has names in common with other tenants is changed after this, in its turn.
pub(super) async fn take_turn<E: Engine>(
    write: &mut Write<'_, E>,
    stands: &Tenant,
    after: Tenant,
    quarantined_until: Option<Timestamp>,
    audit: &AuditRecord,
) -> StoreResult<Tenant> {
    let (had, has) = (held(stands), held(&after));
    let what = TenantChange::between(Some(stands), &after);
    let version = register::raise(write, &what, has.filter(|_| has != had), audit.at).await?;
    if let (Some(given_up), Some(until)) = (had.filter(|_| has != had), quarantined_until) {
        register::give_up(write, given_up, until, version).await?;
    }
    Ok(Tenant { version, updated_at: audit.at, ..after })
}

/// Puts a tenant in the place of the one that stood, and commits.
pub(super) async fn put<E: Engine>(mut write: Write<'_, E>, after: Tenant) -> StoreResult<Written<Tenant>> {
    let replace = bound(&write, REPLACE, &after)?;
    write.execute(replace).await?;
    let revision = after.version;
    write.commit(after, revision).await
}

/// The tenant of a call.
pub(super) async fn find<E: Engine>(call: &mut Call<E>) -> StoreResult<Option<Tenant>> {
    let row = call.optional(call.statement(FIND)).await?;
    row.map(|row| tenant_of(&row, call.operation())).transpose()
}

/// The tenant of a call, if it takes something new in.
pub(super) async fn living<E: Engine>(call: &mut Call<E>) -> StoreResult<Tenant> {
    let stands = find(call).await?.filter(|tenant| tenant.standing.takes_in());
    stands.ok_or_else(|| call.error(StoreErrorKind::NotFound))
}

/// What creating and replacing have in common: the parameters 1 to 24.
fn bound<E: Engine>(call: &Call<E>, sql: &'static str, tenant: &Tenant) -> StoreResult<Statement> {
    let Standing { past_due_since, unpaid, suspension, deletion } = &tenant.standing;
    let domains: Vec<&str> = tenant.domains.iter().map(DomainName::as_str).collect();
    let Billing { customer, subscription, current_period_end, usage } = &tenant.billing;
    Ok(call
        .statement(sql)
        .bind(tenant.name.as_str())
        .bind(tenant.name.key())
        .bind(tenant.subdomain.as_str())
        .bind(call.json(&domains)?)
        .bind(tenant.owner)
        .bind(tenant.status().as_str())
        .bind(*past_due_since)
        .bind(suspension.as_ref().map(|suspension| suspension.at))
        .bind(suspension.as_ref().map(|suspension| suspension.reason.as_str()))
        .bind(deletion.as_ref().map(|deletion| deletion.at))
        .bind(deletion.as_ref().map(|deletion| deletion.restorable_until))
        .bind(deletion.as_ref().and_then(|deletion| deletion.purged_at))
        .bind(tenant.plan.as_str())
        .bind(call.json(&overrides_shape(&tenant.overrides))?)
        .bind(customer.as_deref())
        .bind(subscription.as_deref())
        .bind(*current_period_end)
        .bind(tenant.version)
        .bind(tenant.updated_at)
        .bind(call.json(&tenant.renames)?)
        .bind(unpaid.map(Unpaid::as_str))
        .bind(unpaid.map(Unpaid::since))
        .bind(usage.as_ref().map(|usage| call.json(&usage_shape(usage))).transpose()?))
}

pub(super) fn tenant_of(row: &impl Row, operation: &'static str) -> StoreResult<Tenant> {
    let cells = Cells::new(row, operation, "tenants", "tenant");
    let suspension = match cells.get("suspended_at")? {
        None => None,
        Some(at) => Some(Suspension { at, reason: cells.get("suspension_reason")? }),
    };
    let deletion = match cells.get("deleted_at")? {
        None => None,
        Some(at) => Some(Deletion { at, restorable_until: cells.get("restorable_until")?, purged_at: cells.get("purged_at")? }),
    };
    let unpaid = match cells.get("unpaid_since")? {
        None => None,
        Some(since) => Some(cells.get::<UnpaidWord>("unpaid")?.0(since)),
    };
    Ok(Tenant {
        id: cells.get("tenant")?,
        name: cells.get("name")?,
        subdomain: cells.get("subdomain")?,
        renames: cells.json("renames")?,
        domains: cells.get("domains")?,
        owner: cells.get("owner")?,
        standing: Standing { past_due_since: cells.get("past_due_since")?, unpaid, suspension, deletion },
        plan: cells.get("plan")?,
        overrides: cells.get("overrides")?,
        billing: Billing {
            customer: cells.get("customer")?,
            subscription: cells.get("subscription")?,
            current_period_end: cells.get("current_period_end")?,
            usage: cells.get("usage_period")?,
        },
        version: cells.get("version")?,
        created_at: cells.get("created_at")?,
        updated_at: cells.get("updated_at")?,
    })
}
