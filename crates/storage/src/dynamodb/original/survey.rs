//! The first look: what there is, what of it can be taken, and what is to be told of the rest.

use std::collections::{BTreeMap, BTreeSet};

use togglebox_core::{Revision, StoreResult, Timestamp};
use uuid::Uuid;

use super::account::{self, Keys, People};
use super::contents::{AREAS, Area, figures};
use super::figure_key::{Tier, subject, thing};
use super::finding::{Finding, Notes, What};
use super::row::{Fingerprint, Row};
use super::{Original, OriginalTable, place};
use crate::transfer::Record;
use crate::transfer::record::{Environment, Platform};

/// What the original's tables hold: names, keys and ids, and none of what they stand for.
#[derive(Debug, Default)]
pub struct Survey {
    pub(super) missing: BTreeSet<OriginalTable>,
    pub(super) people: People,
    pub(super) keys: Keys,
    pub(super) platforms: BTreeMap<String, Platform>,
    pub(super) places: BTreeMap<(String, String), Place>,
    losses: u64,
}

/// An environment, and what of it is taken.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) environment: Environment,
    pub(super) keys: BTreeSet<(Tier, String)>,
    /// Of everything but figures.
    pub(super) fingerprints: [Fingerprint; AREAS.len()],
    /// The partitions of its figures.
    pub(super) shards: Vec<String>,
}

impl Survey {
    /// How many findings are losses.
    pub const fn losses(&self) -> u64 {
        self.losses
    }
}

/// Where findings go. What there is no place for is told once for each attribute, at the end.
struct Teller<'t> {
    tell: &'t mut (dyn FnMut(Finding) + Send),
    attributes: BTreeMap<(OriginalTable, String), (String, u64)>,
    losses: u64,
}

impl Teller<'_> {
    fn tell(&mut self, notes: Notes) {
        for finding in notes.into_findings() {
            if let What::Attribute { name, times } = finding.what {
                let known = self.attributes.entry((finding.table, name)).or_insert((finding.key, 0));
                known.1 += times;
                continue;
            }
            self.losses += u64::from(finding.is_loss());
            (self.tell)(finding);
        }
    }

    fn finish(self) -> u64 {
        let mut losses = self.losses;
        for ((table, name), (key, times)) in self.attributes {
            losses += 1;
            (self.tell)(Finding { table, key, what: What::Attribute { name, times } });
        }
        losses
    }
}

impl Original {
    /// Looks at everything once. Each thing that cannot be taken as it is goes to `tell`.
    ///
    /// # Errors
    /// `Unavailable`: a table cannot be read.
    pub async fn survey(&self, tell: &mut (dyn FnMut(Finding) + Send)) -> StoreResult<Survey> {
        let mut teller = Teller { tell, attributes: BTreeMap::new(), losses: 0 };
        let mut survey = Survey { missing: self.missing().clone(), ..Survey::default() };
        for table in &survey.missing {
            let mut notes = Notes::of(*table);
            notes.left("", format!("there is no table {}", self.name(*table)));
            teller.tell(notes);
        }
        self.survey_accounts(&mut survey, &mut teller).await?;
        self.survey_places(&mut survey, &mut teller).await?;
        for area in AREAS {
            self.survey_area(area, &mut survey, &mut teller).await?;
        }
        self.survey_figures(&mut survey, &mut teller).await?;
        survey.settle();
        survey.losses = teller.finish();
        Ok(survey)
    }

    async fn survey_accounts(&self, survey: &mut Survey, teller: &mut Teller<'_>) -> StoreResult<()> {
        let mut pages = self.whole(OriginalTable::Users);
        while let Some(rows) = pages.next().await? {
            for row in rows {
                let (name, mut notes) = (row.key(), Notes::of(OriginalTable::Users));
                if let Some(user) = account::user(row, &mut notes) {
                    survey.people.add(&name, &user, &mut notes);
                }
                teller.tell(notes);
            }
        }
        let mut pages = self.whole(OriginalTable::ApiKeys);
        while let Some(rows) = pages.next().await? {
            for row in rows {
                let (name, mut notes) = (row.key(), Notes::of(OriginalTable::ApiKeys));
                if let Some(key) = account::api_key(row, &mut notes) {
                    survey.keys.add(&name, &key, &survey.people, &mut notes);
                }
                teller.tell(notes);
            }
        }
        Ok(())
    }

    async fn survey_places(&self, survey: &mut Survey, teller: &mut Teller<'_>) -> StoreResult<()> {
        let mut ids = BTreeSet::new();
        let mut pages = self.whole(OriginalTable::Platforms);
        while let Some(rows) = pages.next().await? {
            for row in rows {
                let (name, mut notes) = (row.key(), Notes::of(OriginalTable::Platforms));
                if let Some(mut platform) = place::platform(row, &survey.people, &mut notes) {
                    if !ids.insert(platform.id) {
                        platform.id = place::derived(&[b"platform", platform.name.as_str().as_bytes()]);
                        notes.otherwise(name, format!("another platform has its id; it has {} now", platform.id));
                        ids.insert(platform.id);
                    }
                    survey.platforms.insert(platform.name.as_str().to_owned(), platform);
                }
                teller.tell(notes);
            }
        }
        let mut pages = self.whole(OriginalTable::Environments);
        while let Some(rows) = pages.next().await? {
            for row in rows {
                let (name, mut notes) = (row.key(), Notes::of(OriginalTable::Environments));
                if let Some(environment) = place::environment(row, &survey.people, &mut notes) {
                    if survey.platforms.contains_key(environment.platform.as_str()) {
                        let names = (environment.platform.as_str().to_owned(), environment.name.as_str().to_owned());
                        survey.places.insert(names, Place::of(environment));
                    } else {
                        notes.left(name, "its platform is not there");
                    }
                }
                teller.tell(notes);
            }
        }
        Ok(())
    }

