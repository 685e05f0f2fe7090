use std::sync::Arc;

use serde_json::Number;
use togglebox_core::{Limit, PageRequest, Revision, StoreErrorKind, TenantId};
use tokio::task::JoinSet;

use super::ToggleStores;
use super::fixtures::{A, at, audit, flag, kind, one_winner, race, scope};
use crate::{CountryRule, Flag, FlagDefinition, FlagTargeting, FlagType, FlagValue, FlagVersion, LanguageRule, Scope, Side};

/// What `create` is given, `find`, `version`, `versions` and `load` show, to the last fraction.
pub async fn a_created_flag_reads_back(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let languages = Some(vec![LanguageRule { language: "fr".to_owned(), serve_value: Side::B }]);
    let countries = vec![
        CountryRule { country: "CA".to_owned(), serve_value: Side::A, languages },
        CountryRule { country: "de".to_owned(), serve_value: Side::B, languages: Some(Vec::new()) },
        CountryRule { country: "CH".to_owned(), serve_value: Side::B, languages: None },
    ];
    let definition = FlagDefinition {
        description: Some("\u{1F600} \"quoted\"".to_owned()),
        flag_type: FlagType::Number,
        value_a: FlagValue::Number(Number::from(u64::MAX)),
        value_b: FlagValue::Number(Number::from_f64(0.1 + 0.2).unwrap()),
        targeting: FlagTargeting {
            countries,
            force_include_users: vec!["u\u{0}1".to_owned()],
            force_exclude_users: vec![String::new()],
        },
        rollout_percentage_a: 33.300_000_000_000_004,
        rollout_percentage_b: 66.699_999_999_999_99,
        ..flag("f", "n").definition
    };
    let given = Flag { definition, updated_at: at(40), ..flag("dark-mode_2", "n") };
    let written = stores.flags.create(A, &place, &given, Limit::Unlimited, &audit("flag.create", "f")).await.unwrap();
    let expected = Flag { revision: written.revision, ..given.clone() };
    assert_eq!(written.value, expected);
    assert_eq!(stores.flags.find(A, &place, &given.key).await.unwrap().as_ref(), Some(&expected));
    let first = stores.flags.version(A, &place, &given.key, FlagVersion::FIRST).await.unwrap();
    assert_eq!(first.as_ref(), Some(&expected));
    assert_eq!(stores.state(A, &place).await.flags, [expected]);
}

/// Absence is an answer, not an error.
pub async fn an_absent_flag_is_none(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (there, key) = (scope("ios", "production"), flag("f", "").key);
    for place in [&place, &there] {
        assert!(stores.flags.find(A, place, &key).await.unwrap().is_none());
        assert!(stores.flags.version(A, place, &key, FlagVersion::FIRST).await.unwrap().is_none());
        assert!(stores.flags.versions(A, place, &key, &PageRequest::first(10)).await.unwrap().items.is_empty());
    }
    stores.with_flag(A, &place, "f").await;
    for patch in [1, u64::MAX] {
        assert!(stores.flags.version(A, &place, &key, FlagVersion::from_patch(patch)).await.unwrap().is_none());
    }
}

/// Every write needs its environment and its key.
pub async fn flag_writes_need_their_target(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let stands = stores.with_flag(A, &place, "f").await;
    let (store, there, revision) = (&stores.flags, scope("web", "staging"), stands.revision);
    let record = || audit("any", "absent");
    assert_eq!(kind(store.create(A, &there, &flag("f", ""), Limit::Unlimited, &record()).await), StoreErrorKind::NotFound);
    for (place, flag) in [(&there, flag("f", "two")), (&place, flag("g", "two"))] {
        assert_eq!(kind(store.append(A, place, &flag, revision, &record()).await), StoreErrorKind::NotFound);
        assert_eq!(kind(store.amend(A, place, &flag, revision, &record()).await), StoreErrorKind::NotFound);
        assert_eq!(kind(store.delete(A, place, &flag.key, revision, &record()).await), StoreErrorKind::NotFound);
    }
    let state = stores.state(A, &place).await;
    assert_eq!((state.revision, state.flags), (revision, vec![stands]));
    assert_eq!(stores.records_of(A, "absent").await, 0);
}

