use serde_json::{Value, json};
use togglebox_core::Written;
use togglebox_toggles::input::{ExperimentPatch, NewExperiment, TrafficUpdate};
use togglebox_toggles::manage::{Action, Error, Resource, Step};
use togglebox_toggles::{Experiment, ExperimentKey, ExperimentStatus};

use super::*;

fn key() -> ExperimentKey {
    ExperimentKey::new("cta").unwrap()
}

fn body() -> Value {
    named("cta")
}

pub(super) fn named(key: &str) -> Value {
    json!({
        "experimentKey": key,
        "name": "CTA",
        "hypothesis": "Green wins",
        "variations": [{ "key": "control", "name": "Blue", "value": "blue" }, { "key": "green", "name": "Green", "value": null }],
        "controlVariation": "control",
        "trafficAllocation": [{ "variationKey": "control", "percentage": 50 }, { "variationKey": "green", "percentage": 50 }],
        "primaryMetric": {
            "id": "click", "name": "Click", "eventName": "click", "metricType": "conversion", "successDirection": "increase"
        },
    })
}

fn traffic(shares: &[(&str, f64)]) -> TrafficUpdate {
    let shares: Vec<Value> = shares.iter().map(|(key, share)| json!({ "variationKey": key, "percentage": share })).collect();
    TrafficUpdate::read(Some(&json!({ "trafficAllocation": shares }))).unwrap()
}

fn edit(patch: &Value) -> Step {
    Step::Update(Box::new(ExperimentPatch::read(Some(patch)).unwrap()))
}

impl House {
    fn experiment(&self) -> Experiment {
        let draft = NewExperiment::read(Some(&body())).unwrap();
        done(self.experiments.create(TENANT, &self.scope, draft, &ann())).unwrap().value
    }

    fn take(&self, step: &Step) -> Result<Experiment, Error> {
        let taken = done(self.experiments.advance(TENANT, &self.scope, &key(), step, &bob(), None));
        taken.map(|Written { value, .. }| value)
    }

    fn put(&self, status: ExperimentStatus) {
        self.memory.state().experiments.get_mut(&key()).unwrap().status = status;
    }
}

#[test]
fn an_experiment_lives_and_remembers_who_did_what() {
    let house = House::new();
    let draft = house.experiment();
    assert_eq!((draft.status, draft.created_by.as_str()), (ExperimentStatus::Draft, "ann@example.com"));
    let started = house.tick();
    let running = house.take(&Step::Start).unwrap();
    assert_eq!((running.started_at, running.started_by.as_deref()), (Some(started), Some("bob@example.com")));
    house.tick();
    house.take(&Step::Pause).unwrap();
    let resumed = house.take(&Step::Resume).unwrap();
    assert_eq!((resumed.status, resumed.started_at), (ExperimentStatus::Running, Some(started)));
    let completed = house.tick();
    let over = house.take(&Step::Complete(Some("green".to_owned()))).unwrap();
    assert_eq!((over.completed_at, over.completed_by.as_deref()), (Some(completed), Some("bob@example.com")));
    assert_eq!(over.winner.as_ref().map(ToString::to_string).as_deref(), Some("green"));
    let archived = house.take(&Step::Archive).unwrap();
    assert_eq!((archived.status, archived.updated_at), (ExperimentStatus::Archived, completed));
    assert_eq!(
        house.actions(),
        [
            "experiment.create",
            "experiment.start",
            "experiment.pause",
            "experiment.resume",
            "experiment.complete",
            "experiment.archive"
        ]
    );
}

#[test]
fn every_step_is_taken_exactly_where_the_table_allows_it() {
    let steps = [
        edit(&json!({ "name": "x" })),
        Step::Traffic(traffic(&[("control", 10.0), ("green", 90.0)])),
        Step::Start,
        Step::Pause,
        Step::Resume,
        Step::Complete(None),
        Step::Archive,
    ];
    for (_, status) in ExperimentStatus::WORDS {
        for step in &steps {
            let house = House::new();
            house.experiment();
            house.put(status);
            let outcome = house.take(step);
            let action = step.action();
            if let Some(next) = action.next(status) {
                assert_eq!(outcome.unwrap().status, next, "{action:?} in {status:?}");
            } else {
                let told = matches!(outcome, Err(Error::Status { status: s, action: a }) if (s, a) == (status, action));
                assert!(told, "{action:?} in {status:?}");
            }
        }
        let house = House::new();
        house.experiment();
        house.put(status);
        let outcome = done(house.experiments.delete(TENANT, &house.scope, &key(), &ann(), None));
        assert_eq!(outcome.is_ok(), status != ExperimentStatus::Running, "{status:?}");
        assert_eq!(outcome.is_ok(), Action::Delete.next(status).is_some());
    }
}

