//! A store in memory: one lock, so that each call is one act. It keeps every promise, and is for tests and demonstrations: nothing outlives
//! the process.

mod audit;
mod directory;
mod domains;
mod invitations;
mod members;
mod register;
mod remains;
mod tenants;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use togglebox_core::{Page, PageRequest, StoreError, StoreErrorKind, StoreResult};

use self::register::Register;
use super::TenancyStores;

type Answer<T> = Result<T, StoreErrorKind>;

/// Everything, in memory.
#[derive(Default)]
pub struct MemoryStore {
    register: Mutex<Register>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ports of an empty one, for the suite.
    #[expect(clippy::unused_async, reason = "other stores need to be waited for")]
    pub async fn fresh() -> TenancyStores {
        TenancyStores::over(&Arc::new(Self::new()))
    }

    /// One act: nobody else is in between. An act that fails must have changed nothing.
    fn act<T>(&self, operation: &'static str, act: impl FnOnce(&mut Register) -> Answer<T>) -> StoreResult<T> {
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut register).map_err(|kind| StoreError::new(kind, operation))
    }
}

/// A part of a list called `name`, whose items come in the order of their keys. A cursor is the key of the last item that was shown, so
/// it stands where it stood whatever comes and goes.
fn page<T>(name: &str, items: impl Iterator<Item = (String, T)>, request: &PageRequest) -> Answer<Page<T>> {
    let after = match request.cursor() {
        None => None,
        Some(cursor) => {
            let key = cursor.as_str().strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
            Some(key.ok_or(StoreErrorKind::InvalidCursor)?.to_owned())
        }
    };
    let mut rest: Vec<(String, T)> = items.filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = rest.len() > request.limit();
    rest.truncate(request.limit());
    let next = rest.last().filter(|_| more).map(|(key, _)| togglebox_core::Cursor::new(format!("{name}:{key}")));
    Ok(Page { items: rest.into_iter().map(|(_, item)| item).collect(), next })
}

/// A moment as text that sorts as moments do.
fn sorted(at: togglebox_core::Timestamp) -> String {
    format!("{:020}", i128::from(at.as_ms()) - i128::from(i64::MIN))
}
