//! Cells of counters, and what they weigh.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::{HashMap, HashSet};
use litemap::LiteMap;
use togglebox_core::{TenantId, Timestamp};

use super::Sketch;
use super::event::Occurrence;
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

/// There is no room for the event, or it cannot be counted. Nothing was changed.
#[derive(Debug)]
pub(super) struct Refused;

/// A day in days since 1970.
type Day = i64;

/// Counters of some things. By tenant, environment and key in turn, so that each can be looked up as it is at hand.
#[derive(Debug, Default)]
pub(super) struct Tally {
    tenants: HashMap<TenantId, Counted>,
}

/// Counters of what is one tenant's.
#[derive(Debug, Default)]
struct Counted {
    /// What they take in memory.
    bytes: usize,
    scopes: HashMap<Scope, Place>,
}

/// Counters of what is in one environment.
#[derive(Debug, Default)]
struct Place {
    parameters: HashMap<ParameterKey, Fetches>,
    flags: HashMap<FlagKey, Flag>,
    experiments: HashMap<ExperimentKey, HashMap<VariationKey, Variation>>,
}

#[derive(Debug, Default)]
struct Flag {
    /// Of each day and country: those of an environment's users are few, and there can be no more than [`country_code`] lets through.
    evaluations: LiteMap<(Day, Option<[u8; 2]>), Evaluations>,
    a: Hourly,
    b: Hourly,
}

#[derive(Debug, Default)]
struct Variation {
    exposures: HashMap<Day, Exposures>,
    conversions: HashMap<String, HashMap<Day, Conversions>>,
}

#[derive(Debug, Default)]
struct Fetches {
    count: u64,
    last_at: Timestamp,
    clients: Hourly,
}

#[derive(Clone, Copy, Debug, Default)]
struct Evaluations {
    served_a: u64,
    served_b: u64,
    last_at: Timestamp,
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
struct Hourly(LiteMap<u64, Sketch>);

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
    /// Counts what happened at `at`, all of it or nothing; says how much memory it took, at most `room`.
    pub(super) fn add(
        &mut self,
        tenant: TenantId,
        scope: &Scope,
        occurrence: Occurrence<'_>,
        at: Timestamp,
        room: usize,
    ) -> Result<usize, Refused> {
        if let Occurrence::Conversion { value: Some(value), .. } = occurrence
            && (value.is_nan() || value.abs() > LARGEST_VALUE)
        {
            return Err(Refused);
        }
        if let Some(counted) = self.tenants.get_mut(&tenant) {
            return counted.add(scope, occurrence, at, room);
        }
        let mut counted = Counted::default();
        let cost = counted.add(scope, occurrence, at, room)?;
        self.tenants.insert(tenant, counted);
        Ok(cost)
    }

    /// What was counted of one tenant, and how much memory it took.
    pub(super) fn take(&mut self, tenant: TenantId) -> Option<(Self, usize)> {
        let counted = self.tenants.remove(&tenant)?;
        let bytes = counted.bytes;
        Some((Self { tenants: std::iter::once((tenant, counted)).collect() }, bytes))
    }

    /// Everything counted, by tenant. The deltas are in no particular order.
    pub(super) fn into_deltas(self, add: &mut impl FnMut(TenantId, ScopedDelta)) {
        for (tenant, counted) in self.tenants {
            for (scope, place) in counted.scopes {
                place.into_deltas(&mut |delta| add(tenant, ScopedDelta { scope: scope.clone(), delta }));
            }
        }
    }
}

impl Counted {
    fn add(&mut self, scope: &Scope, occurrence: Occurrence<'_>, at: Timestamp, room: usize) -> Result<usize, Refused> {
        let cost = if let Some(place) = self.scopes.get_mut(scope) {
            place.count(occurrence, at, room)?
        } else {
            let mut place = Place::default();
            let cost = place.count(occurrence, at, room)?;
            self.scopes.insert(scope.clone(), place);
            cost
        };
        self.bytes += cost;
        Ok(cost)
    }
}

