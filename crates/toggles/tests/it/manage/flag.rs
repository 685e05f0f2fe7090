use serde_json::json;
use togglebox_toggles::input::{FlagPatch, FlagRollback, FlagRollout, FlagToggle, NewFlag};
use togglebox_toggles::manage::{Error, Resource};
use togglebox_toggles::{Flag, FlagKey};

use super::*;

fn key() -> FlagKey {
    FlagKey::new("dark-mode").unwrap()
}

fn named(name: &str) -> FlagPatch {
    FlagPatch { name: Some(name.to_owned()), ..FlagPatch::default() }
}

impl House {
    fn flag(&self) -> Flag {
        let draft = NewFlag::read(Some(&json!({ "flagKey": "dark-mode", "name": "one" }))).unwrap();
        done(self.flags.create(TENANT, &self.scope, draft, &ann())).unwrap().value
    }

    fn rename(&self, name: &str, expected: Option<Revision>) -> Result<Flag, Error> {
        done(self.flags.update(TENANT, &self.scope, &key(), &named(name), &bob(), expected)).map(|written| written.value)
    }

    fn restore(&self, version: &str) -> Result<Flag, Error> {
        let target = FlagRollback { version: version.parse().unwrap() };
        done(self.flags.rollback(TENANT, &self.scope, &key(), target, &bob(), None)).map(|written| written.value)
    }

    fn names(&self) -> Vec<(String, String)> {
        let versions = done(self.flags.versions(TENANT, &self.scope, &key())).unwrap();
        versions.into_iter().map(|flag| (flag.version.to_string(), flag.definition.name)).collect()
    }
}

fn names<const N: usize>(names: [(&str, &str); N]) -> [(String, String); N] {
    names.map(|(version, name)| (version.to_owned(), name.to_owned()))
}

#[test]
fn an_update_is_a_new_version_by_its_author() {
    let house = House::new();
    let first = house.flag();
    let now = house.tick();
    let second = house.rename("two", None).unwrap();
    assert_eq!((second.version.to_string().as_str(), second.created_by.as_str()), ("1.0.1", "bob@example.com"));
    assert_eq!((second.created_at, second.updated_at), (first.created_at, now));
    assert_eq!(house.names(), names([("1.0.1", "two"), ("1.0.0", "one")]));
    let record = house.memory.state().audit.pop().unwrap();
    assert_eq!((at(record.before.as_ref(), "/version"), at(record.after.as_ref(), "/version")), (json!("1.0.0"), json!("1.0.1")));
}

#[test]
fn toggle_and_rollout_change_the_active_version_in_place_and_leave_a_trace() {
    let house = House::new();
    house.flag();
    let now = house.tick();
    let toggled = done(house.flags.toggle(TENANT, &house.scope, &key(), FlagToggle { enabled: true }, &bob(), None)).unwrap();
    assert!(toggled.value.definition.enabled);
    assert_eq!((toggled.value.updated_at, toggled.value.created_by.as_str()), (now, "ann@example.com"));
    let rollout = FlagRollout::read(Some(&json!({ "rolloutEnabled": true, "rolloutPercentageA": 12.5 }))).unwrap();
    let rolled = done(house.flags.rollout(TENANT, &house.scope, &key(), rollout, &bob(), Some(toggled.revision))).unwrap();
    let definition = &rolled.value.definition;
    assert!(definition.enabled && definition.rollout_enabled);
    assert_eq!((definition.rollout_percentage_a, definition.rollout_percentage_b), (12.5, 87.5));
    assert_eq!(house.names(), names([("1.0.0", "one")]));

    let records = std::mem::take(&mut house.memory.state().audit);
    let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["flag.create", "flag.toggle", "flag.rollout"]);
    assert_eq!(at(records[1].before.as_ref(), "/enabled"), json!(false));
    assert_eq!(at(records[1].after.as_ref(), "/enabled"), json!(true));
    assert_eq!(records[2].actor, bob());
}

