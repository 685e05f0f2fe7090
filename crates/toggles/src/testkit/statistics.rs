use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{TenantId, Timestamp};
use tokio::task::JoinSet;

use super::ToggleStores;
use super::fixtures::{A, CROWD, at, audit, batch, race, scope};
use crate::statistics::Sketch;
use crate::store::{
    CountryCount, DayCount, Delta, ExperimentDay, ExperimentStatistics, FlagStatistics, MetricDay, MetricSample,
    ParameterStatistics, Subject, SubjectSums, VariationTotals,
};
use crate::{Scope, Side};

const HOUR: Duration = Duration::from_hours(1);

fn subject(n: u16) -> Subject {
    // Spread like the hashes that subjects are.
    Subject((u128::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes())
}

fn sketch(subjects: &[u16]) -> Vec<u8> {
    let mut sketch = Sketch::new();
    for n in subjects {
        sketch.insert(&subject(*n));
    }
    sketch.to_bytes()
}

fn hour(at: Timestamp) -> u64 {
    u64::try_from(at.as_ms() / 3_600_000).unwrap()
}

pub(super) fn fetches_at(last: Timestamp, key: &str, fetches: u64, clients: &[u16]) -> Delta {
    let clients = vec![(hour(last), sketch(clients))];
    Delta::Parameter { key: key.parse().unwrap(), fetches, last_at: last, clients }
}

pub(super) fn fetches(key: &str, count: u64, clients: &[u16]) -> Delta {
    fetches_at(at(900), key, count, clients)
}

pub(super) fn served(key: &str, day: &str, country: Option<&str>, a: u64, b: u64) -> Delta {
    let (key, day, country) = (key.parse().unwrap(), day.to_owned(), country.map(str::to_owned));
    Delta::Flag { key, day, country, served_a: a, served_b: b, last_at: at(900) }
}

pub(super) fn flag_users(key: &str, side: Side, users: &[u16]) -> Delta {
    Delta::FlagUsers { key: key.parse().unwrap(), side, users: vec![(hour(at(900)), sketch(users))] }
}

/// One exposure of each subject.
pub(super) fn exposure(key: &str, variation: &str, day: &str, subjects: &[u16]) -> Delta {
    Delta::Exposure {
        key: key.parse().unwrap(),
        variation: variation.parse().unwrap(),
        day: day.to_owned(),
        exposures: subjects.len() as u64,
        subjects: subjects.iter().map(|n| subject(*n)).collect(),
        last_at: at(900),
    }
}

/// For each subject: how many conversions, all with values, and their sum.
pub(super) fn conversion(key: &str, variation: &str, metric: &str, day: &str, added: &[(u16, u64, f64)]) -> Delta {
    let subjects = added.iter().map(|(n, conversions, sum)| SubjectSums {
        subject: subject(*n),
        conversions: *conversions,
        values: *conversions,
        sum: *sum,
    });
    Delta::Conversion {
        key: key.parse().unwrap(),
        variation: variation.parse().unwrap(),
        metric: metric.to_owned(),
        day: day.to_owned(),
        subjects: subjects.collect(),
        last_at: at(901),
    }
}

async fn fetched(stores: &ToggleStores, tenant: TenantId, place: &Scope, now: Timestamp) -> Option<ParameterStatistics> {
    stores.statistics.parameter(tenant, place, &"p".parse().unwrap(), now).await.unwrap()
}

async fn figures(stores: &ToggleStores, place: &Scope) -> ExperimentStatistics {
    stores.statistics.experiment(A, place, &"x".parse().unwrap()).await.unwrap().unwrap()
}

/// Before the first event there are no figures, which is not the same as zero.
pub async fn what_was_never_counted_has_no_figures(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let (store, f) = (&stores.statistics, "f".parse().unwrap());
    for place in [place, scope("web", "staging")] {
        assert_eq!(fetched(stores, A, &place, at(0)).await, None);
        assert_eq!(store.flag(A, &place, &f, at(0)).await.unwrap(), None);
        assert_eq!(store.flag_by_country(A, &place, &f).await.unwrap(), []);
        assert_eq!(store.flag_by_day(A, &place, &f, "0000-01-01", "9999-12-31").await.unwrap(), []);
        assert_eq!(store.experiment(A, &place, &"x".parse().unwrap()).await.unwrap(), None);
    }
}

/// Fetches add up over batches; the last one is the latest, in whatever order batches arrive.
pub async fn fetches_add_up(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_parameter(A, &place, "p").await;
    stores.with_parameter(A, &place, "pp").await;
    stores.count(A, &place, vec![fetches_at(at(900), "p", 3, &[1, 2]), fetches("pp", 50, &[9])]).await;
    stores.count(A, &place, vec![fetches_at(at(800), "p", 4, &[2, 3]), fetches_at(at(801), "p", 1, &[])]).await;
    let expected = ParameterStatistics { fetches: 8, last_at: at(900), clients_24h: 3 };
    assert_eq!(fetched(stores, A, &place, at(1000)).await, Some(expected));
}

/// Clients are counted once per day and night, over hours, batches and nodes; after 24 hours they are forgotten.
pub async fn clients_are_distinct_over_the_last_24_hours(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_parameter(A, &place, "p").await;
    let start = at(0);
    for (hours, clients) in [(0, [1, 2, 3]), (1, [3, 4, 5]), (23, [5, 6, 1])] {
        let last = start.plus(HOUR * hours);
        let mut batch = batch(&place, vec![fetches_at(last, "p", 3, &clients)]);
        batch.at = last;
        stores.statistics.record(A, &batch).await.unwrap();
    }
    for (hours, distinct) in [(23, 6), (24, 5), (25, 3), (46, 3), (47, 0)] {
        let figures = fetched(stores, A, &place, start.plus(HOUR * hours)).await.unwrap();
        assert_eq!((figures.fetches, figures.clients_24h), (9, distinct), "{hours} hours after the start");
    }
}

/// Evaluations add up by value, day and country; a day or country that was not told adds to the total alone.
pub async fn evaluations_add_up_by_day_and_country(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let key = stores.with_flag(A, &place, "f").await.key;
    stores.with_flag(A, &place, "ff").await;
    let (first, second) = ("2026-01-31", "2026-02-01");
    let deltas = vec![
        served("f", first, Some("US"), 1, 2),
        served("f", first, None, 10, 0),
        served("f", second, Some("DE"), 3, 0),
        served("f", second, Some("US"), 0, 4),
        served("ff", second, Some("US"), 100, 100),
    ];
    stores.count(A, &place, deltas).await;
    stores.count(A, &place, vec![served("f", first, Some("US"), 1, 0)]).await;
    let store = &stores.statistics;
    let totals = FlagStatistics { served_a: 15, served_b: 6, last_at: at(900), users_a_24h: 0, users_b_24h: 0 };
    assert_eq!(store.flag(A, &place, &key, at(1000)).await.unwrap(), Some(totals));
    let by_country = |country: &str, served_a, served_b| CountryCount { country: country.to_owned(), served_a, served_b };
    let countries = store.flag_by_country(A, &place, &key).await.unwrap();
    assert_eq!(countries, [by_country("DE", 3, 0), by_country("US", 2, 6)]);
    let by_day = |day: &str, served_a, served_b| DayCount { day: day.to_owned(), served_a, served_b };
    let days = [by_day(first, 12, 2), by_day(second, 3, 4)];
    let in_days = async |from: &str, to: &str| store.flag_by_day(A, &place, &key, from, to).await.unwrap();
    assert_eq!(in_days("2026-01-01", "2026-12-31").await, days);
    assert_eq!(in_days(first, second).await, days);
    assert_eq!(in_days(first, first).await, days[..1]);
    assert_eq!(in_days("2026-02-01", "2026-02-28").await, days[1..]);
    assert_eq!(in_days(second, first).await, []);
}

/// The users of each value are counted apart, and each once.
pub async fn users_of_a_flag_are_distinct_by_value(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let key = stores.with_flag(A, &place, "f").await.key;
    let deltas =
        vec![served("f", "2026-01-01", None, 3, 2), flag_users("f", Side::A, &[1, 2, 3]), flag_users("f", Side::B, &[3, 4])];
    stores.count(A, &place, deltas).await;
    stores.count(A, &place, vec![flag_users("f", Side::A, &[1, 5])]).await;
    let figures = stores.statistics.flag(A, &place, &key, at(1000)).await.unwrap().unwrap();
    assert_eq!((figures.users_a_24h, figures.users_b_24h), (4, 2));
    let figures = stores.statistics.flag(A, &place, &key, at(1000).plus(24 * HOUR)).await.unwrap().unwrap();
    assert_eq!((figures.users_a_24h, figures.users_b_24h, figures.served_a), (0, 0, 3));
}

/// A user is new to a variation once; every exposure counts as an exposure.
pub async fn exposures_count_users_once_per_variation(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_experiment(A, &place, "x").await;
    stores.with_experiment(A, &place, "xx").await;
    let (first, second) = ("2026-01-01", "2026-01-02");
    stores.count(A, &place, vec![exposure("x", "short", first, &[1, 2, 2]), exposure("xx", "short", first, &[7])]).await;
    stores.count(A, &place, vec![exposure("x", "short", second, &[2, 3]), exposure("x", "control", second, &[1])]).await;
    let figures = figures(stores, &place).await;
    let totals = |variation: &str, exposures, users| VariationTotals { variation: variation.parse().unwrap(), exposures, users };
    assert_eq!(figures.variations, [totals("control", 1, 1), totals("short", 5, 3)]);
    let day = |variation: &str, day: &str, new_users, exposures| ExperimentDay {
        variation: variation.parse().unwrap(),
        day: day.to_owned(),
        new_users,
        exposures,
        conversions: 0,
    };
    let mut days = figures.days;
    days.sort_by(|a, b| (&a.day, &a.variation).cmp(&(&b.day, &b.variation)));
    assert_eq!(days, [day("short", first, 2, 3), day("control", second, 1, 1), day("short", second, 1, 2)]);
    assert!(figures.metric_days.is_empty() && figures.samples.is_empty());
    assert_eq!(figures.updated_at, Some(at(900)));
}

/// Samples are over exposed users, one figure each, whether the exposure or the conversion arrives first.
pub async fn samples_are_over_exposed_users_only(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_experiment(A, &place, "x").await;
    let day = "2026-01-01";
    // 1 and 2 convert before they are known to be exposed; 3 is exposed and never converts; 4 converts unexposed.
    let early = [(1, 1, 2.5), (2, 2, -1.5), (4, 9, 100.0)];
    stores.count(A, &place, vec![conversion("x", "short", "buy", day, &early)]).await;
    stores.count(A, &place, vec![exposure("x", "short", day, &[1, 2, 3]), exposure("x", "control", day, &[4])]).await;
    stores.count(A, &place, vec![conversion("x", "short", "buy", "2026-01-02", &[(1, 1, 0.5)])]).await;
    let figures = figures(stores, &place).await;
    let expected = MetricSample {
        variation: "short".parse().unwrap(),
        metric: "buy".to_owned(),
        converted_users: 2,
        conversions: 4.0,
        conversions_squared: 8.0,
        sum: 1.5,
        sum_squared: 3.0 * 3.0 + 1.5 * 1.5,
        values: 4,
        values_squared: 8.0,
        sum_values: 3.0 * 2.0 - 1.5 * 2.0,
    };
    assert_eq!(figures.samples, [expected]);
    assert_eq!(figures.updated_at, Some(at(901)));
}

/// Conversions are counted by metric and day, and by day over all metrics, exposed or not.
pub async fn conversions_add_up_by_metric_and_day(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_experiment(A, &place, "x").await;
    let (first, second) = ("2026-01-01", "2026-01-02");
    let deltas = vec![
        conversion("x", "short", "buy", first, &[(1, 1, 1.25), (2, 2, 2.0)]),
        conversion("x", "short", "visit", first, &[(1, 5, 0.0)]),
        conversion("x", "short", "buy", second, &[(1, 1, 4.0)]),
    ];
    stores.count(A, &place, deltas).await;
    stores.count(A, &place, vec![conversion("x", "short", "buy", first, &[(3, 1, 0.75)])]).await;
    let figures = figures(stores, &place).await;
    let of = |metric: &str, day: &str, conversions, sum| MetricDay {
        variation: "short".parse().unwrap(),
        metric: metric.to_owned(),
        day: day.to_owned(),
        conversions,
        sum,
    };
    let mut days = figures.metric_days;
    days.sort_by(|a, b| (&a.metric, &a.day).cmp(&(&b.metric, &b.day)));
    assert_eq!(days, [of("buy", first, 4, 4.0), of("buy", second, 1, 4.0), of("visit", first, 5, 0.0)]);
    let mut by_day: Vec<_> = figures.days.iter().map(|day| (day.day.as_str(), day.conversions, day.exposures)).collect();
    by_day.sort_unstable();
    assert_eq!(by_day, [(first, 9, 0), (second, 1, 0)]);
    assert!(figures.variations.is_empty(), "nobody was exposed");
}

/// Sums that are no numbers, beyond all bounds, or so small that their squares vanish, spoil no figure.
pub async fn wild_sums_spoil_no_figure(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_experiment(A, &place, "x").await;
    let day = "2026-01-01";
    stores.count(A, &place, vec![exposure("x", "short", day, &[1, 2, 3])]).await;
    let tiny = [f64::MIN_POSITIVE, 5e-324, 1e-170, -1e-155];
    for wild in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN].into_iter().chain(tiny) {
        stores.count(A, &place, vec![conversion("x", "short", "buy", day, &[(1, u64::MAX, wild), (2, 1, wild)])]).await;
    }
    for sum in tiny {
        stores.count(A, &place, vec![conversion("x", "short", "visit", day, &[(3, 1, sum)])]).await;
    }
    let figures = figures(stores, &place).await;
    let sample = &figures.samples[0];
    assert_eq!((figures.samples.len(), sample.converted_users), (2, 2));
    let sums = [sample.sum, sample.sum_squared, sample.conversions, sample.conversions_squared, sample.sum_values];
    assert!(sums.iter().all(|sum| sum.is_finite()), "{sample:?}");
    assert!(figures.metric_days[0].sum.is_finite());
}

