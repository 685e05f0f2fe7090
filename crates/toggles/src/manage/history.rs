//! Lists that are wanted as a whole.

use std::future::Future;

use togglebox_core::{Page, PageRequest, StoreResult};

/// All items of a list, read with `read` page by page.
pub(super) async fn whole<T, F>(read: impl Fn(PageRequest) -> F) -> StoreResult<Vec<T>>
where
    F: Future<Output = StoreResult<Page<T>>>,
{
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = read(PageRequest::first(PageRequest::MAX_LIMIT).after(after)).await?;
        all.extend(page.items);
        if page.next.is_none() {
            return Ok(all);
        }
        after = page.next;
    }
}
