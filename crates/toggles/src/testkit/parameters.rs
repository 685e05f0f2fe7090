use std::collections::BTreeSet;
use std::sync::Arc;

use togglebox_core::{Cursor, Limit, PageRequest, Revision, StoreErrorKind};

use super::ToggleStores;
use super::fixtures::{A, CROWD, MANY, at, audit, kind, one_winner, parameter, race, scope};
use crate::{Parameter, ParameterDefinition, ParameterVersion, ValueType};

/// What `create` is given, `find`, `version`, `versions` and `load` show.
pub async fn a_created_parameter_reads_back(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let given = ParameterVersion {
        definition: ParameterDefinition {
            value_type: ValueType::Json,
            default_value: "{\"b\": 1.10, \"a\": \"\u{0}\u{1F600}'\\\"\"}".to_owned(),
            description: Some(String::new()),
            parameter_group: None,
        },
        ..parameter("Title-1_x", "")
    };
    let written =
        stores.parameters.create(A, &place, &given, MANY, Limit::Unlimited, &audit("parameter.create", "p")).await.unwrap();
    assert_eq!(written.value, Parameter { active: given.clone(), latest_version: 1, revision: written.revision });
    let found = stores.parameters.find(A, &place, &given.key).await.unwrap();
    assert_eq!(found.as_ref(), Some(&written.value));
    assert_eq!(stores.parameters.version(A, &place, &given.key, 1).await.unwrap().as_ref(), Some(&given));
    let history = stores.parameters.versions(A, &place, &given.key, &PageRequest::first(10)).await.unwrap();
    assert_eq!((history.items, history.next), (vec![given], None));
    assert_eq!(stores.state(A, &place).await.parameters, [written.value]);
}

/// Absence is an answer, not an error.
pub async fn an_absent_parameter_is_none(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let (there, key) = (scope("ios", "production"), parameter("p", "").key);
    for place in [&place, &there] {
        assert!(stores.parameters.find(A, place, &key).await.unwrap().is_none());
        assert!(stores.parameters.version(A, place, &key, 1).await.unwrap().is_none());
        let history = stores.parameters.versions(A, place, &key, &PageRequest::first(10)).await.unwrap();
        assert!(history.items.is_empty() && history.next.is_none());
    }
    stores.with_parameter(A, &place, "p").await;
    for version in [0, 2, u64::MAX] {
        assert!(stores.parameters.version(A, &place, &key, version).await.unwrap().is_none(), "{version}");
    }
}

/// Every write needs its environment, its key and, to activate, its version.
pub async fn parameter_writes_need_their_target(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let stands = stores.with_parameter(A, &place, "p").await;
    let (store, there, absent) = (&stores.parameters, scope("web", "staging"), parameter("q", ""));
    let record = || audit("any", "absent");
    let (new, revision) = (parameter("p", "two"), stands.revision);
    assert_eq!(kind(store.create(A, &there, &new, MANY, Limit::Unlimited, &record()).await), StoreErrorKind::NotFound);
    for (place, version) in [(&there, &new), (&place, &absent)] {
        assert_eq!(kind(store.append(A, place, version, revision, &record()).await), StoreErrorKind::NotFound);
        assert_eq!(kind(store.activate(A, place, &version.key, 1, revision, &record()).await), StoreErrorKind::NotFound);
        assert_eq!(kind(store.delete(A, place, &version.key, revision, &record()).await), StoreErrorKind::NotFound);
    }
    for version in [0, 2, u64::MAX] {
        let outcome = store.activate(A, &place, &new.key, version, revision, &record()).await;
        assert_eq!(kind(outcome), StoreErrorKind::NotFound);
    }
    assert_eq!(store.find(A, &place, &new.key).await.unwrap(), Some(stands));
    assert_eq!(stores.state(A, &place).await.revision, revision);
    assert_eq!(stores.records_of(A, "absent").await, 0);
}

/// A key is created once per environment.
pub async fn of_many_who_create_one_parameter_exactly_one_does(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let outcomes = race(|n| {
        let (store, place) = (Arc::clone(&stores.parameters), place.clone());
        async move {
            store
                .create(A, &place, &parameter("p", &n.to_string()), MANY, Limit::Unlimited, &audit("parameter.create", "race"))
                .await
        }
    });
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::AlreadyExists);
    let state = stores.state(A, &place).await;
    assert_eq!((state.parameters, state.revision), (vec![winner.value], Revision::new(1)));
    assert_eq!(stores.records_of(A, "race").await, 1);
    // The same key elsewhere is another parameter.
    let other = stores.with_environment(A, "web", "staging").await;
    stores.with_parameter(A, &other, "p").await;
}

