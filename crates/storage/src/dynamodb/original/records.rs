//! The second look: everything that is taken, record by record.

use std::io;

use togglebox_core::{Revision, StoreError};

use super::account;
use super::contents::{AREAS, figures};
use super::figure_key::{Tier, subject, thing};
use super::finding::Notes;
use super::row::Fingerprint;
use super::survey::Survey;
use super::{Original, OriginalTable};
use crate::transfer::record::Tenant;
use crate::transfer::{Kind, Record};

/// Why not everything was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A table cannot be read.
    #[error("the tables of the original cannot be read")]
    Store(#[from] StoreError),
    /// Whoever takes the records in cannot.
    #[error("the records cannot be written")]
    Sink(#[from] io::Error),
    /// The tables are no longer what they were at the first look.
    #[error("the original's table {0} was written to meanwhile: stop the original, and begin again")]
    Changed(OriginalTable),
}

/// Where records go.
pub type Sink<'s> = dyn FnMut(Record) -> io::Result<()> + Send + 's;

/// Kinds of figures, in order.
const FIGURES: [(Tier, Kind); 8] = [
    (Tier::Parameter, Kind::ParameterStatistics),
    (Tier::Flag, Kind::FlagStatistics),
    (Tier::Flag, Kind::FlagDay),
    (Tier::Flag, Kind::FlagCountry),
    (Tier::Experiment, Kind::ExperimentStatistics),
    (Tier::Experiment, Kind::ExperimentDay),
    (Tier::Experiment, Kind::ExperimentMetricDay),
    (Tier::Experiment, Kind::ExperimentSubject),
];

impl Original {
    /// Tells everything that the survey has found fit to be taken, in the order of kinds. Never holds more than a page of a partition and
    /// the records of one thing; for that, what has records of several kinds is read once for each of them.
    ///
    /// # Errors
    /// [`ReadError`]. What was told so far is not whole.
    pub async fn records(&self, survey: &Survey, each: &mut Sink<'_>) -> Result<(), ReadError> {
        if !survey.platforms.is_empty() || !survey.people.is_empty() {
            let accounts = if survey.people.is_empty() { Revision::ZERO } else { Revision::new(1) };
            each(Tenant { directory: survey.directory(), accounts }.into())?;
        }
        for platform in survey.platforms.values() {
            each(platform.clone().into())?;
        }
        for place in survey.places.values() {
            each(place.environment.clone().into())?;
        }
        self.toggles(survey, each).await?;
        self.accounts(survey, each).await?;
        for (tier, kind) in FIGURES {
            self.figures(survey, tier, kind, each).await?;
        }
        Ok(())
    }

    async fn toggles(&self, survey: &Survey, each: &mut Sink<'_>) -> Result<(), ReadError> {
        let kinds = [&[Kind::Parameter, Kind::ParameterVersion][..], &[Kind::Flag, Kind::FlagVersion], &[Kind::Experiment]];
        for (area, kinds) in AREAS.into_iter().zip(kinds) {
            if survey.missing.contains(&area.table()) {
                continue;
            }
            for kind in kinds {
                for place in survey.places.values() {
                    let environment = &place.environment;
                    let partition = area.partition(environment.platform.as_str(), environment.name.as_str());
                    let mut groups = self.groups(area.table(), [partition], "");
                    let mut fingerprint = Fingerprint::default();
                    loop {
                        let rows = groups.next(area.subject()).await?;
                        if rows.is_empty() {
                            break;
                        }
                        for row in &rows {
                            fingerprint.add(row);
                        }
                        // What there is to be told was told at the first look.
                        let mut notes = Notes::of(area.table());
                        let records = area.records(environment.id, rows, &mut notes).into_iter();
                        records.filter(|record| record.kind() == *kind).try_for_each(&mut *each)?;
                    }
                    if fingerprint != place.fingerprints[area as usize] {
                        return Err(ReadError::Changed(area.table()));
                    }
                }
            }
        }
        Ok(())
    }

    async fn accounts(&self, survey: &Survey, each: &mut Sink<'_>) -> Result<(), ReadError> {
        let mut notes = Notes::of(OriginalTable::Users);
        let mut pages = self.whole(OriginalTable::Users);
        while let Some(rows) = pages.next().await? {
            let users = rows.into_iter().filter_map(|row| account::user(row, &mut notes));
            users.filter(|user| survey.people.has(user)).try_for_each(|user| each(user.into()))?;
        }
        let mut notes = Notes::of(OriginalTable::ApiKeys);
        let mut pages = self.whole(OriginalTable::ApiKeys);
        while let Some(rows) = pages.next().await? {
            let keys = rows.into_iter().filter_map(|row| account::api_key(row, &mut notes));
            keys.filter(|key| survey.keys.has(key)).try_for_each(|key| each(key.into()))?;
        }
        Ok(())
    }

    /// Unlike the rest, figures may go on growing: each stands for itself.
    async fn figures(&self, survey: &Survey, tier: Tier, kind: Kind, each: &mut Sink<'_>) -> Result<(), ReadError> {
        for place in survey.places.values() {
            let mut groups = self.groups(OriginalTable::Stats, place.shards.iter().cloned(), tier.prefix());
            loop {
                let rows = groups.next(thing).await?;
                let Some(first) = rows.first() else { break };
                let Some((_, key)) = subject(&first.sk) else { continue };
                let key = key.to_owned();
                if !place.keys.contains(&(tier, key.clone())) {
                    continue;
                }
                let mut notes = Notes::of(OriginalTable::Stats);
                let records = figures(place.environment.id, tier, &key, rows, &mut notes).into_iter();
                records.filter(|record| record.kind() == kind).try_for_each(&mut *each)?;
            }
        }
        Ok(())
    }
}
