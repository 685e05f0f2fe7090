//! Fetches of parameters.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::ParameterStatistics;
use togglebox_toggles::{ParameterKey, Scope};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Engine, Kind};
use super::super::rows::Added;
use super::sketch::{LAST_CLIENTS, Sketches, estimate, window};
use super::{about, latest, raise};

pub(super) const TOTAL: Added = Added {
    name: "add_fetches",
    table: "parameter_statistics",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("fetches", Kind::Int),
        ("last_at", Kind::Int),
    ],
    key: 3,
    set: concat!(raise!("fetches"), ", ", latest!("last_at")),
};

const TOTALS: &str = "-- statistics.parameter
SELECT s.key, s.fetches, s.last_at FROM environments AS e
JOIN parameter_statistics AS s ON s.tenant = e.tenant AND s.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND s.key = $4";

pub(super) const CLIENTS: Sketches = Sketches {
    find: "find_clients",
    forget: "forget_clients",
    put: Added {
        name: "put_clients",
        table: "parameter_clients",
        columns: &[
            ("tenant", Kind::Uuid),
            ("environment", Kind::Uuid),
            ("key", Kind::Text),
            ("hour", Kind::Int),
            ("sketch", Kind::Blob),
        ],
        key: 4,
        set: "sketch = excluded.sketch",
    },
};

impl<E: Engine> Database<E> {
    pub(super) async fn parameter_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        now: Timestamp,
    ) -> StoreResult<Option<ParameterStatistics>> {
        const OPERATION: &str = "statistics.parameter";
        let mut moment = self.moment(OPERATION, tenant).await?;
        let Some(row) = moment.optional(about(&moment, TOTALS, scope, key.as_str())).await? else { return Ok(None) };
        let (after, until) = window(now);
        let clients = moment.rows(about(&moment, LAST_CLIENTS, scope, key.as_str()).bind(after).bind(until)).await?;
        let cells = Cells::new(&row, OPERATION, "parameter_statistics", "key");
        Ok(Some(ParameterStatistics {
            fetches: cells.get("fetches")?,
            last_at: cells.get("last_at")?,
            clients_24h: estimate(&clients, OPERATION, CLIENTS.put.table)?,
        }))
    }
}
