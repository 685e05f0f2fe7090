//! What is left of a tenant: removed by a list of tables, counted by the catalogue of the database.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Cursor, Revision, StoreErrorKind, StoreResult, TenantId};
use togglebox_multitenancy::store::{Cleared, NOT_PURGED, Remains, RemainsStore};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::super::statement::Statement;
use super::tenants;

/// A table with what a tenant has, and the columns that tell its rows of one tenant apart.
type Contents = (&'static str, &'static [&'static str]);

/// What refers to others comes before these: so each removal costs what it removes, and none cascades.
pub(super) const CONTENTS: [Contents; 32] = [
    ("sessions", &["id"]),
    ("password_resets", &["token_hash"]),
    ("attempts", &["subject"]),
    ("statistics_batches", &["id"]),
    ("audit_log", &["id"]),
    ("experiment_conversions", &["environment", "key", "variation", "metric", "subject"]),
    ("experiment_subjects", &["environment", "key", "variation", "subject"]),
    ("experiment_metric_days", &["environment", "key", "variation", "metric", "day"]),
    ("experiment_days", &["environment", "key", "variation", "day"]),
    ("experiment_statistics", &["environment", "key"]),
    ("flag_users", &["environment", "key", "side", "hour"]),
    ("flag_countries", &["environment", "key", "country"]),
    ("flag_days", &["environment", "key", "day"]),
    ("flag_statistics", &["environment", "key"]),
    ("parameter_clients", &["environment", "key", "hour"]),
    ("parameter_statistics", &["environment", "key"]),
    ("api_keys", &["id"]),
    ("users", &["id"]),
    ("experiments", &["environment", "key"]),
    ("flag_versions", &["environment", "key", "patch"]),
    ("flags", &["environment", "key"]),
    ("parameter_versions", &["environment", "key", "version"]),
    ("parameters", &["environment", "key"]),
    ("environments", &["id"]),
    ("platforms", &["name"]),
    ("usage_pools", &["meter", "period"]),
    ("usage_events", &["source", "id"]),
    ("usage_days", &["meter", "day"]),
    ("usage_hours", &["meter", "hour"]),
    ("usage_cells", &["meter", "minute", "labels", "writer"]),
    ("billing_documents", &["shelf", "id"]),
    ("tenant_revisions", &["tenant"]),
];

/// What the names of tables of usage begin with.
const USAGE: &str = "usage_";
/// The register's record of a tenant.
const RECORD: &str = "tenants";
/// What is of the register and goes with it.
#[cfg(test)]
pub(super) const OF_REGISTER: [&str; 4] = [RECORD, "domain_claims", "members", "invitations"];
/// What is meant to outlive a tenant: the sequence of changes, and who has given a subdomain up.
pub(super) const OUTLIVING: [&str; 2] = ["given_up_subdomains", "register_changes"];

/// Removes some rows of a table. Only fixed words are joined.
pub(super) fn clear_statement((table, key): Contents) -> String {
    let key = key.join(", ");
    format!(
        "-- remains.clear_{table}
DELETE FROM {table} WHERE tenant = $1 AND ({key}) IN (SELECT {key} FROM {table} WHERE tenant = $1 LIMIT $2)"
    )
}

/// Counts the rows of a table that the catalogue has named.
fn count_statement(table: &str) -> String {
    format!("-- remains.count\nSELECT count(*) AS count FROM \"{}\" WHERE tenant = $1", table.replace('"', "\"\""))
}

#[async_trait]
impl<E: Engine> RemainsStore for Database<E> {
    async fn clear(&self, tenant: TenantId, after: Option<&Cursor>, limit: usize) -> StoreResult<Cleared> {
        self.attempt(|| async {
            let mut call = self.unaudited("remains.clear", tenant).await?;
            let stands = tenants::find(&mut call).await?;
            if stands.as_ref().is_some_and(|stands| !stands.standing.is_purged()) {
                return Err(call.error(StoreErrorKind::Refused(NOT_PURGED)));
            }
            // The tables before it were empty.
            let first = match after {
                None => 0,
                Some(after) => {
                    let place = CONTENTS.iter().position(|(table, _)| *table == after.as_str());
                    place.ok_or_else(|| call.error(StoreErrorKind::InvalidCursor))?
                }
            };
            let (limit, mut removed) = (limit as u64, 0);
            let mut next = None;
            // Of one that is not in the register, only what may have come late.
            let goes = |table: &str| stands.is_some() || table.starts_with(USAGE);
            for contents in CONTENTS[first..].iter().filter(|(table, _)| goes(table)) {
                removed += call.execute(call.statement(clear_statement(*contents)).bind(limit - removed)).await?;
                if removed >= limit {
                    next = Some(Cursor::new(contents.0));
                    break;
                }
            }
            call.commit().await?;
            Ok(Cleared { removed: usize::try_from(removed).unwrap_or(usize::MAX), next })
        })
        .await
    }

    async fn left(&self, tenant: TenantId) -> StoreResult<Remains> {
        let mut call = self.moment("remains.left", tenant).await?;
        let mut remains = Remains::default();
        for row in call.rows(Statement::new(E::TABLES_OF_TENANTS)).await? {
            let table: String = Cells::new(&row, call.operation(), "catalogue", "name").get("name")?;
            if OUTLIVING.contains(&table.as_str()) {
                continue;
            }
            let count = call.count(call.statement(count_statement(&table))).await?;
            match (table.as_str(), count) {
                (_, 0) => {}
                (RECORD, _) => remains.is_known = true,
                _ => drop(remains.counts.insert(table, count)),
            }
        }
        Ok(remains)
    }

    async fn note(&self, tenant: TenantId, audit: &AuditRecord) -> StoreResult<()> {
        self.attempt(|| async {
            let write = self.write("remains.note", tenant, audit).await?;
            if write.earlier().is_some() {
                return Ok(());
            }
            write.commit((), Revision::ZERO).await.map(drop)
        })
        .await
    }
}