/// The limit holds however many create at once; a parameter that is deleted makes room.
pub async fn an_environment_holds_at_most_so_many_parameters_even_in_a_race(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let other = stores.with_environment(A, "web", "staging").await;
    stores.with_parameter(A, &other, "p0").await;
    let outcomes = race(|n| {
        let (store, place) = (Arc::clone(&stores.parameters), place.clone());
        async move {
            store
                .create(A, &place, &parameter(&format!("p{n}"), ""), 3, Limit::Unlimited, &audit("parameter.create", "limited"))
                .await
        }
    });
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (3, CROWD as usize - 3));
    for outcome in refused {
        assert_eq!(kind(outcome), StoreErrorKind::LimitReached { limit: 3 });
    }
    let state = stores.state(A, &place).await;
    assert_eq!((state.parameters.len(), state.revision), (3, Revision::new(3)));
    assert_eq!(stores.records_of(A, "limited").await, 3);
    let one = &state.parameters[0];
    stores.parameters.delete(A, &place, one.key(), one.revision, &audit("parameter.delete", "room")).await.unwrap();
    stores
        .parameters
        .create(A, &place, &parameter("q", ""), 3, Limit::Unlimited, &audit("parameter.create", "room"))
        .await
        .unwrap();
}

/// The store numbers versions; what the caller wrote there does not matter. What an earlier version says stays.
pub async fn appending_makes_the_next_version_the_active_one(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_parameter(A, &place, "p").await;
    let given = ParameterVersion {
        version: 77,
        active: false,
        created_by: "bob@example.com".to_owned(),
        created_at: at(9),
        ..parameter("p", "two")
    };
    let record = audit("parameter.update", "p");
    let written = stores.parameters.append(A, &place, &given, first.revision, &record).await.unwrap();
    let second = ParameterVersion { version: 2, active: true, ..given };
    assert_eq!(written.value, Parameter { active: second.clone(), latest_version: 2, revision: written.revision });
    assert_eq!(stores.parameters.find(A, &place, &second.key).await.unwrap(), Some(written.value));
    let history = stores.parameters.versions(A, &place, &second.key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(history.items, [second, ParameterVersion { active: false, ..first.active }]);
}

/// Nothing is written to a parameter that has moved on.
pub async fn parameter_writes_need_the_revision_that_stands(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_parameter(A, &place, "p").await;
    let stands = stores.append(A, &place, "p", "two").await.value;
    stores.with_parameter(A, &place, "q").await;
    let before = stores.state(A, &place).await;
    let (store, new, record) = (&stores.parameters, parameter("p", "three"), || audit("any", "stale"));
    let conflict = StoreErrorKind::Conflict { current: stands.revision };
    for expected in [Revision::ZERO, first.revision, before.revision] {
        assert_eq!(kind(store.append(A, &place, &new, expected, &record()).await), conflict);
        assert_eq!(kind(store.activate(A, &place, &new.key, 1, expected, &record()).await), conflict);
        assert_eq!(kind(store.delete(A, &place, &new.key, expected, &record()).await), conflict);
    }
    assert_eq!(stores.state(A, &place).await, before);
    assert_eq!(stores.records_of(A, "stale").await, 0);
}

/// Two who edit the same version cannot both win, and no version is given twice.
pub async fn of_many_appends_at_one_revision_exactly_one_wins(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_parameter(A, &place, "p").await;
    let outcomes = race(|n| {
        let (store, place, version) = (Arc::clone(&stores.parameters), place.clone(), parameter("p", &n.to_string()));
        async move { store.append(A, &place, &version, first.revision, &audit("parameter.update", "race")).await }
    });
    let current = first.revision.next();
    let winner = one_winner(outcomes.await, |kind| *kind == StoreErrorKind::Conflict { current });
    assert_eq!(winner.value.active.version, 2);
    assert_eq!(stores.parameters.find(A, &place, first.key()).await.unwrap(), Some(winner.value));
    assert_eq!(stores.records_of(A, "race").await, 1);
}

/// Activating changes which version clients get, and nothing else.
pub async fn activating_leaves_the_history_as_it_is(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let first = stores.with_parameter(A, &place, "p").await;
    let second = stores.append(A, &place, "p", "two").await.value;
    let key = first.key();
    let record = audit("parameter.rollback", "p");
    let written = stores.parameters.activate(A, &place, key, 1, second.revision, &record).await.unwrap();
    let expected = Parameter { active: first.active.clone(), latest_version: 2, revision: written.revision };
    assert_eq!(written.value, expected);
    assert_eq!(stores.parameters.find(A, &place, key).await.unwrap(), Some(expected));
    let history = stores.parameters.versions(A, &place, key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(history.items, [ParameterVersion { active: false, ..second.active }, first.active.clone()]);
    assert_eq!(stores.state(A, &place).await.parameters[0].active, first.active);
}

/// After a rollback the next version follows the highest ever given, not the active one.
pub async fn appending_after_a_rollback_reuses_no_version(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_parameter(A, &place, "p").await;
    stores.append(A, &place, "p", "two").await;
    let third = stores.append(A, &place, "p", "three").await.value;
    let record = audit("parameter.rollback", "p");
    stores.parameters.activate(A, &place, third.key(), 1, third.revision, &record).await.unwrap();
    let fourth = stores.append(A, &place, "p", "four").await.value;
    assert_eq!((fourth.active.version, fourth.latest_version), (4, 4));
    let history = stores.parameters.versions(A, &place, third.key(), &PageRequest::first(10)).await.unwrap();
    let seen: Vec<_> = history.items.iter().map(|v| (v.version, v.definition.default_value.as_str(), v.active)).collect();
    assert_eq!(seen, [(4, "four", true), (3, "three", false), (2, "two", false), (1, "one", false)]);
}

/// Version 10 comes before version 9, and pages neither repeat nor leave out.
pub async fn the_history_of_a_parameter_is_in_the_order_of_its_numbers(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let key = stores.with_parameter(A, &place, "p").await.active.key;
    for n in 2..=12 {
        stores.append(A, &place, "p", &n.to_string()).await;
    }
    for limit in [1, 4, 11, 12, 1000] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = PageRequest::first(limit).after(cursor);
            let page = stores.parameters.versions(A, &place, &key, &page).await.unwrap();
            assert!((1..=limit).contains(&page.items.len()));
            seen.extend(page.items.iter().map(|version| version.version));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=12).rev().collect::<Vec<_>>(), "{limit} per page");
    }
}

