//! Tells every row, table by table.

use async_trait::async_trait;
use togglebox_core::StoreResult;

use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::super::statement::{Argument, Statement};
use super::table::{Table, page};
use super::tables::every_table;
use crate::transfer::record::{
    ApiKey, Audit, Environment, Experiment, ExperimentConversion, ExperimentDay, ExperimentMetricDay, ExperimentStatistics,
    ExperimentSubject, Flag, FlagCountry, FlagDay, FlagStatistics, FlagUsers, FlagVersion, Parameter, ParameterClients,
    ParameterStatistics, ParameterVersion, Platform, Tenant, User,
};
use crate::transfer::{Dump, Kind, Record};

/// The most rows that are asked for at once: some of them carry a sketch of kilobytes, or what was before and after a change.
const PAGE: usize = 200;

/// A dump under way: one session, so that all of it is of one moment.
pub(super) struct Telling<E: Engine> {
    call: Call<E>,
    /// The table that is being told, by its place in the order of kinds.
    table: usize,
    /// The last row of it that was told.
    place: Option<Vec<Argument>>,
}

impl<E: Engine> Telling<E> {
    pub(super) const fn new(call: Call<E>) -> Self {
        Self { call, table: 0, place: None }
    }

    /// The next rows of the table that is being told.
    async fn rows(&mut self, kind: Kind, limit: usize) -> StoreResult<Vec<Record>> {
        macro_rules! tell {
            ($($name:ident),*) => {
                match kind { $(Kind::$name => self.page::<$name>(limit).await),* }
            };
        }
        every_table!(tell)
    }

    async fn page<T: Table + Into<Record>>(&mut self, limit: usize) -> StoreResult<Vec<Record>> {
        let mut statement = self.call.statement(page::<T>(self.place.is_some()));
        for argument in self.place.take().into_iter().flatten() {
            statement = statement.bind(argument);
        }
        let rows = self.call.rows(statement.bind(limit as u64)).await?;
        let mut records = Vec::with_capacity(rows.len());
        for (n, row) in rows.iter().enumerate() {
            let cells = Cells::new(row, self.call.operation(), T::NAME, T::NAMED_BY);
            let record = T::read(&cells)?;
            if n + 1 == rows.len() {
                self.place = Some(record.place(&cells)?);
            }
            records.push(record.into());
        }
        Ok(records)
    }
}

#[async_trait]
impl<E: Engine> Dump for Telling<E> {
    fn is_of_one_moment(&self) -> bool {
        true
    }

    async fn next(&mut self, limit: usize) -> StoreResult<Vec<Record>> {
        while let Some(kind) = Kind::ALL.get(self.table) {
            let records = self.rows(*kind, limit.clamp(1, PAGE)).await?;
            if !records.is_empty() {
                return Ok(records);
            }
            self.table += 1;
            self.place = None;
        }
        Ok(Vec::new())
    }

    async fn stay(&mut self) -> StoreResult<()> {
        self.call.rows(Statement::new("-- transfer.stay\nSELECT 1")).await.map(drop)
    }
}

/// Every statement of a dump, for tests that look at their plans: rows come out of an index in their order. The one row of the tenant
/// itself has none.
#[cfg(test)]
pub(in super::super) fn statements() -> Vec<String> {
    macro_rules! pages {
        ($($name:ident),*) => { [$([page::<$name>(false), page::<$name>(true)]),*] };
    }
    every_table!(pages).into_iter().skip(1).flatten().collect()
}
