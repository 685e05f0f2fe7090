//! Evaluations of flags.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{CountryCount, DayCount, FlagStatistics};
use togglebox_toggles::{FlagKey, Scope, Side};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Engine, Kind};
use super::super::rows::Added;
use super::sketch::{LAST_USERS, Sketches, estimate, window};
use super::{about, latest, raise};

pub(super) const TOTAL: Added = Added {
    name: "add_evaluations",
    table: "flag_statistics",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("served_a", Kind::Int),
        ("served_b", Kind::Int),
        ("last_at", Kind::Int),
    ],
    key: 3,
    set: concat!(raise!("served_a"), ", ", raise!("served_b"), ", ", latest!("last_at")),
};

pub(super) const DAY: Added = Added {
    name: "add_flag_days",
    table: "flag_days",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("day", Kind::AnyText),
        ("served_a", Kind::Int),
        ("served_b", Kind::Int),
    ],
    key: 4,
    set: concat!(raise!("served_a"), ", ", raise!("served_b")),
};

pub(super) const COUNTRY: Added = Added {
    name: "add_flag_countries",
    table: "flag_countries",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("country", Kind::AnyText),
        ("served_a", Kind::Int),
        ("served_b", Kind::Int),
    ],
    key: 4,
    set: concat!(raise!("served_a"), ", ", raise!("served_b")),
};

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

pub(super) const USERS: Sketches = Sketches {
    find: "find_users",
    forget: "forget_users",
    put: Added {
        name: "put_users",
        table: "flag_users",
        columns: &[
            ("tenant", Kind::Uuid),
            ("environment", Kind::Uuid),
            ("key", Kind::Text),
            ("side", Kind::Text),
            ("hour", Kind::Int),
            ("sketch", Kind::Blob),
        ],
        key: 5,
        set: "sketch = excluded.sketch",
    },
};

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
            *users = estimate(&moment.rows(last).await?, OPERATION, USERS.put.table)?;
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
