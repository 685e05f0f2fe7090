//! Members.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_multitenancy::store::{Changed, MemberStore, OWNER_STAYS};
use togglebox_multitenancy::{Member, MemberRole};
use uuid::Uuid;

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::{Engine, Row};
use super::super::write::{Revised, Turn, Write};
use super::lists::ByMoment;
use super::{register, tenants};

pub(super) const FIND: &str = "-- members.find
SELECT tenant, \"user\", email, role, joined_at, version FROM members WHERE tenant = $1 AND \"user\" = $2";

pub(super) const COUNT: &str = "-- members.count
SELECT tenant, member_count FROM tenants WHERE tenant = $1";

const ADD: &str = "-- members.add
INSERT INTO members (tenant, \"user\", email, role, joined_at, version) VALUES ($1, $2, $3, $4, $5, $6)";

const REPLACE: &str = "-- members.replace
UPDATE members SET email = $3, role = $4, version = $5 WHERE tenant = $1 AND \"user\" = $2";

const REMOVE: &str = "-- members.remove
DELETE FROM members WHERE tenant = $1 AND \"user\" = $2";

pub(super) const SWEEP: &str = "-- members.sweep
DELETE FROM members WHERE tenant = $1 AND \"user\" IN (SELECT \"user\" FROM members WHERE tenant = $1 ORDER BY \"user\" LIMIT $2)";

const RECOUNT: &str = "-- members.recount
UPDATE tenants SET member_count = member_count + $2 WHERE tenant = $1";

/// From the start or from a place on. Only fixed words are joined.
pub(super) fn list_statement(goes_on: bool) -> String {
    let after = if goes_on { " AND (joined_at, \"user\") > ($2, $3)" } else { "" };
    let limit = if goes_on { 4 } else { 2 };
    format!(
        "-- members.list
SELECT tenant, \"user\", email, role, joined_at, version FROM members
WHERE tenant = $1{after} ORDER BY joined_at, \"user\" LIMIT ${limit}"
    )
}

impl Revised for Member {
    fn revision(&self) -> Revision {
        self.version
    }
}

#[async_trait]
impl<E: Engine> MemberStore for Database<E> {
    async fn find(&self, tenant: TenantId, user: Uuid) -> StoreResult<Option<Member>> {
        let mut reader = self.reader("members.find", tenant).await?;
        find(&mut reader, user).await
    }

    async fn list(&self, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Member>> {
        let list = ByMoment {
            operation: "members.list",
            statement: list_statement,
            table: "members",
            order: ["joined_at", "user"],
            item: member_of,
        };
        list.page(self, tenant, page).await
    }

    async fn count(&self, tenant: TenantId) -> StoreResult<u64> {
        let mut reader = self.reader("members.count", tenant).await?;
        count(&mut reader).await
    }

    async fn replace(
        &self,
        tenant: TenantId,
        member: &Member,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>> {
        self.attempt(|| async {
            let mut write = self.write("members.replace", tenant, audit).await?;
            let stands = find(&mut write, member.user).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            if member.role != MemberRole::Admin {
                let keeps = write.error(StoreErrorKind::Refused(OWNER_STAYS));
                if owns(&mut write, member.user).await? {
                    return Err(keeps);
                }
            }
            let version = register::raise(&mut write, &Changed::Members, None, audit.at).await?;
            let replace = write.statement(REPLACE).bind(member.user).bind(member.email.as_str());
            write.execute(replace.bind(member.role.as_str()).bind(version)).await?;
            let after = Member { role: member.role, email: member.email.clone(), version, ..stands };
            write.commit(after, version).await
        })
        .await
    }

    async fn remove(&self, tenant: TenantId, user: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("members.remove", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                return Ok(Written { value: (), revision });
            }
            let stands = find(&mut write, user).await?;
            write.expect(stands, expected)?;
            if owns(&mut write, user).await? {
                return Err(write.error(StoreErrorKind::Refused(OWNER_STAYS)));
            }
            let revision = register::raise(&mut write, &Changed::Members, None, audit.at).await?;
            let remove = write.statement(REMOVE).bind(user);
            write.execute(remove).await?;
            recount(&mut write, -1).await?;
            write.commit((), revision).await
        })
        .await
    }
}

/// Whether the tenant is the user's. It stays so until the end of the write: handing over is a write, too.
async fn owns<E: Engine>(write: &mut Write<'_, E>, user: Uuid) -> StoreResult<bool> {
    Ok(tenants::find(write).await?.is_some_and(|tenant| tenant.owner == user))
}

pub(super) async fn find<E: Engine>(call: &mut Call<E>, user: Uuid) -> StoreResult<Option<Member>> {
    let row = call.optional(call.statement(FIND).bind(user)).await?;
    row.map(|row| member_of(&row, call.operation())).transpose()
}

/// Adds a member. The count is the caller's business.
pub(super) async fn add<E: Engine>(call: &mut Call<E>, member: &Member) -> StoreResult<()> {
    let add = call.statement(ADD).bind(member.user).bind(member.email.as_str()).bind(member.role.as_str());
    call.execute(add.bind(member.joined_at).bind(member.version)).await?;
    Ok(())
}

/// How many members the tenant has.
pub(super) async fn count<E: Engine>(call: &mut Call<E>) -> StoreResult<u64> {
    let row = call.optional(call.statement(COUNT)).await?;
    row.map_or(Ok(0), |row| Cells::new(&row, call.operation(), "tenants", "tenant").get("member_count"))
}

/// Keeps the count true.
pub(super) async fn recount<E: Engine>(call: &mut Call<E>, more: i64) -> StoreResult<()> {
    call.execute(call.statement(RECOUNT).bind(more)).await?;
    Ok(())
}

/// Removes so many members; says how many there were.
pub(super) async fn sweep<E: Engine>(call: &mut Call<E>, limit: u64) -> StoreResult<u64> {
    let swept = call.execute(call.statement(SWEEP).bind(limit)).await?;
    recount(call, i64::try_from(swept).unwrap_or(i64::MAX).saturating_neg()).await?;
    Ok(swept)
}

fn member_of(row: &impl Row, operation: &'static str) -> StoreResult<Member> {
    let cells = Cells::new(row, operation, "members", "user");
    Ok(Member {
        tenant: cells.get("tenant")?,
        user: cells.get("user")?,
        email: cells.get("email")?,
        role: cells.get("role")?,
        joined_at: cells.get("joined_at")?,
        version: cells.get("version")?,
    })
}
