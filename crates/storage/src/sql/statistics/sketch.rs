//! Distinct counts of the last day: one sketch per hour.

use togglebox_core::{StoreResult, Timestamp};
use togglebox_toggles::statistics::Sketch;

use super::super::cells::Cells;
use super::super::engine::{Engine, Row};
use super::super::statement::Statement;
use super::batch::Batch;

const HOUR_MS: i64 = 3_600_000;
/// How many hours make "the last 24 hours": the current one and those before it.
const WINDOW: i64 = 24;
/// Sketches are kept an hour longer than they are read, for clocks that differ.
const KEPT: i64 = WINDOW + 1;

pub(in super::super) const LAST_CLIENTS: &str = "-- statistics.last_clients
SELECT c.key, c.sketch FROM environments AS e
JOIN parameter_clients AS c ON c.tenant = e.tenant AND c.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND c.key = $4 AND c.hour > $5 AND c.hour <= $6";

pub(super) const LAST_USERS: &str = "-- statistics.last_users
SELECT u.key, u.sketch FROM environments AS e
JOIN flag_users AS u ON u.tenant = e.tenant AND u.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND u.key = $4 AND u.hour > $5 AND u.hour <= $6 AND u.side = $7";

/// The three statements that keep the sketches of one thing. Each is given the parameters that say which thing; then
/// `find` and `put` the hour, `put` the sketch, `forget` the first hour that is kept.
pub(super) struct Sketches {
    pub(super) table: &'static str,
    pub(super) find: &'static str,
    pub(super) put: &'static str,
    pub(super) forget: &'static str,
}

fn hour(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(HOUR_MS)
}

/// The hours that are read at `now`: after the first, up to the second.
pub(super) fn window(now: Timestamp) -> (i64, i64) {
    // A sender whose clock is ahead may have begun the next hour.
    (hour(now) - WINDOW, hour(now) + 1)
}

impl<E: Engine> Batch<E> {
    /// Merges sketches into those that are stored. Hours that nobody will read are left out; so are sketches of an unknown form,
    /// because no repetition would make them known. What has been seen before is not written again: most who come have come within the
    /// hour. Old hours are removed with the beginning of a new one.
    pub(super) async fn merge_sketches(
        &mut self,
        sketches: &Sketches,
        of_thing: impl Fn(&'static str) -> Statement,
        hours: &[(u64, Vec<u8>)],
    ) -> StoreResult<()> {
        let now = hour(self.at);
        let first = now - KEPT;
        let (operation, mut begun) = (self.call.operation(), false);
        for (hour, bytes) in hours {
            let hour = i64::try_from(*hour).unwrap_or(i64::MAX);
            if !(first..=now + 1).contains(&hour) {
                continue;
            }
            let Some(mut sketch) = Sketch::from_bytes(bytes) else {
                tracing::warn!(table = sketches.table, "Left out a distinct-count sketch of an unknown form");
                continue;
            };
            let row = self.call.optional(of_thing(sketches.find).bind(hour)).await?;
            begun |= row.is_none();
            if let Some(row) = row {
                let bytes: Vec<u8> = Cells::new(&row, operation, sketches.table, "key").get("sketch")?;
                match Sketch::from_bytes(&bytes) {
                    Some(stored) => {
                        sketch.merge(&stored);
                        if sketch.to_bytes() == bytes {
                            continue;
                        }
                    }
                    // Replaced rather than reported: otherwise no batch of this thing could ever be counted again.
                    None => {
                        tracing::error!(table = sketches.table, "Replaced a stored distinct-count sketch that cannot be read");
                    }
                }
            }
            self.call.execute(of_thing(sketches.put).bind(hour).bind(sketch.to_bytes())).await?;
        }
        if begun {
            self.call.execute(of_thing(sketches.forget).bind(first)).await?;
        }
        Ok(())
    }
}

/// How many distinct subjects the sketches in these rows have seen together.
pub(super) fn estimate(rows: &[impl Row], operation: &'static str, table: &'static str) -> StoreResult<u64> {
    let mut all = Sketch::new();
    for row in rows {
        let cells = Cells::new(row, operation, table, "key");
        let bytes: Vec<u8> = cells.get("sketch")?;
        let sketch = Sketch::from_bytes(&bytes).ok_or_else(|| cells.unreadable("sketch", "not a distinct-count sketch"))?;
        all.merge(&sketch);
    }
    Ok(all.estimate())
}
