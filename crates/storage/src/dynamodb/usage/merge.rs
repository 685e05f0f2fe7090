//! Cells that come in.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_core::{StoreError, StoreResult, TenantId};
use togglebox_metering::store::{MergeReport, check_cells};
use togglebox_metering::{Cell, Hour, Labels, MeterId, Minute, WriterId};

use super::super::DynamoDb;
use super::super::key::Key;
use super::borders::Border;
use super::change::Changed;
use super::hour::{HourItem, Marking};
use super::key::{self, Metered};
use super::row::{self, Minutes, Row};

const OPERATION: &str = "usage_sink.merge_cells";
/// How many requests are under way at once.
const AT_ONCE: usize = 32;
/// How many rows of an hour one transaction marks: with what goes with them, no more than it has room for.
const ROWS: usize = 100 - Marking::ACTIONS;

/// What is given of one row, in its order.
#[derive(Clone, Debug)]
struct Given {
    of: Metered,
    hour: Hour,
    key: Key,
    /// The place in the batch, the minute, the total.
    cells: Vec<(usize, Minute, u64)>,
}

impl Given {
    /// The greatest totals of minutes in which they are more than what stands.
    fn above(&self, stands: &Minutes) -> Minutes {
        let mut above = Minutes::new();
        for (_, minute, total) in &self.cells {
            let most = above.get(minute).or_else(|| stands.get(minute));
            if most.is_none_or(|most| most < total) {
                above.insert(*minute, *total);
            }
        }
        above
    }

    /// Tells what became of the cells that were raised one after the other, from what stood before.
    fn tell(&self, before: &Minutes, report: &mut MergeReport) {
        let mut stands = before.clone();
        for (_, minute, total) in &self.cells {
            if stands.get(minute).is_none_or(|stands| stands < total) {
                stands.insert(*minute, *total);
                report.news += 1;
            } else {
                report.known += 1;
            }
        }
    }

    fn tell_late(&self, report: &mut MergeReport) {
        report.late.extend(self.cells.iter().map(|(place, ..)| *place));
    }
}

/// Cells by the rows that they stand in.
fn by_row(cells: &[Cell]) -> Vec<Given> {
    let mut rows: BTreeMap<(TenantId, MeterId, Hour, &Labels, WriterId), Vec<_>> = BTreeMap::new();
    for (place, cell) in cells.iter().enumerate() {
        let key = (cell.tenant, cell.series.meter, cell.minute.hour(), &cell.series.labels, cell.writer);
        rows.entry(key).or_default().push((place, cell.minute, cell.total));
    }
    let given = rows.into_iter().map(|((tenant, meter, hour, labels, writer), cells)| {
        let of = Metered { tenant, meter };
        Given { of, hour, key: key::row(of, hour, labels, writer), cells }
    });
    given.collect()
}

impl DynamoDb {
    pub(super) async fn merge_usage(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        check_cells(cells, OPERATION)?;
        let raised = stream::iter(by_row(cells)).map(|given| async move {
            let before = self.raise_row(&given).await?;
            Ok::<_, StoreError>((given, before))
        });
        let raised: Vec<(Given, Option<Minutes>)> = raised.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut report = MergeReport::default();
        let mut unmarked: BTreeMap<(Metered, Hour), Vec<Given>> = BTreeMap::new();
        for (given, before) in raised {
            match before {
                Some(before) => given.tell(&before, &mut report),
                None => unmarked.entry((given.of, given.hour)).or_default().push(given),
            }
        }
        let marked = stream::iter(unmarked).map(|((of, hour), rows)| self.mark_hour(of, hour, rows));
        let marked: Vec<MergeReport> = marked.buffer_unordered(AT_ONCE).try_collect().await?;
        for MergeReport { news, known, late } in marked {
            report.news += news;
            report.known += known;
            report.late.extend(late);
        }
        report.late.sort_unstable();
        Ok(report)
    }

    /// Raises a row that is stale, with one write; says what stood there before. `None` where a row is not stale and would be raised.
    async fn raise_row(&self, given: &Given) -> StoreResult<Option<Minutes>> {
        let (mut patience, mut stands) = (self.patience(), Minutes::new());
        loop {
            let above = given.above(&stands);
            if above.is_empty() {
                return Ok(Some(stands));
            }
            let raise = row::raise(&given.key, &above, row::below(&above));
            match self.change(OPERATION, &mut patience, raise, ReturnValue::AllOld).await? {
                Changed::Made(Some(item)) => return Ok(Some(Row::read(&item, OPERATION)?.minutes)),
                Changed::Made(None) | Changed::Not(None) => return Ok(None),
                Changed::Not(Some(item)) => {
                    let row = Row::read(&item, OPERATION)?;
                    if !row.stale && !given.above(&row.minutes).is_empty() {
                        return Ok(None);
                    }
                    stands = row.minutes;
                }
            }
        }
    }

