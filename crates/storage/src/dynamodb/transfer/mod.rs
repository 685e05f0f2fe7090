//! Whole tenants, out and in.
//!
//! **Out.** A table has no view of one moment. So a dump is a task that reads place after place, kind after kind, and stays a few pages
//! ahead of whoever listens. Records that hang on something deleted are not found, because nothing leads to them.
//!
//! **In.** An incarnation is drawn at random when its record is written, on the condition that there is none yet, and is read from there
//! for all that belongs to the record, also by an import that goes on after a sudden end. It is not derived from the record's id or key:
//! what is deleted and imported again would then find what of the old one was not swept away yet, and lose its own to the sweeper.
//!
//! What decides whether something is there is written last, or in one transaction with the rest. So a record that is found need not be
//! looked at twice, and one whose writing was cut short is written again as a whole.
//!
//! Heads of parameters and flags come before their versions. Until the version that clients get has come they are **drafts**, which no
//! port reads. The digests of directory and environments are of all records, so that [`complete`](Transfer::complete) works them
//! out at the end; before that, no port lists anything.

mod audit;
mod contents;
mod dump;
mod groups;
mod pages;
mod places;
mod restore;
mod versions;

use async_trait::async_trait;
use togglebox_core::{AuditFilter, StoreResult, TenantId};

use self::dump::Telling;
use super::DynamoDb;
use super::store::Range;
use super::{accounts, key};
use crate::transfer::{Dump, Record, Restored, Transfer};

pub(super) use self::contents::heads;
pub(super) use self::dump::Teller;
pub(super) use self::groups::{Group, Tally};
pub(super) use self::pages::{pages, together};
pub(super) use self::places::Inside;
pub(super) use self::restore::{Leaf, Restoring, incarnation, refusal};

/// The port call that tells.
pub(super) const DUMP: &str = "transfer.dump";
/// The port call that takes in.
pub(super) const RESTORE: &str = "transfer.restore";

/// Requests that are under way at once.
pub(super) const AT_ONCE: usize = 8;

#[async_trait]
impl Transfer for DynamoDb {
    fn engine(&self) -> &'static str {
        "dynamodb"
    }

    async fn dump(&self, tenant: TenantId) -> StoreResult<Box<dyn Dump>> {
        Ok(Box::new(Telling::begin(self.clone(), tenant)))
    }

    async fn restore(&self, tenant: TenantId, records: &[Record]) -> StoreResult<Restored> {
        Restoring::new(self, tenant).all(records).await
    }

    async fn complete(&self, tenant: TenantId) -> StoreResult<()> {
        contents::complete(self, tenant).await
    }

    /// Everything but the audit log hangs on one of two items.
    async fn is_empty(&self, tenant: TenantId) -> StoreResult<bool> {
        const OPERATION: &str = "transfer.is_empty";
        let mut patience = self.long_patience();
        let heads = [key::directory_head(tenant), accounts::head(tenant)];
        if !self.get_all(OPERATION, &mut patience, heads).await?.is_empty() {
            return Ok(false);
        }
        let entry = Range { limit: Some(1), ..Range::all(key::audit_list(tenant, &AuditFilter::default())) };
        Ok(self.query(OPERATION, &mut patience, entry).await?.is_empty())
    }
}
