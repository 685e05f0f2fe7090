use std::sync::Arc;

use togglebox_core::{Actor, AuditFilter, AuditRecord, Limit, PageRequest, Revision, StoreErrorKind, TenantId};
use uuid::Uuid;

use super::ToggleStores;
use super::fixtures::{A, B, audit, audit_at, environment, kind, one_winner, platform, race, scope};
use crate::store::Revisions;
use crate::{Environment, Platform};

/// Nothing is there before the first write, not even a revision.
pub async fn an_untouched_tenant_is_empty(stores: &ToggleStores) {
    let directory = stores.directory.directory(A).await.unwrap();
    assert_eq!(directory.revision, Revision::ZERO);
    assert!(directory.platforms.is_empty() && directory.environments.is_empty());
    let revisions = stores.directory.revisions(A).await.unwrap();
    assert_eq!(revisions.directory, Revision::ZERO);
    assert!(revisions.environments.is_empty());
}

/// What `create_platform` is given, `directory` shows.
pub async fn a_created_platform_reads_back(stores: &ToggleStores) {
    let plain = Platform { description: None, created_by: None, ..platform("ios") };
    for given in [platform("web"), plain] {
        let written =
            stores.directory.create_platform(A, &given, Limit::Unlimited, &audit("platform.create", "p")).await.unwrap();
        assert_eq!(written.value, Platform { revision: written.revision, ..given.clone() });
        let directory = stores.directory.directory(A).await.unwrap();
        assert_eq!(directory.platforms[&given.name], written.value);
        assert_eq!(directory.revision, written.revision);
    }
}

/// A second platform of the same name is refused, and leaves no trace.
pub async fn a_platform_name_is_taken_once(stores: &ToggleStores) {
    stores.with_platform(A, "web").await;
    let before = stores.directory.directory(A).await.unwrap();
    let again = stores.directory.create_platform(A, &platform("web"), Limit::Unlimited, &audit("platform.create", "again")).await;
    assert_eq!(kind(again), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.directory.directory(A).await.unwrap(), before);
    assert_eq!(stores.records_of(A, "again").await, 0);
    // Names are told apart by case.
    stores.directory.create_platform(A, &platform("Web"), Limit::Unlimited, &audit("platform.create", "Web")).await.unwrap();
}

/// `AlreadyExists` is decided by the store, not by a look before the leap.
pub async fn of_many_who_create_one_platform_exactly_one_does(stores: &ToggleStores) {
    let outcomes = race(|_| {
        let directory = Arc::clone(&stores.directory);
        async move { directory.create_platform(A, &platform("web"), Limit::Unlimited, &audit("platform.create", "web")).await }
    });
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::AlreadyExists);
    let directory = stores.directory.directory(A).await.unwrap();
    assert_eq!(directory.platforms.values().collect::<Vec<_>>(), [&winner.value]);
    assert_eq!(directory.revision, Revision::new(1));
    assert_eq!(stores.records_of(A, "web").await, 1);
}

/// Texts of people and clients may hold every character there is, U+0000 among them: it is stored like the others, and looking for it is
/// no error.
pub async fn every_character_is_stored_and_can_be_looked_for(stores: &ToggleStores) {
    let odd_texts = ["\0", "a\0b\u{1}0\u{1}1", "\u{1}", "\u{FFFE}\u{10FFFF}\u{7f}\u{85}", "\0\0", "'; --\\"];
    for (n, odd) in odd_texts.into_iter().enumerate() {
        let name = format!("p{n}");
        let given = Platform { description: Some(odd.to_owned()), created_by: Some(Actor::user(odd, odd)), ..platform(&name) };
        let record = AuditRecord { platform: Some(odd.to_owned()), ..audit(odd, odd) };
        let written = stores.directory.create_platform(A, &given, Limit::Unlimited, &record).await.unwrap().value;
        assert_eq!(written.description.as_deref(), Some(odd));
        assert_eq!(stores.directory.directory(A).await.unwrap().platforms[&given.name], written);
        let changed = Platform { description: Some(format!("{odd}!")), ..written };
        let update = audit("platform.update", "changed");
        stores.directory.replace_platform(A, &changed, changed.revision, &update).await.unwrap();
        let directory = stores.directory.directory(A).await.unwrap();
        assert_eq!(directory.platforms[&given.name].description, changed.description);
        let mut filter = AuditFilter::default();
        (filter.platform, filter.target) = (Some(odd.to_owned()), Some(odd.to_owned()));
        let found = stores.audit.list(A, &filter, &PageRequest::first(10)).await.unwrap().items;
        assert_eq!(found, [record]);
        filter.environment = Some(odd.to_owned());
        assert!(stores.audit.list(A, &filter, &PageRequest::first(10)).await.unwrap().items.is_empty());
    }
}

