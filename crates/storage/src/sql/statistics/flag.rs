//! Evaluations of flags.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{CountryCount, DayCount, FlagStatistics};
use togglebox_toggles::{FlagKey, Scope, Side};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::batch::{Batch, Place};
use super::sketch::{LAST_USERS, Sketches, estimate, window};
use super::{about, latest, raise};

const ADD: &str = concat!(
    "-- statistics.add_evaluations
INSERT INTO flag_statistics AS kept (tenant, environment, key, served_a, served_b, last_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, environment, key) DO UPDATE SET ",
    raise!("served_a"),
    ", ",
    raise!("served_b"),
    ", ",
    latest!("last_at")
);

const ADD_DAY: &str = concat!(
    "-- statistics.add_flag_day
INSERT INTO flag_days AS kept (tenant, environment, key, day, served_a, served_b) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, environment, key, day) DO UPDATE SET ",
    raise!("served_a"),
    ", ",
    raise!("served_b")
);

const ADD_COUNTRY: &str = concat!(
    "-- statistics.add_flag_country
INSERT INTO flag_countries AS kept (tenant, environment, key, country, served_a, served_b) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, environment, key, country) DO UPDATE SET ",
    raise!("served_a"),
    ", ",
    raise!("served_b")
);

const TOTALS: &str = "-- statistics.flag
SELECT s.key, s.served_a, s.served_b, s.last_at FROM environments AS e
JOIN flag_statistics AS s ON s.tenant = e.tenant AND s.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND s.key = $4";

const BY_COUNTRY: &str = "-- statistics.flag_by_country
SELECT c.key, c.country, c.served_a, c.served_b FROM environments AS e
JOIN flag_countries AS c ON c.tenant = e.tenant AND c.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND c.key = $4
ORDER BY c.country";

pub(in super::super) const BY_DAY: &str = "-- statistics.flag_by_day
SELECT key, day, served_a, served_b FROM flag_days
WHERE tenant = $1 AND environment = (SELECT id FROM environments WHERE tenant = $1 AND platform = $2 AND name = $3)
    AND key = $4 AND day BETWEEN $5 AND $6
ORDER BY day";

const USERS: Sketches = Sketches {
    table: "flag_users",
    find: "-- statistics.find_users
SELECT key, sketch FROM flag_users WHERE tenant = $1 AND environment = $2 AND key = $3 AND side = $4 AND hour = $5",
    put: "-- statistics.put_users
INSERT INTO flag_users (tenant, environment, key, side, hour, sketch) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, environment, key, side, hour) DO UPDATE SET sketch = excluded.sketch",
    forget: "-- statistics.forget_users
DELETE FROM flag_users WHERE tenant = $1 AND environment = $2 AND key = $3 AND side = $4 AND hour < $5",
};

impl<E: Engine> Batch<E> {
    pub(super) async fn add_evaluations(
        &mut self,
        place: Place<'_>,
        day: &str,
        country: Option<&str>,
        [a, b]: [u64; 2],
        last_at: Timestamp,
    ) -> StoreResult<()> {
        self.call.execute(place.statement(ADD).bind(a).bind(b).bind(last_at)).await?;
        self.call.execute(place.statement(ADD_DAY).bind(day).bind(a).bind(b)).await?;
        if let Some(country) = country {
            self.call.execute(place.statement(ADD_COUNTRY).bind(country).bind(a).bind(b)).await?;
        }
        Ok(())
    }

    pub(super) async fn add_flag_users(&mut self, place: Place<'_>, side: Side, users: &[(u64, Vec<u8>)]) -> StoreResult<()> {
        self.merge_sketches(&USERS, |sql| place.statement(sql).bind(side.as_str()), users).await
    }
}

impl<E: Engine> Database<E> {
    pub(super) async fn flag_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        now: Timestamp,
    ) -> StoreResult<Option<FlagStatistics>> {
        const OPERATION: &str = "statistics.flag";
        let mut moment = self.moment(OPERATION, tenant).await?;
        let Some(row) = moment.optional(about(&moment, TOTALS, scope, key.as_str())).await? else { return Ok(None) };
        let (after, until) = window(now);
        let mut users = [0, 0];
        for (users, side) in users.iter_mut().zip([Side::A, Side::B]) {
            let last = about(&moment, LAST_USERS, scope, key.as_str()).bind(after).bind(until).bind(side.as_str());
            *users = estimate(&moment.rows(last).await?, OPERATION, USERS.table)?;
        }
        let cells = Cells::new(&row, OPERATION, "flag_statistics", "key");
        Ok(Some(FlagStatistics {
            served_a: cells.get("served_a")?,
            served_b: cells.get("served_b")?,
            last_at: cells.get("last_at")?,
            users_a_24h: users[0],
            users_b_24h: users[1],
        }))
    }

    pub(super) async fn flag_countries(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Vec<CountryCount>> {
        const OPERATION: &str = "statistics.flag_by_country";
        let mut reader = self.reader(OPERATION, tenant).await?;
        let rows = reader.rows(about(&reader, BY_COUNTRY, scope, key.as_str())).await?;
        let counts = rows.iter().map(|row| {
            let cells = Cells::new(row, OPERATION, "flag_countries", "key");
            Ok(CountryCount {
                country: cells.get("country")?,
                served_a: cells.get("served_a")?,
                served_b: cells.get("served_b")?,
            })
        });
        counts.collect()
    }

    pub(super) async fn flag_days(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        first: &str,
        last: &str,
    ) -> StoreResult<Vec<DayCount>> {
        const OPERATION: &str = "statistics.flag_by_day";
        let mut reader = self.reader(OPERATION, tenant).await?;
        let rows = reader.rows(about(&reader, BY_DAY, scope, key.as_str()).bind(first).bind(last)).await?;
        let counts = rows.iter().map(|row| {
            let cells = Cells::new(row, OPERATION, "flag_days", "key");
            Ok(DayCount { day: cells.get("day")?, served_a: cells.get("served_a")?, served_b: cells.get("served_b")? })
        });
        counts.collect()
    }
}