/// A batch that is sent again counts once, also when its copies arrive at once.
pub async fn a_batch_counts_once_however_often_it_is_sent(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let day = "2026-01-01";
    let sent = batch(
        &place,
        vec![
            fetches("p", 2, &[1]),
            served("f", day, Some("DE"), 1, 2),
            exposure("x", "short", day, &[1]),
            conversion("x", "short", "buy", day, &[(1, 1, 5.0)]),
        ],
    );
    stores.statistics.record(A, &sent).await.unwrap();
    let outcomes = race(|_| {
        let (store, sent) = (Arc::clone(&stores.statistics), sent.clone());
        async move { store.record(A, &sent).await }
    });
    outcomes.await.into_iter().for_each(|outcome| outcome.unwrap());
    assert_eq!(fetched(stores, A, &place, at(1000)).await.unwrap().fetches, 2);
    let flag = stores.statistics.flag(A, &place, &"f".parse().unwrap(), at(1000)).await.unwrap().unwrap();
    assert_eq!((flag.served_a, flag.served_b), (1, 2));
    let figures = figures(stores, &place).await;
    assert_eq!((figures.variations[0].exposures, figures.metric_days[0].conversions), (1, 1));
    // Still the same batch almost a day later, though others came in between.
    let later = sent.at.plus(24 * HOUR).minus(Duration::from_millis(1));
    let mut late = batch(&place, vec![fetches_at(later, "p", 1, &[])]);
    late.at = later;
    stores.statistics.record(A, &late).await.unwrap();
    stores.statistics.record(A, &sent).await.unwrap();
    assert_eq!(fetched(stores, A, &place, at(1000)).await.unwrap().fetches, 3);
}

