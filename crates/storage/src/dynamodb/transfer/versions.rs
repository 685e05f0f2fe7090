//! Versions of parameters and flags.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use togglebox_core::{StoreErrorKind, StoreResult};
use uuid::Uuid;

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Item};
use super::super::key::{self, Key, Kind};
use super::super::record::version_key;
use super::super::store::Range;
use super::super::{flags, parameters};
use super::contents::{DRAFT, heads};
use super::places::Inside;
use super::restore::{Leaf, Thing, refusal};
use super::{DUMP, Group, RESTORE, Restoring, Teller, pages};
use crate::transfer::Record;
use crate::transfer::record::{FlagVersion, ParameterVersion};

/// The histories of the records of a page, each with its environment.
fn histories(teller: &Teller, inside: Inside, kind: Kind, items: &[Item]) -> StoreResult<Vec<(Uuid, Range)>> {
    let history = |item: &Item| {
        let attributes = Attributes::new(item, DUMP);
        let (name, incarnation): (String, Uuid) = (attributes.get("key")?, attributes.get("incarnation")?);
        let history = key::history(teller.tenant, inside.incarnation, kind, &name, incarnation);
        Ok((inside.environment, Range::all(history)))
    };
    items.iter().map(history).collect()
}

pub(super) async fn parameters(teller: &Teller, within: &[Inside]) -> StoreResult<()> {
    let mut heads = heads(&teller.store, teller.tenant, within, Kind::Parameter);
    while let Some((inside, items)) = heads.try_next().await? {
        let mut versions = pages(&teller.store, histories(teller, inside, Kind::Parameter, &items)?);
        while let Some((environment, items)) = versions.try_next().await? {
            let record = |item: &Item| {
                let version = parameters::version_of(item, 0, DUMP)?;
                let record = ParameterVersion {
                    environment,
                    key: version.key,
                    version: version.version,
                    definition: version.definition,
                    created_by: version.created_by,
                    created_at: version.created_at,
                };
                Ok(record.into())
            };
            teller.tell(items.iter().map(record).collect::<StoreResult<_>>()?).await?;
        }
    }
    Ok(())
}

pub(super) async fn flags(teller: &Teller, within: &[Inside]) -> StoreResult<()> {
    let mut heads = heads(&teller.store, teller.tenant, within, Kind::Flag);
    while let Some((inside, items)) = heads.try_next().await? {
        let active = items.iter().filter(|item| !item.contains_key(DRAFT));
        let active = active.map(|item| flag_version(inside.environment, item, true));
        teller.tell(active.collect::<StoreResult<_>>()?).await?;
        let mut versions = pages(&teller.store, histories(teller, inside, Kind::Flag, &items)?);
        while let Some((environment, items)) = versions.try_next().await? {
            let earlier = items.iter().map(|item| flag_version(environment, item, false));
            teller.tell(earlier.collect::<StoreResult<_>>()?).await?;
        }
    }
    Ok(())
}

fn flag_version(environment: Uuid, item: &Item, active: bool) -> StoreResult<Record> {
    let flag = flags::flag_of(item, active, DUMP)?;
    let record = FlagVersion {
        environment,
        key: flag.key,
        version: flag.version.patch(),
        active,
        definition: flag.definition,
        created_by: flag.created_by,
        updated_at: flag.updated_at,
        revision: flag.revision,
    };
    Ok(record.into())
}

impl Thing {
    /// Which version a draft waits for; `None` when this is none.
    fn waits_for(&self) -> StoreResult<Option<u64>> {
        let waits = self.item.contains_key(DRAFT);
        waits.then(|| Attributes::new(&self.item, RESTORE).get("version")).transpose()
    }

    /// What fills a draft, as long as it is one.
    fn fill(&self, item: Item) -> Group {
        Action::Put { item, when: Condition::is("incarnation", self.incarnation).and(DRAFT, true) }.into()
    }
}

