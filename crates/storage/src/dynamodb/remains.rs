//! What is left of a tenant: removed and counted by reading the table from end to end.
//!
//! No list leads to everything that a tenant has: counts of failed sign-ins, asked-for resets and batches stand for themselves until they
//! expire, and what a crash or a newer version has left may be in no list that this one knows. What begins with the tenant is the
//! tenant's, though, and a scan meets all of it. Its price is that of the table's size, however little the tenant has.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use togglebox_core::{AuditRecord, Cursor, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_multitenancy::store::{Cleared, NOT_PURGED, Remains, RemainsStore};

use super::DynamoDb;
use super::item::Attributes;
use super::key::{self, Key, PK, SK};
use super::store::repeat;
use super::tenancy::key as of_register;

/// The most pages, of a megabyte each, that one call reads on its way to what it removes.
const PAGES: usize = 8;

/// Which keys are a tenant's.
#[cfg(not(feature = "metering"))]
const FILTER: &str = "begins_with(#p, :p)";
#[cfg(feature = "metering")]
const FILTER: &str = "begins_with(#p, :p) OR (begins_with(#p, :r) AND contains(#s, :t))";

/// What every key of a tenant begins with.
fn prefix(tenant: TenantId) -> String {
    format!("T#{tenant}#")
}

/// What kind of item has a key that begins with `prefix`, or stands in a list of the installation.
fn kind<'k>(key: &'k Key, prefix: &str) -> &'k str {
    #[cfg(feature = "metering")]
    if key.pk.starts_with(super::usage::key::REGISTER) {
        return super::usage::key::USAGE;
    }
    let rest = key.pk.strip_prefix(prefix).unwrap_or(&key.pk);
    rest.split('#').next().unwrap_or(rest)
}

/// Whether items of a kind are usage.
fn is_usage(kind: &str) -> bool {
    #[cfg(feature = "metering")]
    return [super::usage::key::USAGE, super::usage::key::EVENT].contains(&kind);
    #[cfg(not(feature = "metering"))]
    return {
        _ = kind;
        false
    };
}

impl DynamoDb {
    /// The keys of a tenant on the next page of the table, and where the page after it begins, if there is one.
    async fn scan(&self, operation: &'static str, tenant: TenantId, start: Option<&Key>) -> StoreResult<(Vec<Key>, Option<Key>)> {
        let names = HashMap::from([("#p".to_owned(), PK.to_owned()), ("#s".to_owned(), SK.to_owned())]);
        let values = HashMap::from([(":p".to_owned(), AttributeValue::S(prefix(tenant)))]);
        // In the installation's lists of usage the tenant is a part of the sort key.
        #[cfg(feature = "metering")]
        let values = {
            let listed = [(":r", super::usage::key::REGISTER.to_owned()), (":t", format!("#{tenant}#"))];
            let listed = listed.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
            values.into_iter().chain(listed).collect::<HashMap<_, _>>()
        };
        let request = || {
            self.client
                .scan()
                .table_name(&*self.table)
                .consistent_read(true)
                .filter_expression(FILTER)
                .projection_expression("#p, #s")
                .set_expression_attribute_names(Some(names.clone()))
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(start.map(Key::item))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        // Each page may take as long as any other call.
        let output = repeat(&self.home, operation, &mut self.long_patience(), request).await?;
        self.meter.read(output.consumed_capacity());
        let keys = output.items.unwrap_or_default().iter().filter_map(Key::of).collect();
        Ok((keys, output.last_evaluated_key.as_ref().and_then(Key::of)))
    }
}

#[async_trait]
impl RemainsStore for DynamoDb {
    async fn clear(&self, tenant: TenantId, after: Option<&Cursor>, limit: usize) -> StoreResult<Cleared> {
        const OPERATION: &str = "remains.clear";
        let failed = |kind| StoreError::new(kind, OPERATION);
        // What is purged stays purged, and is forgotten for good: so nothing has to be compared again when items are removed.
        let stands = self.get(OPERATION, &mut self.patience(), &of_register::tenant(tenant)).await?;
        let is_known = stands.is_some();
        if let Some(stands) = stands
            && Attributes::new(&stands, OPERATION).maybe::<Timestamp>("purged_at")?.is_none()
        {
            return Err(failed(StoreErrorKind::Refused(NOT_PURGED)));
        }
        let place = |after: &Cursor| serde_json::from_str(after.as_str()).map_err(|_| failed(StoreErrorKind::InvalidCursor));
        let mut start: Option<Key> = after.map(place).transpose()?;
        let (prefix, mut removed) = (prefix(tenant), 0);
        for _ in 0..PAGES {
            let (mut keys, end) = self.scan(OPERATION, tenant, start.as_ref()).await?;
            keys.retain(|key| {
                let kind = kind(key, &prefix);
                // Of one that is not in the register, only what may have come late.
                !of_register::KINDS.contains(&kind) && (is_known || is_usage(kind))
            });
            let cut = keys.len() > limit - removed;
            keys.truncate(limit - removed);
            removed += keys.len();
            // A page that is cut goes on after the last of its keys that was taken, though nothing is there any more.
            start = if cut { keys.last().cloned().or(start) } else { end };
            #[cfg(feature = "metering")]
            let keys = self.strike_stale(OPERATION, keys).await?;
            #[cfg(feature = "billing")]
            let keys = self.remove_documents_of(OPERATION, tenant, keys).await?;
            self.remove(OPERATION, &mut self.long_patience(), keys).await?;
            if start.is_none() || removed == limit {
                break;
            }
        }
        let next = start.map(|key| serde_json::to_string(&key)).transpose();
        let next = next.map_err(|error| failed(StoreErrorKind::Corrupt).caused_by(error))?;
        Ok(Cleared { removed, next: next.map(Cursor::new) })
    }

    async fn left(&self, tenant: TenantId) -> StoreResult<Remains> {
        let (prefix, mut remains, mut start) = (prefix(tenant), Remains::default(), None);
        loop {
            let (keys, end) = self.scan("remains.left", tenant, start.as_ref()).await?;
            for key in &keys {
                match kind(key, &prefix) {
                    of_register::TENANT => remains.is_known = true,
                    kind => *remains.counts.entry(kind.to_owned()).or_default() += 1,
                }
            }
            match end {
                Some(key) => start = Some(key),
                None => return Ok(remains),
            }
        }
    }

    async fn note(&self, tenant: TenantId, audit: &AuditRecord) -> StoreResult<()> {
        let container = key::audit_record(tenant, audit.id);
        let mut write = self.write("remains.note", tenant, container, audit).await?;
        loop {
            if write.read([]).await?.earlier.is_some() || write.commit(Vec::new(), Revision::ZERO).await? {
                return Ok(());
            }
        }
    }
}