/// What nodes count at the same time adds up.
pub async fn batches_of_many_nodes_at_once_all_count(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let outcomes = race(|n| {
        let n = u16::try_from(n).unwrap();
        let deltas = vec![
            fetches("p", 1, &[n, 1000]),
            exposure("x", "short", "2026-01-01", &[n, 1000]),
            conversion("x", "short", "buy", "2026-01-01", &[(1000, 1, 1.0)]),
        ];
        let (store, sent) = (Arc::clone(&stores.statistics), batch(&place, deltas));
        async move { store.record(A, &sent).await }
    });
    outcomes.await.into_iter().for_each(|outcome| outcome.unwrap());
    let crowd = u64::from(CROWD);
    let parameter = fetched(stores, A, &place, at(1000)).await.unwrap();
    assert_eq!((parameter.fetches, parameter.clients_24h), (crowd, crowd + 1));
    let figures = figures(stores, &place).await;
    assert_eq!((figures.variations[0].exposures, figures.variations[0].users), (2 * crowd, crowd + 1));
    let sample = &figures.samples[0];
    assert_eq!((sample.converted_users, sample.values), (1, crowd));
}

/// A counter is never read to be written: of a thousand additions at once, none is lost.
pub async fn a_thousand_increments_at_once_are_a_thousand(stores: &ToggleStores) {
    const TIMES: u64 = 1000;
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let sent = (0..TIMES).map(|_| batch(&place, vec![served("f", "2026-01-01", Some("DE"), 1, 0)]));
    let mut calls = JoinSet::new();
    for sent in sent {
        let store = Arc::clone(&stores.statistics);
        // As a node does it: a batch whose outcome is unknown, perhaps because so many wait, is sent again.
        calls.spawn(async move {
            for _ in 0..100 {
                if store.record(A, &sent).await.is_ok() {
                    return;
                }
            }
            panic!("a batch was refused a hundred times");
        });
    }
    calls.join_all().await;
    let flag = "f".parse().unwrap();
    let figures = stores.statistics.flag(A, &place, &flag, at(1000)).await.unwrap().unwrap();
    assert_eq!((figures.served_a, figures.served_b), (TIMES, 0));
    let countries = stores.statistics.flag_by_country(A, &place, &flag).await.unwrap();
    assert_eq!(countries, [CountryCount { country: "DE".to_owned(), served_a: TIMES, served_b: 0 }]);
    let days = stores.statistics.flag_by_day(A, &place, &flag, "2026-01-01", "2026-01-01").await.unwrap();
    assert_eq!(days, [DayCount { day: "2026-01-01".to_owned(), served_a: TIMES, served_b: 0 }]);
}

