//! Fetches of parameters.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::ParameterStatistics;
use togglebox_toggles::{ParameterKey, Scope};

use super::super::cells::Cells;
use super::super::error::failed;
use super::super::{Sqlite, bind};
use super::about;
use super::batch::{Batch, Place};
use super::sketch::{LAST_CLIENTS, Sketches, estimate, window};

const ADD: &str = "-- statistics.add_fetches
INSERT INTO parameter_statistics (tenant, environment, key, fetches, last_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, environment, key) DO UPDATE
SET fetches = fetches + min(excluded.fetches, 9223372036854775807 - fetches), last_at = max(last_at, excluded.last_at)";

const TOTALS: &str = "-- statistics.parameter
SELECT s.key, s.fetches, s.last_at FROM environments AS e
JOIN parameter_statistics AS s ON s.tenant = e.tenant AND s.environment = e.id
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND s.key = ?4";

const CLIENTS: Sketches = Sketches {
    table: "parameter_clients",
    find: "-- statistics.find_clients
SELECT key, sketch FROM parameter_clients WHERE tenant = ?1 AND environment = ?2 AND key = ?3 AND hour = ?4",
    put: "-- statistics.put_clients
INSERT INTO parameter_clients (tenant, environment, key, hour, sketch) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, environment, key, hour) DO UPDATE SET sketch = excluded.sketch",
    forget: "-- statistics.forget_clients
DELETE FROM parameter_clients WHERE tenant = ?1 AND environment = ?2 AND key = ?3 AND hour < ?4",
};

impl Batch {
    pub(super) async fn add_fetches(
        &mut self,
        place: Place<'_>,
        fetches: u64,
        last_at: Timestamp,
        clients: &[(u64, Vec<u8>)],
    ) -> StoreResult<()> {
        self.write.execute(place.query(ADD).bind(bind::count(fetches)).bind(last_at.as_ms())).await?;
        self.merge_sketches(&CLIENTS, |sql| place.query(sql), clients).await
    }
}

impl Sqlite {
    pub(super) async fn parameter_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        now: Timestamp,
    ) -> StoreResult<Option<ParameterStatistics>> {
        const OPERATION: &str = "statistics.parameter";
        let mut moment = self.moment(OPERATION).await?;
        let totals = about(TOTALS, tenant, scope, key.as_str());
        let Some(row) = totals.fetch_optional(&mut *moment).await.map_err(failed(OPERATION))? else { return Ok(None) };
        let (after, until) = window(now);
        let clients = about(LAST_CLIENTS, tenant, scope, key.as_str()).bind(after).bind(until);
        let clients = clients.fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let cells = Cells::new(&row, OPERATION, "parameter_statistics", "key");
        Ok(Some(ParameterStatistics {
            fetches: cells.get("fetches")?,
            last_at: cells.get("last_at")?,
            clients_24h: estimate(&clients, OPERATION, CLIENTS.table)?,
        }))
    }
}