/// Name, id, author and time of a platform and of an environment never change.
pub async fn a_replacement_changes_the_description_only(stores: &ToggleStores) {
    let scope = stores.with_environment(A, "web", "production").await;
    let before = stores.directory.directory(A).await.unwrap();
    let stands = &before.platforms[&scope.platform];
    let given = Platform { description: None, created_by: Some(Actor::system()), ..platform("web") };
    let record = audit("platform.update", "web");
    let written = stores.directory.replace_platform(A, &given, stands.revision, &record).await.unwrap();
    let expected = Platform { description: None, revision: written.revision, ..stands.clone() };
    assert_eq!(written.value, expected);
    let stands = &before.environments[&scope];
    let given = Environment { description: Some("live".to_owned()), ..environment(&scope) };
    let record = audit("environment.update", "production");
    let written = stores.directory.replace_environment(A, &given, stands.revision, &record).await.unwrap();
    assert_eq!(written.value, Environment { description: Some("live".to_owned()), revision: written.revision, ..stands.clone() });
    let after = stores.directory.directory(A).await.unwrap();
    assert_eq!(after.platforms[&scope.platform], expected);
    assert_eq!(after.environments[&scope], written.value);
    // Nothing has happened inside.
    let state = stores.state(A, &scope).await;
    assert_eq!((state.revision, state.changed_at), (Revision::ZERO, stands.created_at));
}

/// Replacing and deleting name the revision that stands, or change nothing.
pub async fn directory_writes_need_the_revision_that_stands(stores: &ToggleStores) {
    let scope = stores.with_environment(A, "web", "production").await;
    let before = stores.directory.directory(A).await.unwrap();
    let (store, name) = (&stores.directory, &scope.platform);
    let current = before.platforms[name].revision;
    let conflict = StoreErrorKind::Conflict { current };
    let stale = [Revision::ZERO, current.next(), before.revision.next()];
    for expected in stale {
        let outcome = store.replace_platform(A, &platform("web"), expected, &audit("u", "stale")).await;
        assert_eq!(kind(outcome), conflict);
        assert_eq!(kind(store.delete_platform(A, name, expected, &audit("d", "stale")).await), conflict);
    }
    let current = before.environments[&scope].revision;
    let conflict = StoreErrorKind::Conflict { current };
    for expected in [Revision::ZERO, current.next()] {
        let outcome = store.replace_environment(A, &environment(&scope), expected, &audit("u", "stale")).await;
        assert_eq!(kind(outcome), conflict);
        assert_eq!(kind(store.delete_environment(A, &scope, expected, &audit("d", "stale")).await), conflict);
    }
    assert_eq!(store.directory(A).await.unwrap(), before);
    assert_eq!(stores.records_of(A, "stale").await, 0);
}

/// What is not there cannot be replaced or deleted, whatever revision is named.
pub async fn directory_writes_need_their_target(stores: &ToggleStores) {
    let here = stores.with_environment(A, "web", "production").await;
    let before = stores.directory.directory(A).await.unwrap();
    let (store, gone, expected) = (&stores.directory, platform("ios"), before.revision);
    let record = || audit("any", "gone");
    assert_eq!(kind(store.replace_platform(A, &gone, expected, &record()).await), StoreErrorKind::NotFound);
    assert_eq!(kind(store.delete_platform(A, &gone.name, expected, &record()).await), StoreErrorKind::NotFound);
    for place in [scope("web", "staging"), scope("ios", here.environment.as_str())] {
        let given = environment(&place);
        assert_eq!(kind(store.replace_environment(A, &given, expected, &record()).await), StoreErrorKind::NotFound);
        assert_eq!(kind(store.delete_environment(A, &place, expected, &record()).await), StoreErrorKind::NotFound);
    }
    let orphan = environment(&scope("ios", "production"));
    assert_eq!(kind(store.create_environment(A, &orphan, Limit::Unlimited, &record()).await), StoreErrorKind::NotFound);
    assert_eq!(store.directory(A).await.unwrap(), before);
    assert_eq!(stores.records_of(A, "gone").await, 0);
}