/// Batches that arrive while the things that they are about come and go, in any order, do not fail, and what was counted of something that
/// is deleted goes with it.
pub async fn batches_and_deletions_at_once_leave_no_orphans(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        stores.with_flag(A, &place, key).await;
    }
    let mut tasks = JoinSet::new();
    for sender in 0..4 {
        let (stores, place) = (stores.clone(), place.clone());
        tasks.spawn(async move {
            for first in 0..10 {
                // Each sender goes through the flags in an order of its own.
                let mut order = keys;
                order.rotate_left(first % keys.len());
                if sender % 2 == 0 {
                    order.reverse();
                }
                let of = |key| [served(key, "2026-01-01", Some("DE"), 1, 1), flag_users(key, Side::A, &[1, 2])];
                stores.count(A, &place, order.into_iter().flat_map(of).collect()).await;
            }
        });
    }
    let (renewing, there) = (stores.clone(), place.clone());
    tasks.spawn(async move {
        for _ in 0..3 {
            for key in keys {
                renewing.renew_flag(A, &there, key).await;
            }
        }
    });
    tasks.join_all().await;
    for key in keys {
        stores.renew_flag(A, &place, key).await;
        let key = key.parse().unwrap();
        assert_eq!(stores.statistics.flag(A, &place, &key, at(1000)).await.unwrap(), None);
        assert_eq!(stores.statistics.flag_by_country(A, &place, &key).await.unwrap(), []);
    }
}

