//! The audit log.
//!
//! Records of the same millisecond keep their order. In the lists it is that of their revisions; where these say otherwise (they may count
//! different containers), a record is given a higher number to stand by.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use togglebox_core::{AuditFilter, AuditRecord, Revision, StoreResult, Timestamp};
use uuid::Uuid;

use super::super::audit::{Kept, kept, order_of, revision_of};
use super::super::item::{Attributes, Item};
use super::super::key::{self, Key};
use super::super::store::{Range, Wanted};
use super::{DUMP, RESTORE, Restoring, Teller, pages};
use crate::transfer::record::Audit;

pub(super) async fn tell(teller: &Teller) -> StoreResult<()> {
    let everything = Range::all(key::audit_list(teller.tenant, &AuditFilter::default()));
    let mut entries = pages(&teller.store, vec![((), everything)]);
    while let Some(((), entries)) = entries.try_next().await? {
        let mut patience = teller.store.long_patience();
        let key = |entry: &Item| Ok(key::audit_record(teller.tenant, Attributes::new(entry, DUMP).get("id")?));
        let keys = entries.iter().map(key).collect::<StoreResult<Vec<Key>>>()?;
        let items = teller.store.get_all(DUMP, &mut patience, keys.iter().cloned()).await?;
        let mut records = Vec::with_capacity(keys.len());
        for key in &keys {
            // Removed for its age since the list was read; or an import has not come so far.
            let Some(item) = items.get(key) else { continue };
            let AuditRecord { id, at, actor, action, platform, environment, target, before, after } =
                teller.store.audit_record(DUMP, &mut patience, key, item).await?;
            let revision = revision_of(item, DUMP)?;
            let record = Audit { id, at, actor, action, platform, environment, target, before, after, revision };
            records.push(record.into());
        }
        teller.tell(records).await?;
    }
    Ok(())
}

impl Restoring<'_> {
    /// A record after its entries, and that of the list of everything before the others: what is found leads to the whole, also for
    /// pruning, and what is not found is written as a whole.
    pub(super) async fn audits(&mut self, records: &[&Audit]) -> StoreResult<usize> {
        let mut given = HashSet::new();
        let records: Vec<&Audit> = records.iter().copied().filter(|record| given.insert(record.id)).collect();
        let standing = self.standing(records.iter().map(|record| key::audit_record(self.tenant, record.id))).await?;
        let mut last = self.last(&records, &given).await?;
        let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let stands = standing.get(&key::audit_record(self.tenant, record.id));
            let order = match stands {
                Some(item) => order_of(item, RESTORE)?,
                None => after(last.get(&record.at).copied(), record.revision),
            };
            last.insert(record.at, order);
            if stands.is_none() {
                let Kept { parts, record, entries } = kept(RESTORE, self.tenant, &appended(record), record.revision, order)?;
                let mut entries = entries.into_iter();
                first.extend(entries.next());
                second.extend(entries.chain(parts));
                third.push(record);
            }
        }
        let count = third.len();
        for items in [first, second, third] {
            self.put(items).await?;
        }
        Ok(count)
    }

    /// The last record of each millisecond, of those that are there and not among `given`: where these stand follows from it.
    async fn last(&self, records: &[&Audit], given: &HashSet<Uuid>) -> StoreResult<HashMap<Timestamp, Revision>> {
        let times = || records.iter().map(|record| record.at);
        let (Some(from), Some(to)) = (times().min(), times().max()) else { return Ok(HashMap::new()) };
        let range = Range {
            after: Some(from.to_string()),
            // The next character after the one that ends a time.
            wanted: Wanted::Below(format!("{to}$").into()),
            ..Range::all(key::audit_list(self.tenant, &AuditFilter::default()))
        };
        let mut last = HashMap::new();
        let mut entries = pages(self.store, vec![((), range)]);
        while let Some(((), entries)) = entries.try_next().await? {
            for entry in &entries {
                let attributes = Attributes::new(entry, RESTORE);
                if !given.contains(&attributes.get("id")?) {
                    let order: Revision = attributes.get("rev")?;
                    let known = last.entry(attributes.get("at")?).or_insert(order);
                    *known = order.max(*known);
                }
            }
        }
        Ok(last)
    }
}

/// The number of a record that comes after another one.
fn after(before: Option<Revision>, revision: Revision) -> Revision {
    before.map_or(revision, |before| revision.max(before.next()))
}

fn appended(record: &Audit) -> AuditRecord {
    AuditRecord {
        id: record.id,
        at: record.at,
        actor: record.actor.clone(),
        action: record.action.clone(),
        platform: record.platform.clone(),
        environment: record.environment.clone(),
        target: record.target.clone(),
        before: record.before.clone(),
        after: record.after.clone(),
    }
}
