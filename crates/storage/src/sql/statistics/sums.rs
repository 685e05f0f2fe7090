//! What batches add up to, a row of each table at a time.

use std::collections::BTreeMap;

use togglebox_core::{StoreResult, Timestamp};
use togglebox_toggles::VariationKey;

use super::super::engine::Engine;
use super::super::look::Look;
use super::super::rows::Added;
use super::super::statement::Argument;
use super::things::Thing;
use super::{experiment, flag, parameter, sketch::Hourly};

/// What is to be added, by the keys of the rows that it is added to.
#[derive(Default)]
pub(super) struct Sums<'a> {
    fetches: BTreeMap<Thing<'a>, ([u64; 1], Timestamp)>,
    evaluations: BTreeMap<Thing<'a>, ([u64; 2], Timestamp)>,
    /// By day.
    flag_days: BTreeMap<(Thing<'a>, &'a str), [u64; 2]>,
    /// By country.
    flag_countries: BTreeMap<(Thing<'a>, &'a str), [u64; 2]>,
    seen: BTreeMap<Thing<'a>, ([u64; 0], Timestamp)>,
    /// By variation and day: exposures, new users, conversions.
    experiment_days: BTreeMap<(Thing<'a>, &'a VariationKey, &'a str), [u64; 3]>,
    pub(super) clients: Hourly<'a>,
    pub(super) users: Hourly<'a>,
}

fn raise<const N: usize>(sums: &mut [u64; N], added: [u64; N]) {
    for (sum, added) in sums.iter_mut().zip(added) {
        *sum = sum.saturating_add(added);
    }
}

/// Adds to the totals of a thing, whose last event is the latest.
fn total<'a, const N: usize>(
    totals: &mut BTreeMap<Thing<'a>, ([u64; N], Timestamp)>,
    thing: Thing<'a>,
    added: [u64; N],
    last_at: Timestamp,
) {
    let (sums, last) = totals.entry(thing).or_insert(([0; N], last_at));
    raise(sums, added);
    *last = last_at.max(*last);
}

impl<'a> Sums<'a> {
    pub(super) fn add_fetches(&mut self, thing: Thing<'a>, fetches: u64, last_at: Timestamp) {
        total(&mut self.fetches, thing, [fetches], last_at);
    }

    pub(super) fn add_evaluations(
        &mut self,
        thing: Thing<'a>,
        day: &'a str,
        country: Option<&'a str>,
        served: [u64; 2],
        last_at: Timestamp,
    ) {
        total(&mut self.evaluations, thing, served, last_at);
        raise(self.flag_days.entry((thing, day)).or_default(), served);
        if let Some(country) = country {
            raise(self.flag_countries.entry((thing, country)).or_default(), served);
        }
    }

    pub(super) fn add_exposures(
        &mut self,
        thing: Thing<'a>,
        variation: &'a VariationKey,
        day: &'a str,
        exposures: u64,
        new_users: u64,
        last_at: Timestamp,
    ) {
        total(&mut self.seen, thing, [], last_at);
        raise(self.experiment_days.entry((thing, variation, day)).or_default(), [exposures, new_users, 0]);
    }

    pub(super) fn add_conversions(
        &mut self,
        thing: Thing<'a>,
        variation: &'a VariationKey,
        day: &'a str,
        conversions: u64,
        last_at: Timestamp,
    ) {
        total(&mut self.seen, thing, [], last_at);
        raise(self.experiment_days.entry((thing, variation, day)).or_default(), [0, 0, conversions]);
    }

    /// Adds everything to the tables.
    pub(super) async fn put<E: Engine>(self, call: &mut Look<E>) -> StoreResult<()> {
        put_totals(&parameter::TOTAL, call, self.fetches).await?;
        self.clients.merge(call, &parameter::CLIENTS).await?;
        put_totals(&flag::TOTAL, call, self.evaluations).await?;
        put(&flag::DAY, call, self.flag_days, |(thing, day)| row(thing, [day])).await?;
        put(&flag::COUNTRY, call, self.flag_countries, |(thing, country)| row(thing, [country])).await?;
        self.users.merge(call, &flag::USERS).await?;
        put_totals(&experiment::SEEN, call, self.seen).await?;
        let of_day = |(thing, variation, day): (Thing<'a>, &VariationKey, &'a str)| row(thing, [variation.as_str(), day]);
        put(&experiment::DAY, call, self.experiment_days, of_day).await
    }
}

/// The key of a row about a thing.
fn row<const N: usize>(thing: Thing<'_>, rest: [&str; N]) -> Vec<Argument> {
    thing.cells().into_iter().chain(rest.map(Argument::from)).collect()
}

async fn put_totals<E: Engine, const N: usize>(
    table: &Added,
    call: &mut Look<E>,
    totals: BTreeMap<Thing<'_>, ([u64; N], Timestamp)>,
) -> StoreResult<()> {
    let rows = totals.into_iter().map(|(thing, (sums, last_at))| {
        let mut row = row(thing, []);
        row.extend(sums.map(Argument::from));
        row.push(last_at.into());
        row
    });
    table.add(call, rows.collect()).await
}

async fn put<E: Engine, K, const N: usize>(
    table: &Added,
    call: &mut Look<E>,
    sums: BTreeMap<K, [u64; N]>,
    key: impl Fn(K) -> Vec<Argument>,
) -> StoreResult<()> {
    let rows = sums.into_iter().map(|(of, sums)| {
        let mut row = key(of);
        row.extend(sums.map(Argument::from));
        row
    });
    table.add(call, rows.collect()).await
}
