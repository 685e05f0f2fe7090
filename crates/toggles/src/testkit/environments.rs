use std::sync::Arc;

use togglebox_core::{Limit, Revision};
use tokio::task::JoinSet;

use super::ToggleStores;
use super::fixtures::{A, CROWD, MANY, audit, audit_at, flag, kind, parameter, race, scope};
use crate::store::EnvironmentState;

/// An environment that does not exist has no state.
pub async fn an_absent_environment_is_none(stores: &ToggleStores) {
    stores.with_environment(A, "web", "production").await;
    for place in [scope("web", "staging"), scope("ios", "production")] {
        assert!(stores.environments.load(A, &place).await.unwrap().is_none());
    }
}

/// A state holds what is active, each kind in the order of its keys, and nothing of other environments.
pub async fn a_state_holds_everything_active_in_the_order_of_keys(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let other = stores.with_environment(A, "web", "staging").await;
    let keys = ["b", "a_1", "a-1", "ab", "a10", "a2", "a"];
    let mut ordered = keys;
    ordered.sort_unstable();
    for key in keys {
        stores.with_parameter(A, &place, key).await;
        stores.with_flag(A, &place, key).await;
        stores.with_experiment(A, &place, key).await;
    }
    stores.with_one_of_each(A, &other).await;
    let second = stores.append(A, &place, "a2", "two").await.value;
    let state = stores.state(A, &place).await;
    assert_eq!(state.parameters.iter().map(|p| p.key().as_str()).collect::<Vec<_>>(), ordered);
    assert_eq!(state.flags.iter().map(|f| f.key.as_str()).collect::<Vec<_>>(), ordered);
    assert_eq!(state.experiments.iter().map(|x| x.key.as_str()).collect::<Vec<_>>(), ordered);
    assert!(state.parameters.contains(&second));
    assert!(state.parameters.iter().all(|p| p.active.active) && state.flags.iter().all(|f| f.active));
}

/// One counter orders the writes inside an environment: each takes the next number, gives it to what it wrote, and is what
/// `revisions` and `load` tell afterwards.
pub async fn every_write_inside_raises_the_environments_revision_by_one(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let record = || audit("any", "any");
    let (parameters, flags, experiments) = (&stores.parameters, &stores.flags, &stores.experiments);
    let (p, f, x) = stores.with_one_of_each(A, &place).await;
    let mut given = vec![p.revision, f.revision, x.revision];
    let p = parameters.append(A, &place, &parameter("p", "two"), p.revision, &record()).await.unwrap();
    assert_eq!(p.value.revision, p.revision);
    given.push(p.revision);
    let p = parameters.activate(A, &place, &p.value.active.key, 1, p.revision, &record()).await.unwrap();
    assert_eq!(p.value.revision, p.revision);
    given.push(p.revision);
    let f = flags.append(A, &place, &flag("f", "two"), f.revision, &record()).await.unwrap();
    assert_eq!(f.value.revision, f.revision);
    given.push(f.revision);
    let f = flags.amend(A, &place, &f.value, f.revision, &record()).await.unwrap();
    assert_eq!(f.value.revision, f.revision);
    given.push(f.revision);
    let x = experiments.replace(A, &place, &x, x.revision, &record()).await.unwrap();
    assert_eq!(x.value.revision, x.revision);
    given.push(x.revision);
    let state = stores.state(A, &place).await;
    assert_eq!(state.revision, x.revision);
    assert_eq!(
        (state.parameters[0].revision, state.flags[0].revision, state.experiments[0].revision),
        (p.revision, f.revision, x.revision)
    );
    given.push(parameters.delete(A, &place, p.value.key(), p.revision, &record()).await.unwrap().revision);
    given.push(flags.delete(A, &place, &f.value.key, f.revision, &record()).await.unwrap().revision);
    given.push(experiments.delete(A, &place, &x.value.key, x.revision, &record()).await.unwrap().revision);
    let numbers: Vec<u64> = given.iter().map(|revision| revision.get()).collect();
    assert_eq!(numbers, (1..=given.len() as u64).collect::<Vec<_>>());
    let last = given[given.len() - 1];
    assert_eq!(stores.state(A, &place).await.revision, last);
    assert_eq!(stores.directory.revisions(A).await.unwrap().environments[&place], last);
}

/// An environment has changed when the last write inside it was made, and what was refused was no write.
pub async fn an_environment_tells_when_it_changed(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let made = stores.state(A, &place).await.changed_at;
    let first = audit_at(700, "parameter.create", "p");
    stores.parameters.create(A, &place, &parameter("p", ""), MANY, Limit::Unlimited, &first).await.unwrap();
    assert_eq!(stores.state(A, &place).await.changed_at, first.at);
    assert!(first.at > made);
    let refused = audit_at(800, "parameter.create", "p");
    kind(stores.parameters.create(A, &place, &parameter("p", ""), MANY, Limit::Unlimited, &refused).await);
    assert_eq!(stores.state(A, &place).await.changed_at, first.at);
    let second = audit_at(900, "flag.create", "f");
    stores.flags.create(A, &place, &flag("f", ""), Limit::Unlimited, &second).await.unwrap();
    assert_eq!(stores.state(A, &place).await.changed_at, second.at);
}

/// Different keys do not get in each other's way: all writes are made, each with a revision of its own.
pub async fn writes_to_different_keys_at_once_are_all_made(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    let given = race(|n| {
        let (stores, place, key) = (stores.clone(), place.clone(), format!("k{n}"));
        async move {
            match n % 3 {
                0 => stores.with_parameter(A, &place, &key).await.revision,
                1 => stores.with_flag(A, &place, &key).await.revision,
                _ => stores.with_experiment(A, &place, &key).await.revision,
            }
        }
    });
    let mut given: Vec<u64> = given.await.into_iter().map(Revision::get).collect();
    given.sort_unstable();
    assert_eq!(given, (1..=u64::from(CROWD)).collect::<Vec<_>>());
    assert_eq!(stores.state(A, &place).await.revision.get(), u64::from(CROWD));
}

/// A state is of one moment: its revision is that of its newest record, however many writes go on meanwhile.
pub async fn a_state_loaded_during_writes_is_of_one_revision(stores: &ToggleStores) {
    const WRITES: u64 = 20;
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_parameter(A, &place, "p").await;
    stores.with_flag(A, &place, "f").await;
    let mut writer = JoinSet::new();
    let (store, target) = (stores.clone(), place.clone());
    writer.spawn(async move {
        for n in 0..WRITES {
            store.append(A, &target, "p", &n.to_string()).await;
            let flag = store.flags.find(A, &target, &"f".parse().unwrap()).await.unwrap().unwrap();
            store.flags.amend(A, &target, &flag, flag.revision, &audit("flag.toggle", "f")).await.unwrap();
        }
    });
    let mut last = Revision::ZERO;
    while last.get() < 2 + 2 * WRITES {
        // A writer that failed would leave this loop waiting for ever.
        if let Some(ended) = writer.try_join_next() {
            ended.unwrap();
        }
        let state = Arc::clone(&stores.environments).load(A, &place).await.unwrap().unwrap();
        assert!(state.revision >= last, "a later read sees no less");
        assert_eq!(newest(&state), state.revision);
        last = state.revision;
    }
}

fn newest(state: &EnvironmentState) -> Revision {
    let parameters = state.parameters.iter().map(|parameter| parameter.revision);
    let flags = state.flags.iter().map(|flag| flag.revision);
    parameters.chain(flags).max().unwrap()
}