impl Restoring<'_> {
    /// The whole history stands beside the head, the active version also in it.
    pub(super) async fn parameter_versions(&mut self, records: &[&ParameterVersion]) -> StoreResult<usize> {
        let wanted: Vec<_> = records.iter().map(|record| (record.environment, record.key.as_str())).collect();
        let things = self.things(Kind::Parameter, &wanted).await?;
        let (mut leaves, mut fillings) = (Vec::new(), HashMap::new());
        for record in records {
            let thing = &things[&(record.environment, record.key.to_string())];
            let version = togglebox_toggles::ParameterVersion {
                key: record.key.clone(),
                version: record.version,
                definition: record.definition.clone(),
                active: false,
                created_by: record.created_by.clone(),
                created_at: record.created_at,
            };
            let item = parameters::version_item(self.tenant, thing.within, &version, thing.incarnation, RESTORE)?;
            let places = Key::of(&item).into_iter().collect();
            leaves.push(Leaf { places, item });
            if thing.waits_for()? == Some(record.version) {
                let attributes = Attributes::new(&thing.item, RESTORE);
                let (latest_version, revision) = (attributes.get("latest_version")?, attributes.get("rev")?);
                let parameter = togglebox_toggles::Parameter { active: version, latest_version, revision };
                let item = parameters::item_of(self.tenant, thing.within, &parameter, thing.incarnation, RESTORE)?;
                fillings.entry(thing.key.clone()).or_insert_with(|| thing.fill(item));
            }
        }
        // The head last: as long as it is a draft, its version is looked for.
        let count = self.leaves(leaves).await?;
        self.fill(fillings).await?;
        Ok(count)
    }

    /// The active version stands in the head, those before it in the history.
    pub(super) async fn flag_versions(&mut self, records: &[&FlagVersion]) -> StoreResult<usize> {
        let wanted: Vec<_> = records.iter().map(|record| (record.environment, record.key.as_str())).collect();
        let things = self.things(Kind::Flag, &wanted).await?;
        let history = |record: &FlagVersion| {
            let thing = &things[&(record.environment, record.key.to_string())];
            let history = key::history(self.tenant, thing.within, Kind::Flag, record.key.as_str(), thing.incarnation);
            (thing, version_key(&history, record.version))
        };
        let retired: HashSet<Key> = records.iter().map(|record| history(record).1).collect();
        let retired = self.standing(retired).await?;
        let (mut leaves, mut fillings, mut given) = (Vec::new(), HashMap::new(), HashSet::new());
        for record in records {
            let (thing, place) = history(record);
            let attributes = Attributes::new(&thing.item, RESTORE);
            let waits_for = thing.waits_for()?;
            let stands = waits_for.is_none() && attributes.get::<u64>("version")? == record.version;
            if stands || retired.contains_key(&place) || !given.insert(place.clone()) {
                continue;
            }
            let flag = togglebox_toggles::Flag {
                key: record.key.clone(),
                definition: record.definition.clone(),
                version: togglebox_toggles::FlagVersion::from_patch(record.version),
                active: record.active,
                created_by: record.created_by.clone(),
                created_at: attributes.get("created_at")?,
                updated_at: record.updated_at,
                revision: record.revision,
            };
            if !record.active {
                let item = flags::item_of(&place, &flag, thing.incarnation, RESTORE)?;
                leaves.push(Leaf { places: vec![place], item });
            } else if waits_for == Some(record.version) {
                let item = flags::item_of(&thing.key, &flag, thing.incarnation, RESTORE)?;
                if fillings.insert(thing.key.clone(), thing.fill(item)).is_some() {
                    return Err(refusal(StoreErrorKind::AlreadyExists));
                }
            } else if waits_for.is_some() {
                // The history ends with the active version: nothing after it would ever be found.
                return Err(refusal(StoreErrorKind::Refused("active-version-is-the-latest")));
            } else {
                return Err(refusal(StoreErrorKind::AlreadyExists));
            }
        }
        Ok(self.leaves(leaves).await? + self.fill(fillings).await?)
    }

    /// Fills those heads that are drafts; says how many those were.
    async fn fill(&self, fillings: HashMap<Key, Group>) -> StoreResult<usize> {
        let keys: Vec<Key> = fillings.keys().cloned().collect();
        self.settle(&keys, |standing| {
            let drafts = fillings.iter().filter(|(key, _)| standing.get(key).is_some_and(|item| item.contains_key(DRAFT)));
            Ok(drafts.map(|(_, filling)| filling.clone()).collect())
        })
        .await
    }
}
