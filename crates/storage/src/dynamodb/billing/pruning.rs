//! What is removed: because it is old, or with its tenant.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_billing::store::{MOST_AT_ONCE, Shelf};
use togglebox_core::{StoreResult, Timestamp};

use super::super::DynamoDb;
use super::lists::Entries;

const OPERATION: &str = "billing.prune";
/// How many documents are looked for at once.
const PART: usize = 100;
/// How many are being removed at once.
const AT_ONCE: usize = 8;

impl DynamoDb {
    pub(super) async fn prune_documents(&self, shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let (limit, mut removed) = (limit.clamp(1, MOST_AT_ONCE), 0);
        let of = Entries::listed(OPERATION, shelf, list).before(before.as_ms());
        // Again, until there is nothing more to find: some may have been changed after they were found.
        while removed < limit {
            let oldest = self.led_to(&of, None, PART.min(limit - removed)).await?;
            if oldest.is_empty() {
                break;
            }
            let gone = stream::iter(oldest).map(|document| self.remove_document(OPERATION, document));
            let gone: Vec<bool> = gone.buffer_unordered(AT_ONCE).try_collect().await?;
            removed += gone.into_iter().filter(|gone| *gone).count();
        }
        Ok(removed)
    }

    /// Removes the documents that those of `keys` lead to which are a tenant's entries; hands the other keys back. For a tenant that is
    /// removed.
    #[cfg(feature = "tenancy")]
    pub(in super::super) async fn remove_documents_of(
        &self,
        operation: &'static str,
        tenant: togglebox_core::TenantId,
        keys: Vec<super::super::key::Key>,
    ) -> StoreResult<Vec<super::super::key::Key>> {
        let (mut others, mut patience) = (Vec::with_capacity(keys.len()), self.long_patience());
        for key in keys {
            if let Some(address) = super::key::owned(&key, tenant) {
                let document = super::key::document(&address);
                while let Some(item) = self.get(operation, &mut patience, &document).await? {
                    let read = super::record::read(&item, operation)?;
                    // Another one's by now, so that this entry led nowhere.
                    if read.tenant != Some(tenant) || self.remove_document(operation, read).await? {
                        break;
                    }
                }
            }
            others.push(key);
        }
        Ok(others)
    }
}
