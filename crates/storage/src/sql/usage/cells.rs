//! Cells that come in.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::{MergeReport, check_cells};
use togglebox_metering::{Cell as UsageCell, Labels, MeterId, Minute, WriterId};
use uuid::Uuid;

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Access, Engine, Kind, Row, RowOf};
use super::super::look::Look;
use super::super::rows;
use super::super::statement::Statement;
use super::{BORDERS, Borders, list};

/// A cell as a statement is given it.
#[derive(Serialize)]
pub(super) struct Given<'a> {
    #[serde(with = "uuid::serde::simple")]
    pub(super) tenant: Uuid,
    pub(super) meter: &'a str,
    pub(super) minute: u32,
    pub(super) labels: &'a str,
    #[serde(with = "uuid::serde::simple")]
    pub(super) writer: Uuid,
    pub(super) total: u64,
}

impl Given<'_> {
    /// In the order of [`COLUMNS`].
    fn bind_to(&self, statement: Statement) -> Statement {
        let statement = statement.bind(self.tenant).bind(self.meter).bind(self.minute);
        statement.bind(self.labels).bind(self.writer).bind(self.total)
    }
}

/// An hour as a statement is given it. The order is that in which rows are taken.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct GivenHour {
    #[serde(with = "uuid::serde::simple")]
    tenant: Uuid,
    meter: String,
    hour: u32,
}

/// What tells cells apart, in the order in which rows are taken.
type Key<'a> = (TenantId, MeterId, Minute, &'a Labels, WriterId);

/// The columns of a cell, in the order in which they are given.
const COLUMNS: [(&str, Kind); 6] = [
    ("tenant", Kind::Uuid),
    ("meter", Kind::Text),
    ("minute", Kind::Int),
    ("labels", Kind::Text),
    ("writer", Kind::Uuid),
    ("total", Kind::Int),
];

/// Raises cells to what a list gives; answers those that were raised, or are new.
pub(super) fn raise_statement<E: Engine>() -> String {
    raise_from(&rows::given::<E>(&COLUMNS))
}

fn raise_from(rows: &str) -> String {
    format!(
        "-- usage_cells.raise
INSERT INTO usage_cells AS kept (tenant, meter, minute, labels, writer, total)
{rows}
ON CONFLICT (tenant, meter, minute, labels, writer) DO UPDATE SET total = excluded.total WHERE kept.total < excluded.total
RETURNING tenant, meter, minute"
    )
}

/// Marks hours as stale. Their rows are held until the end of the transaction, also where they are marked already.
pub(super) fn mark_statement<E: Engine>() -> String {
    let columns = [("tenant", Kind::Uuid), ("meter", Kind::Text), ("hour", Kind::Int)];
    format!(
        "-- usage_hours.mark
INSERT INTO usage_hours AS kept (tenant, meter, hour, revision, stale, totals)
SELECT given.tenant, given.meter, given.hour, 0, 1, '{{}}' FROM {} WHERE true
ON CONFLICT (tenant, meter, hour) DO UPDATE SET stale = 1 WHERE kept.stale = 0",
        E::given(1, &columns)
    )
}

/// Cells, each at most once. A batch may name one several times: then the first of them go first.
fn rounds<'a>(cells: impl Iterator<Item = &'a UsageCell>) -> Vec<BTreeMap<Key<'a>, u64>> {
    let mut rounds: Vec<BTreeMap<Key<'a>, u64>> = Vec::new();
    for cell in cells {
        let key = (cell.tenant, cell.series.meter, cell.minute, &cell.series.labels, cell.writer);
        match rounds.iter_mut().find(|round| !round.contains_key(&key)) {
            Some(round) => drop(round.insert(key, cell.total)),
            None => rounds.push(BTreeMap::from([(key, cell.total)])),
        }
    }
    rounds
}

/// The hours of the cells that a statement has answered.
pub(super) fn hours_of(rows: &[impl Row], operation: &'static str, hours: &mut BTreeSet<GivenHour>) -> StoreResult<()> {
    for row in rows {
        let cells = Cells::new(row, operation, "usage_cells", "tenant");
        let hour = cells.get::<Minute>("minute")?.hour().number();
        hours.insert(GivenHour { tenant: cells.get("tenant")?, meter: cells.get("meter")?, hour });
    }
    Ok(())
}

/// Raises cells; answers those that were raised, or are new.
async fn raise<E: Engine>(ledger: &mut Look<E>, round: &BTreeMap<Key<'_>, u64>) -> StoreResult<Vec<RowOf<E>>> {
    let given = round.iter().map(|((tenant, meter, minute, labels, writer), total)| Given {
        tenant: *tenant.as_uuid(),
        meter: meter.as_str(),
        minute: minute.number(),
        labels: labels.as_str(),
        writer: writer.as_uuid(),
        total: *total,
    });
    let given: Vec<_> = given.collect();
    let mut raised = Vec::new();
    let mut left = given.as_slice();
    if let Some((rows, values)) = E::bound(COLUMNS.len()) {
        let sql = raise_from(&values);
        let (parts, rest) = given.split_at(given.len() - given.len() % rows);
        for part in parts.chunks_exact(rows.get()) {
            let statement = part.iter().fold(Statement::new(sql.clone()), |statement, cell| cell.bind_to(statement));
            raised.extend(ledger.rows(statement).await?);
        }
        left = rest;
    }
    if !left.is_empty() {
        let left = list(ledger, left)?;
        raised.extend(ledger.rows(Statement::new(raise_statement::<E>()).bind(left)).await?);
    }
    Ok(raised)
}

impl<E: Engine> Database<E> {
    pub(super) async fn merge_usage(&self, cells: &[UsageCell]) -> StoreResult<MergeReport> {
        const OPERATION: &str = "usage_sink.merge_cells";
        check_cells(cells, OPERATION)?;
        if cells.is_empty() {
            return Ok(MergeReport::default());
        }
        self.attempt(|| async {
            let mut ledger = self.ledger(OPERATION, Access::Count).await?;
            let borders = Borders::of(ledger.optional(Statement::new(BORDERS)).await?.as_ref(), OPERATION)?;
            let is_late = |cell: &UsageCell| cell.minute < borders.minutes;
            let late = cells.iter().enumerate().filter(|(_, cell)| is_late(cell)).map(|(place, _)| place);
            let mut report = MergeReport { late: late.collect(), ..MergeReport::default() };
            let mut hours = BTreeSet::new();
            for round in rounds(cells.iter().filter(|cell| !is_late(cell))) {
                let raised = raise(&mut ledger, &round).await?;
                report.news += raised.len();
                report.known += round.len() - raised.len();
                hours_of(&raised, OPERATION, &mut hours)?;
            }
            if !hours.is_empty() {
                let hours = list(&ledger, &hours.into_iter().collect::<Vec<_>>())?;
                ledger.execute(Statement::new(mark_statement::<E>()).bind(hours)).await?;
                ledger.commit().await?;
            }
            Ok(report)
        })
        .await
    }
}
