//! What batches add up to, a row of each table at a time.

use std::collections::BTreeMap;

use togglebox_core::{StoreResult, Timestamp};

use super::super::engine::Engine;
use super::super::look::Look;
use super::super::rows::Added;
use super::super::statement::Argument;
use super::outcomes::Outcomes;
use super::sketch::Hourly;
use super::things::Thing;
use super::{flag, parameter};

/// What is to be added, by the keys of the rows that it is added to.
#[derive(Default)]
pub(super) struct Sums<'a> {
    fetches: BTreeMap<Thing<'a>, ([u64; 1], Timestamp)>,
    evaluations: BTreeMap<Thing<'a>, ([u64; 2], Timestamp)>,
    /// By day.
    flag_days: BTreeMap<(Thing<'a>, &'a str), [u64; 2]>,
    /// By country.
    flag_countries: BTreeMap<(Thing<'a>, &'a str), [u64; 2]>,
    pub(super) clients: Hourly<'a>,
    pub(super) users: Hourly<'a>,
    pub(super) outcomes: Outcomes<'a>,
}

/// Adds to each of some numbers.
pub(super) fn raise<const N: usize>(sums: &mut [u64; N], added: [u64; N]) {
    for (sum, added) in sums.iter_mut().zip(added) {
        *sum = sum.saturating_add(added);
    }
}

/// Adds to the totals of a thing, whose last event is the latest.
pub(super) fn total<'a, const N: usize>(
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

    /// Adds everything to the tables.
    pub(super) async fn put<E: Engine>(self, call: &mut Look<E>) -> StoreResult<()> {
        put_totals(&parameter::TOTAL, call, self.fetches).await?;
        self.clients.merge(call, &parameter::CLIENTS).await?;
        put_totals(&flag::TOTAL, call, self.evaluations).await?;
        put(&flag::DAY, call, self.flag_days, |(thing, day)| row(thing, [day])).await?;
        put(&flag::COUNTRY, call, self.flag_countries, |(thing, country)| row(thing, [country])).await?;
        self.users.merge(call, &flag::USERS).await?;
        self.outcomes.put(call).await
    }
}

/// The key of a row about a thing.
pub(super) fn row<const N: usize>(thing: Thing<'_>, rest: [&str; N]) -> Vec<Argument> {
    thing.cells().into_iter().chain(rest.map(Argument::from)).collect()
}

/// Adds the totals of things, and when their last events were.
pub(super) async fn put_totals<E: Engine, const N: usize>(
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

/// Adds sums, by the keys of their rows.
pub(super) async fn put<E: Engine, K, const N: usize>(
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