/// Keys, ids and countries of the greatest length that input allows, of characters that cannot be packed.
pub async fn figures_of_the_longest_keys_are_kept(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (key, variation) = (noise('a'..='z', 512), noise('a'..='y', 512));
    stores.with_experiment(A, &place, &key).await;
    stores.with_flag(A, &place, &key).await;
    // Of three bytes each, and such as some stores write with more than one character.
    for text in [noise('\u{4e00}'..='\u{9fff}', 512), noise('\0'..='\u{2}', 512)] {
        let deltas = vec![
            exposure(&key, &variation, "2026-01-01", &[1]),
            conversion(&key, &variation, &text, "2026-01-01", &[(1, 1, 1.0)]),
            served(&key, "2026-01-01", Some(&text), 1, 0),
        ];
        stores.count(A, &place, deltas).await;
        let figures = stores.statistics.experiment(A, &place, &key.parse().unwrap()).await.unwrap().unwrap();
        assert!(figures.samples.iter().any(|sample| sample.metric == text && sample.converted_users == 1), "{text:?}");
        let countries = stores.statistics.flag_by_country(A, &place, &key.parse().unwrap()).await.unwrap();
        assert!(countries.iter().any(|count| count.country == text && count.served_a == 1), "{text:?}");
    }
}

/// Characters in no order, the same ones every time.
fn noise(characters: RangeInclusive<char>, length: usize) -> String {
    let characters: Vec<char> = characters.collect();
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        characters[usize::try_from(state >> 33).unwrap() % characters.len()]
    };
    (0..length).map(next).collect()
}

