//! What moving needs of a store.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId};

use super::Record;

/// How much a store took in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Records that were not there before.
    pub new: usize,
    /// Records of which there was one with the same identity. It was left as it is.
    pub old: usize,
}

/// A store whose tenants can move.
///
/// Nothing here is for a store that is being served: nobody is told of what is restored, and what is written while a store takes records
/// in may be mixed with them.
#[async_trait]
pub trait Transfer: Send + Sync + Debug + 'static {
    /// The engine's name, for people.
    fn engine(&self) -> &'static str;

    /// Begins to tell everything that a tenant has.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn dump(&self, tenant: TenantId) -> StoreResult<Box<dyn Dump>>;

    /// Takes records in. Each is written as it is, its revisions and times included, unless there is one with the same identity
    /// already; so the same records may be given again. Parents come before their children: in this call, or in one before it.
    ///
    /// An engine that can writes all records or none.
    ///
    /// # Errors
    /// `NotFound` when a parent is missing; `AlreadyExists` when what must be unique besides the identity is taken (the address of a
    /// user, the hash of a key); `Refused` when a record breaks a rule of the schema; `TooLarge` when the engine cannot
    /// hold it; `Unavailable`: give the same records again.
    async fn restore(&self, tenant: TenantId, records: &[Record]) -> StoreResult<Restored>;

    /// To be called once after the last record: for engines that keep figures about what they took in.
    ///
    /// # Errors
    /// `Refused` when a record is missing without which another one cannot be served; `Unavailable`: call it again.
    async fn complete(&self, tenant: TenantId) -> StoreResult<()>;

    /// Whether a dump of the tenant would tell nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn is_empty(&self, tenant: TenantId) -> StoreResult<bool> {
        Ok(self.dump(tenant).await?.next(1).await?.is_empty())
    }
}

/// A tenant on its way out: one pass over everything.
#[async_trait]
pub trait Dump: Send {
    /// Whether all of it is of one moment, however long it takes. If not, writes must rest meanwhile, or what was written last may be
    /// there in parts.
    fn is_of_one_moment(&self) -> bool;

    /// The next records, 1 to `limit`; none when all have been told. Kinds come in the order of [`Kind`](super::Kind), each record once.
    ///
    /// # Errors
    /// `Corrupt`: the source names what cannot be read. `Unavailable`: a new dump must be begun.
    async fn next(&mut self, limit: usize) -> StoreResult<Vec<Record>>;

    /// Says that it goes on, to an engine that ends whoever is silent for some seconds. To be called every second while nothing is asked
    /// for.
    ///
    /// # Errors
    /// `Unavailable`: a new dump must be begun.
    async fn stay(&mut self) -> StoreResult<()> {
        Ok(())
    }
}
