//! Pages out of rows.

use togglebox_core::{Cursor, Page, PageRequest, StoreResult};

/// How many rows to ask for: one more than the page holds tells whether there is another page.
pub(super) fn one_more(page: &PageRequest) -> i64 {
    i64::try_from(page.limit()).unwrap_or(i64::MAX).saturating_add(1)
}

/// Makes a page of the rows that [`one_more`] asked for; `cursor` is that of the last row on the page.
pub(super) fn page_of<R, T>(
    rows: &[R],
    page: &PageRequest,
    item: impl Fn(&R) -> StoreResult<T>,
    cursor: impl Fn(&R) -> StoreResult<Cursor>,
) -> StoreResult<Page<T>> {
    let shown = &rows[..rows.len().min(page.limit())];
    let next = match shown.last() {
        Some(last) if rows.len() > shown.len() => Some(cursor(last)?),
        _ => None,
    };
    Ok(Page { items: shown.iter().map(item).collect::<StoreResult<_>>()?, next })
}