impl ToggleStores {
    /// Deletes a flag and makes it anew.
    pub(super) async fn renew_flag(&self, tenant: TenantId, place: &Scope, key: &str) {
        let stands = self.flags.find(tenant, place, &key.parse().unwrap()).await.unwrap().unwrap();
        self.flags.delete(tenant, place, &stands.key, stands.revision, &audit("flag.delete", key)).await.unwrap();
        self.with_flag(tenant, place, key).await;
    }
}

/// Deltas of what does not exist are left out; the rest of the batch counts.
pub async fn deltas_of_what_does_not_exist_are_left_out(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let (day, nowhere) = ("2026-01-01", scope("web", "nowhere"));
    let of = |p: &str, f: &str, x: &str| {
        vec![
            fetches(p, 1, &[1]),
            served(f, day, Some("DE"), 1, 1),
            flag_users(f, Side::A, &[1]),
            exposure(x, "short", day, &[1]),
            conversion(x, "short", "buy", day, &[(1, 1, 1.0)]),
        ]
    };
    let mut sent = batch(&nowhere, of("p", "f", "x"));
    sent.deltas.extend(batch(&scope("ios", "production"), of("p", "f", "x")).deltas);
    sent.deltas.extend(batch(&place, of("gone", "gone", "gone")).deltas);
    sent.deltas.extend(batch(&place, of("p", "f", "x")).deltas);
    stores.statistics.record(A, &sent).await.unwrap();
    assert_eq!(fetched(stores, A, &place, at(1000)).await.unwrap().fetches, 1);
    assert_eq!(figures(stores, &place).await.variations[0].exposures, 1);
    // What is made afterwards under these names begins without figures.
    let new = stores.with_environment(A, "web", "nowhere").await;
    stores.with_one_of_each(A, &new).await;
    assert_eq!(fetched(stores, A, &new, at(1000)).await, None);
    stores.with_parameter(A, &place, "gone").await;
    assert_eq!(stores.statistics.parameter(A, &place, &"gone".parse().unwrap(), at(1000)).await.unwrap(), None);
}

