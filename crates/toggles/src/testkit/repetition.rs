use std::sync::Arc;

use togglebox_core::{Limit, StoreErrorKind};

use super::ToggleStores;
use super::fixtures::{A, CROWD, MANY, audit, environment, experiment, flag, kind, parameter, platform, race, scope};

/// A write to the directory that is repeated with its audit id answers as it answered, and changes nothing.
pub async fn directory_writes_repeated_with_their_audit_id_are_done_once(stores: &ToggleStores) {
    let store = &stores.directory;
    let (given, record) = (platform("web"), audit("platform.create", "web"));
    let made = store.create_platform(A, &given, Limit::Unlimited, &record).await.unwrap();
    assert_eq!(store.create_platform(A, &given, Limit::Unlimited, &record).await.unwrap(), made);

    let record = audit("platform.update", "web");
    let changed = store.replace_platform(A, &given, made.revision, &record).await.unwrap();
    assert_eq!(store.replace_platform(A, &given, made.revision, &record).await.unwrap(), changed);

    let (given, record) = (environment(&scope("web", "production")), audit("environment.create", "production"));
    let within = store.create_environment(A, &given, Limit::Unlimited, &record).await.unwrap();
    assert_eq!(store.create_environment(A, &given, Limit::Unlimited, &record).await.unwrap(), within);

    let record = audit("environment.update", "production");
    let other = store.replace_environment(A, &given, within.revision, &record).await.unwrap();
    assert_eq!(store.replace_environment(A, &given, within.revision, &record).await.unwrap(), other);

    let record = audit("environment.delete", "production");
    let gone = store.delete_environment(A, &given.scope(), other.revision, &record).await.unwrap();
    assert_eq!(store.delete_environment(A, &given.scope(), other.revision, &record).await.unwrap(), gone);

    let record = audit("platform.delete", "web");
    let name = &given.platform;
    let nothing = store.delete_platform(A, name, changed.revision, &record).await.unwrap();
    assert_eq!(store.delete_platform(A, name, changed.revision, &record).await.unwrap(), nothing);

    assert_eq!(store.directory(A).await.unwrap().revision.get(), 6);
    assert_eq!(stores.records(A).await.len(), 6);
}

/// The same of parameters.
pub async fn parameter_writes_repeated_with_their_audit_id_are_done_once(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (store, given) = (&stores.parameters, parameter("p", "one"));
    let record = audit("parameter.create", "p");
    let made = store.create(A, &place, &given, 1, Limit::Unlimited, &record).await.unwrap();
    assert_eq!(store.create(A, &place, &given, 1, Limit::Unlimited, &record).await.unwrap(), made);

    let record = audit("parameter.update", "p");
    let second = store.append(A, &place, &given, made.revision, &record).await.unwrap();
    assert_eq!(store.append(A, &place, &given, made.revision, &record).await.unwrap(), second);
    assert_eq!(second.value.latest_version, 2);

    let record = audit("parameter.rollback", "p");
    let back = store.activate(A, &place, &given.key, 1, second.revision, &record).await.unwrap();
    assert_eq!(store.activate(A, &place, &given.key, 1, second.revision, &record).await.unwrap(), back);

    let record = audit("parameter.delete", "p");
    let gone = store.delete(A, &place, &given.key, back.revision, &record).await.unwrap();
    assert_eq!(store.delete(A, &place, &given.key, back.revision, &record).await.unwrap(), gone);

    assert_eq!(stores.state(A, &place).await.revision.get(), 4);
    assert_eq!(stores.records_of(A, "p").await, 4);
}

/// The same of flags.
pub async fn flag_writes_repeated_with_their_audit_id_are_done_once(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (store, given) = (&stores.flags, flag("f", "one"));
    let record = audit("flag.create", "f");
    let made = store.create(A, &place, &given, Limit::Unlimited, &record).await.unwrap();
    assert_eq!(store.create(A, &place, &given, Limit::Unlimited, &record).await.unwrap(), made);

    let record = audit("flag.update", "f");
    let second = store.append(A, &place, &given, made.revision, &record).await.unwrap();
    assert_eq!(store.append(A, &place, &given, made.revision, &record).await.unwrap(), second);
    assert_eq!(second.value.version.patch(), 1);

    let record = audit("flag.toggle", "f");
    let third = store.amend(A, &place, &given, second.revision, &record).await.unwrap();
    assert_eq!(store.amend(A, &place, &given, second.revision, &record).await.unwrap(), third);

    let record = audit("flag.delete", "f");
    let gone = store.delete(A, &place, &given.key, third.revision, &record).await.unwrap();
    assert_eq!(store.delete(A, &place, &given.key, third.revision, &record).await.unwrap(), gone);

    assert_eq!(stores.state(A, &place).await.revision.get(), 4);
    assert_eq!(stores.records_of(A, "f").await, 4);
}

