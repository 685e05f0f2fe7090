use std::thread;

use togglebox_core::{EntropyExt as _, SeededEntropy};

use super::*;
use crate::statistics::EventKind;
use crate::statistics::Sketch;
use crate::store::{Delta, Subject};
use crate::{EnvironmentName, ExperimentKey, FlagKey, ParameterKey, PlatformName, Side, VariationKey};

const NOON: &str = "2026-11-22T12:00:00Z";

fn scope(environment: &str) -> Scope {
    Scope::new(PlatformName::new("acme").unwrap(), EnvironmentName::new(environment).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn fetch(client: Option<&str>) -> EventKind {
    EventKind::ConfigFetch { key: ParameterKey::new("title").unwrap(), client: client.map(Subject::of) }
}

fn evaluation(side: Side, user: &str, country: Option<&str>) -> EventKind {
    let flag = FlagKey::new("dark").unwrap();
    EventKind::FlagEvaluation { flag, side, user: Subject::of(user), country: country.map(str::to_owned) }
}

fn exposure(user: &str) -> EventKind {
    let (experiment, variation) = (ExperimentKey::new("cta").unwrap(), VariationKey::new("green").unwrap());
    EventKind::Exposure { experiment, variation, user: Subject::of(user) }
}

fn conversion(user: &str, value: Option<f64>) -> EventKind {
    let (experiment, variation) = (ExperimentKey::new("cta").unwrap(), VariationKey::new("green").unwrap());
    EventKind::Conversion { experiment, metric: "click".into(), variation, user: Subject::of(user), value }
}

fn record(recorder: &Recorder, kind: EventKind) {
    recorder.record(TenantId::DEFAULT, &scope("prod"), &Event { at: at(NOON), kind }, at(NOON));
}

fn drained(recorder: &Recorder) -> Vec<Delta> {
    let batches = recorder.drain(at(NOON), &SeededEntropy::new(1));
    batches.into_iter().flat_map(|(_, batch)| batch.deltas).map(|scoped| scoped.delta).collect()
}

#[test]
fn a_fetch_counts_its_client_in_its_hour() {
    let recorder = Recorder::default();
    record(&recorder, fetch(Some("c1")));
    record(&recorder, fetch(None));
    let [Delta::Parameter { fetches: 2, last_at, clients, .. }] = &drained(&recorder)[..] else { panic!("one delta") };
    assert_eq!(*last_at, at(NOON));
    let [(hour, bytes)] = &clients[..] else { panic!("one hour") };
    assert_eq!(*hour, u64::try_from(at(NOON).as_ms()).unwrap() / 3_600_000);
    assert_eq!(Sketch::from_bytes(bytes).unwrap().estimate(), 1);
}

#[test]
fn an_evaluation_counts_once_with_or_without_country() {
    let recorder = Recorder::default();
    for country in [Some("us"), Some("US"), Some("usa"), Some("é"), Some(""), None] {
        record(&recorder, evaluation(Side::A, "u1", country));
    }
    record(&recorder, evaluation(Side::B, "u2", Some("de")));
    let mut counts = Vec::new();
    let mut users = Vec::new();
    for delta in drained(&recorder) {
        match delta {
            Delta::Flag { day, country, served_a, served_b, .. } => counts.push((day, country, served_a, served_b)),
            Delta::FlagUsers { side, users: hours, .. } => users.push((side, hours.len())),
            other => panic!("{other:?}"),
        }
    }
    let day = || "2026-11-22".to_owned();
    assert_eq!(counts, [(day(), None, 4, 0), (day(), Some("DE".into()), 0, 1), (day(), Some("US".into()), 2, 0)]);
    assert_eq!(users, [(Side::A, 1), (Side::B, 1)]);
}

#[test]
fn users_are_listed_once_and_their_conversions_summed() {
    let recorder = Recorder::default();
    for user in ["u1", "u1", "u2"] {
        record(&recorder, exposure(user));
        record(&recorder, conversion(user, (user == "u1").then_some(2.5)));
    }
    let deltas = drained(&recorder);
    let [Delta::Exposure { exposures: 3, subjects, .. }, Delta::Conversion { subjects: sums, metric, .. }] = &deltas[..] else {
        panic!("{deltas:?}")
    };
    assert_eq!((subjects.len(), sums.len(), metric.as_str()), (2, 2, "click"));
    let of = |user: &str| *sums.iter().find(|sums| sums.subject == Subject::of(user)).unwrap();
    assert_eq!((of("u1").conversions, of("u1").values, of("u1").sum.to_bits()), (2, 2, 5.0_f64.to_bits()));
    assert_eq!((of("u2").conversions, of("u2").values), (1, 0));
}

#[test]
fn a_late_event_counts_for_its_own_day_and_a_very_late_one_for_today() {
    let recorder = Recorder::default();
    for happened in ["2026-11-21T23:00:00Z", "2026-11-01T00:00:00Z", "2030-01-01T00:00:00Z"] {
        recorder.record(TenantId::DEFAULT, &scope("prod"), &Event { at: at(happened), kind: exposure("u1") }, at(NOON));
    }
    let days: Vec<_> = drained(&recorder)
        .into_iter()
        .map(|delta| match delta {
            Delta::Exposure { day, exposures, last_at, .. } => (day, exposures, last_at),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(days, [("2026-11-21".into(), 1, at("2026-11-21T23:00:00Z")), ("2026-11-22".into(), 2, at(NOON))]);
}

#[test]
fn tenants_and_environments_stay_apart() {
    let recorder = Recorder::default();
    let other = TenantId::from_uuid(SeededEntropy::new(2).uuid());
    for (tenant, environment) in [(TenantId::DEFAULT, "prod"), (other, "prod"), (other, "test")] {
        recorder.record(tenant, &scope(environment), &Event { at: at(NOON), kind: fetch(None) }, at(NOON));
    }
    let batches = recorder.drain(at(NOON), &SeededEntropy::new(1));
    let seen: Vec<_> = batches
        .iter()
        .map(|(tenant, batch)| (*tenant, batch.deltas.iter().map(|it| it.scope.clone()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(seen, [(TenantId::DEFAULT, vec![scope("prod")]), (other, vec![scope("prod"), scope("test")])]);
    assert_ne!(batches[0].1.id, batches[1].1.id);
}

#[test]
fn what_has_no_room_is_dropped_whole_and_counted() {
    let recorder = Recorder::new(RecorderLimits { memory_bytes: 20_000, batch_entries: 100 });
    for user in 0..1000 {
        record(&recorder, exposure(&user.to_string()));
    }
    assert!(recorder.memory_bytes() <= 20_000);
    let dropped = recorder.dropped();
    assert!(dropped > 500);
    // Known users still count.
    record(&recorder, exposure("0"));
    assert_eq!(recorder.dropped(), dropped);
    let (mut exposures, mut subjects) = (0, 0);
    for delta in drained(&recorder) {
        let Delta::Exposure { exposures: more, subjects: users, .. } = delta else { panic!("{delta:?}") };
        exposures += more;
        subjects += users.len() as u64;
    }
    assert_eq!((exposures + dropped, subjects), (1001, exposures - 1));
    // And the room is free again.
    assert_eq!(recorder.memory_bytes(), 0);
    record(&recorder, exposure("late"));
    assert_eq!(recorder.dropped(), dropped);
}

#[test]
fn every_kind_of_event_is_within_the_bound() {
    let recorder = Recorder::new(RecorderLimits { memory_bytes: 50_000, batch_entries: 100 });
    for index in 0..2000 {
        let long = format!("k{index}-{}", "x".repeat(200));
        let (happened, user) = (at(NOON).minus(std::time::Duration::from_hours(index % 48)), Subject::of(&long));
        let kinds = [
            EventKind::ConfigFetch { key: ParameterKey::new(&long).unwrap(), client: Some(user) },
            EventKind::FlagEvaluation { flag: FlagKey::new(&long).unwrap(), side: Side::A, user, country: Some(long.clone()) },
            conversion(&long, None),
            EventKind::Conversion {
                experiment: ExperimentKey::new("cta").unwrap(),
                metric: long.clone(),
                variation: VariationKey::new("green").unwrap(),
                user,
                value: None,
            },
        ];
        for kind in kinds {
            recorder.record(TenantId::DEFAULT, &scope("prod"), &Event { at: happened, kind }, at(NOON));
        }
    }
    assert!(recorder.memory_bytes() <= 50_000);
    assert!(recorder.dropped() > 7000);
}

/// Of a flag that is counted already, both what is another country's and what is another user's has to fit.
#[test]
fn one_flag_stays_within_the_bound_and_counts_what_it_does_not_drop() {
    let sent = 4_000_u64;
    for countries in [1, 600] {
        let recorder = Recorder::new(RecorderLimits { memory_bytes: 3_000, batch_entries: 100 });
        for index in 0..sent {
            let country = char::from_digit(u32::try_from(index / 36 % 36).unwrap(), 36).into_iter();
            let country: String = country.chain(char::from_digit(u32::try_from(index % countries % 36).unwrap(), 36)).collect();
            let country = if countries == 1 { "CH".to_owned() } else { country };
            record(&recorder, evaluation(Side::A, &index.to_string(), Some(&country)));
            assert!(recorder.memory_bytes() <= 3_000);
        }
        let dropped = recorder.dropped();
        assert!((1..sent).contains(&dropped), "{dropped}");
        let served = |delta: &Delta| if let Delta::Flag { served_a, .. } = delta { *served_a } else { 0 };
        let counted: u64 = drained(&recorder).iter().map(served).sum();
        assert_eq!((counted + dropped, recorder.memory_bytes()), (sent, 0), "{countries}");
    }
}

#[test]
fn values_that_would_break_sums_are_dropped() {
    let recorder = Recorder::default();
    for value in [f64::NAN, f64::INFINITY, -1e101] {
        record(&recorder, conversion("u1", Some(value)));
    }
    assert_eq!((recorder.dropped(), drained(&recorder).len()), (3, 0));
}

#[test]
fn batches_are_bounded_and_add_up() {
    let recorder = Recorder::new(RecorderLimits { batch_entries: 10, ..RecorderLimits::default() });
    for user in 0..95 {
        record(&recorder, exposure(&user.to_string()));
        record(&recorder, exposure(&user.to_string()));
        record(&recorder, conversion(&user.to_string(), Some(1.0)));
        record(&recorder, evaluation(Side::B, &user.to_string(), None));
    }
    let batches = recorder.drain(at(NOON), &SeededEntropy::new(1));
    let (mut exposures, mut subjects, mut conversions) = (0, 0, 0);
    for (_, batch) in &batches {
        assert!(batch.deltas.iter().map(|scoped| scoped.delta.entries()).sum::<usize>() <= 10);
        for scoped in &batch.deltas {
            match &scoped.delta {
                Delta::Exposure { exposures: more, subjects: users, .. } => {
                    exposures += more;
                    subjects += users.len();
                }
                Delta::Conversion { subjects, .. } => conversions += subjects.iter().map(|sums| sums.conversions).sum::<u64>(),
                Delta::Flag { served_b, .. } => assert_eq!(*served_b, 95),
                Delta::FlagUsers { .. } | Delta::Parameter { .. } => {}
            }
        }
    }
    assert_eq!((exposures, subjects, conversions), (190, 95, 95));
    let ids: std::collections::HashSet<_> = batches.iter().map(|(_, batch)| batch.id).collect();
    assert_eq!(ids.len(), batches.len());
}

#[test]
fn nothing_recorded_is_no_batch() {
    assert!(Recorder::default().drain(at(NOON), &SeededEntropy::new(1)).is_empty());
}

#[test]
fn threads_that_record_while_others_drain_lose_nothing() {
    const THREADS: usize = 4;
    const EVENTS: usize = 2_000;
    let recorder = Recorder::default();
    let total = AtomicU64::new(0);
    let count = |deltas: Vec<Delta>| {
        for delta in deltas {
            let Delta::Exposure { exposures, .. } = delta else { panic!("{delta:?}") };
            total.fetch_add(exposures, Ordering::Relaxed);
        }
    };
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let recorder = &recorder;
            threads.spawn(move || (0..EVENTS).for_each(|event| record(recorder, exposure(&format!("{thread}-{event}")))));
        }
        threads.spawn(|| (0..50).for_each(|_| count(drained(&recorder))));
    });
    count(drained(&recorder));
    assert_eq!(total.load(Ordering::Relaxed), (THREADS * EVENTS) as u64);
    assert_eq!(recorder.memory_bytes(), 0);
}