/// Of replacements that read the same revision, one is made and the others learn of it.
pub async fn of_many_replacements_of_one_platform_exactly_one_wins(stores: &ToggleStores) {
    stores.with_platform(A, "web").await;
    let before = stores.directory.directory(A).await.unwrap().revision;
    let outcomes = race(|n| {
        let directory = Arc::clone(&stores.directory);
        let given = Platform { description: Some(n.to_string()), ..platform("web") };
        async move { directory.replace_platform(A, &given, before, &audit("platform.update", "race")).await }
    });
    let current = before.next();
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::Conflict { current });
    let directory = stores.directory.directory(A).await.unwrap();
    assert_eq!(directory.platforms[&winner.value.name], winner.value);
    assert_eq!(directory.revision, current);
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// What `create_environment` is given, `directory` shows; inside, nothing has happened yet.
pub async fn a_created_environment_reads_back_empty(stores: &ToggleStores) {
    stores.with_platform(A, "web").await;
    let given = environment(&scope("web", "production"));
    let written = stores
        .directory
        .create_environment(A, &given, Limit::Unlimited, &audit("environment.create", "production"))
        .await
        .unwrap();
    assert_eq!(written.value, Environment { revision: written.revision, ..given.clone() });
    let directory = stores.directory.directory(A).await.unwrap();
    assert_eq!(directory.environments[&given.scope()], written.value);
    assert_eq!(stores.directory.revisions(A).await.unwrap().environments[&given.scope()], Revision::ZERO);
    let state = stores.state(A, &given.scope()).await;
    assert_eq!((state.id, state.revision, state.changed_at), (given.id, Revision::ZERO, given.created_at));
    assert!(state.parameters.is_empty() && state.flags.is_empty() && state.experiments.is_empty());
}

/// The same name may stand once in each platform.
pub async fn an_environment_name_is_taken_once_per_platform(stores: &ToggleStores) {
    let taken = stores.with_environment(A, "web", "production").await;
    let again = stores
        .directory
        .create_environment(A, &environment(&taken), Limit::Unlimited, &audit("environment.create", "again"))
        .await;
    assert_eq!(kind(again), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.records_of(A, "again").await, 0);
    let other = stores.with_environment(A, "ios", "production").await;
    assert_eq!(stores.directory.directory(A).await.unwrap().environments.keys().collect::<Vec<_>>(), [&other, &taken]);
}

