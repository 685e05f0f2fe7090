//! Fetches of parameters.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::ParameterStatistics;
use togglebox_toggles::{ParameterKey, Scope};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::batch::{Batch, Place};
use super::sketch::{LAST_CLIENTS, Sketches, estimate, window};
use super::{about, latest, raise};

const ADD: &str = concat!(
    "-- statistics.add_fetches
INSERT INTO parameter_statistics AS kept (tenant, environment, key, fetches, last_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, environment, key) DO UPDATE SET ",
    raise!("fetches"),
    ", ",
    latest!("last_at")
);

const TOTALS: &str = "-- statistics.parameter
SELECT s.key, s.fetches, s.last_at FROM environments AS e
JOIN parameter_statistics AS s ON s.tenant = e.tenant AND s.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND s.key = $4";

const CLIENTS: Sketches = Sketches {
    table: "parameter_clients",
    find: "-- statistics.find_clients
SELECT key, sketch FROM parameter_clients WHERE tenant = $1 AND environment = $2 AND key = $3 AND hour = $4",
    put: "-- statistics.put_clients
INSERT INTO parameter_clients (tenant, environment, key, hour, sketch) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, environment, key, hour) DO UPDATE SET sketch = excluded.sketch",
    forget: "-- statistics.forget_clients
DELETE FROM parameter_clients WHERE tenant = $1 AND environment = $2 AND key = $3 AND hour < $4",
};

impl<E: Engine> Batch<E> {
    pub(super) async fn add_fetches(
        &mut self,
        place: Place<'_>,
        fetches: u64,
        last_at: Timestamp,
        clients: &[(u64, Vec<u8>)],
    ) -> StoreResult<()> {
        self.call.execute(place.statement(ADD).bind(fetches).bind(last_at)).await?;
        self.merge_sketches(&CLIENTS, |sql| place.statement(sql), clients).await
    }
}

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
            clients_24h: estimate(&clients, OPERATION, CLIENTS.table)?,
        }))
    }
}
