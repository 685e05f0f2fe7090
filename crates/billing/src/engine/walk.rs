//! All accounts of a list, some at a time.

use togglebox_core::PageRequest;

use super::event::readable;
use super::{Billing, Result};
use crate::records::{AccountRecord, Held, TaskRecord};
use crate::store::Shelf;

/// Accounts that are looked at together.
const STEP: usize = 100;

/// A walk over a list of accounts. One that is moved meanwhile may be met twice, or not at all: whoever walks comes again.
#[derive(Debug)]
pub(super) struct Walk {
    list: &'static str,
    /// `None` at the end.
    next: Option<PageRequest>,
    has_begun: bool,
}

impl Walk {
    /// Over this list, from its beginning.
    pub(super) fn over(list: &'static str) -> Self {
        Self { list, next: Some(PageRequest::first(STEP)), has_begun: false }
    }

    /// The next accounts; `None` at the end. Those that cannot be read are told in the log. Regular work that goes on has more time.
    ///
    /// # Errors
    /// `Store`; `Busy` when another node has begun the work anew.
    pub(super) async fn next(
        &mut self,
        billing: &Billing,
        task: Option<&mut Held<TaskRecord>>,
    ) -> Result<Option<Vec<Held<AccountRecord>>>> {
        let Some(page) = self.next.take() else { return Ok(None) };
        if let Some(task) = task.filter(|_| self.has_begun) {
            billing.renew(task).await?;
        }
        self.has_begun = true;
        let found = billing.ports.store.list(Shelf::Account, self.list, &page).await?;
        self.next = found.next.map(|next| PageRequest::first(STEP).after(Some(next)));
        Ok(Some(found.items.into_iter().filter_map(readable).collect()))
    }
}