/// `AlreadyExists` is decided by the store here, too.
pub async fn of_many_who_create_one_environment_exactly_one_does(stores: &ToggleStores) {
    stores.with_platform(A, "web").await;
    let outcomes = race(|_| {
        let directory = Arc::clone(&stores.directory);
        let given = environment(&scope("web", "production"));
        async move { directory.create_environment(A, &given, Limit::Unlimited, &audit("environment.create", "race")).await }
    });
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::AlreadyExists);
    assert_eq!(stores.directory.directory(A).await.unwrap().environments[&winner.value.scope()], winner.value);
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// One counter orders the writes to the directory: each takes the next number.
pub async fn every_directory_write_raises_its_revision_by_one(stores: &ToggleStores) {
    let (store, place) = (&stores.directory, scope("web", "production"));
    let record = || audit("any", "any");
    let made = store.create_platform(A, &platform("web"), Limit::Unlimited, &record()).await.unwrap();
    let within = store.create_environment(A, &environment(&place), Limit::Unlimited, &record()).await.unwrap();
    let changed = store.replace_environment(A, &environment(&place), within.revision, &record()).await.unwrap();
    let renamed = store.replace_platform(A, &platform("web"), made.revision, &record()).await.unwrap();
    let emptied = store.delete_environment(A, &place, changed.revision, &record()).await.unwrap();
    let gone = store.delete_platform(A, &place.platform, renamed.revision, &record()).await.unwrap();
    let given = [made.revision, within.revision, changed.revision, renamed.revision, emptied.revision, gone.revision];
    assert_eq!(given.map(Revision::get), [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.directory(A).await.unwrap().revision, gone.revision);
    assert_eq!(store.revisions(A).await.unwrap().directory, gone.revision);
}

/// The directory's revision and those of the environments are counted apart.
pub async fn writes_inside_an_environment_do_not_raise_the_directory(stores: &ToggleStores) {
    let (here, there) =
        (stores.with_environment(A, "web", "production").await, stores.with_environment(A, "web", "staging").await);
    let before = stores.directory.directory(A).await.unwrap();
    stores.with_one_of_each(A, &here).await;
    assert_eq!(stores.directory.directory(A).await.unwrap(), before);
    let revisions = stores.directory.revisions(A).await.unwrap();
    assert_eq!(revisions.directory, before.revision);
    assert_eq!((revisions.environments[&here].get(), revisions.environments[&there].get()), (3, 0));
}

/// Of each tenant that is asked for, in the order of the question, what it is told when it is asked for alone.
pub async fn revisions_of_several_tenants_are_those_of_each(stores: &ToggleStores) {
    let here = stores.with_environment(A, "web", "production").await;
    stores.with_environment(A, "app", "production").await;
    stores.with_one_of_each(A, &here).await;
    // A place of the same name is another tenant's own.
    stores.with_environment(B, "web", "production").await;
    let nobody = TenantId::from_uuid(Uuid::from_u128(0xdead));
    let store = &stores.directory;
    let (of_a, of_b) = (store.revisions(A).await.unwrap(), store.revisions(B).await.unwrap());
    assert_ne!(of_a, of_b);
    let nothing = Revisions::default();
    for (asked, told) in [
        (vec![], vec![]),
        (vec![A], vec![&of_a]),
        (vec![nobody, B, A, B], vec![&nothing, &of_b, &of_a, &of_b]),
        ([vec![nobody; 99], vec![A]].concat(), [vec![&nothing; 99], vec![&of_a]].concat()),
    ] {
        assert_eq!(store.revisions_of(&asked).await.unwrap().iter().collect::<Vec<_>>(), told);
    }
}

/// An environment takes everything in it along; its name is then free, and what comes after it begins anew.
pub async fn a_recreated_environment_is_empty_and_another(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let neighbour = stores.with_environment(A, "web", "staging").await;
    stores.with_one_of_each(A, &neighbour).await;
    stores.with_one_of_each(A, &place).await;
    stores.append(A, &place, "p", "two").await;
    let (old, kept) = (stores.state(A, &place).await, stores.state(A, &neighbour).await);
    let expected = stores.directory.directory(A).await.unwrap().environments[&place].revision;
    let record = audit_at(600, "environment.delete", "production");
    stores.directory.delete_environment(A, &place, expected, &record).await.unwrap();
    assert!(stores.environments.load(A, &place).await.unwrap().is_none());
    assert!(!stores.directory.revisions(A).await.unwrap().environments.contains_key(&place));
    stores.with_environment(A, "web", "production").await;
    assert_nothing_is_left(stores, &place, &old).await;
    assert_eq!(stores.state(A, &neighbour).await, kept);
}

/// A platform takes its environments along, and everything in them.
pub async fn a_recreated_platform_is_empty(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let elsewhere = stores.with_environment(A, "ios", "production").await;
    stores.with_one_of_each(A, &elsewhere).await;
    stores.with_one_of_each(A, &place).await;
    let (old, kept) = (stores.state(A, &place).await, stores.state(A, &elsewhere).await);
    let expected = stores.directory.directory(A).await.unwrap().platforms[&place.platform].revision;
    stores.directory.delete_platform(A, &place.platform, expected, &audit("platform.delete", "web")).await.unwrap();
    let directory = stores.directory.directory(A).await.unwrap();
    assert_eq!(directory.environments.keys().collect::<Vec<_>>(), [&elsewhere]);
    stores.with_environment(A, "web", "production").await;
    assert_nothing_is_left(stores, &place, &old).await;
    assert_eq!(stores.state(A, &elsewhere).await, kept);
}

async fn assert_nothing_is_left(stores: &ToggleStores, place: &crate::Scope, old: &crate::store::EnvironmentState) {
    let new = stores.state(A, place).await;
    assert_ne!(new.id, old.id);
    assert_eq!(new.revision, Revision::ZERO);
    assert!(new.parameters.is_empty() && new.flags.is_empty() && new.experiments.is_empty());
    // A key that is made again has no history behind it.
    let (parameter, flag, _) = stores.with_one_of_each(A, place).await;
    assert_eq!((parameter.active.version, parameter.latest_version, flag.version.patch()), (1, 1, 0));
    let page = togglebox_core::PageRequest::first(10);
    assert_eq!(stores.parameters.versions(A, place, parameter.key(), &page).await.unwrap().items.len(), 1);
    assert_eq!(stores.flags.versions(A, place, &flag.key, &page).await.unwrap().items.len(), 1);
}
