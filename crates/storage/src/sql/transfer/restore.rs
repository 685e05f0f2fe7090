//! Writes records as they are.

use togglebox_core::{StoreErrorKind, StoreResult};

use super::super::call::Call;
use super::super::engine::Engine;
use super::super::statement::Argument;
use super::table::{Table, insert};
use super::tables::every_table;
use crate::transfer::{Record, Restored};

/// How many rows go with one statement: the largest that fits, so that each table needs three statements. The widest rows have seventeen
/// columns, and engines take some ten thousands of parameters.
const ROWS: [usize; 3] = [64, 8, 1];

/// Writes all records, neighbours of one kind together.
pub(super) async fn all<E: Engine>(call: &mut Call<E>, records: &[Record]) -> StoreResult<Restored> {
    let mut restored = Restored::default();
    for neighbours in records.chunk_by(|a, b| a.kind() == b.kind()) {
        let new = kind(call, neighbours).await?;
        restored.new += new;
        restored.old += neighbours.len() - new;
    }
    Ok(restored)
}

async fn kind<E: Engine>(call: &mut Call<E>, records: &[Record]) -> StoreResult<usize> {
    macro_rules! write {
        ($($name:ident),*) => {
            match records.first() {
                None => Ok(0),
                $(Some(Record::$name(_)) => {
                    let rows = records.iter().filter_map(|record| match record {
                        Record::$name(row) => Some(row),
                        _ => None,
                    });
                    write_rows(call, &rows.collect::<Vec<_>>()).await
                })*
            }
        };
    }
    every_table!(write)
}

/// Writes the rows of one table; says how many were new.
async fn write_rows<E: Engine, T: Table>(call: &mut Call<E>, mut rows: &[&T]) -> StoreResult<usize> {
    let mut new = 0;
    for size in ROWS {
        while let Some((now, later)) = rows.split_at_checked(size) {
            let mut statement = call.statement(insert::<T>(size));
            for row in now {
                for argument in arguments(call, *row)? {
                    statement = statement.bind(argument);
                }
            }
            new += call.execute(statement).await?;
            rows = later;
        }
    }
    usize::try_from(new).map_err(|error| call.error(StoreErrorKind::Corrupt).caused_by(error))
}

/// As with [`Call::json`], only a programming error makes this fail.
fn arguments<E: Engine>(call: &Call<E>, row: &impl Table) -> StoreResult<Vec<Argument>> {
    row.arguments().map_err(|error| call.error(StoreErrorKind::Refused("document")).caused_by(error))
}