/// Figures go with the parameter, flag or experiment they are of; its neighbours keep theirs.
pub async fn figures_are_deleted_with_what_they_are_of(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (p, f, x) = stores.with_one_of_each(A, &place).await;
    stores.with_parameter(A, &place, "pp").await;
    let day = "2026-01-01";
    let deltas = vec![
        fetches("p", 1, &[1]),
        fetches("pp", 1, &[1]),
        served("f", day, Some("DE"), 1, 1),
        flag_users("f", Side::A, &[1]),
        exposure("x", "short", day, &[1]),
        conversion("x", "short", "buy", day, &[(1, 1, 1.0)]),
    ];
    stores.count(A, &place, deltas).await;
    stores.parameters.delete(A, &place, p.key(), p.revision, &audit("parameter.delete", "p")).await.unwrap();
    stores.flags.delete(A, &place, &f.key, f.revision, &audit("flag.delete", "f")).await.unwrap();
    stores.experiments.delete(A, &place, &x.key, x.revision, &audit("experiment.delete", "x")).await.unwrap();
    for made_again in [false, true] {
        if made_again {
            stores.with_one_of_each(A, &place).await;
        }
        assert_eq!(fetched(stores, A, &place, at(1000)).await, None);
        assert_eq!(stores.statistics.flag(A, &place, &f.key, at(1000)).await.unwrap(), None);
        assert_eq!(stores.statistics.flag_by_country(A, &place, &f.key).await.unwrap(), []);
        assert_eq!(stores.statistics.flag_by_day(A, &place, &f.key, day, day).await.unwrap(), []);
        assert_eq!(stores.statistics.experiment(A, &place, &x.key).await.unwrap(), None);
    }
    // Nobody is remembered as exposed, either.
    stores.count(A, &place, vec![exposure("x", "short", day, &[1]), fetches("p", 1, &[])]).await;
    let again = figures(stores, &place).await;
    assert_eq!((again.variations[0].users, again.samples.len()), (1, 0));
    assert_eq!(fetched(stores, A, &place, at(1000)).await.unwrap().clients_24h, 0);
    let kept = stores.statistics.parameter(A, &place, &"pp".parse().unwrap(), at(1000)).await.unwrap().unwrap();
    assert_eq!((kept.fetches, kept.clients_24h), (1, 1));
}

/// Figures go with their environment.
pub async fn a_recreated_environment_has_no_figures(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let day = "2026-01-01";
    stores.count(A, &place, vec![fetches("p", 1, &[1]), exposure("x", "short", day, &[1]), served("f", day, None, 1, 0)]).await;
    let expected = stores.directory.directory(A).await.unwrap().environments[&place].revision;
    stores.directory.delete_environment(A, &place, expected, &audit("environment.delete", "e")).await.unwrap();
    assert_eq!(fetched(stores, A, &place, at(1000)).await, None);
    stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    assert_eq!(fetched(stores, A, &place, at(1000)).await, None);
    assert_eq!(stores.statistics.flag(A, &place, &"f".parse().unwrap(), at(1000)).await.unwrap(), None);
    assert_eq!(stores.statistics.experiment(A, &place, &"x".parse().unwrap()).await.unwrap(), None);
}