#[test]
fn a_start_that_comes_between_wins_over_an_edit() {
    let house = House::new();
    house.experiment();
    house.memory.state().rivals.push_back(Box::new(|state| {
        let revision = state.next_revision();
        let experiment = state.experiments.get_mut(&key()).unwrap();
        experiment.status = ExperimentStatus::Running;
        experiment.revision = revision;
    }));
    let edited = house.take(&edit(&json!({ "name": "too late" })));
    assert!(matches!(edited, Err(Error::Status { status: ExperimentStatus::Running, action: Action::Update })));
    assert_eq!(house.memory.state().experiments[&key()].definition.name, "CTA");
}

#[test]
fn unknown_variations_are_told() {
    let house = House::new();
    house.experiment();
    let unknown = house.take(&Step::Traffic(traffic(&[("control", 60.0), ("x", 40.0)])));
    assert!(matches!(unknown, Err(Error::UnknownVariation(key)) if key == "x"));
    house.take(&Step::Start).unwrap();
    for winner in ["red", ""] {
        let unknown = house.take(&Step::Complete(Some(winner.to_owned())));
        assert!(matches!(unknown, Err(Error::UnknownVariation(key)) if key == winner));
    }
    let without = house.take(&Step::Complete(None)).unwrap();
    assert_eq!((without.status, without.winner), (ExperimentStatus::Completed, None));
}

#[test]
fn traffic_must_reach_every_variation() {
    let house = House::new();
    house.experiment();
    let three = json!({
        "variations": [{ "key": "control", "name": "a" }, { "key": "green", "name": "b" }, { "key": "red", "name": "c" }],
        "trafficAllocation": [
            { "variationKey": "control", "percentage": 33.3 },
            { "variationKey": "green", "percentage": 33.3 },
            { "variationKey": "red", "percentage": 33.4 },
        ],
    });
    assert_eq!(house.take(&edit(&three)).unwrap().definition.variations.len(), 3);
    let two = house.take(&Step::Traffic(traffic(&[("control", 50.0), ("green", 50.0)])));
    assert!(matches!(two, Err(Error::Invalid(issues)) if issues[0].path == "trafficAllocation"));
    // 33.1 + 33.2 + 33.7 is a hair more than 100 in binary; the original refuses it.
    assert!(house.take(&Step::Traffic(traffic(&[("control", 33.1), ("green", 33.2), ("red", 33.7)]))).is_ok());
    assert!(house.take(&Step::Traffic(traffic(&[("control", 33.335), ("green", 33.33), ("red", 33.33)]))).is_ok());
}

#[test]
fn a_named_revision_is_held_to() {
    let house = House::new();
    let draft = house.experiment();
    let started =
        done(house.experiments.advance(TENANT, &house.scope, &key(), &Step::Start, &ann(), Some(draft.revision))).unwrap();
    assert_eq!(house.bus.take().last(), Some(&house.notice(started.revision)));
    let stale = done(house.experiments.advance(TENANT, &house.scope, &key(), &Step::Pause, &ann(), Some(draft.revision)));
    assert!(matches!(stale, Err(Error::Conflict { current }) if current == started.revision));
    let stale = done(house.experiments.delete(TENANT, &house.scope, &key(), &ann(), Some(draft.revision)));
    assert!(matches!(stale, Err(Error::Conflict { .. })));
}

#[test]
fn what_is_missing_is_told() {
    let house = House::new();
    assert!(matches!(house.take(&Step::Start), Err(Error::NotFound(Resource::Experiment(_, gone))) if gone == key()));
    house.experiment();
    let draft = NewExperiment::read(Some(&body())).unwrap();
    let taken = done(house.experiments.create(TENANT, &house.scope, draft.clone(), &ann()));
    assert!(matches!(taken, Err(Error::AlreadyExists(Resource::Experiment(..)))));
    let nowhere = done(house.experiments.create(TENANT, &house.nowhere(), draft, &ann()));
    assert!(matches!(nowhere, Err(Error::NotFound(Resource::Environment(scope))) if scope == house.nowhere()));
}
