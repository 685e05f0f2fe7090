use serde_json::json;
use togglebox_toggles::input::{NewParameter, ParameterPatch, RollbackTarget};
use togglebox_toggles::manage::{Error, Resource};
use togglebox_toggles::{Parameter, ParameterKey, ParameterVersion};

use super::*;
use crate::memory::Fault;

fn key() -> ParameterKey {
    ParameterKey::new("limit").unwrap()
}

fn draft() -> NewParameter {
    NewParameter::read(Some(&json!({ "parameterKey": "limit", "valueType": "number", "defaultValue": "1" }))).unwrap()
}

fn patch(value: &str) -> ParameterPatch {
    ParameterPatch { default_value: Some(value.to_owned()), ..ParameterPatch::default() }
}

fn target(version: &str) -> RollbackTarget {
    RollbackTarget { version: version.to_owned() }
}

impl House {
    fn parameter(&self) -> Parameter {
        done(self.parameters.create(TENANT, &self.scope, draft(), &ann())).unwrap().value
    }

    fn update(&self, value: &str, expected: Option<Revision>) -> Result<Parameter, Error> {
        done(self.parameters.update(TENANT, &self.scope, &key(), &patch(value), &bob(), expected)).map(|written| written.value)
    }

    fn roll_back(&self, version: &str) -> Result<Parameter, Error> {
        let written = done(self.parameters.rollback(TENANT, &self.scope, &key(), &target(version), &bob(), None));
        written.map(|written| written.value)
    }

    fn history(&self) -> Vec<(u64, String)> {
        let versions = done(self.parameters.versions(TENANT, &self.scope, &key())).unwrap();
        versions.into_iter().map(|version| (version.version, version.definition.default_value)).collect()
    }
}

#[test]
fn creation_is_recorded_and_announced() {
    let house = House::new();
    let written = done(house.parameters.create(TENANT, &house.scope, draft(), &ann())).unwrap();
    assert_eq!((written.value.active.version, written.value.active.created_by.as_str()), (1, "ann@example.com"));
    assert_eq!(house.bus.take(), [house.notice(written.revision)]);
    let record = house.memory.state().audit.pop().unwrap();
    assert_eq!((record.action.as_str(), record.target.as_str()), ("parameter.create", "limit"));
    assert_eq!((record.platform.as_deref(), record.environment.as_deref()), (Some("web"), Some("prod")));
    assert_eq!((record.before, at(record.after.as_ref(), "/defaultValue")), (None, json!("1")));
}

#[test]
fn creation_needs_an_environment_and_a_free_key() {
    let house = House::new();
    house.parameter();
    let taken = done(house.parameters.create(TENANT, &house.scope, draft(), &ann()));
    assert!(matches!(taken, Err(Error::AlreadyExists(Resource::Parameter(_, taken))) if taken == key()));
    let nowhere = done(house.parameters.create(TENANT, &house.nowhere(), draft(), &ann()));
    assert!(matches!(nowhere, Err(Error::NotFound(Resource::Environment(scope))) if scope == house.nowhere()));
}

#[test]
fn an_environment_takes_2000_parameters_and_no_more() {
    let house = House::new();
    for n in 0..Parameter::MAX_PER_ENVIRONMENT {
        let draft = NewParameter { key: ParameterKey::new(format!("p{n}")).unwrap(), ..draft() };
        done(house.parameters.create(TENANT, &house.scope, draft, &ann())).unwrap();
    }
    let refused = done(house.parameters.create(TENANT, &house.scope, draft(), &ann()));
    assert!(matches!(refused, Err(Error::LimitReached(2000))));
}

#[test]
fn of_two_writers_with_one_revision_one_wins() {
    let house = House::new();
    let read = house.parameter().revision;
    let winner = house.update("2", Some(read)).unwrap();
    let loser = house.update("3", Some(read));
    assert!(matches!(loser, Err(Error::Conflict { current }) if current == winner.revision));
    assert_eq!(house.history(), [(2, "2".to_owned()), (1, "1".to_owned())]);
    assert_eq!(house.actions(), ["parameter.create", "parameter.update"]);
}

#[test]
fn a_writer_with_a_revision_loses_even_between_its_read_and_its_write() {
    let house = House::new();
    let before = house.parameter();
    let version = before.active.clone();
    house.memory.state().rivals.push_back(Box::new(move |state| state.append_parameter(&version)));
    assert!(matches!(house.update("2", Some(before.revision)), Err(Error::Conflict { current }) if current > before.revision));
    assert_eq!(house.history().len(), 2);
}

#[test]
fn writers_without_a_revision_all_get_through_and_stay_in_the_history() {
    let house = House::new();
    let first = house.parameter().active;
    for n in 0..5 {
        let mut rival: ParameterVersion = first.clone();
        rival.definition.default_value = format!("{}", 10 + n);
        house.memory.state().rivals.push_back(Box::new(move |state| state.append_parameter(&rival)));
    }
    let written = house.update("2", None).unwrap();
    assert_eq!((written.active.version, written.latest_version), (7, 7));
    let values: Vec<String> = house.history().into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["2", "14", "13", "12", "11", "10", "1"]);
    let record = house.memory.state().audit.pop().unwrap();
    assert_eq!(at(record.before.as_ref(), "/defaultValue"), json!("14"), "the record tells what was really replaced");
    assert_eq!(at(record.after.as_ref(), "/version"), json!("7"));
}