/// The same of experiments.
pub async fn experiment_writes_repeated_with_their_audit_id_are_done_once(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (store, given) = (&stores.experiments, experiment("x"));
    let record = audit("experiment.create", "x");
    let made = store.create(A, &place, &given, Limit::Unlimited, &record).await.unwrap();
    assert_eq!(store.create(A, &place, &given, Limit::Unlimited, &record).await.unwrap(), made);

    let record = audit("experiment.update", "x");
    let second = store.replace(A, &place, &given, made.revision, &record).await.unwrap();
    assert_eq!(store.replace(A, &place, &given, made.revision, &record).await.unwrap(), second);

    let record = audit("experiment.delete", "x");
    let gone = store.delete(A, &place, &given.key, second.revision, &record).await.unwrap();
    assert_eq!(store.delete(A, &place, &given.key, second.revision, &record).await.unwrap(), gone);

    assert_eq!(stores.state(A, &place).await.revision.get(), 3);
    assert_eq!(stores.records_of(A, "x").await, 3);
}

/// A repeat that comes late, when the record has moved on, changes nothing; it tells the revision of its own write.
pub async fn a_late_repeat_changes_nothing(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_parameter(A, &place, "p").await;
    let (given, record) = (parameter("p", "two"), audit("parameter.update", "p"));
    let second = stores.parameters.append(A, &place, &given, first.revision, &record).await.unwrap();
    stores.append(A, &place, "p", "three").await;
    let before = stores.state(A, &place).await;
    let again = stores.parameters.append(A, &place, &given, first.revision, &record).await.unwrap();
    assert_eq!(again.revision, second.revision);
    assert_eq!(stores.state(A, &place).await, before);
    assert_eq!(stores.records_of(A, "p").await, 3);
}

/// A repeated creation does not bring back what has been deleted since.
pub async fn a_repeat_does_not_revive_what_is_gone(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (given, record) = (parameter("p", "one"), audit("parameter.create", "p"));
    let made = stores.parameters.create(A, &place, &given, MANY, Limit::Unlimited, &record).await.unwrap();
    let deletion = audit("parameter.delete", "p");
    stores.parameters.delete(A, &place, &given.key, made.revision, &deletion).await.unwrap();
    let before = stores.state(A, &place).await;
    let again = stores.parameters.create(A, &place, &given, MANY, Limit::Unlimited, &record).await;
    assert_eq!(kind(again), StoreErrorKind::NotFound);
    assert_eq!(stores.state(A, &place).await, before);
}

/// A write that was refused has not been made: it may be tried anew under the same audit id.
pub async fn a_refused_write_may_be_tried_again_under_its_audit_id(stores: &ToggleStores) {
    let place = scope("web", "production");
    let (given, record) = (flag("f", "one"), audit("flag.create", "f"));
    assert_eq!(kind(stores.flags.create(A, &place, &given, Limit::Unlimited, &record).await), StoreErrorKind::NotFound);
    stores.with_environment(A, "web", "production").await;
    let made = stores.flags.create(A, &place, &given, Limit::Unlimited, &record).await.unwrap();
    assert_eq!(stores.flags.find(A, &place, &given.key).await.unwrap(), Some(made.value));
}

/// The same write sent several times at once is made once, and every sender gets the same answer.
pub async fn one_write_sent_many_times_at_once_is_made_once(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_flag(A, &place, "f").await;
    let record = audit("flag.update", "f");
    let answers = race(|_| {
        let (store, place, given, record) = (Arc::clone(&stores.flags), place.clone(), first.clone(), record.clone());
        async move { store.append(A, &place, &given, given.revision, &record).await.unwrap() }
    });
    let answers = answers.await;
    assert_eq!(answers.len(), CROWD as usize);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].value.version.patch(), 1);
    assert_eq!(stores.records_of(A, "f").await, 2);
}
