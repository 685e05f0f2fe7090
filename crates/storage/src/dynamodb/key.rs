//! The keys of the table: the only place that knows how they are spelled, but for those of the folders beside it.
//!
//! Every partition key begins with the tenant, but for those of the register of all tenants. Names of places hold no `#`, and where a free
//! text comes into a key it stands last or is hashed, so that no two keys read the same.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use togglebox_core::{AuditFilter, AuditRecord, Revision, TenantId, Timestamp};
use togglebox_toggles::{PlatformName, Scope};
use uuid::Uuid;

use super::item::Item;
pub(super) use crate::hex::hex;

/// Name of the partition key.
pub(super) const PK: &str = "PK";
/// Name of the sort key.
pub(super) const SK: &str = "SK";
/// Sort key of what a partition knows about itself.
const HEAD: &str = "META";

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The key's two attributes.
    pub(super) fn item(&self) -> Item {
        Item::from([(PK.to_owned(), AttributeValue::S(self.pk.clone())), (SK.to_owned(), AttributeValue::S(self.sk.clone()))])
    }

    /// The key of an item, if it has one.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self::new(text(PK)?, text(SK)?))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {}", self.pk, self.sk)
    }
}

/// What lives in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Parameter,
    Flag,
    Experiment,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Parameter, Self::Flag, Self::Experiment];

    /// Many of them, in words.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Parameter => "parameters",
            Self::Flag => "flags",
            Self::Experiment => "experiments",
        }
    }

    pub(super) const fn letter(self) -> char {
        match self {
            Self::Parameter => 'P',
            Self::Flag => 'F',
            Self::Experiment => 'E',
        }
    }

    /// The kind of the record with this sort key, and the record's own key.
    pub(super) fn of(sk: &str) -> Option<(Self, &str)> {
        let kind = Self::ALL.into_iter().find(|kind| sk.starts_with(kind.letter()))?;
        Some((kind, sk[1..].strip_prefix('#')?))
    }
}

/// The partition of platforms and environments.
pub(super) fn directory(tenant: TenantId) -> String {
    format!("T#{tenant}#DIR")
}

/// How many times something was created under a quota.
pub(super) fn quota(tenant: TenantId) -> Key {
    Key::new(format!("T#{tenant}#QUOTA"), HEAD)
}

/// How far the directory has counted.
pub(super) fn directory_head(tenant: TenantId) -> Key {
    Key::new(directory(tenant), HEAD)
}

pub(super) fn platform(tenant: TenantId, name: &PlatformName) -> Key {
    Key::new(directory(tenant), format!("P#{name}"))
}

pub(super) fn environment(tenant: TenantId, scope: &Scope) -> Key {
    Key::new(directory(tenant), format!("{}{}", environments_of(scope.platform.as_str()), scope.environment))
}

/// What the sort keys of a platform's environments begin with.
pub(super) fn environments_of(platform: &str) -> String {
    format!("E#{platform}#")
}

/// The partition of an environment's records. Like every key of what is in an environment it is made with the environment's incarnation,
/// the id of the audit record of its creation.
pub(super) fn contents(tenant: TenantId, environment: Uuid) -> String {
    format!("T#{tenant}#ENV#{environment}")
}

/// A parameter, flag or experiment.
pub(super) fn record(tenant: TenantId, environment: Uuid, kind: Kind, key: &str) -> Key {
    Key::new(contents(tenant, environment), format!("{}#{key}", kind.letter()))
}

/// The partition of a record's earlier versions. A re-created record has another incarnation, and so another history.
pub(super) fn history(tenant: TenantId, environment: Uuid, kind: Kind, key: &str, incarnation: Uuid) -> String {
    format!("T#{tenant}#ENV#{environment}#{}#{key}#{incarnation}", kind.letter())
}

/// Every partition that belongs to one incarnation of a record: what has to go when the record is gone.
pub(super) fn partitions(tenant: TenantId, environment: Uuid, kind: Kind, key: &str, incarnation: Uuid) -> Vec<String> {
    let mut partitions = super::statistics::partitions(tenant, incarnation);
    partitions.push(history(tenant, environment, kind, key, incarnation));
    partitions
}

/// The sort key of a version: as wide as the largest number, so that texts are in the order of numbers.
pub(super) fn version(number: u64) -> String {
    format!("{number:020}")
}

/// The partition of an audit record, and the sort key of the record itself.
pub(super) fn audit_record(tenant: TenantId, id: Uuid) -> Key {
    Key::new(format!("T#{tenant}#AUDIT#ID#{id}"), HEAD)
}

