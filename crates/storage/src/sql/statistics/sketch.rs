//! Distinct counts of the last day: one sketch per hour.

use std::collections::{BTreeMap, BTreeSet};

use togglebox_core::{StoreResult, Timestamp};
use togglebox_toggles::statistics::Sketch;

use super::super::cells::Cells;
use super::super::engine::{Engine, Kind, Row};
use super::super::look::Look;
use super::super::rows::{self, Added};
use super::super::statement::{Argument, Statement};
use super::things::Thing;

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

/// A table with a sketch for each hour of a thing.
pub(super) struct Sketches {
    /// The name of the statement that finds sketches.
    pub(super) find: &'static str,
    /// The name of the statement that removes old ones.
    pub(super) forget: &'static str,
    /// How sketches are put. The last of its columns are the hour and the sketch; those before say which thing it is.
    pub(super) put: Added,
}

impl Sketches {
    /// The columns that say which thing it is.
    fn thing(&self) -> &[(&'static str, Kind)] {
        self.put.columns.split_last_chunk::<2>().map_or(&[], |(thing, _)| thing)
    }

    /// The key, and before it the place in the list.
    fn placed(&self) -> Vec<(&'static str, Kind)> {
        let key = self.put.columns.split_last().map_or(&[][..], |(_, key)| key);
        [("place", Kind::Int)].into_iter().chain(key.iter().copied()).collect()
    }

    /// The sketches of the hours in a list, by their places in it; nothing where there is none.
    pub(super) fn find_statement<E: Engine>(&self) -> String {
        let (placed, table) = (self.placed(), self.put.table);
        let same: Vec<String> = placed[1..].iter().map(|(name, _)| format!("kept.{name} = given.{name}")).collect();
        format!(
            "-- statistics.{}
SELECT given.place, (SELECT kept.sketch FROM {table} AS kept WHERE {}) AS sketch FROM {}",
            self.find,
            same.join(" AND "),
            E::given(1, &placed)
        )
    }

    /// Removes old hours of the things in a list.
    pub(super) fn forget_statement<E: Engine>(&self) -> String {
        let (thing, table) = (self.thing(), self.put.table);
        format!(
            "-- statistics.{}
DELETE FROM {table} WHERE ({}) IN (SELECT {} FROM {}) AND hour < $2",
            self.forget,
            rows::names(thing, ""),
            rows::names(thing, "given."),
            E::given(1, thing)
        )
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(HOUR_MS)
}

/// The hours that are read at `now`: after the first, up to the second.
pub(super) fn window(now: Timestamp) -> (i64, i64) {
    // A sender whose clock is ahead may have begun the next hour.
    (hour(now) - WINDOW, hour(now) + 1)
}

/// What tells sketches apart: the thing, the side if it has any, the hour.
type Key<'a> = (Thing<'a>, Option<&'static str>, i64);

/// Sketches that are to be merged into those that are stored.
#[derive(Default)]
pub(super) struct Hourly<'a> {
    sketches: BTreeMap<Key<'a>, Sketch>,
    /// The first hour that is kept.
    first: Option<i64>,
}

impl<'a> Hourly<'a> {
    /// Takes the sketches of a batch that was closed at `at`. Hours that nobody will read are left out; so are sketches of an unknown
    /// form, because no repetition would make them known.
    pub(super) fn add(&mut self, thing: Thing<'a>, side: Option<&'static str>, hours: &[(u64, Vec<u8>)], at: Timestamp) {
        let now = hour(at);
        let first = now - KEPT;
        self.first = Some(self.first.map_or(first, |earliest| earliest.min(first)));
        for (hour, bytes) in hours {
            let hour = i64::try_from(*hour).unwrap_or(i64::MAX);
            if !(first..=now + 1).contains(&hour) {
                continue;
            }
            let Some(sketch) = Sketch::from_bytes(bytes) else {
                tracing::warn!("Left out a distinct-count sketch of an unknown form");
                continue;
            };
            self.sketches.entry((thing, side, hour)).or_default().merge(&sketch);
        }
    }

    /// Merges them into those that are stored. What has been seen before is not written again: most who come have come within the hour. Old
    /// hours are removed with the beginning of a new one.
    pub(super) async fn merge<E: Engine>(self, call: &mut Look<E>, table: &Sketches) -> StoreResult<()> {
        let Some(first) = self.first else { return Ok(()) };
        let mut sketches: Vec<(Key<'a>, Sketch)> = self.sketches.into_iter().collect();
        let (mut put, mut begun) = (Vec::new(), BTreeSet::new());
        for part in sketches.chunks_mut(rows::MOST) {
            let stored = find(call, table, part).await?;
            for ((key, sketch), stored) in part.iter_mut().zip(stored) {
                if stored.is_none() {
                    begun.insert((key.0, key.1));
                }
                if let Some(merged) = merged(sketch, stored, table) {
                    put.push(cells(*key).into_iter().chain([merged.into()]).collect());
                }
            }
        }
        table.put.add(call, put).await?;
        let begun: Vec<Vec<Argument>> = begun.into_iter().map(|(thing, side)| of_thing(thing, side)).collect();
        for part in begun.chunks(rows::MOST) {
            let given = rows::list::<E>(call.operation(), table.thing(), part)?;
            call.execute(Statement::new(table.forget_statement::<E>()).bind(given).bind(first)).await?;
        }
        Ok(())
    }
}

fn of_thing(thing: Thing<'_>, side: Option<&'static str>) -> Vec<Argument> {
    thing.cells().into_iter().chain(side.map(Argument::from)).collect()
}

/// The key of a row.
fn cells((thing, side, hour): Key<'_>) -> Vec<Argument> {
    let mut cells = of_thing(thing, side);
    cells.push(hour.into());
    cells
}

/// What is stored under each of these keys.
async fn find<E: Engine>(
    call: &mut Look<E>,
    table: &Sketches,
    sketches: &[(Key<'_>, Sketch)],
) -> StoreResult<Vec<Option<Vec<u8>>>> {
    let placed = (0_u32..)
        .zip(sketches)
        .map(|(place, (key, _))| -> Vec<Argument> { [place.into()].into_iter().chain(cells(*key)).collect() });
    let given = rows::list::<E>(call.operation(), &table.placed(), &placed.collect::<Vec<_>>())?;
    let mut stored = vec![None; sketches.len()];
    for row in call.rows(Statement::new(table.find_statement::<E>()).bind(given)).await? {
        let cells = Cells::new(&row, call.operation(), table.put.table, "place");
        if let Some(stored) = stored.get_mut(cells.get::<u32>("place")? as usize) {
            *stored = cells.get("sketch")?;
        }
    }
    Ok(stored)
}

/// A sketch together with what is stored, unless that has it all.
fn merged(sketch: &mut Sketch, stored: Option<Vec<u8>>, table: &Sketches) -> Option<Vec<u8>> {
    let Some(bytes) = stored else { return Some(sketch.to_bytes()) };
    if let Some(stored) = Sketch::from_bytes(&bytes) {
        sketch.merge(&stored);
    } else {
        // Replaced rather than reported: otherwise no batch of this thing could ever be counted again.
        tracing::error!(table = table.put.table, "Replaced a stored distinct-count sketch that cannot be read");
    }
    let merged = sketch.to_bytes();
    (merged != bytes).then_some(merged)
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
