use std::sync::Arc;

use serde_json::{Value, json};
use togglebox_core::{Limit, Revision, StoreErrorKind};

use super::ToggleStores;
use super::fixtures::{A, at, audit, experiment, kind, one_winner, race, scope};
use crate::{Experiment, ExperimentStatus, ExperimentTargeting, TargetedCountry, TargetedLanguage};

/// What `create` is given, `find` and `load` show: every member, the order of JSON members, and `null` apart from absence.
pub async fn a_created_experiment_reads_back(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let mut given = experiment("check-out_2");
    given.definition.variations[0].value = Some(Value::Null);
    given.definition.variations[1].value = Some(json!({ "z": 1, "a": [0.1, 1e-7, -0.0, u64::MAX], "\u{1F600}": {} }));
    given.definition.variations.push(given.definition.variations[0].clone());
    given.definition.variations[2].value = None;
    given.definition.traffic_allocation[0].percentage = 33.333_333_333_333_336;
    given.definition.secondary_metrics = Some(vec![given.definition.primary_metric.clone()]);
    given.definition.minimum_detectable_effect = Some(0.05);
    given.definition.minimum_sample_size = Some(u64::MAX);
    given.definition.scheduled_start_at = Some("2026-01-01T00:00:00+02:00".to_owned());
    let languages = Some(vec![TargetedLanguage { language: "fr".to_owned() }]);
    given.definition.targeting = ExperimentTargeting {
        countries: vec![TargetedCountry { country: "CA".to_owned(), languages }],
        force_include_users: vec!["a".to_owned()],
        force_exclude_users: vec!["b".to_owned()],
    };
    let given = Experiment {
        status: ExperimentStatus::Completed,
        started_at: Some(at(10)),
        started_by: Some("ann@example.com".to_owned()),
        completed_at: Some(at(11)),
        completed_by: Some("bob@example.com".to_owned()),
        winner: Some("short".parse().unwrap()),
        ..given
    };
    let written = stores.experiments.create(A, &place, &given, Limit::Unlimited, &audit("experiment.create", "x")).await.unwrap();
    let expected = Experiment { revision: written.revision, ..given.clone() };
    assert_eq!(written.value, expected);
    let found = stores.experiments.find(A, &place, &given.key).await.unwrap().unwrap();
    assert_eq!(found, expected);
    let text = |experiment: &Experiment| serde_json::to_string(&experiment.definition).unwrap();
    assert_eq!(text(&found), text(&given), "the document reads back as it was written, byte for byte");
    assert_eq!(stores.state(A, &place).await.experiments, [expected]);
}

/// Absence is an answer to a read, and `NotFound` to a write.
pub async fn experiments_need_their_target(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let stands = stores.with_experiment(A, &place, "x").await;
    let (store, there, revision) = (&stores.experiments, scope("web", "staging"), stands.revision);
    let record = || audit("any", "absent");
    assert_eq!(kind(store.create(A, &there, &experiment("x"), Limit::Unlimited, &record()).await), StoreErrorKind::NotFound);
    for (place, experiment) in [(&there, experiment("x")), (&place, experiment("y"))] {
        assert!(store.find(A, place, &experiment.key).await.unwrap().is_none());
        assert_eq!(kind(store.replace(A, place, &experiment, revision, &record()).await), StoreErrorKind::NotFound);
        assert_eq!(kind(store.delete(A, place, &experiment.key, revision, &record()).await), StoreErrorKind::NotFound);
    }
    let state = stores.state(A, &place).await;
    assert_eq!((state.revision, state.experiments), (revision, vec![stands]));
    assert_eq!(stores.records_of(A, "absent").await, 0);
}

/// A key is created once per environment.
pub async fn of_many_who_create_one_experiment_exactly_one_does(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let outcomes = race(|n| {
        let (store, place) = (Arc::clone(&stores.experiments), place.clone());
        let given = Experiment { created_by: format!("{n}@example.com"), ..experiment("x") };
        async move { store.create(A, &place, &given, Limit::Unlimited, &audit("experiment.create", "race")).await }
    });
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::AlreadyExists);
    let state = stores.state(A, &place).await;
    assert_eq!((state.experiments, state.revision), (vec![winner.value], Revision::new(1)));
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// A replacement takes document and status alike, and clears what it leaves out.
pub async fn a_replaced_experiment_reads_back(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let draft = stores.with_experiment(A, &place, "x").await;
    let mut running = Experiment {
        status: ExperimentStatus::Running,
        started_at: Some(at(20)),
        started_by: Some("bob@example.com".to_owned()),
        updated_at: at(20),
        ..draft.clone()
    };
    running.definition.name.push_str(" again");
    for given in [running, draft.clone()] {
        let expected = stores.experiments.find(A, &place, &draft.key).await.unwrap().unwrap().revision;
        let record = audit("experiment.update", "x");
        let written = stores.experiments.replace(A, &place, &given, expected, &record).await.unwrap();
        assert_eq!(written.value, Experiment { revision: written.revision, ..given });
        assert_eq!(stores.experiments.find(A, &place, &draft.key).await.unwrap(), Some(written.value));
    }
}

/// Nothing is written to an experiment that has moved on.
pub async fn experiment_writes_need_the_revision_that_stands(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_experiment(A, &place, "x").await;
    let record = audit("experiment.update", "x");
    let stands = stores.experiments.replace(A, &place, &first, first.revision, &record).await.unwrap().value;
    stores.with_experiment(A, &place, "y").await;
    let before = stores.state(A, &place).await;
    let conflict = StoreErrorKind::Conflict { current: stands.revision };
    for expected in [Revision::ZERO, first.revision, before.revision] {
        let record = || audit("any", "stale");
        assert_eq!(kind(stores.experiments.replace(A, &place, &first, expected, &record()).await), conflict);
        assert_eq!(kind(stores.experiments.delete(A, &place, &first.key, expected, &record()).await), conflict);
    }
    assert_eq!(stores.state(A, &place).await, before);
    assert_eq!(stores.records_of(A, "stale").await, 0);
}

/// A start and an edit of the same draft exclude each other.
pub async fn of_many_replacements_of_one_experiment_exactly_one_wins(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let draft = stores.with_experiment(A, &place, "x").await;
    let outcomes = race(|n| {
        let (store, place, mut given) = (Arc::clone(&stores.experiments), place.clone(), draft.clone());
        match n % 2 {
            0 => given.status = ExperimentStatus::Running,
            _ => given.definition.name = n.to_string(),
        }
        async move { store.replace(A, &place, &given, given.revision, &audit("experiment.update", "race")).await }
    });
    let current = draft.revision.next();
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::Conflict { current });
    assert_eq!(stores.experiments.find(A, &place, &draft.key).await.unwrap(), Some(winner.value));
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// A deleted experiment is gone, and its key is free.
pub async fn a_deleted_experiment_frees_its_key(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let stands = stores.with_experiment(A, &place, "x").await;
    stores.experiments.delete(A, &place, &stands.key, stands.revision, &audit("experiment.delete", "x")).await.unwrap();
    assert!(stores.experiments.find(A, &place, &stands.key).await.unwrap().is_none());
    let again = stores.with_experiment(A, &place, "x").await;
    assert!(again.revision > stands.revision, "a revision never repeats");
}
