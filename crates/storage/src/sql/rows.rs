//! Statements of many rows, which go as one list.

use std::marker::PhantomData;
use std::num::NonZeroUsize;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use togglebox_core::StoreResult;

use super::call::json_text;
use super::engine::{Engine, Kind};
use super::look::Look;
use super::statement::{Argument, Statement};
use crate::hex::hex;

/// How many rows a statement is given at most, so that a list of large values takes a few megabytes and not more.
pub(super) const MOST: usize = 500;

/// Columns of a list, in the order of its rows' cells.
pub(super) type Columns = &'static [(&'static str, Kind)];

/// A table whose rows are added to where they stand.
pub(super) struct Added {
    /// The statement's name.
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    pub(super) columns: Columns,
    /// How many of them, from the first on, are the key.
    pub(super) key: usize,
    /// What becomes of a row, `kept`, that is there already.
    pub(super) set: &'static str,
}

impl Added {
    /// The statement that adds these rows.
    fn statement(&self, rows: &str) -> String {
        let Self { name, table, columns, key, set } = self;
        format!(
            "-- statistics.{name}
INSERT INTO {table} AS kept ({}) {rows}
ON CONFLICT ({}) DO UPDATE SET {set}",
            names(columns, ""),
            names(&columns[..*key], "")
        )
    }

    /// Adds rows, none of which is named twice.
    pub(super) async fn add<E: Engine>(&self, call: &mut Look<E>, rows: Vec<Vec<Argument>>) -> StoreResult<()> {
        // In a list, a number may lose a digit where values are better bound.
        if self.columns.iter().any(|(_, kind)| *kind == Kind::Float)
            && let Some((most, values)) = E::bound(self.columns.len())
        {
            return self.bind(call, rows, most, &values).await;
        }
        let given = given::<E>(self.columns);
        for part in rows.chunks(MOST) {
            let part = list::<E>(call.operation(), self.columns, part)?;
            call.execute(Statement::new(self.statement(&given)).bind(part)).await?;
        }
        Ok(())
    }

    /// Adds rows bound value by value: so many at once, the rest one by one.
    async fn bind<E: Engine>(
        &self,
        call: &mut Look<E>,
        mut rows: Vec<Vec<Argument>>,
        most: NonZeroUsize,
        values: &str,
    ) -> StoreResult<()> {
        let single = self.statement(&format!("VALUES ({})", vec!["?"; self.columns.len()].join(", ")));
        let rest = rows.split_off(rows.len() - rows.len() % most);
        for part in rows.chunks(most.get()) {
            let many = Statement::new(self.statement(values));
            call.execute(part.iter().flatten().cloned().fold(many, Statement::bind)).await?;
        }
        for row in rest {
            call.execute(row.into_iter().fold(Statement::new(single.clone()), Statement::bind)).await?;
        }
        Ok(())
    }
}

/// The names of columns in a row, with something before each.
pub(super) fn names(columns: &[(&str, Kind)], before: &str) -> String {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("{before}{name}")).collect();
    names.join(", ")
}

/// As in `INSERT … SELECT …`: these columns of the list that is a statement's first parameter.
pub(super) fn given<E: Engine>(columns: &[(&str, Kind)]) -> String {
    // `WHERE true` keeps one engine from reading an ON that follows as a join's.
    format!("SELECT {} FROM {} WHERE true", names(columns, "given."), E::given(1, columns))
}

/// The list that a statement is given these rows by, as JSON text.
pub(super) fn list<E: Engine>(
    operation: &'static str,
    columns: &[(&'static str, Kind)],
    rows: &[impl AsRef<[Argument]>],
) -> StoreResult<String> {
    let rows: Vec<Row<'_, E>> = rows.iter().map(|row| Row { columns, cells: row.as_ref(), engine: PhantomData }).collect();
    json_text(operation, &rows)
}

/// A row as an object.
struct Row<'a, E> {
    columns: &'a [(&'static str, Kind)],
    cells: &'a [Argument],
    engine: PhantomData<E>,
}

impl<E: Engine> Serialize for Row<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.columns.len()))?;
        for ((name, kind), cell) in self.columns.iter().zip(self.cells) {
            match cell {
                Argument::Int(value) => object.serialize_entry(name, value)?,
                Argument::Float(value) => object.serialize_entry(name, value)?,
                Argument::Text(Some(text)) if *kind == Kind::AnyText => object.serialize_entry(name, &E::listed(text))?,
                Argument::Text(value) => object.serialize_entry(name, value)?,
                Argument::Blob(value) => {
                    object.serialize_entry(name, &value.as_deref().map(|bytes| format!("{}{}", E::HEX, hex(bytes))))?;
                }
                Argument::Uuid(value) => object.serialize_entry(name, &value.map(uuid::Uuid::simple))?,
            }
        }
        object.end()
    }
}
