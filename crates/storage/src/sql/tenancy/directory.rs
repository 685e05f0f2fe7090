//! What is known before the tenant is.

use std::collections::BTreeSet;

use async_trait::async_trait;
use togglebox_core::{Page, PageRequest, Revision, StoreResult, TenantId, Timestamp};
use togglebox_multitenancy::store::{Changed, TenantChange, TenantChanges, TenantDirectory, TenantFilter, Workspace};
use togglebox_multitenancy::{DomainName, Member, PlanName, Subdomain, Tenant, TenantStatus};
use uuid::Uuid;

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Access, Engine, Row};
use super::super::page::{one_more, page_of};
use super::super::statement::Statement;
use super::super::watch;
use super::position;
use super::register::{REVISION, revision_of};
use super::tenants::{columns, tenant_of};
use crate::cursor::List;

pub(super) const BY_SUBDOMAIN: &str =
    concat!("-- tenant_directory.by_subdomain\nSELECT ", columns!(), " FROM tenants WHERE subdomain = $1 AND purged_at IS NULL");

pub(super) const BY_DOMAIN: &str = concat!(
    "-- tenant_directory.by_domain\nSELECT ",
    columns!(),
    " FROM domain_claims JOIN tenants ON tenants.tenant = domain_claims.tenant
WHERE domain_claims.domain = $1 AND domain_claims.verified_at IS NOT NULL"
);

/// The counter and the changes at one moment: one row at least, since there is a counter even where nothing has changed.
pub(super) const CHANGES_SINCE: &str = "-- tenant_directory.changes_since
SELECT register.revision, later.revision AS change, later.tenant, later.at, later.subdomains, later.domains
FROM register LEFT JOIN (
    SELECT revision, tenant, at, subdomains, domains FROM register_changes WHERE revision > $1 ORDER BY revision LIMIT $2
) AS later ON true
ORDER BY later.revision";

/// Raises nothing: it takes the turn before those who write.
const TAKE_TURN: &str = "-- tenant_directory.take_turn
UPDATE register SET revision = revision";

pub(super) const OLDEST_CHANGES: &str = "-- tenant_directory.oldest_changes
SELECT revision, at FROM register_changes ORDER BY revision LIMIT $1";

pub(super) const PRUNE: &str = "-- tenant_directory.prune_changes
DELETE FROM register_changes WHERE revision <= $1";

/// Which of the tenants in a list do not live.
pub(super) fn ended_statement<E: Engine>() -> String {
    format!(
        "-- tenant_directory.ended
SELECT given.tenant FROM {}
WHERE NOT EXISTS (SELECT 1 FROM tenants WHERE tenants.tenant = given.tenant AND tenants.purged_at IS NULL)",
        watch::given::<E>()
    )
}

/// From the start or from a place on. Only fixed words are joined.
pub(super) fn workspaces_statement(goes_on: bool) -> String {
    let after = if goes_on { " AND members.tenant > $2" } else { "" };
    let limit = if goes_on { 3 } else { 2 };
    format!(
        "-- tenant_directory.workspaces
SELECT {}, members.\"user\", members.email, members.role, members.joined_at, members.version AS member_version
FROM members JOIN tenants ON tenants.tenant = members.tenant
WHERE members.\"user\" = $1{after} ORDER BY members.tenant LIMIT ${limit}",
        columns!()
    )
}

/// One statement for each combination of restrictions. Only fixed words are joined. What is looked for is no pattern: a text holds
/// another if it is another one without it.
pub(super) fn list_statement(filter: &TenantFilter, goes_on: bool) -> String {
    let conditions = [
        (filter.status.is_some(), "status = $1"),
        (filter.plan.is_some(), "plan = $2"),
        (looked_for(filter).is_some(), "(replace(subdomain, $3, '') <> subdomain OR replace(name_key, $3, '') <> name_key)"),
        (goes_on, "(subdomain, tenant) > ($4, $5)"),
    ];
    let wanted: Vec<&str> = conditions.into_iter().filter(|(wanted, _)| *wanted).map(|(_, condition)| condition).collect();
    let condition = if wanted.is_empty() { String::new() } else { format!(" WHERE {}", wanted.join(" AND ")) };
    format!("-- tenant_directory.list\nSELECT {} FROM tenants{condition} ORDER BY subdomain, tenant LIMIT $6", columns!())
}

/// Every text holds the empty one.
fn looked_for(filter: &TenantFilter) -> Option<&str> {
    filter.holds.as_deref().filter(|holds| !holds.is_empty())
}

#[async_trait]
impl<E: Engine> TenantDirectory for Database<E> {
    async fn revision(&self) -> StoreResult<Revision> {
        const OPERATION: &str = "tenant_directory.revision";
        let mut look = self.look(OPERATION, Access::Read).await?;
        let row = look.optional(Statement::new(REVISION)).await?;
        revision_of(row.as_ref(), OPERATION)
    }

