//! What makes lists long.

use std::collections::BTreeMap;

use togglebox_core::{AuditFilter, AuditRecord, Limit, TenantId, Timestamp};

use crate::testkit::ToggleStores;
use crate::testkit::fixtures::{A, MANY, at, audit_at, flag, parameter};
use crate::testkit::lists::{Item, List};
use crate::{Flag, FlagKey, FlagVersion, ParameterKey, ParameterVersion, Scope};

/// How long each list is, at least.
pub(super) const ITEMS: u64 = 10_000;

/// How many records of each history are of one moment.
const AT_ONCE: u64 = 7;

/// Long histories of a flag and of a parameter, with their audit records: what is there before anybody walks.
///
/// All audit records of the flag, and some of the parameter's, say the same place and target; so there are at least as many in every
/// list, and others between them.
#[derive(Debug)]
pub struct LongHistories {
    /// Whose they are.
    pub tenant: TenantId,
    /// Where the flag and the parameter are.
    pub place: Scope,
    /// The versions of the flag, oldest first. The last one is active.
    pub flags: Vec<Flag>,
    /// The versions of the parameter, oldest first. The last one is active.
    pub parameters: Vec<ParameterVersion>,
    /// What is recorded of each version of the flag.
    pub records_of_flag: Vec<AuditRecord>,
    /// What is recorded of each version of the parameter.
    pub records_of_parameter: Vec<AuditRecord>,
    /// Older records may go: the oldest tenth.
    pub(super) pruned_before: Timestamp,
    /// The second of which the newest records are.
    pub(super) newest: u64,
}

impl LongHistories {
    /// Their first versions, in a store that was empty. The others are written down here, and are to be filled in: by
    /// [`fill`](Self::fill), or in a way that only the adapter knows.
    pub async fn begin(stores: &ToggleStores) -> Self {
        let place = stores.with_environment(A, "web", "production").await;
        let histories = Self {
            tenant: A,
            place,
            flags: (0..ITEMS).map(|n| Flag { version: FlagVersion::from_patch(n), ..flag("f", &n.to_string()) }).collect(),
            parameters: (0..ITEMS).map(|n| ParameterVersion { version: n + 1, ..parameter("p", &n.to_string()) }).collect(),
            records_of_flag: (0..ITEMS).map(|n| record(n, Some("web"), Some("production"), "f")).collect(),
            records_of_parameter: (0..ITEMS).map(record_of_parameter).collect(),
            pruned_before: at(second(ITEMS / 10)),
            newest: second(ITEMS),
        };
        let (place, flag, parameter) = (&histories.place, &histories.flags[0], &histories.parameters[0]);
        stores.flags.create(A, place, flag, Limit::Unlimited, &histories.records_of_flag[0]).await.unwrap();
        stores.parameters.create(A, place, parameter, MANY, Limit::Unlimited, &histories.records_of_parameter[0]).await.unwrap();
        histories
    }

    /// Fills in what is missing, through the ports: one version after the other, the flag beside the parameter.
    pub async fn fill(&self, stores: &ToggleStores) {
        let flags =
            tokio::spawn(append_flags(stores.clone(), self.place.clone(), self.flags.clone(), self.records_of_flag.clone()));
        append_parameters(stores, &self.place, &self.parameters, &self.records_of_parameter).await;
        flags.await.unwrap();
    }

    pub(super) fn flag(&self) -> &FlagKey {
        &self.flags[0].key
    }

    pub(super) fn parameter(&self) -> &ParameterKey {
        &self.parameters[0].key
    }

    /// Both histories, and the audit log with those kinds of filter that are chosen.
    pub(super) fn lists(&self, chosen: impl Fn(&AuditFilter) -> bool) -> Vec<List> {
        let (flag, parameter) = (self.flag().as_str(), self.parameter().as_str());
        let mut lists = List::records(&self.place, flag);
        lists.retain(|list| !matches!(list, List::Records(filter) if !chosen(filter)));
        lists.extend([List::flag(&self.place, flag), List::parameter(&self.place, parameter)]);
        lists
    }

    /// The items of a list that nobody takes away, by id.
    pub(super) fn standing(&self, list: &List) -> BTreeMap<u128, Item> {
        let items: Vec<Item> = match list {
            List::Flag(..) => self.flags.iter().map(Item::of_flag).collect(),
            List::Parameter(..) => self.parameters.iter().map(Item::of_parameter).collect(),
            List::Records(filter) => {
                let stays = |record: &&AuditRecord| record.at >= self.pruned_before && is_found(record, filter);
                self.records_of_flag.iter().chain(&self.records_of_parameter).filter(stays).map(Item::of_record).collect()
            }
        };
        items.into_iter().map(|item| (item.id, item)).collect()
    }
}

/// Every other record in the store is from before, so it goes first.
const FIRST: u64 = 1000;

fn second(n: u64) -> u64 {
    FIRST + n / AT_ONCE
}

async fn append_flags(stores: ToggleStores, place: Scope, flags: Vec<Flag>, records: Vec<AuditRecord>) {
    let mut revision = stores.flags.find(A, &place, &flags[0].key).await.unwrap().unwrap().revision;
    for (given, record) in flags.iter().zip(&records).skip(1) {
        let written = stores.flags.append(A, &place, given, revision, record).await.unwrap();
        assert_eq!(written.value.version, given.version);
        revision = written.revision;
    }
}

async fn append_parameters(stores: &ToggleStores, place: &Scope, parameters: &[ParameterVersion], records: &[AuditRecord]) {
    let mut revision = stores.parameters.find(A, place, &parameters[0].key).await.unwrap().unwrap().revision;
    for (given, record) in parameters.iter().zip(records).skip(1) {
        let written = stores.parameters.append(A, place, given, revision, record).await.unwrap();
        assert_eq!(written.value.latest_version, given.version);
        revision = written.revision;
    }
}

fn record_of_parameter(n: u64) -> AuditRecord {
    let (platform, environment, target) = match n % 5 {
        0 => (Some("web"), Some("production"), "f"),
        1 => (Some("ios"), Some("production"), "f"),
        2 => (Some("web"), Some("staging"), "f"),
        3 => (Some("web"), Some("production"), "p"),
        _ => (None, None, "f"),
    };
    record(n, platform, environment, target)
}

fn record(n: u64, platform: Option<&str>, environment: Option<&str>, target: &str) -> AuditRecord {
    AuditRecord {
        platform: platform.map(str::to_owned),
        environment: environment.map(str::to_owned),
        after: None,
        ..audit_at(second(n), "fill", target)
    }
}

fn is_found(record: &AuditRecord, filter: &AuditFilter) -> bool {
    let fits = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
    fits(&filter.platform, record.platform.as_deref())
        && fits(&filter.environment, record.environment.as_deref())
        && fits(&filter.target, Some(&record.target))
}