    async fn survey_area(&self, area: Area, survey: &mut Survey, teller: &mut Teller<'_>) -> StoreResult<()> {
        let places = survey.places.values();
        let of = |place: &Place| {
            let Environment { platform, name, .. } = &place.environment;
            (area.partition(platform.as_str(), name.as_str()), (platform.as_str().to_owned(), name.as_str().to_owned()))
        };
        let known: BTreeMap<String, (String, String)> = places.map(of).collect();
        for partition in self.partitions(area.table()).await? {
            let mut place = known.get(&partition).and_then(|names| survey.places.get_mut(names));
            let mut groups = self.groups(area.table(), [partition], "");
            loop {
                let rows = groups.next(area.subject()).await?;
                let Some(first) = rows.first() else { break };
                let mut notes = Notes::of(area.table());
                if let Some(place) = &mut place {
                    for row in &rows {
                        place.fingerprints[area as usize].add(row);
                    }
                    for record in area.records(Uuid::nil(), rows, &mut notes) {
                        place.note(&record, area.tier());
                    }
                } else {
                    notes.left(first.key(), format!("its environment is not there{}", and_more(&rows)));
                }
                teller.tell(notes);
            }
        }
        Ok(())
    }

    async fn survey_figures(&self, survey: &mut Survey, teller: &mut Teller<'_>) -> StoreResult<()> {
        let mut strays = Vec::new();
        for partition in self.partitions(OriginalTable::Stats).await? {
            let place = names_of_shard(&partition).and_then(|names| survey.places.get_mut(&names));
            match place {
                Some(place) => place.shards.push(partition),
                None => strays.push(partition),
            }
        }
        for place in survey.places.values() {
            let mut groups = self.groups(OriginalTable::Stats, place.shards.iter().cloned(), "");
            loop {
                let rows = groups.next(thing).await?;
                let Some(first) = rows.first() else { break };
                let mut notes = Notes::of(OriginalTable::Stats);
                match subject(&first.sk).map(|(tier, key)| (tier, key.to_owned())) {
                    Some(known) if place.keys.contains(&known) => {
                        let (tier, key) = known;
                        figures(Uuid::nil(), tier, &key, rows, &mut notes);
                    }
                    Some(_) => notes.left(first.key(), format!("what it counts is not there{}", and_more(&rows))),
                    None => notes.left(first.key(), "its key is none of a row of figures"),
                }
                teller.tell(notes);
            }
        }
        for partition in strays {
            let mut groups = self.groups(OriginalTable::Stats, [partition], "");
            loop {
                let rows = groups.next(thing).await?;
                let Some(first) = rows.first() else { break };
                let mut notes = Notes::of(OriginalTable::Stats);
                notes.left(first.key(), format!("its environment is not there{}", and_more(&rows)));
                teller.tell(notes);
            }
        }
        Ok(())
    }
}

/// That there are more rows like the first.
fn and_more(rows: &[Row]) -> String {
    if rows.len() > 1 { format!(" ({} rows)", rows.len()) } else { String::new() }
}

/// Platform and environment of `STATS#<platform>#<environment>#SHARD#<n>`.
fn names_of_shard(partition: &str) -> Option<(String, String)> {
    let (names, _) = partition.strip_prefix("STATS#")?.rsplit_once("#SHARD#")?;
    let (platform, environment) = names.split_once('#')?;
    Some((platform.to_owned(), environment.to_owned()))
}

impl Place {
    fn of(environment: Environment) -> Self {
        let changed_at = environment.created_at;
        let environment = Environment { contents_revision: Revision::new(1), changed_at, ..environment };
        Self { environment, keys: BTreeSet::new(), fingerprints: Default::default(), shards: Vec::new() }
    }

    fn note(&mut self, record: &Record, tier: Tier) {
        let (key, at) = match record {
            Record::Parameter(parameter) => (Some(parameter.key.as_str()), Timestamp::EPOCH),
            Record::ParameterVersion(version) => (None, version.created_at),
            Record::Flag(flag) => (Some(flag.key.as_str()), flag.created_at),
            Record::FlagVersion(version) => (None, version.updated_at),
            Record::Experiment(experiment) => (Some(experiment.key.as_str()), experiment.updated_at),
            _ => return,
        };
        self.keys.extend(key.map(|key| (tier, key.to_owned())));
        self.environment.changed_at = self.environment.changed_at.max(at);
    }
}

impl Survey {
    /// Gives what only shows when all is known: revisions, and the ids of environments.
    fn settle(&mut self) {
        let mut revision = Revision::ZERO;
        for platform in self.platforms.values_mut() {
            revision = revision.next();
            platform.revision = revision;
        }
        for place in self.places.values_mut() {
            revision = revision.next();
            place.environment.revision = revision;
            let contents: Vec<u8> = place.fingerprints.into_iter().flat_map(Fingerprint::bytes).collect();
            place.environment.id = place::environment_id(&place.environment, &contents);
        }
    }

    /// How far the directory has counted.
    pub(super) fn directory(&self) -> Revision {
        let count = self.platforms.len() + self.places.len();
        Revision::new(u64::try_from(count).unwrap_or(u64::MAX))
    }
}
