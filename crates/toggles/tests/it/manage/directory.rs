use togglebox_core::Change;
use togglebox_toggles::manage::{Error, Resource};

use super::*;
use togglebox_toggles::input::{EnvironmentPatch, PlatformPatch};

#[test]
fn a_platform_lives_and_takes_its_environments_with_it() {
    let house = House::new();
    let name = &house.scope.platform;
    let taken = done(house.directories.create_platform(TENANT, NewPlatform { name: name.clone(), description: None }, &bob()));
    assert!(matches!(taken, Err(Error::AlreadyExists(Resource::Platform(taken))) if taken == *name));

    let patch = PlatformPatch { description: Some("the web".to_owned()) };
    let updated = done(house.directories.update_platform(TENANT, name, &patch, &bob(), None)).unwrap();
    assert_eq!(updated.value.description.as_deref(), Some("the web"));
    assert_eq!(updated.value.created_by, Some(ann()));
    assert_eq!(house.bus.take(), [Change::Directory { tenant: TENANT, revision: updated.revision }]);

    let unchanged = done(house.directories.update_platform(TENANT, name, &PlatformPatch::default(), &bob(), None)).unwrap();
    assert_eq!(unchanged, updated);
    assert_eq!(house.bus.take(), []);

    done(house.directories.delete_platform(TENANT, name, &bob(), Some(updated.revision))).unwrap();
    assert!(house.memory.state().directory.environments.is_empty());
    assert_eq!(house.actions(), ["platform.update", "platform.delete"]);
    let gone = done(house.directories.update_platform(TENANT, name, &patch, &bob(), None));
    assert!(matches!(gone, Err(Error::NotFound(Resource::Platform(gone))) if gone == *name));
}

#[test]
fn an_environment_lives_in_a_platform() {
    let house = House::new();
    let draft = NewEnvironment { name: house.scope.environment.clone(), description: None };
    let taken = done(house.directories.create_environment(TENANT, &house.scope.platform, draft.clone(), &ann()));
    assert!(matches!(taken, Err(Error::AlreadyExists(Resource::Environment(scope))) if scope == house.scope));
    let none = PlatformName::new("none").unwrap();
    let homeless = done(house.directories.create_environment(TENANT, &none, draft, &ann()));
    assert!(matches!(homeless, Err(Error::NotFound(Resource::Platform(name))) if name == none));

    let patch = EnvironmentPatch { description: Some(String::new()) };
    let updated = done(house.directories.update_environment(TENANT, &house.scope, &patch, &ann(), None)).unwrap();
    assert_eq!(updated.value.description.as_deref(), Some(""));
    let stale = done(house.directories.delete_environment(TENANT, &house.scope, &ann(), Some(Revision::ZERO)));
    assert!(matches!(stale, Err(Error::Conflict { current }) if current == updated.revision));
    done(house.directories.delete_environment(TENANT, &house.scope, &ann(), None)).unwrap();
    let gone = done(house.directories.delete_environment(TENANT, &house.scope, &ann(), None));
    assert!(matches!(gone, Err(Error::NotFound(Resource::Environment(scope))) if scope == house.scope));

    let records = std::mem::take(&mut house.memory.state().audit);
    let told: Vec<_> = records.iter().map(|r| (r.action.as_str(), r.platform.as_deref(), r.target.as_str())).collect();
    assert_eq!(told, [("environment.update", Some("web"), "prod"), ("environment.delete", Some("web"), "prod")]);
}