    /// Raises rows of an hour that are not stale, and marks them and the hour in the same transactions.
    async fn mark_hour(&self, of: Metered, hour: Hour, rows: Vec<Given>) -> StoreResult<MergeReport> {
        // Writers of this process would only get into each other's way.
        let _turn = self.queue(OPERATION, &key::hour(of, hour), &self.patience()).await?;
        let mut report = MergeReport::default();
        for rows in rows.chunks(ROWS) {
            self.mark_rows(of, hour, rows, &mut report).await?;
        }
        Ok(report)
    }

    async fn mark_rows(&self, of: Metered, hour: Hour, rows: &[Given], report: &mut MergeReport) -> StoreResult<()> {
        let mut patience = self.patience();
        let hour_key = key::hour(of, hour);
        loop {
            let keys = rows.iter().map(|given| given.key.clone());
            let items = self.get_all(OPERATION, &mut patience, keys.chain([hour_key.clone(), key::border_of(of)])).await?;
            if hour.start() < Border::among(&items, of, OPERATION)?.minutes {
                for given in rows {
                    given.tell_late(report);
                }
                return Ok(());
            }
            let (mut actions, mut stood) = (Vec::new(), Vec::new());
            for given in rows {
                let stands = items.get(&given.key).map(|item| Row::read(item, OPERATION)).transpose()?;
                let stands = stands.map(|row| row.minutes).unwrap_or_default();
                let above = given.above(&stands);
                if !above.is_empty() {
                    actions.push(row::mark(&given.key, &above, row::below(&above)));
                }
                stood.push((given, stands));
            }
            let raised = actions.len() as u64;
            if raised > 0 {
                let stands = items.get(&hour_key).map(|item| HourItem::read(item, OPERATION)).transpose()?;
                let mut marking = Marking::default();
                marking.hour(OPERATION, of, hour, stands.as_ref(), raised)?;
                actions.extend(marking.actions());
                if !self.commit(OPERATION, &mut patience, actions).await? {
                    continue;
                }
            }
            for (given, stands) in &stood {
                given.tell(stands, report);
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use togglebox_metering::Series;

    use super::*;

    fn cell(minute: u32, writer: u128, total: u64) -> Cell {
        let series = Series::plain("m".parse().unwrap());
        let (minute, writer) = (Minute::from_number(minute), WriterId::from_u128(writer));
        Cell { tenant: TenantId::DEFAULT, series, minute, writer, total }
    }

    #[test]
    fn cells_of_a_writers_hour_are_one_row() {
        let rows = by_row(&[cell(0, 1 << 20, 1), cell(59, 1 << 20, 2), cell(60, 1 << 20, 3), cell(0, 2 << 20, 4)]);
        assert_eq!(rows.iter().map(|given| given.cells.len()).collect::<Vec<_>>(), [2, 1, 1]);
    }

    #[test]
    fn a_batch_that_names_a_cell_twice_is_told_as_if_one_came_after_the_other() {
        let rows = by_row(&[cell(0, 1 << 20, 9), cell(0, 1 << 20, 8), cell(0, 1 << 20, 10), cell(1, 1 << 20, 5)]);
        let stands = Minutes::from([(Minute::from_number(0), 7), (Minute::from_number(1), 5)]);
        assert_eq!(rows[0].above(&stands), Minutes::from([(Minute::from_number(0), 10)]));
        let mut report = MergeReport::default();
        rows[0].tell(&stands, &mut report);
        assert_eq!((report.news, report.known), (2, 2));
    }

    #[test]
    fn nothing_at_all_is_news_where_nothing_stands() {
        let rows = by_row(&[cell(0, 1 << 20, 0)]);
        assert_eq!(rows[0].above(&Minutes::new()).len(), 1);
        assert!(rows[0].above(&Minutes::from([(Minute::from_number(0), 0)])).is_empty());
    }

    #[test]
    fn the_condition_of_a_raise_is_that_it_is_one() {
        let rows = by_row(&[cell(3, 1 << 20, 9)]);
        let above = rows[0].above(&Minutes::new());
        let built = row::raise(&rows[0].key, &above, row::below(&above)).build("table").unwrap().update.unwrap();
        assert_eq!(built.update_expression, "SET #m03 = :v0");
        let expected = "#stale = :v1 AND (attribute_not_exists(#m03) OR #m03 < :v2)";
        assert_eq!(built.condition_expression.as_deref(), Some(expected));
    }
}
