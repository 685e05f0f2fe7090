//! Cells of counters, and what they weigh.

use std::collections::{BTreeMap, HashMap, HashSet};

use togglebox_core::{TenantId, Timestamp};

use super::Sketch;
use super::event::EventKind;
use crate::store::{Delta, ScopedDelta, Subject, SubjectSums};
use crate::{ExperimentKey, FlagKey, ParameterKey, Scope, Side, VariationKey};

/// What an entry of a map takes besides its texts, about: the tables grow by doubling.
const CELL_BYTES: usize = 400;
const SKETCH_BYTES: usize = 200;
const SUBJECT_BYTES: usize = 80;
const SUMS_BYTES: usize = 130;

/// A value beyond this is nobody's measurement. Sums and squares of those below it always stay finite.
const LARGEST_VALUE: f64 = 1e100;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Where something is counted.
pub(super) type Place = (TenantId, Scope);

/// A flag, a day in days since 1970, and a country.
type FlagCell = (Place, FlagKey, i64, Option<[u8; 2]>);

/// There is no room for the event, or it cannot be counted. Nothing was changed.
#[derive(Debug)]
pub(super) struct Refused;

/// Counters of some things.
#[derive(Debug, Default)]
pub(super) struct Tally {
    fetches: HashMap<(Place, ParameterKey), Fetches>,
    evaluations: HashMap<FlagCell, Evaluations>,
    flag_users: HashMap<(Place, FlagKey), FlagUsers>,
    exposures: HashMap<(Place, ExperimentKey, VariationKey, i64), Exposures>,
    conversions: HashMap<(Place, ExperimentKey, VariationKey, String, i64), Conversions>,
}

#[derive(Debug, Default)]
struct Fetches {
    count: u64,
    last_at: Timestamp,
    clients: Hourly,
}

#[derive(Debug, Default)]
struct Evaluations {
    served_a: u64,
    served_b: u64,
    last_at: Timestamp,
}

#[derive(Debug, Default)]
struct FlagUsers {
    a: Hourly,
    b: Hourly,
}

#[derive(Debug, Default)]
struct Exposures {
    count: u64,
    last_at: Timestamp,
    subjects: HashSet<Subject>,
}

#[derive(Debug, Default)]
struct Conversions {
    last_at: Timestamp,
    subjects: HashMap<Subject, Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    conversions: u64,
    values: u64,
    sum: f64,
}

/// Distinct subjects by whole hours since 1970.
#[derive(Debug, Default)]
struct Hourly(BTreeMap<u64, Sketch>);

impl Hourly {
    fn growth(&self, hour: u64, subject: &Subject) -> usize {
        self.0.get(&hour).map_or(SKETCH_BYTES, |sketch| sketch.growth(subject))
    }

    fn insert(&mut self, hour: u64, subject: &Subject) {
        self.0.entry(hour).or_default().insert(subject);
    }

    fn into_bytes(self) -> Vec<(u64, Vec<u8>)> {
        self.0.into_iter().map(|(hour, sketch)| (hour, sketch.to_bytes())).collect()
    }
}