/// A key is created once per environment.
pub async fn of_many_who_create_one_flag_exactly_one_does(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let outcomes = race(|n| {
        let (store, place) = (Arc::clone(&stores.flags), place.clone());
        async move { store.create(A, &place, &flag("f", &n.to_string()), Limit::Unlimited, &audit("flag.create", "race")).await }
    });
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::AlreadyExists);
    let state = stores.state(A, &place).await;
    assert_eq!((state.flags, state.revision), (vec![winner.value], Revision::new(1)));
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// The store numbers versions and activates the new one; the flag keeps the time when it was first made.
pub async fn appending_makes_the_next_flag_version_the_active_one(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_flag(A, &place, "f").await;
    let given = Flag {
        version: FlagVersion::from_patch(9),
        active: false,
        created_by: "bob@example.com".to_owned(),
        updated_at: at(50),
        ..flag("f", "two")
    };
    let written = stores.flags.append(A, &place, &given, first.revision, &audit("flag.update", "f")).await.unwrap();
    let second = Flag { version: FlagVersion::from_patch(1), active: true, revision: written.revision, ..given };
    assert_eq!(written.value, second);
    assert_eq!(stores.flags.find(A, &place, &second.key).await.unwrap().as_ref(), Some(&second));
    assert_eq!(stores.state(A, &place).await.flags, std::slice::from_ref(&second));
    let history = stores.flags.versions(A, &place, &second.key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(history.items[0], second);
    let old = &history.items[1];
    assert!(!old.active);
    assert_eq!((&old.definition, old.version, old.created_at), (&first.definition, first.version, first.created_at));
}

/// A toggle makes no version: the active one changes where it stands, earlier ones stay as they were.
pub async fn amending_changes_the_active_version_in_place(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_flag(A, &place, "f").await;
    let second = stores.flags.append(A, &place, &flag("f", "two"), first.revision, &audit("flag.update", "f")).await;
    let second = second.unwrap().value;
    let mut given = Flag { version: FlagVersion::from_patch(9), active: false, updated_at: at(60), ..second.clone() };
    given.definition.enabled = false;
    let written = stores.flags.amend(A, &place, &given, second.revision, &audit("flag.toggle", "f")).await.unwrap();
    let expected = Flag { version: second.version, active: true, revision: written.revision, ..given };
    assert_eq!(written.value, expected);
    assert_eq!(stores.flags.find(A, &place, &first.key).await.unwrap().as_ref(), Some(&expected));
    let history = stores.flags.versions(A, &place, &first.key, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(history.len(), 2);
    assert_eq!((&history[0], &history[1].definition), (&expected, &first.definition));
}

/// Nothing is written to a flag that has moved on.
pub async fn flag_writes_need_the_revision_that_stands(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_flag(A, &place, "f").await;
    let stands = append(stores, A, &place, "two").await;
    stores.with_flag(A, &place, "g").await;
    let before = stores.state(A, &place).await;
    let (store, new, record) = (&stores.flags, flag("f", "three"), || audit("any", "stale"));
    let conflict = StoreErrorKind::Conflict { current: stands.revision };
    for expected in [Revision::ZERO, first.revision, before.revision] {
        assert_eq!(kind(store.append(A, &place, &new, expected, &record()).await), conflict);
        assert_eq!(kind(store.amend(A, &place, &new, expected, &record()).await), conflict);
        assert_eq!(kind(store.delete(A, &place, &new.key, expected, &record()).await), conflict);
    }
    assert_eq!(stores.state(A, &place).await, before);
    assert_eq!(stores.records_of(A, "stale").await, 0);
}

/// An edit and a toggle exclude each other like two edits; there is always exactly one active version.
pub async fn of_many_flag_writes_at_one_revision_exactly_one_wins(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_flag(A, &place, "f").await;
    let expected = first.revision;
    let outcomes = race(|n| {
        let (store, place, flag) = (Arc::clone(&stores.flags), place.clone(), flag("f", &n.to_string()));
        async move {
            let record = audit("flag.update", "race");
            match n % 2 {
                0 => store.append(A, &place, &flag, expected, &record).await,
                _ => store.amend(A, &place, &flag, expected, &record).await,
            }
        }
    });
    let current = expected.next();
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::Conflict { current });
    assert_eq!(stores.flags.find(A, &place, &first.key).await.unwrap().as_ref(), Some(&winner.value));
    let history = stores.flags.versions(A, &place, &first.key, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(history.iter().filter(|version| version.active).count(), 1);
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// Fifty edits at once, each on top of what its sender has just read: every one makes a version of its own, or is told that the flag has
/// moved on; nothing is lost and nothing is made twice.
pub async fn fifty_edits_of_one_flag_are_fifty_versions_or_conflicts(stores: &ToggleStores) {
    const EDITS: usize = 50;
    let place = stores.with_environment(A, "web", "production").await;
    let key = stores.with_flag(A, &place, "f").await.key;
    let mut edits = JoinSet::new();
    for n in 0..EDITS {
        let (store, place) = (Arc::clone(&stores.flags), place.clone());
        edits.spawn(async move {
            let given = flag("f", &n.to_string());
            let expected = store.find(A, &place, &given.key).await.unwrap().unwrap().revision;
            (expected, store.append(A, &place, &given, expected, &audit("flag.update", "race")).await)
        });
    }
    let mut made = Vec::new();
    for (expected, outcome) in edits.join_all().await {
        match outcome {
            Ok(written) => made.push((written.value.version.patch(), written.value.definition.name)),
            Err(error) => match error.kind() {
                StoreErrorKind::Conflict { current } => assert!(*current > expected, "{error}"),
                _ => panic!("{error}"),
            },
        }
    }
    made.sort_unstable();
    let patches: Vec<u64> = made.iter().map(|(patch, _)| *patch).collect();
    assert_eq!(patches, (1..=made.len() as u64).collect::<Vec<_>>(), "no version is given twice or left out");
    assert!(!made.is_empty());
    let history = stores.flags.versions(A, &place, &key, &PageRequest::first(100)).await.unwrap().items;
    let mut kept: Vec<_> = history.into_iter().map(|flag| (flag.version.patch(), flag.definition.name)).collect();
    kept.retain(|(patch, _)| *patch > 0);
    kept.sort_unstable();
    assert_eq!(kept, made);
    assert_eq!(stores.records_of(A, "race").await, made.len());
}

/// 1.0.10 comes before 1.0.9, and pages neither repeat nor leave out.
pub async fn the_history_of_a_flag_is_in_the_order_of_its_numbers(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let key = stores.with_flag(A, &place, "f").await.key;
    for n in 1..=11 {
        append(stores, A, &place, &n.to_string()).await;
    }
    for limit in [1, 5, 12] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = stores.flags.versions(A, &place, &key, &PageRequest::first(limit).after(cursor)).await.unwrap();
            seen.extend(page.items.iter().map(|flag| flag.version.patch()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..=11).rev().collect::<Vec<_>>(), "{limit} per page");
    }
}

/// A deleted flag is gone with its history, and its key is free.
pub async fn a_recreated_flag_has_no_history(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_flag(A, &place, "f").await;
    let stands = append(stores, A, &place, "two").await;
    stores.flags.delete(A, &place, &stands.key, stands.revision, &audit("flag.delete", "f")).await.unwrap();
    assert!(stores.flags.find(A, &place, &stands.key).await.unwrap().is_none());
    assert!(stores.flags.version(A, &place, &stands.key, FlagVersion::FIRST).await.unwrap().is_none());
    let again = stores.with_flag(A, &place, "f").await;
    assert_eq!(again.version, FlagVersion::FIRST);
    let history = stores.flags.versions(A, &place, &stands.key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(history.items, [again]);
}

async fn append(stores: &ToggleStores, tenant: TenantId, place: &Scope, name: &str) -> Flag {
    let flag = flag("f", name);
    let expected = stores.flags.find(tenant, place, &flag.key).await.unwrap().unwrap().revision;
    stores.flags.append(tenant, place, &flag, expected, &audit("flag.update", "f")).await.unwrap().value
}
