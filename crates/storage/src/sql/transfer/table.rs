//! A table and the records in it.

use std::fmt::Write as _;

use togglebox_core::StoreResult;

use super::super::cells::Cells;
use super::super::engine::Row;
use super::super::statement::Argument;

/// Records that stand in a table of their own.
pub(super) trait Table: Sized + Send + Sync {
    /// The table's name.
    const NAME: &'static str;
    /// The columns that are written, the tenant aside.
    const COLUMNS: &'static [&'static str];
    /// The columns that tell rows of a tenant apart.
    const KEY: &'static [&'static str];
    /// The columns that an index orders the rows of a tenant by, each row in a place of its own.
    const ORDER: &'static [&'static str];
    /// The column that names a row in an error.
    const NAMED_BY: &'static str;

    /// Reads a row.
    fn read<R: Row>(cells: &Cells<'_, R>) -> StoreResult<Self>;

    /// What [`COLUMNS`](Self::COLUMNS) are given.
    fn arguments(&self) -> serde_json::Result<Vec<Argument>>;

    /// What [`ORDER`](Self::ORDER) holds in the row of this record. A column that is no field is a number.
    fn place<R: Row>(&self, cells: &Cells<'_, R>) -> StoreResult<Vec<Argument>> {
        let arguments = self.arguments().map_err(|error| cells.unreadable(Self::NAMED_BY, error))?;
        let column = |wanted: &&'static str| match Self::COLUMNS.iter().position(|column| column == wanted) {
            Some(n) => Ok(arguments[n].clone()),
            None => cells.get::<i64>(wanted).map(Argument::from),
        };
        Self::ORDER.iter().map(column).collect()
    }
}

/// Names between quotes, since some are words of the language.
fn names(columns: &[&str]) -> String {
    columns.iter().enumerate().fold(String::new(), |mut list, (n, column)| {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(list, "{comma}\"{column}\"");
        list
    })
}

/// `$first, …`: `count` parameters.
fn parameters(first: usize, count: usize) -> String {
    (first..first + count).enumerate().fold(String::new(), |mut list, (n, parameter)| {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(list, "{comma}${parameter}");
        list
    })
}

/// The next rows in order: of the parameters, the tenant is the first, then come the place of the last row that was told, when there is
/// one, and how many rows. Only fixed words are joined.
pub(super) fn page<T: Table>(goes_on: bool) -> String {
    let extra = T::ORDER.iter().filter(|column| !T::COLUMNS.contains(column)).copied();
    let columns: Vec<&str> = T::COLUMNS.iter().copied().chain(extra).collect();
    let order = names(T::ORDER);
    let after = if goes_on { format!(" AND ({order}) > ({})", parameters(2, T::ORDER.len())) } else { String::new() };
    let limit = if goes_on { 2 + T::ORDER.len() } else { 2 };
    format!(
        "-- transfer.{table}\nSELECT {} FROM {table} WHERE tenant = $1{after} ORDER BY {order} LIMIT ${limit}",
        names(&columns),
        table = T::NAME
    )
}

/// Adds `rows` rows, those that are new. Only fixed words are joined.
pub(super) fn insert<T: Table>(rows: usize) -> String {
    let width = T::COLUMNS.len();
    let values = (0..rows).fold(String::new(), |mut list, row| {
        let comma = if row == 0 { "" } else { ", " };
        let _ = write!(list, "{comma}($1, {})", parameters(2 + row * width, width));
        list
    });
    let key: Vec<&str> = std::iter::once("tenant").chain(T::KEY.iter().copied()).collect();
    format!(
        "-- transfer.restore_{table}\nINSERT INTO {table} (tenant, {}) VALUES {values} ON CONFLICT ({}) DO NOTHING",
        names(T::COLUMNS),
        names(&key),
        table = T::NAME
    )
}

/// Describes a table whose columns are the fields of its records, or called otherwise with `as`. After `with` stand columns that are not
/// fields. Rows are ordered by their key, if nothing else is said.
macro_rules! table {
    (
        $record:ident in $name:literal by $key:expr, $(order $order:expr,)? named $named:literal
        { $($field:ident $(as $column:literal)?),* $(,)? }
        $(with { $($more:literal = $value:expr),* })?
    ) => {
        impl Table for $record {
            const NAME: &'static str = $name;
            const COLUMNS: &'static [&'static str] = &[$(table!(@column $field $($column)?)),* $($(, $more)*)?];
            const KEY: &'static [&'static str] = &$key;
            const ORDER: &'static [&'static str] = table!(@order $($order)?);
            const NAMED_BY: &'static str = $named;

            fn read<R: Row>(cells: &Cells<'_, R>) -> StoreResult<Self> {
                Ok(Self { $($field: Column::read(cells, table!(@column $field $($column)?))?),* })
            }

            fn arguments(&self) -> serde_json::Result<Vec<Argument>> {
                Ok(vec![$(self.$field.argument()?),* $($(, { let value: fn(&Self) -> Argument = $value; value(self) })*)?])
            }
        }
    };
    (@column $field:ident) => { stringify!($field) };
    (@column $field:ident $column:literal) => { $column };
    (@order) => { Self::KEY };
    (@order $order:expr) => { &$order };
}

pub(super) use table;
