//! What stands in environments: heads of parameters and flags, and experiments.

use std::collections::{BTreeMap, HashMap};

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use togglebox_core::{Revision, StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::digest::Digest;
use super::super::item::{Attributes, Draft, Item};
use super::super::key::{self, Key, Kind};
use super::super::place::Counts;
use super::super::store::{Range, Wanted};
use super::super::{directory, experiments};
use super::groups::transactions;
use super::places::{self, Inside};
use super::restore::{incarnation, refusal};
use super::{DUMP, Group, RESTORE, Restoring, Teller, pages};
use crate::transfer::record::{Experiment, Flag, Parameter};

/// The attribute of a head whose active version has not come yet. `version` is the one that it waits for.
pub(super) const DRAFT: &str = "draft";

/// Records of a kind, environment by environment.
pub(in super::super) fn heads(
    store: &DynamoDb,
    tenant: TenantId,
    within: &[Inside],
    kind: Kind,
) -> BoxStream<'static, StoreResult<(Inside, Vec<Item>)>> {
    let range = |inside: &Inside| {
        let wanted = Wanted::Prefix(format!("{}#", kind.letter()));
        (*inside, Range { wanted, ..Range::all(key::contents(tenant, inside.incarnation)) })
    };
    pages(store, within.iter().map(range).collect())
}

pub(super) async fn parameters(teller: &Teller, within: &[Inside]) -> StoreResult<()> {
    let mut heads = heads(&teller.store, teller.tenant, within, Kind::Parameter);
    while let Some((Inside { environment, .. }, items)) = heads.try_next().await? {
        let record = |item: &Item| {
            let attributes = Attributes::new(item, DUMP);
            let (key, revision) = (attributes.get("key")?, attributes.get("rev")?);
            let (active, latest) = (attributes.get("version")?, attributes.get("latest_version")?);
            Ok(Parameter { environment, key, active, latest, revision }.into())
        };
        teller.tell(items.iter().map(record).collect::<StoreResult<_>>()?).await?;
    }
    Ok(())
}

pub(super) async fn flags(teller: &Teller, within: &[Inside]) -> StoreResult<()> {
    let mut heads = heads(&teller.store, teller.tenant, within, Kind::Flag);
    while let Some((Inside { environment, .. }, items)) = heads.try_next().await? {
        let record = |item: &Item| {
            let attributes = Attributes::new(item, DUMP);
            let (key, latest) = (attributes.get("key")?, attributes.get("version")?);
            Ok(Flag { environment, key, latest, created_at: attributes.get("created_at")? }.into())
        };
        teller.tell(items.iter().map(record).collect::<StoreResult<_>>()?).await?;
    }
    Ok(())
}

pub(super) async fn experiments(teller: &Teller, within: &[Inside]) -> StoreResult<()> {
    let mut heads = heads(&teller.store, teller.tenant, within, Kind::Experiment);
    while let Some((Inside { environment, .. }, items)) = heads.try_next().await? {
        let record = |item: &Item| {
            let experiment = experiments::experiment_of(item, DUMP)?;
            let record = Experiment {
                environment,
                key: experiment.key,
                status: experiment.status,
                definition: experiment.definition,
                started_at: experiment.started_at,
                started_by: experiment.started_by,
                completed_at: experiment.completed_at,
                completed_by: experiment.completed_by,
                winner: experiment.winner,
                created_by: experiment.created_by,
                created_at: experiment.created_at,
                updated_at: experiment.updated_at,
                revision: experiment.revision,
            };
            Ok(record.into())
        };
        teller.tell(items.iter().map(record).collect::<StoreResult<_>>()?).await?;
    }
    Ok(())
}