impl Place {
    fn count(&mut self, occurrence: Occurrence<'_>, at: Timestamp, room: usize) -> Result<usize, Refused> {
        // What nearly every request comes to: each thing is looked up once.
        if let Occurrence::FlagEvaluation { flag, side, user, country } = occurrence
            && let Some(flag) = self.flags.get_mut(flag)
        {
            return flag.count((side, user), country.and_then(country_code), at, room);
        }
        let cost = self.cost(occurrence, at);
        if cost > room {
            return Err(Refused);
        }
        self.add(occurrence, at);
        Ok(cost)
    }

    /// What counting would take in memory besides what is there. Of a flag that was not counted yet.
    fn cost(&self, occurrence: Occurrence<'_>, at: Timestamp) -> usize {
        let (day, hour) = (day(at), hour(at));
        match occurrence {
            Occurrence::ConfigFetch { key, client } => self.parameters.get(key).map_or_else(
                || CELL_BYTES + key.as_str().len() + SKETCH_BYTES,
                |cell| client.map_or(0, |client| cell.clients.growth(hour, &client)),
            ),
            Occurrence::FlagEvaluation { flag, .. } => 2 * (CELL_BYTES + flag.as_str().len()) + SKETCH_BYTES,
            Occurrence::Exposure { experiment, variation, user } => {
                let text = experiment.as_str().len() + variation.as_str().len();
                let cell = self.variation(experiment, variation).and_then(|variation| variation.exposures.get(&day));
                let growth = |cell: &Exposures| if cell.subjects.contains(&user) { 0 } else { SUBJECT_BYTES };
                cell.map_or(CELL_BYTES + text + SUBJECT_BYTES, growth)
            }
            Occurrence::Conversion { experiment, metric, variation, user, .. } => {
                let text = experiment.as_str().len() + variation.as_str().len() + metric.len();
                let found = self.variation(experiment, variation);
                let cell = found.and_then(|variation| variation.conversions.get(metric)?.get(&day));
                let growth = |cell: &Conversions| if cell.subjects.contains_key(&user) { 0 } else { SUMS_BYTES };
                cell.map_or(CELL_BYTES + text + SUMS_BYTES, growth)
            }
        }
    }

    fn variation(&self, experiment: &ExperimentKey, variation: &VariationKey) -> Option<&Variation> {
        self.experiments.get(experiment)?.get(variation)
    }

    fn add(&mut self, occurrence: Occurrence<'_>, at: Timestamp) {
        let (day, hour) = (day(at), hour(at));
        match occurrence {
            Occurrence::ConfigFetch { key, client } => {
                let cell = entry(&mut self.parameters, key);
                cell.count = cell.count.saturating_add(1);
                cell.last_at = cell.last_at.max(at);
                if let Some(client) = client {
                    cell.clients.insert(hour, &client);
                }
            }
            Occurrence::FlagEvaluation { flag, side, user, country } => {
                entry(&mut self.flags, flag).add((side, user), country.and_then(country_code), at);
            }
            Occurrence::Exposure { experiment, variation, user } => {
                let variation = entry(entry(&mut self.experiments, experiment), variation);
                let cell = variation.exposures.entry(day).or_default();
                cell.count = cell.count.saturating_add(1);
                cell.last_at = cell.last_at.max(at);
                cell.subjects.insert(user);
            }
            Occurrence::Conversion { experiment, metric, variation, user, value } => {
                let variation = entry(entry(&mut self.experiments, experiment), variation);
                let cell = entry(&mut variation.conversions, metric).entry(day).or_default();
                cell.last_at = cell.last_at.max(at);
                let sums = cell.subjects.entry(user).or_default();
                sums.conversions = sums.conversions.saturating_add(1);
                if let Some(value) = value {
                    sums.values = sums.values.saturating_add(1);
                    sums.sum += value;
                }
            }
        }
    }

    fn into_deltas(self, add: &mut impl FnMut(Delta)) {
        for (key, Fetches { count, last_at, clients }) in self.parameters {
            add(Delta::Parameter { key, fetches: count, last_at, clients: clients.into_bytes() });
        }
        for (key, flag) in self.flags {
            for ((day, country), Evaluations { served_a, served_b, last_at }) in flag.evaluations {
                let country = country.map(|letters| letters.map(char::from).iter().collect());
                add(Delta::Flag { key: key.clone(), day: day_text(day), country, served_a, served_b, last_at });
            }
            for (side, users) in [(Side::A, flag.a), (Side::B, flag.b)] {
                if !users.0.is_empty() {
                    add(Delta::FlagUsers { key: key.clone(), side, users: users.into_bytes() });
                }
            }
        }
        for (experiment, variations) in self.experiments {
            for (key, variation) in variations {
                variation.into_deltas(&experiment, &key, add);
            }
        }
    }
}