#[test]
fn a_concurrent_toggle_and_update_both_last() {
    let house = House::new();
    let mut rival = house.flag();
    rival.definition.enabled = true;
    house.memory.state().rivals.push_back(Box::new(move |state| state.append_flag(&rival)));
    let renamed = house.rename("two", None).unwrap();
    assert!(renamed.definition.enabled, "the rival's switch is kept");
    assert_eq!(renamed.version.to_string(), "1.0.2");
    assert!(
        matches!(house.rename("three", Some(Revision::ZERO)), Err(Error::Conflict { current }) if current == renamed.revision)
    );
}

#[test]
fn a_rollback_is_a_new_version_with_the_old_content() {
    let house = House::new();
    house.flag();
    house.rename("two", None).unwrap();
    let restored = house.restore("1.0.0").unwrap();
    assert_eq!((restored.definition.name.as_str(), restored.version.to_string().as_str()), ("one", "1.0.2"));
    assert_eq!(restored.created_by, "bob@example.com");
    house.rename("three", None).unwrap();
    assert_eq!(house.names(), names([("1.0.3", "three"), ("1.0.2", "one"), ("1.0.1", "two"), ("1.0.0", "one")]));
    assert_eq!(house.actions(), ["flag.create", "flag.update", "flag.rollback", "flag.update"]);
}

#[test]
fn a_rollback_to_the_active_version_writes_nothing() {
    let house = House::new();
    let flag = house.flag();
    assert_eq!(house.restore("1.0.0").unwrap(), flag);
    assert_eq!(house.actions(), ["flag.create"]);
}

#[test]
fn versions_that_do_not_exist_are_not_found() {
    let house = House::new();
    assert!(matches!(house.restore("1.0.0"), Err(Error::NotFound(Resource::Flag(_, gone))) if gone == key()));
    house.flag();
    assert!(matches!(house.restore("1.0.7"), Err(Error::NotFound(Resource::FlagVersion(_, _, told))) if told == "1.0.7"));
    assert!(done(house.flags.version(TENANT, &house.scope, &key(), "1.0.0")).is_ok());
    for version in ["9.9.9", "1.0.1", "1.0.00", "x"] {
        let missing = done(house.flags.version(TENANT, &house.scope, &key(), version));
        assert!(matches!(missing, Err(Error::NotFound(Resource::FlagVersion(_, _, told))) if told == version));
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let house = House::new();
    house.flag();
    let patch = FlagPatch::read(Some(&json!({ "valueA": "yes", "valueB": 0 }))).unwrap();
    let Err(Error::Invalid(issues)) = done(house.flags.update(TENANT, &house.scope, &key(), &patch, &ann(), None)) else {
        panic!("not refused")
    };
    let told: Vec<String> = issues.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["valueA: Expected boolean, received string", "valueB: Expected boolean, received number"]);
}

#[test]
fn creation_and_deletion() {
    let house = House::new();
    let flag = house.flag();
    let draft = NewFlag { key: flag.key.clone(), definition: flag.definition.clone() };
    let taken = done(house.flags.create(TENANT, &house.scope, draft.clone(), &ann()));
    assert!(matches!(taken, Err(Error::AlreadyExists(Resource::Flag(..)))));
    let nowhere = done(house.flags.create(TENANT, &house.nowhere(), draft, &ann()));
    assert!(matches!(nowhere, Err(Error::NotFound(Resource::Environment(_)))));
    let written = done(house.flags.delete(TENANT, &house.scope, &flag.key, &ann(), Some(flag.revision))).unwrap();
    assert_eq!(house.bus.take().last(), Some(&house.notice(written.revision)));
    let gone = done(house.flags.delete(TENANT, &house.scope, &flag.key, &ann(), None));
    assert!(matches!(gone, Err(Error::NotFound(Resource::Flag(..)))));
}