impl Restoring<'_> {
    pub(super) async fn parameters(&mut self, records: &[&Parameter]) -> StoreResult<usize> {
        if records.iter().any(|record| !(1..=record.latest).contains(&record.active)) {
            return Err(refusal(StoreErrorKind::Refused("parameters_active_is_given")));
        }
        let heads = records.iter().map(|record| {
            let draft = move |draft: Draft| {
                let draft = draft.with("key", record.key.as_str()).with(DRAFT, true).with("version", record.active);
                draft.with("latest_version", record.latest).with("rev", record.revision).finish(RESTORE)
            };
            (record.environment, record.key.as_str(), draft)
        });
        self.heads(Kind::Parameter, heads.collect()).await
    }

    pub(super) async fn flags(&mut self, records: &[&Flag]) -> StoreResult<usize> {
        let heads = records.iter().map(|record| {
            let draft = move |draft: Draft| {
                let draft = draft.with("key", record.key.as_str()).with(DRAFT, true).with("version", record.latest);
                draft.with("created_at", record.created_at).finish(RESTORE)
            };
            (record.environment, record.key.as_str(), draft)
        });
        self.heads(Kind::Flag, heads.collect()).await
    }

    pub(super) async fn experiments(&mut self, records: &[&Experiment]) -> StoreResult<usize> {
        let heads = records.iter().map(|record| {
            let experiment = togglebox_toggles::Experiment {
                key: record.key.clone(),
                definition: record.definition.clone(),
                status: record.status,
                started_at: record.started_at,
                started_by: record.started_by.clone(),
                completed_at: record.completed_at,
                completed_by: record.completed_by.clone(),
                winner: record.winner.clone(),
                created_by: record.created_by.clone(),
                created_at: record.created_at,
                updated_at: record.updated_at,
                revision: record.revision,
            };
            (record.environment, record.key.as_str(), move |draft| experiments::item_of(draft, &experiment, RESTORE))
        });
        self.heads(Kind::Experiment, heads.collect()).await
    }

    /// Writes those of these heads that are not there.
    async fn heads<F: Fn(Draft) -> StoreResult<Item>>(&mut self, kind: Kind, heads: Vec<(Uuid, &str, F)>) -> StoreResult<usize> {
        let insides = self.insides(heads.iter().map(|(environment, ..)| *environment)).await?;
        let mut wanted = BTreeMap::new();
        for (environment, name, item) in heads {
            let key = key::record(self.tenant, insides[&environment].incarnation, kind, name);
            // Of two with one identity the first counts.
            wanted.entry(key).or_insert(item);
        }
        let keys: Vec<Key> = wanted.keys().cloned().collect();
        self.settle(&keys, |standing| {
            let missing = wanted.iter().filter(|(key, _)| !standing.contains_key(key));
            let group = |(key, item): (&Key, &F)| {
                let item = item(Draft::new(key).with("incarnation", incarnation()))?;
                Ok(Action::Put { item, when: Condition::absent() }.into())
            };
            missing.map(group).collect()
        })
        .await
    }
}

/// What an environment's records add up to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    digest: Digest,
    counts: Counts,
}

/// Works out what directory and environments say of their records.
pub(super) async fn complete(store: &DynamoDb, tenant: TenantId) -> StoreResult<()> {
    let mut patience = store.long_patience();
    loop {
        let directory = places::read(store, RESTORE, tenant).await?;
        let Some(revision) = directory.revision else { return Ok(()) };
        let mut sums = HashMap::<Uuid, Sum>::new();
        let ranges =
            directory.insides().into_iter().map(|inside| (inside, Range::all(key::contents(tenant, inside.incarnation))));
        let mut contents = pages(store, ranges.collect());
        while let Some((inside, items)) = contents.try_next().await? {
            let sum = sums.entry(inside.environment).or_default();
            for item in &items {
                add(sum, item)?;
            }
        }
        let mut groups = vec![Group::from(directory::completed(tenant, revision, directory.digest()))];
        for (id, standing) in &directory.environments {
            let Sum { digest, counts } = sums.get(id).copied().unwrap_or_default();
            let set = counts.attributes().chain([("contents_digest", digest.number().into())]).collect();
            let when = Condition::is("incarnation", standing.incarnation).and("contents", standing.record.contents_revision);
            groups.push(Action::Update { key: standing.key.clone(), set, remove: Vec::new(), when }.into());
        }
        let mut all = true;
        for actions in transactions(groups) {
            all &= store.commit(RESTORE, &mut patience, actions).await?;
        }
        if all {
            return Ok(());
        }
    }
}

fn add(sum: &mut Sum, item: &Item) -> StoreResult<()> {
    let attributes = Attributes::new(item, RESTORE);
    if item.contains_key(DRAFT) {
        let source = attributes.unreadable("document", "the version that clients get is missing");
        return Err(refusal(StoreErrorKind::Refused("active-version")).caused_by(source));
    }
    let sk: String = attributes.get(key::SK)?;
    sum.digest = sum.digest.with(attributes.get::<Revision>("rev")?);
    if let Some((kind, _)) = Kind::of(&sk) {
        sum.counts = sum.counts.more(kind);
    }
    Ok(())
}
