//! What users of experiments saw and did, a row of each table at a time.

use std::collections::{BTreeMap, HashMap};

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{MAX_SUM, Subject, SubjectSums};
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::engine::Engine;
use super::super::look::Look;
use super::super::rows;
use super::super::statement::{Argument, Statement};
use super::experiment;
use super::sums::{put, put_totals, raise, row, total};
use super::things::Thing;

/// The smallest sum but zero. Its square is a number, too: where a product that vanishes is an error, it spoils no figure either.
const MIN_SUM: f64 = 1e-145;

/// A sum as it is kept. One that is not a number, or next to nothing, counts as nothing.
fn kept(sum: f64) -> f64 {
    // Not a number is not at least anything.
    if sum.abs() >= MIN_SUM { sum.clamp(-MAX_SUM, MAX_SUM) } else { 0.0 }
}

/// Counts, and a sum of values.
type Valued<const N: usize> = ([u64; N], f64);

fn add<const N: usize>((counts, total): &mut Valued<N>, added: [u64; N], sum: f64) {
    raise(counts, added);
    *total = kept(*total + kept(sum));
}

fn cells<const N: usize>((counts, total): Valued<N>) -> impl Iterator<Item = Argument> {
    counts.map(Argument::from).into_iter().chain([total.into()])
}

/// What is to be added, by the keys of the rows that it is added to.
#[derive(Default)]
pub(super) struct Outcomes<'a> {
    seen: BTreeMap<Thing<'a>, ([u64; 0], Timestamp)>,
    /// By variation and day: exposures, new users, conversions.
    days: BTreeMap<(Thing<'a>, &'a str, &'a str), [u64; 3]>,
    /// By variation: the day on which a subject was first seen.
    subjects: BTreeMap<(Thing<'a>, &'a str, Subject), &'a str>,
    /// By variation, metric and subject: conversions, and those with a value.
    conversions: BTreeMap<(Thing<'a>, &'a str, &'a str, Subject), Valued<2>>,
    /// By variation, metric and day: conversions.
    metric_days: BTreeMap<(Thing<'a>, &'a str, &'a str, &'a str), Valued<1>>,
}

impl<'a> Outcomes<'a> {
    pub(super) fn add_exposures(
        &mut self,
        thing: Thing<'a>,
        variation: &'a str,
        day: &'a str,
        exposures: u64,
        subjects: &[Subject],
        last_at: Timestamp,
    ) {
        total(&mut self.seen, thing, [], last_at);
        raise(self.days.entry((thing, variation, day)).or_default(), [exposures, 0, 0]);
        for subject in subjects {
            self.subjects.entry((thing, variation, *subject)).or_insert(day);
        }
    }

    pub(super) fn add_conversions(
        &mut self,
        thing: Thing<'a>,
        variation: &'a str,
        metric: &'a str,
        day: &'a str,
        subjects: &[SubjectSums],
        last_at: Timestamp,
    ) {
        total(&mut self.seen, thing, [], last_at);
        let of_day = self.days.entry((thing, variation, day)).or_default();
        let of_metric = self.metric_days.entry((thing, variation, metric, day)).or_default();
        for SubjectSums { subject, conversions, values, sum } in subjects {
            raise(of_day, [0, 0, *conversions]);
            add(of_metric, [*conversions], *sum);
            let of_subject = self.conversions.entry((thing, variation, metric, *subject)).or_default();
            add(of_subject, [*conversions, *values], *sum);
        }
    }

    /// Adds everything to the tables.
    pub(super) async fn put<E: Engine>(mut self, call: &mut Look<E>) -> StoreResult<()> {
        put_totals(&experiment::SEEN, call, self.seen).await?;
        let mut new_users = put_subjects(call, self.subjects).await?;
        for ((thing, variation, day), sums) in &mut self.days {
            let new = new_users.remove(&(thing.tenant(), thing.environment(), texts([thing.key(), variation, day])));
            raise(sums, [0, new.unwrap_or(0), 0]);
        }
        put(&experiment::DAY, call, self.days, |(thing, variation, day)| row(thing, [variation, day])).await?;
        let conversions = self.conversions.into_iter().map(|((thing, variation, metric, subject), sums)| {
            let mut row = row(thing, [variation, metric]);
            row.push(subject.0.as_slice().into());
            row.extend(cells(sums));
            row
        });
        experiment::CONVERSION.add(call, conversions.collect()).await?;
        let metric_days = self.metric_days.into_iter().map(|((thing, variation, metric, day), sums)| {
            let mut row = row(thing, [variation, metric, day]);
            row.extend(cells(sums));
            row
        });
        experiment::METRIC_DAY.add(call, metric_days.collect()).await
    }
}

/// An experiment, and then its key, a variation and a day.
type Day = (TenantId, Uuid, [String; 3]);

fn texts(texts: [&str; 3]) -> [String; 3] {
    texts.map(str::to_owned)
}

/// Adds who saw a variation; answers how many of them are new to it, by the day that is now their first.
async fn put_subjects<E: Engine>(
    call: &mut Look<E>,
    subjects: BTreeMap<(Thing<'_>, &str, Subject), &str>,
) -> StoreResult<HashMap<Day, u64>> {
    let given = subjects.into_iter().map(|((thing, variation, subject), day)| {
        let mut row = row(thing, [variation]);
        row.extend([subject.0.as_slice().into(), day.into()]);
        row
    });
    let given: Vec<Vec<Argument>> = given.collect();
    let mut new = HashMap::new();
    for part in given.chunks(rows::MOST) {
        let part = rows::list::<E>(call.operation(), experiment::SUBJECT, part)?;
        for row in call.rows(Statement::new(experiment::add_subjects_statement::<E>()).bind(part)).await? {
            let cells = Cells::new(&row, call.operation(), "experiment_subjects", "key");
            let texts = [cells.get("key")?, cells.get("variation")?, cells.get("first_day")?];
            *new.entry((cells.get("tenant")?, cells.get("environment")?, texts)).or_default() += 1;
        }
    }
    Ok(new)
}