impl Tally {
    /// Counts an event that happened at `at`, all of it or nothing; says how much memory it took, at most `room`.
    pub(super) fn add(&mut self, place: Place, kind: EventKind, at: Timestamp, room: usize) -> Result<usize, Refused> {
        let (day, hour) = (at.as_ms().div_euclid(DAY_MS), u64::try_from(at.as_ms() / HOUR_MS).unwrap_or(0));
        match kind {
            EventKind::ConfigFetch { key, client } => {
                let text = key.as_str().len();
                let key = (place, key);
                let growth = |cell: &Fetches| client.map_or(0, |client| cell.clients.growth(hour, &client));
                let cost = self.fetches.get(&key).map_or(CELL_BYTES + text + SKETCH_BYTES, growth);
                within(cost, room)?;
                let cell = self.fetches.entry(key).or_default();
                cell.count = cell.count.saturating_add(1);
                cell.last_at = cell.last_at.max(at);
                if let Some(client) = client {
                    cell.clients.insert(hour, &client);
                }
                Ok(cost)
            }
            EventKind::FlagEvaluation { flag, side, user, country } => {
                let text = flag.as_str().len();
                let counters = (place.clone(), flag.clone(), day, country.as_deref().and_then(country_code));
                let users = (place, flag);
                // Looked up once each: nothing is counted more often.
                let (cell, crowd) = (self.evaluations.get_mut(&counters), self.flag_users.get_mut(&users));
                let growth = |crowd: &FlagUsers| crowd.side(side).growth(hour, &user);
                let cost = if cell.is_some() { 0 } else { CELL_BYTES + text }
                    + crowd.as_deref().map_or(CELL_BYTES + text + SKETCH_BYTES, growth);
                within(cost, room)?;
                let cell = match cell {
                    Some(cell) => cell,
                    None => self.evaluations.entry(counters).or_default(),
                };
                cell.last_at = cell.last_at.max(at);
                let count = match side {
                    Side::A => &mut cell.served_a,
                    Side::B => &mut cell.served_b,
                };
                *count = count.saturating_add(1);
                let crowd = match crowd {
                    Some(crowd) => crowd,
                    None => self.flag_users.entry(users).or_default(),
                };
                crowd.side_mut(side).insert(hour, &user);
                Ok(cost)
            }
            EventKind::Exposure { experiment, variation, user } => {
                let text = experiment.as_str().len() + variation.as_str().len();
                let key = (place, experiment, variation, day);
                let growth = |cell: &Exposures| if cell.subjects.contains(&user) { 0 } else { SUBJECT_BYTES };
                let cost = self.exposures.get(&key).map_or(CELL_BYTES + text + SUBJECT_BYTES, growth);
                within(cost, room)?;
                let cell = self.exposures.entry(key).or_default();
                cell.count = cell.count.saturating_add(1);
                cell.last_at = cell.last_at.max(at);
                cell.subjects.insert(user);
                Ok(cost)
            }
            EventKind::Conversion { experiment, metric, variation, user, value } => {
                if value.is_some_and(|value| value.is_nan() || value.abs() > LARGEST_VALUE) {
                    return Err(Refused);
                }
                let text = experiment.as_str().len() + variation.as_str().len() + metric.len();
                let key = (place, experiment, variation, metric, day);
                let growth = |cell: &Conversions| if cell.subjects.contains_key(&user) { 0 } else { SUMS_BYTES };
                let cost = self.conversions.get(&key).map_or(CELL_BYTES + text + SUMS_BYTES, growth);
                within(cost, room)?;
                let cell = self.conversions.entry(key).or_default();
                cell.last_at = cell.last_at.max(at);
                let sums = cell.subjects.entry(user).or_default();
                sums.conversions = sums.conversions.saturating_add(1);
                if let Some(value) = value {
                    sums.values = sums.values.saturating_add(1);
                    sums.sum += value;
                }
                Ok(cost)
            }
        }
    }

    /// Everything counted, by tenant. The deltas are in no particular order.
    pub(super) fn into_deltas(self, add: &mut impl FnMut(TenantId, ScopedDelta)) {
        let mut add = |(tenant, scope): Place, delta: Delta| add(tenant, ScopedDelta { scope, delta });
        for ((place, key), cell) in self.fetches {
            let Fetches { count, last_at, clients } = cell;
            add(place, Delta::Parameter { key, fetches: count, last_at, clients: clients.into_bytes() });
        }
        for ((place, key, day, country), cell) in self.evaluations {
            let Evaluations { served_a, served_b, last_at } = cell;
            let country = country.map(|letters| letters.map(char::from).iter().collect());
            add(place, Delta::Flag { key, day: day_text(day), country, served_a, served_b, last_at });
        }
        for ((place, key), cell) in self.flag_users {
            for (side, users) in [(Side::A, cell.a), (Side::B, cell.b)] {
                if !users.0.is_empty() {
                    add(place.clone(), Delta::FlagUsers { key: key.clone(), side, users: users.into_bytes() });
                }
            }
        }
        for ((place, key, variation, day), cell) in self.exposures {
            let Exposures { count, last_at, subjects } = cell;
            let mut subjects: Vec<Subject> = subjects.into_iter().collect();
            subjects.sort_unstable();
            add(place, Delta::Exposure { key, variation, day: day_text(day), exposures: count, subjects, last_at });
        }
        for ((place, key, variation, metric, day), cell) in self.conversions {
            let Conversions { last_at, subjects } = cell;
            let sums = |(subject, Sums { conversions, values, sum })| SubjectSums { subject, conversions, values, sum };
            let mut subjects: Vec<SubjectSums> = subjects.into_iter().map(sums).collect();
            subjects.sort_unstable_by_key(|sums| sums.subject);
            add(place, Delta::Conversion { key, variation, metric, day: day_text(day), subjects, last_at });
        }
    }
}

impl FlagUsers {
    const fn side(&self, side: Side) -> &Hourly {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut Hourly {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

const fn within(cost: usize, room: usize) -> Result<(), Refused> {
    if cost <= room { Ok(()) } else { Err(Refused) }
}

/// Two letters or digits, in capitals; anything else is no country, so that nobody can fill a table with made-up ones.
fn country_code(country: &str) -> Option<[u8; 2]> {
    let code = <[u8; 2]>::try_from(country.as_bytes()).ok()?;
    code.iter().all(u8::is_ascii_alphanumeric).then(|| code.map(|letter| letter.to_ascii_uppercase()))
}

fn day_text(day: i64) -> String {
    Timestamp::from_ms(day.saturating_mul(DAY_MS)).day()
}
