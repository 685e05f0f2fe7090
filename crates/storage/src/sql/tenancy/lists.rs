//! Lists of what belongs to a tenant, by moment and then by id.

use togglebox_core::{Page, PageRequest, StoreResult, TenantId};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Engine, Session};
use super::super::page::{one_more, page_of};
use super::position;
use crate::cursor::List;

/// Such a list.
pub(super) struct ByMoment<E: Engine, T> {
    pub(super) operation: &'static str,
    /// From the start, or from a place on that is bound as moment and id; the limit comes last.
    pub(super) statement: fn(bool) -> String,
    pub(super) table: &'static str,
    /// The columns of the moment and of the id.
    pub(super) order: [&'static str; 2],
    pub(super) item: fn(&<E::Session as Session>::Row, &'static str) -> StoreResult<T>,
}

impl<E: Engine, T> ByMoment<E, T> {
    /// A page of it.
    pub(super) async fn page(&self, store: &Database<E>, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<T>> {
        let (operation, [moment, id]) = (self.operation, self.order);
        let list = List::new(operation, tenant, &[]);
        let after: Option<[i64; 3]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let mut reader = store.reader(operation, tenant).await?;
        let statement = reader.statement((self.statement)(after.is_some()));
        let statement = match after {
            Some([at, high, low]) => statement.bind(at).bind(position::id([high, low])),
            None => statement,
        };
        page_of(
            &reader.rows(statement.bind(one_more(page))).await?,
            page,
            |row| (self.item)(row, operation),
            |row| {
                let cells = Cells::new(row, operation, self.table, id);
                Ok(list.cursor(position::of_moment(cells.get(moment)?, &cells.get(id)?)))
            },
        )
    }
}
