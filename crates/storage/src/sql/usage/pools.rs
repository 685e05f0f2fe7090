//! Units of quotas, and who holds them.
//!
//! A pool is read, changed and written in one transaction, while no other one is at work on the tenant's usage.

use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::pools_from;
use togglebox_metering::{Leased, Pool, Step};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::Engine;

pub(super) const FIND: &str = "-- usage_pools.find
SELECT granted, holders FROM usage_pools WHERE tenant = $1 AND meter = $2 AND period = $3";

const PUT: &str = "-- usage_pools.put
INSERT INTO usage_pools (tenant, meter, period, granted, holders) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, meter, period) DO UPDATE SET granted = excluded.granted, holders = excluded.holders";

pub(super) const REMOVE: &str = "-- usage_pools.remove
DELETE FROM usage_pools WHERE tenant = $1 AND meter = $2 AND period < $3";

impl<E: Engine> Database<E> {
    pub(super) async fn lease_units(&self, tenant: TenantId, step: &Step) -> StoreResult<Option<Leased>> {
        const OPERATION: &str = "usage.lease";
        let (meter, period) = (step.meter.as_str(), step.period.number());
        self.attempt(|| async {
            let mut call = self.metering(OPERATION, tenant).await?;
            let found = call.optional(call.statement(FIND).bind(meter).bind(period)).await?;
            let before = match &found {
                None => None,
                Some(row) => {
                    let cells = Cells::new(row, OPERATION, "usage_pools", "holders");
                    let holders: String = cells.get("holders")?;
                    let pool = Pool::stored(cells.get("granted")?, &holders);
                    Some(pool.map_err(|error| cells.unreadable("holders", error))?)
                }
            };
            let mut pool = match (&before, step.used) {
                (Some(pool), _) => pool.clone(),
                (None, Some(used)) => Pool::begun(used),
                (None, None) => return Ok(None),
            };
            let leased = pool.take(step);
            if before.as_ref() == Some(&pool) {
                return Ok(Some(leased));
            }
            if before.is_none() {
                call.execute(call.statement(REMOVE).bind(meter).bind(pools_from(step.period).number())).await?;
            }
            let put = call.statement(PUT).bind(meter).bind(period).bind(pool.granted()).bind(pool.holders());
            call.execute(put).await?;
            call.commit().await?;
            Ok(Some(leased))
        })
        .await
    }
}
