//! What is about all tenants: the counter, the sequence of changes, who has a name.

use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_multitenancy::store::{Changed, SUBDOMAIN_QUARANTINED, SUBDOMAIN_TAKEN};
use togglebox_multitenancy::{DomainName, Subdomain};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Access, Engine, Row};
use super::super::look::Look;
use super::super::statement::Statement;
use super::super::write::Write;

pub(super) const REVISION: &str = "-- register.revision
SELECT revision FROM register";

const RAISE: &str = "-- register.raise
UPDATE register SET revision = revision + 1 RETURNING revision";

/// Whoever has a subdomain comes before whoever gave it up last.
pub(super) const HOLD: &str = "-- register.hold
SELECT tenant, NULL AS until FROM tenants WHERE subdomain = $1 AND purged_at IS NULL
UNION ALL
SELECT tenant, until FROM (
    SELECT tenant, until FROM given_up_subdomains WHERE subdomain = $1 ORDER BY revision DESC LIMIT 1
) AS last";

const NOTE: &str = "-- register.note
INSERT INTO register_changes (tenant, revision, at, subdomains, domains) VALUES ($1, $2, $3, $4, $5)";

const GIVE_UP: &str = "-- register.give_up
INSERT INTO given_up_subdomains (tenant, subdomain, until, revision) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, subdomain) DO UPDATE SET until = excluded.until, revision = excluded.revision";

/// Takes the register's next number, and with it the turn before all other tenants, and notes what it was taken for. If the tenant wants
/// a subdomain, sees to it that it may have it.
pub(super) async fn raise<E: Engine>(
    write: &mut Write<'_, E>,
    what: &Changed,
    wanted: Option<&Subdomain>,
    at: Timestamp,
) -> StoreResult<Revision> {
    write.look_beyond(true).await?;
    let raised = write.optional(Statement::new(RAISE)).await?;
    let revision = revision_of(raised.as_ref(), write.operation())?;
    // Whoever had or took the subdomain has committed by now.
    let holds = match wanted {
        None => Vec::new(),
        Some(subdomain) => write.rows(Statement::new(HOLD).bind(subdomain.as_str())).await?,
    };
    write.look_beyond(false).await?;
    if let Some(hold) = holds.first() {
        may_take(hold, write.operation(), write.tenant(), at)?;
    }
    let (subdomains, domains) = match what {
        Changed::Members => (None, None),
        Changed::Tenant { subdomains, domains } => {
            let subdomains: Vec<&str> = subdomains.iter().map(Subdomain::as_str).collect();
            let domains: Vec<&str> = domains.iter().map(DomainName::as_str).collect();
            (Some(write.json(&subdomains)?), Some(write.json(&domains)?))
        }
    };
    let note = write.statement(NOTE).bind(revision).bind(at).bind(subdomains).bind(domains);
    write.execute(note).await?;
    Ok(revision)
}

fn may_take(hold: &impl Row, operation: &'static str, tenant: TenantId, at: Timestamp) -> StoreResult<()> {
    let cells = Cells::new(hold, operation, "given_up_subdomains", "tenant");
    if cells.get::<TenantId>("tenant")? == tenant {
        return Ok(());
    }
    match cells.get::<Option<Timestamp>>("until")? {
        None => Err(StoreError::new(StoreErrorKind::Refused(SUBDOMAIN_TAKEN), operation)),
        Some(until) if at < until => Err(StoreError::new(StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED), operation)),
        Some(_) => Ok(()),
    }
}

/// Keeps a subdomain that the tenant had away from others. Nothing leads there from now on.
pub(super) async fn give_up<E: Engine>(
    write: &mut Write<'_, E>,
    subdomain: &Subdomain,
    until: Timestamp,
    revision: Revision,
) -> StoreResult<()> {
    let give_up = write.statement(GIVE_UP).bind(subdomain.as_str()).bind(until).bind(revision);
    write.execute(give_up).await?;
    Ok(())
}

/// Where the counter stands, by the first row of an answer that tells it.
pub(super) fn revision_of(row: Option<&impl Row>, operation: &'static str) -> StoreResult<Revision> {
    // The schema comes with the one row.
    let row = row.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, operation))?;
    Cells::new(row, operation, "register", "revision").get("revision")
}

impl<E: Engine> Database<E> {
    /// Begins a call of the directory: it reads what is in the register of all.
    pub(super) async fn look(&self, operation: &'static str, access: Access) -> StoreResult<Look<E>> {
        Look::of(self.engine.begin_register(access).await, operation)
    }
}
