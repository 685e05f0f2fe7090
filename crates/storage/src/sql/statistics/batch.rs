//! Adding a batch.

use std::collections::HashMap;
use std::time::Duration;

use togglebox_core::{StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{Delta, ScopedDelta, StatisticsBatch};
use uuid::Uuid;

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::super::statement::Statement;
use super::about;

/// For how long a batch that is sent again is recognised: the promised day, and an hour for clocks that differ.
const REMEMBERED: Duration = Duration::from_hours(25);

const REMEMBER_BATCH: &str = "-- statistics.remember_batch
INSERT INTO statistics_batches (tenant, id, at) VALUES ($1, $2, $3) ON CONFLICT (tenant, id) DO NOTHING";

pub(in super::super) const FORGET_BATCHES: &str = "-- statistics.forget_batches
DELETE FROM statistics_batches WHERE tenant = $1 AND at < $2";

const EXISTING_PARAMETER: &str = "-- statistics.existing_parameter
SELECT e.id FROM environments AS e JOIN parameters AS p ON p.tenant = e.tenant AND p.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND p.key = $4";

const EXISTING_FLAG: &str = "-- statistics.existing_flag
SELECT e.id FROM environments AS e JOIN flags AS f ON f.tenant = e.tenant AND f.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND f.key = $4";

pub(in super::super) const EXISTING_EXPERIMENT: &str = "-- statistics.existing_experiment
SELECT e.id FROM environments AS e JOIN experiments AS x ON x.tenant = e.tenant AND x.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND x.key = $4";

/// A batch on its way into the tables.
pub(super) struct Batch<E: Engine> {
    pub(super) call: Call<E>,
    /// When the batch was closed.
    pub(super) at: Timestamp,
    /// In which environment a thing is, by look-up and key; `None` for what does not exist.
    places: HashMap<(&'static str, Scope, String), Option<Uuid>>,
}

/// A thing that exists.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    tenant: TenantId,
    environment: Uuid,
    key: &'a str,
}

impl Place<'_> {
    /// A statement about this thing: the parameters 1 to 3.
    pub(super) fn statement(self, sql: &'static str) -> Statement {
        Statement::new(sql).bind(self.tenant).bind(self.environment).bind(self.key)
    }
}

impl<E: Engine> Database<E> {
    pub(super) async fn record_batch(&self, tenant: TenantId, batch: &StatisticsBatch) -> StoreResult<()> {
        self.attempt(|| async {
            let mut call = self.counting("statistics.record", tenant).await?;
            if call.execute(call.statement(REMEMBER_BATCH).bind(batch.id).bind(batch.at)).await? == 0 {
                return Ok(());
            }
            call.execute(call.statement(FORGET_BATCHES).bind(batch.at.minus(REMEMBERED))).await?;
            let mut under_way = Batch { call, at: batch.at, places: HashMap::new() };
            for delta in &batch.deltas {
                under_way.add(delta).await?;
            }
            under_way.call.commit().await
        })
        .await
    }
}

impl<E: Engine> Batch<E> {
    async fn add(&mut self, scoped: &ScopedDelta) -> StoreResult<()> {
        let scope = &scoped.scope;
        match &scoped.delta {
            Delta::Parameter { key, fetches, last_at, clients } => {
                let Some(place) = self.place(EXISTING_PARAMETER, scope, key.as_str()).await? else { return Ok(()) };
                self.add_fetches(place, *fetches, *last_at, clients).await
            }
            Delta::Flag { key, day, country, served_a, served_b, last_at } => {
                let Some(place) = self.place(EXISTING_FLAG, scope, key.as_str()).await? else { return Ok(()) };
                self.add_evaluations(place, day, country.as_deref(), [*served_a, *served_b], *last_at).await
            }
            Delta::FlagUsers { key, side, users } => {
                let Some(place) = self.place(EXISTING_FLAG, scope, key.as_str()).await? else { return Ok(()) };
                self.add_flag_users(place, *side, users).await
            }
            Delta::Exposure { key, variation, day, exposures, subjects, last_at } => {
                let Some(place) = self.place(EXISTING_EXPERIMENT, scope, key.as_str()).await? else { return Ok(()) };
                self.add_exposures(place, variation, day, *exposures, subjects, *last_at).await
            }
            Delta::Conversion { key, variation, metric, day, subjects, last_at } => {
                let Some(place) = self.place(EXISTING_EXPERIMENT, scope, key.as_str()).await? else { return Ok(()) };
                self.add_conversions(place, variation, metric, day, subjects, *last_at).await
            }
            // A kind that is added to the port must be added here, too.
            _ => Err(self.call.error(StoreErrorKind::Refused("unknown-delta"))),
        }
    }

    /// The thing that a statement looks up, if it exists; asked once per batch.
    async fn place<'a>(&mut self, existing: &'static str, scope: &Scope, key: &'a str) -> StoreResult<Option<Place<'a>>> {
        let looked_up = (existing, scope.clone(), key.to_owned());
        let environment = if let Some(known) = self.places.get(&looked_up) {
            *known
        } else {
            let row = self.call.optional(about(&self.call, existing, scope, key)).await?;
            let environment =
                row.map(|row| Cells::new(&row, self.call.operation(), "environments", "id").get("id")).transpose()?;
            self.places.insert(looked_up, environment);
            environment
        };
        Ok(environment.map(|environment| Place { tenant: self.call.tenant(), environment, key }))
    }
}