    async fn changes_since(&self, since: Revision, limit: usize) -> StoreResult<TenantChanges> {
        const OPERATION: &str = "tenant_directory.changes_since";
        let mut look = self.look(OPERATION, Access::Read).await?;
        let rows = look.rows(Statement::new(CHANGES_SINCE).bind(since).bind(limit.clamp(1, 1000) as u64)).await?;
        let revision = revision_of(rows.first(), OPERATION)?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let cells = Cells::new(row, OPERATION, "register_changes", "change");
            if let Some(change) = cells.get("change")? {
                changes.push(change_of(&cells, change)?);
            }
        }
        Ok(TenantChanges { changes, revision })
    }

    async fn prune_changes(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        const OPERATION: &str = "tenant_directory.prune_changes";
        self.attempt(|| async {
            let mut look = self.look(OPERATION, Access::Write).await?;
            look.execute(Statement::new(TAKE_TURN)).await?;
            let oldest = look.rows(Statement::new(OLDEST_CHANGES).bind(limit.clamp(1, 1000) as u64)).await?;
            // From the front only: what is left has no gap, also where a clock went back.
            let mut last: Option<Revision> = None;
            let mut count = 0;
            for row in &oldest {
                let cells = Cells::new(row, OPERATION, "register_changes", "revision");
                if cells.get::<Timestamp>("at")? >= before {
                    break;
                }
                last = Some(cells.get("revision")?);
                count += 1;
            }
            if let Some(last) = last {
                look.execute(Statement::new(PRUNE).bind(last)).await?;
                look.commit().await?;
            }
            Ok(count)
        })
        .await
    }

    async fn by_subdomain(&self, subdomain: &Subdomain) -> StoreResult<Option<Tenant>> {
        const OPERATION: &str = "tenant_directory.by_subdomain";
        let mut look = self.look(OPERATION, Access::Read).await?;
        let row = look.optional(Statement::new(BY_SUBDOMAIN).bind(subdomain.as_str())).await?;
        row.map(|row| tenant_of(&row, OPERATION)).transpose()
    }

    async fn by_domain(&self, domain: &DomainName) -> StoreResult<Option<Tenant>> {
        const OPERATION: &str = "tenant_directory.by_domain";
        let mut look = self.look(OPERATION, Access::Read).await?;
        let row = look.optional(Statement::new(BY_DOMAIN).bind(domain.as_str())).await?;
        row.map(|row| tenant_of(&row, OPERATION)).transpose()
    }

    async fn ended(&self, tenants: &[TenantId]) -> StoreResult<BTreeSet<TenantId>> {
        const OPERATION: &str = "tenant_directory.ended";
        let statement = Statement::new(ended_statement::<E>()).bind(watch::listed(OPERATION, tenants)?);
        let rows = self.look(OPERATION, Access::Read).await?.rows(statement).await?;
        let tenant = |row| Cells::new(row, OPERATION, "tenants", "tenant").get("tenant").map(TenantId::from_uuid);
        rows.iter().map(tenant).collect()
    }

    async fn workspaces(&self, user: Uuid, page: &PageRequest) -> StoreResult<Page<Workspace>> {
        const OPERATION: &str = "tenant_directory.workspaces";
        let whose = user.to_string();
        let restrictions = [Some(whose.as_str())];
        let list = List::new(OPERATION, NO_TENANT, &restrictions);
        let after: Option<[i64; 2]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let mut look = self.look(OPERATION, Access::Read).await?;
        let statement = Statement::new(workspaces_statement(after.is_some())).bind(user);
        let statement = match after {
            Some(place) => statement.bind(position::id(place)),
            None => statement,
        };
        page_of(&look.rows(statement.bind(one_more(page))).await?, page, workspace_of, |row| {
            let cells = Cells::new(row, OPERATION, "members", "tenant");
            Ok(list.cursor(position::of_id(&cells.get("tenant")?)))
        })
    }

    async fn list(&self, filter: &TenantFilter, page: &PageRequest) -> StoreResult<Page<Tenant>> {
        const OPERATION: &str = "tenant_directory.list";
        let restrictions =
            [filter.status.map(TenantStatus::as_str), filter.plan.as_ref().map(PlanName::as_str), looked_for(filter)];
        let list = List::new(OPERATION, NO_TENANT, &restrictions);
        let after: Option<[i64; 10]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let (subdomain, tenant) = after.and_then(position::subdomain).unzip();
        let [status, plan, holds] = restrictions;
        let mut look = self.look(OPERATION, Access::Read).await?;
        let statement = Statement::new(list_statement(filter, after.is_some())).bind(status).bind(plan).bind(holds);
        let statement = statement.bind(subdomain).bind(tenant).bind(one_more(page));
        page_of(
            &look.rows(statement).await?,
            page,
            |row| tenant_of(row, OPERATION),
            |row| {
                let cells = Cells::new(row, OPERATION, "tenants", "tenant");
                Ok(list.cursor(position::of_subdomain(&cells.get("subdomain")?, cells.get("tenant")?)))
            },
        )
    }
}

/// Lists of the directory are of no tenant; their names tell them from those that are of one.
const NO_TENANT: TenantId = TenantId::DEFAULT;

fn change_of<R: Row>(cells: &Cells<'_, R>, revision: Revision) -> StoreResult<TenantChange> {
    let what = match cells.get("subdomains")? {
        None => Changed::Members,
        Some(subdomains) => Changed::Tenant { subdomains, domains: cells.get("domains")? },
    };
    Ok(TenantChange { revision, at: cells.get("at")?, tenant: cells.get("tenant")?, what })
}

fn workspace_of(row: &impl Row) -> StoreResult<Workspace> {
    const OPERATION: &str = "tenant_directory.workspaces";
    let cells = Cells::new(row, OPERATION, "members", "user");
    let member = Member {
        tenant: cells.get("tenant")?,
        user: cells.get("user")?,
        email: cells.get("email")?,
        role: cells.get("role")?,
        joined_at: cells.get("joined_at")?,
        version: cells.get("member_version")?,
    };
    Ok(Workspace { tenant: tenant_of(row, OPERATION)?, member })
}