/// The partition that lists the audit records that a filter selects. Its parts may be any text, so they are hashed.
pub(super) fn audit_list(tenant: TenantId, filter: &AuditFilter) -> String {
    let parts = [('P', &filter.platform), ('E', &filter.environment), ('T', &filter.target)];
    let wanted: String = parts.iter().filter(|(_, part)| part.is_some()).map(|(letter, _)| *letter).collect();
    if wanted.is_empty() {
        return format!("T#{tenant}#AUDIT");
    }
    let mut hash = Sha256::new();
    for part in parts.iter().filter_map(|(_, part)| part.as_ref()) {
        // Length first: no two lists of parts read the same.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("T#{tenant}#AUDIT#{wanted}#{}", hex(&hash.finalize()))
}

/// Every filter that selects a record: as many as there are subsets of what the record says of its place and target.
pub(super) fn audit_filters(record: &AuditRecord) -> Vec<AuditFilter> {
    type Member = fn(&mut AuditFilter) -> &mut Option<String>;
    let mut filters = vec![AuditFilter::default()];
    let parts: [(Option<&str>, Member); 3] = [
        (record.platform.as_deref(), |filter| &mut filter.platform),
        (record.environment.as_deref(), |filter| &mut filter.environment),
        (Some(record.target.as_str()), |filter| &mut filter.target),
    ];
    for (part, member) in parts {
        let Some(part) = part else { continue };
        let narrower = filters.clone().into_iter().map(|mut filter| {
            *member(&mut filter) = Some(part.to_owned());
            filter
        });
        filters.extend(narrower.collect::<Vec<_>>());
    }
    filters
}

/// The sort key of an audit record in a list: by time, then by revision, then by id.
pub(super) fn audit_entry(at: Timestamp, revision: Revision, id: Uuid) -> String {
    format!("{at}#{:020}#{id}", revision.get())
}

/// The partition of notes of what was deleted and is still to be swept away.
pub(super) fn gone(tenant: TenantId) -> String {
    format!("T#{tenant}#GONE")
}

/// A token of a transaction: the same for the same `parts`, at most the 36 characters that DynamoDB takes.
pub(super) fn token(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::Actor;

    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;

    fn scope() -> Scope {
        Scope::new("web".parse().unwrap(), "production".parse().unwrap())
    }

    fn record_about(platform: Option<&str>, environment: Option<&str>, target: &str) -> AuditRecord {
        AuditRecord {
            id: Uuid::nil(),
            at: Timestamp::EPOCH,
            actor: Actor::system(),
            action: "any".to_owned(),
            platform: platform.map(str::to_owned),
            environment: environment.map(str::to_owned),
            target: target.to_owned(),
            before: None,
            after: None,
        }
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let (nil, id) = ("00000000-0000-0000-0000-000000000000", Uuid::from_u128(7));
        assert_eq!(directory_head(TENANT), Key::new(format!("T#{nil}#DIR"), "META"));
        assert_eq!(platform(TENANT, &scope().platform), Key::new(format!("T#{nil}#DIR"), "P#web"));
        assert_eq!(environment(TENANT, &scope()), Key::new(format!("T#{nil}#DIR"), "E#web#production"));
        let env = "00000000-0000-0000-0000-000000000007";
        assert_eq!(record(TENANT, id, Kind::Flag, "dark"), Key::new(format!("T#{nil}#ENV#{env}"), "F#dark"));
        assert_eq!(history(TENANT, id, Kind::Flag, "dark", id), format!("T#{nil}#ENV#{env}#F#dark#{env}"));
        assert_eq!(version(12), "00000000000000000012");
        assert_eq!(
            audit_entry(Timestamp::EPOCH, Revision::new(3), id),
            format!("1970-01-01T00:00:00.000Z#00000000000000000003#{env}")
        );
        assert_eq!(Kind::of("E#check-out"), Some((Kind::Experiment, "check-out")));
        assert_eq!(Kind::of("META"), None);
    }

    #[test]
    fn a_record_stands_in_every_list_that_can_ask_for_it() {
        assert_eq!(audit_filters(&record_about(None, None, "t")).len(), 2);
        assert_eq!(audit_filters(&record_about(Some("p"), None, "t")).len(), 4);
        let filters = audit_filters(&record_about(Some("p"), Some("e"), "t"));
        let lists: std::collections::BTreeSet<_> = filters.iter().map(|filter| audit_list(TENANT, filter)).collect();
        assert_eq!(lists.len(), 8);
    }

    proptest! {
        #[test]
        fn versions_are_in_the_order_of_their_numbers(a: u64, b: u64) {
            prop_assert_eq!(a.cmp(&b), version(a).cmp(&version(b)));
        }

        #[test]
        fn entries_are_in_the_order_of_time_and_revision(a in 0..=253_402_300_799_999_i64, b in 0..=253_402_300_799_999_i64, x: u64, y: u64) {
            let entry = |at, revision| audit_entry(Timestamp::from_ms(at), Revision::new(revision), Uuid::nil());
            prop_assert_eq!((a, x).cmp(&(b, y)), entry(a, x).cmp(&entry(b, y)));
        }

        #[test]
        fn different_filters_have_different_lists(a in ".{0,4}", b in ".{0,4}", c in ".{0,4}", d in ".{0,4}") {
            let list = |platform: &str, target: &str| {
                let mut filter = AuditFilter::default();
                filter.platform = Some(platform.to_owned());
                filter.target = Some(target.to_owned());
                audit_list(TENANT, &filter)
            };
            prop_assert_eq!((&a, &b) == (&c, &d), list(&a, &b) == list(&c, &d));
        }
    }
}
