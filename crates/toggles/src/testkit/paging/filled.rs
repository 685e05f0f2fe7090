//! A store with long lists.

use std::collections::BTreeMap;

use togglebox_core::{AuditFilter, AuditRecord, Timestamp};

use crate::testkit::ToggleStores;
use crate::testkit::fixtures::{A, MANY, at, audit_at, flag, parameter};
use crate::testkit::lists::{Item, List};
use crate::{Flag, FlagKey, ParameterKey, ParameterVersion, Scope};

/// How many records of each history are of one moment.
const AT_ONCE: u64 = 7;

/// What was written before anybody walks.
pub(super) struct Filled {
    pub(super) place: Scope,
    pub(super) flag: FlagKey,
    /// Its history, oldest first.
    pub(super) flags: Vec<Flag>,
    pub(super) parameter: ParameterKey,
    /// Its history, oldest first.
    pub(super) parameters: Vec<ParameterVersion>,
    /// The audit records of both.
    pub(super) records: Vec<AuditRecord>,
    /// Older records may go: the oldest tenth.
    pub(super) pruned_before: Timestamp,
    /// The second of which the newest records are.
    pub(super) newest: u64,
}

impl Filled {
    /// A flag and a parameter with histories of so many versions. All audit records of the flag, and some of the parameter's, say the
    /// same place and target; so there are at least as many in every list, and others between them.
    pub(super) async fn new(stores: &ToggleStores, items: u64) -> Self {
        let place = stores.with_environment(A, "web", "production").await;
        let flags = tokio::spawn(of_flag(stores.clone(), place.clone(), items));
        let (parameters, mut records) = of_parameter(stores, &place, items).await;
        let (flags, of_flags) = flags.await.unwrap();
        records.extend(of_flags);
        Self {
            flag: flags[0].key.clone(),
            parameter: parameters[0].key.clone(),
            place,
            flags,
            parameters,
            records,
            pruned_before: at(second(items / 10)),
            newest: second(items),
        }
    }

    /// Both histories, and the audit log with every kind of filter.
    pub(super) fn lists(&self) -> Vec<List> {
        let (flag, parameter) = (self.flag.as_str(), self.parameter.as_str());
        let mut lists = List::records(&self.place, flag);
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
                self.records.iter().filter(stays).map(Item::of_record).collect()
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

async fn of_flag(stores: ToggleStores, place: Scope, items: u64) -> (Vec<Flag>, Vec<AuditRecord>) {
    let (mut flags, mut records) = (Vec::<Flag>::new(), Vec::new());
    for n in 0..items {
        let (given, record) = (flag("f", &n.to_string()), record(n, Some("web"), Some("production"), "f"));
        let written = match flags.last() {
            None => stores.flags.create(A, &place, &given, &record).await,
            Some(last) => stores.flags.append(A, &place, &given, last.revision, &record).await,
        };
        flags.push(written.unwrap().value);
        records.push(record);
    }
    (flags, records)
}

async fn of_parameter(stores: &ToggleStores, place: &Scope, items: u64) -> (Vec<ParameterVersion>, Vec<AuditRecord>) {
    let (mut parameters, mut records, mut revision) = (Vec::new(), Vec::new(), None);
    for n in 0..items {
        let (platform, environment, target) = match n % 5 {
            0 => (Some("web"), Some("production"), "f"),
            1 => (Some("ios"), Some("production"), "f"),
            2 => (Some("web"), Some("staging"), "f"),
            3 => (Some("web"), Some("production"), "p"),
            _ => (None, None, "f"),
        };
        let (given, record) = (parameter("p", &n.to_string()), record(n, platform, environment, target));
        let written = match revision {
            None => stores.parameters.create(A, place, &given, MANY, &record).await,
            Some(revision) => stores.parameters.append(A, place, &given, revision, &record).await,
        };
        let written = written.unwrap();
        revision = Some(written.revision);
        parameters.push(written.value.active);
        records.push(record);
    }
    (parameters, records)
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