/// A cursor is good for the list that made it and for no other.
pub async fn a_cursor_of_another_history_is_refused(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let other = stores.with_environment(A, "web", "staging").await;
    for (place, key) in [(&place, "p"), (&place, "q"), (&other, "p")] {
        stores.with_parameter(A, place, key).await;
        stores.append(A, place, key, "two").await;
    }
    stores.with_flag(A, &place, "p").await;
    let (p, q) = (parameter("p", "").key, parameter("q", "").key);
    let cursor = stores.parameters.versions(A, &place, &p, &PageRequest::first(1)).await.unwrap().next.unwrap();
    let page = PageRequest::first(1).after(Some(cursor.clone()));
    assert_eq!(stores.parameters.versions(A, &place, &p, &page).await.unwrap().items[0].version, 1);
    let invalid = StoreErrorKind::InvalidCursor;
    assert_eq!(kind(stores.parameters.versions(A, &place, &q, &page).await), invalid);
    assert_eq!(kind(stores.parameters.versions(A, &other, &p, &page).await), invalid);
    assert_eq!(kind(stores.flags.versions(A, &place, &"p".parse().unwrap(), &page).await), invalid);
    for text in ["", "1", "ü", "9".repeat(500).as_str(), &cursor.as_str()[1..]] {
        let page = PageRequest::first(1).after(Some(Cursor::new(text)));
        assert_eq!(kind(stores.parameters.versions(A, &place, &p, &page).await), invalid, "{text:?}");
    }
}

/// A deleted parameter is gone with its history, and its key is free.
pub async fn a_recreated_parameter_has_no_history(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_parameter(A, &place, "p").await;
    let stands = stores.append(A, &place, "p", "two").await.value;
    let key = stands.key();
    let kept = stores.with_parameter(A, &place, "pp").await;
    stores.parameters.delete(A, &place, key, stands.revision, &audit("parameter.delete", "p")).await.unwrap();
    assert!(stores.parameters.find(A, &place, key).await.unwrap().is_none());
    assert!(stores.parameters.version(A, &place, key, 1).await.unwrap().is_none());
    let again = stores.with_parameter(A, &place, "p").await;
    assert_eq!((again.active.version, again.latest_version), (1, 1));
    assert!(again.revision > stands.revision, "a revision never repeats");
    let history = stores.parameters.versions(A, &place, key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(history.items, [again.active]);
    assert_eq!(stores.parameters.find(A, &place, kept.key()).await.unwrap(), Some(kept));
}

/// Many who append, each to what it read, all come through in the end, and no version is lost or given twice.
pub async fn appends_that_try_again_all_come_through(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let key = stores.with_parameter(A, &place, "p").await.active.key;
    let versions = race(|n| {
        let (store, place, key) = (Arc::clone(&stores.parameters), place.clone(), key.clone());
        async move {
            loop {
                let expected = store.find(A, &place, &key).await.unwrap().unwrap().revision;
                let record = audit("parameter.update", "many");
                match store.append(A, &place, &parameter("p", &n.to_string()), expected, &record).await {
                    Ok(written) => return written.value.active.version,
                    Err(error) => assert!(error.is_conflict(), "{error}"),
                }
            }
        }
    });
    let given: BTreeSet<u64> = versions.await.into_iter().collect();
    assert_eq!(given, (2..=u64::from(CROWD) + 1).collect());
    assert_eq!(stores.records_of(A, "many").await, CROWD as usize);
    assert_eq!(stores.state(A, &place).await.revision.get(), u64::from(CROWD) + 1);
}