#[test]
fn endless_rivals_end_in_a_conflict() {
    let house = House::new();
    let first = house.parameter().active;
    for _ in 0..1000 {
        let rival = first.clone();
        house.memory.state().rivals.push_back(Box::new(move |state| state.append_parameter(&rival)));
    }
    assert!(matches!(house.update("2", None), Err(Error::Conflict { .. })));
}

#[test]
fn an_unanswered_write_is_repeated_and_done_once() {
    for fault in [Fault::Before, Fault::After] {
        let house = House::new();
        house.parameter();
        house.memory.state().faults.push_back(fault);
        assert_eq!(house.update("2", None).unwrap().active.version, 2, "{fault:?}");
        assert_eq!(house.history().len(), 2, "{fault:?}");
        assert_eq!(house.actions(), ["parameter.create", "parameter.update"], "{fault:?}");
    }
}

#[test]
fn a_store_that_stays_silent_is_an_error() {
    let house = House::new();
    house.parameter();
    house.bus.take();
    house.memory.state().faults.extend([Fault::Before, Fault::Before]);
    let error = house.update("2", None).unwrap_err();
    assert!(matches!(&error, Error::Store(store) if *store.kind() == StoreErrorKind::Unavailable));
    assert_eq!(house.bus.take(), []);
    assert_eq!(house.history().len(), 1);
}

#[test]
fn a_lost_notice_does_not_lose_the_change() {
    let house = House::new();
    house.parameter();
    *house.bus.broken.lock().unwrap() = true;
    assert_eq!(house.update("2", None).unwrap().active.version, 2);
}

#[test]
fn an_update_after_a_rollback_never_reuses_a_version() {
    let house = House::new();
    house.parameter();
    house.update("2", None).unwrap();
    house.update("3", None).unwrap();
    let rolled_back = house.roll_back("1").unwrap();
    assert_eq!((rolled_back.active.version, rolled_back.latest_version), (1, 3));
    assert_eq!(rolled_back.active.created_by, "ann@example.com");
    assert_eq!(house.update("4", None).unwrap().active.version, 4);
    let expected = [(4, "4"), (3, "3"), (2, "2"), (1, "1")].map(|(version, value)| (version, value.to_owned()));
    assert_eq!(house.history(), expected);
    let records = std::mem::take(&mut house.memory.state().audit);
    let rollback = records.iter().find(|record| record.action == "parameter.rollback").unwrap();
    assert_eq!(at(rollback.before.as_ref(), "/version"), json!("3"));
    assert_eq!(at(rollback.after.as_ref(), "/version"), json!("1"));
}

#[test]
fn a_rollback_to_the_active_version_writes_nothing() {
    let house = House::new();
    let parameter = house.parameter();
    house.bus.take();
    assert_eq!(house.roll_back("1").unwrap(), parameter);
    assert_eq!((house.bus.take(), house.actions()), (vec![], vec!["parameter.create".to_owned()]));
}

#[test]
fn a_rollback_needs_a_version_that_exists() {
    let house = House::new();
    let missing = |version: &str| {
        let outcome = house.roll_back(version);
        matches!(outcome, Err(Error::NotFound(Resource::ParameterVersion(_, _, told))) if told == version)
    };
    assert!(missing("1"), "the parameter itself is missing");
    house.parameter();
    for version in ["2", "0", "01", "99999999999999999999999"] {
        assert!(missing(version), "{version}");
    }
}

#[test]
fn an_update_that_does_not_fit_writes_nothing() {
    let house = House::new();
    house.parameter();
    let error = house.update("many", None).unwrap_err();
    assert!(matches!(error, Error::Invalid(issues) if issues[0].path == "defaultValue"));
    assert_eq!(house.history().len(), 1);
}

#[test]
fn deletion_takes_the_history_along_and_is_recorded() {
    let house = House::new();
    house.parameter();
    house.update("2", None).unwrap();
    house.bus.take();
    let written = done(house.parameters.delete(TENANT, &house.scope, &key(), &bob(), None)).unwrap();
    assert_eq!(house.bus.take(), [house.notice(written.revision)]);
    assert_eq!(house.history(), []);
    assert_eq!(at(house.memory.state().audit.last().unwrap().before.as_ref(), "/defaultValue"), json!("2"));
    assert!(matches!(house.update("3", None), Err(Error::NotFound(Resource::Parameter(_, gone))) if gone == key()));
    let again = done(house.parameters.delete(TENANT, &house.scope, &key(), &bob(), None));
    assert!(matches!(again, Err(Error::NotFound(Resource::Parameter(..)))));
}