impl Variation {
    fn into_deltas(self, experiment: &ExperimentKey, variation: &VariationKey, add: &mut impl FnMut(Delta)) {
        for (day, Exposures { count, last_at, subjects }) in self.exposures {
            let mut subjects: Vec<Subject> = subjects.into_iter().collect();
            subjects.sort_unstable();
            add(Delta::Exposure {
                key: experiment.clone(),
                variation: variation.clone(),
                day: day_text(day),
                exposures: count,
                subjects,
                last_at,
            });
        }
        for (metric, days) in self.conversions {
            for (day, Conversions { last_at, subjects }) in days {
                let sums = |(subject, Sums { conversions, values, sum })| SubjectSums { subject, conversions, values, sum };
                let mut subjects: Vec<SubjectSums> = subjects.into_iter().map(sums).collect();
                subjects.sort_unstable_by_key(|sums| sums.subject);
                add(Delta::Conversion {
                    key: experiment.clone(),
                    variation: variation.clone(),
                    metric: metric.clone(),
                    day: day_text(day),
                    subjects,
                    last_at,
                });
            }
        }
    }
}

impl Flag {
    const fn users(&mut self, side: Side) -> &mut Hourly {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// [`add`](Self::add), if there is room for what it takes.
    fn count(
        &mut self,
        (side, user): (Side, Subject),
        country: Option<[u8; 2]>,
        at: Timestamp,
        room: usize,
    ) -> Result<usize, Refused> {
        let growth = self.users(side).growth(hour(at), &user);
        let Some(evaluations) = self.evaluations.get_mut(&(day(at), country)) else {
            let cost = CELL_BYTES + growth;
            if cost > room {
                return Err(Refused);
            }
            self.add((side, user), country, at);
            return Ok(cost);
        };
        if growth > room {
            return Err(Refused);
        }
        *evaluations = evaluations.and(side, at);
        self.users(side).insert(hour(at), &user);
        Ok(growth)
    }

    fn add(&mut self, (side, user): (Side, Subject), country: Option<[u8; 2]>, at: Timestamp) {
        let evaluations = self.evaluations.entry((day(at), country)).or_default();
        *evaluations = evaluations.and(side, at);
        self.users(side).insert(hour(at), &user);
    }
}

impl Evaluations {
    /// These and one more.
    fn and(self, side: Side, at: Timestamp) -> Self {
        let (a, b) = if side == Side::A { (1, 0) } else { (0, 1) };
        let more = |count: u64, one| count.saturating_add(one);
        Self { served_a: more(self.served_a, a), served_b: more(self.served_b, b), last_at: self.last_at.max(at) }
    }
}

/// The value of `key`, made when it is not there. The key is taken over only then.
fn entry<'m, K, Q, V>(map: &'m mut HashMap<K, V>, key: &Q) -> &'m mut V
where
    K: Borrow<Q> + Eq + Hash,
    Q: ToOwned<Owned = K> + Eq + Hash + ?Sized,
    V: Default,
{
    if !map.contains_key(key) {
        map.insert(key.to_owned(), V::default());
    }
    map.get_mut(key).expect("it was put there when it was not")
}

const fn day(at: Timestamp) -> Day {
    at.as_ms().div_euclid(DAY_MS)
}

/// Whole hours since 1970.
fn hour(at: Timestamp) -> u64 {
    u64::try_from(at.as_ms() / HOUR_MS).unwrap_or(0)
}

/// Two letters or digits, in capitals; anything else is no country, so that nobody can fill a table with made-up ones.
fn country_code(country: &str) -> Option<[u8; 2]> {
    let code = <[u8; 2]>::try_from(country.as_bytes()).ok()?;
    code.iter().all(u8::is_ascii_alphanumeric).then(|| code.map(|letter| letter.to_ascii_uppercase()))
}

fn day_text(day: i64) -> String {
    Timestamp::from_ms(day.saturating_mul(DAY_MS)).day()
}
