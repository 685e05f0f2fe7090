//! How many things a tenant may have.

use togglebox_core::{Limit, Revision, StoreErrorKind, StoreResult, TenantId};

use super::ToggleStores;
use super::fixtures::{A, B, CROWD, MANY, audit, environment, experiment, flag, kind, parameter, platform, race, scope};
use crate::Scope;
use crate::manage::Countable;

const KINDS: [Countable; 5] =
    [Countable::Platforms, Countable::Environments, Countable::Parameters, Countable::Flags, Countable::Experiments];

/// One of two environments, on two platforms.
fn place(n: u32) -> Scope {
    scope(if n.is_multiple_of(2) { "web" } else { "ios" }, "production")
}

/// Two platforms with an environment each.
async fn settle(stores: &ToggleStores, tenant: TenantId) {
    for n in 0..2 {
        let place = place(n);
        stores.with_environment(tenant, place.platform.as_str(), place.environment.as_str()).await;
    }
}

/// How many of a kind there are then.
const fn settled(of: Countable) -> u64 {
    match of {
        Countable::Platforms | Countable::Environments => 2,
        Countable::Parameters | Countable::Flags | Countable::Experiments => 0,
    }
}

/// Makes the `n`th thing of a kind; every second one elsewhere.
async fn make(stores: &ToggleStores, tenant: TenantId, of: Countable, n: u32, quota: Limit) -> StoreResult<Revision> {
    let (place, key, record) = (place(n), format!("n{n}"), audit("create", of.as_str()));
    Ok(match of {
        Countable::Platforms => stores.directory.create_platform(tenant, &platform(&key), quota, &record).await?.revision,
        Countable::Environments => {
            let place = scope(place.platform.as_str(), &key);
            stores.directory.create_environment(tenant, &environment(&place), quota, &record).await?.revision
        }
        Countable::Parameters => {
            stores.parameters.create(tenant, &place, &parameter(&key, ""), MANY, quota, &record).await?.revision
        }
        Countable::Flags => stores.flags.create(tenant, &place, &flag(&key, ""), quota, &record).await?.revision,
        Countable::Experiments => stores.experiments.create(tenant, &place, &experiment(&key), quota, &record).await?.revision,
    })
}

fn limit(most: u64) -> Limit {
    Limit::of(most).unwrap()
}

async fn refusal(stores: &ToggleStores, of: Countable, n: u32, most: u64) -> StoreErrorKind {
    kind(make(stores, A, of, n, limit(most)).await)
}

/// A quota holds over all environments together, however many create at once. Another tenant's things are not counted.
pub async fn a_tenant_has_at_most_so_many_things_even_in_a_race(stores: &ToggleStores) {
    settle(stores, A).await;
    settle(stores, B).await;
    for of in KINDS {
        make(stores, B, of, 0, Limit::Unlimited).await.unwrap();
        let most = settled(of) + 3;
        let outcomes = race(|n| {
            let stores = stores.clone();
            async move { make(&stores, A, of, n, limit(most)).await }
        });
        let (made, refused): (Vec<_>, Vec<_>) = outcomes.await.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (3, CROWD as usize - 3), "{of:?}");
        for outcome in refused {
            assert_eq!(kind(outcome), StoreErrorKind::QuotaReached { usage: most, limit: most }, "{of:?}");
        }
        assert_eq!(stores.records_of(A, of.as_str()).await, 3, "{of:?}");
        make(stores, B, of, 1, limit(settled(of) + 2)).await.unwrap();
    }
}

/// A quota may be lower than what there is. Then nothing comes to it, and what is there stays and can be changed.
pub async fn a_lowered_quota_refuses_what_is_new_only(stores: &ToggleStores) {
    settle(stores, A).await;
    for of in KINDS {
        for n in 0..3 {
            make(stores, A, of, n, Limit::Unlimited).await.unwrap();
        }
        let usage = settled(of) + 3;
        assert_eq!(refusal(stores, of, 3, 1).await, StoreErrorKind::QuotaReached { usage, limit: 1 }, "{of:?}");
        assert_eq!(refusal(stores, of, 3, usage).await, StoreErrorKind::QuotaReached { usage, limit: usage }, "{of:?}");
        make(stores, A, of, 3, limit(usage + 1)).await.unwrap();
    }
    let stands = stores.flags.find(A, &place(0), &"n0".parse().unwrap()).await.unwrap().unwrap();
    stores.flags.append(A, &place(0), &stands, stands.revision, &audit("flag.update", "n0")).await.unwrap();
    make(stores, A, Countable::Flags, 4, limit(5)).await.unwrap();
    assert_eq!(refusal(stores, Countable::Flags, 5, 5).await, StoreErrorKind::QuotaReached { usage: 5, limit: 5 });
}

/// A name that is taken and a place that is not there are told before a quota that is reached.
pub async fn a_reached_quota_is_told_last(stores: &ToggleStores) {
    settle(stores, A).await;
    for of in KINDS {
        make(stores, A, of, 0, Limit::Unlimited).await.unwrap();
        assert_eq!(refusal(stores, of, 0, 1).await, StoreErrorKind::AlreadyExists, "{of:?}");
    }
    let (nowhere, record) = (scope("web", "nowhere"), audit("create", "nowhere"));
    let made = stores.flags.create(A, &nowhere, &flag("f", ""), limit(1), &record).await;
    assert_eq!(kind(made), StoreErrorKind::NotFound);
    let made = stores.parameters.create(A, &nowhere, &parameter("p", ""), MANY, limit(1), &record).await;
    assert_eq!(kind(made), StoreErrorKind::NotFound);
    let made = stores.experiments.create(A, &nowhere, &experiment("x"), limit(1), &record).await;
    assert_eq!(kind(made), StoreErrorKind::NotFound);
    let made = stores.directory.create_environment(A, &environment(&scope("tv", "production")), limit(1), &record).await;
    assert_eq!(kind(made), StoreErrorKind::NotFound);
    assert_eq!(stores.records_of(A, "nowhere").await, 0);
}

/// What goes makes room: a thing by itself, and everything with the environment or the platform that it is in.
pub async fn what_is_deleted_makes_room_under_a_quota(stores: &ToggleStores) {
    const INSIDE: [Countable; 3] = [Countable::Parameters, Countable::Flags, Countable::Experiments];
    settle(stores, A).await;
    for of in INSIDE {
        for n in 0..4 {
            make(stores, A, of, n, limit(4)).await.unwrap();
        }
        assert_eq!(refusal(stores, of, 4, 4).await, StoreErrorKind::QuotaReached { usage: 4, limit: 4 });
    }
    let (web, record) = (place(0), || audit("delete", "room"));
    let state = stores.state(A, &web).await;
    stores.parameters.delete(A, &web, state.parameters[0].key(), state.parameters[0].revision, &record()).await.unwrap();
    stores.flags.delete(A, &web, &state.flags[0].key, state.flags[0].revision, &record()).await.unwrap();
    stores.experiments.delete(A, &web, &state.experiments[0].key, state.experiments[0].revision, &record()).await.unwrap();
    for of in INSIDE {
        make(stores, A, of, 5, limit(4)).await.unwrap();
        assert_eq!(refusal(stores, of, 6, 4).await, StoreErrorKind::QuotaReached { usage: 4, limit: 4 });
    }
    let directory = stores.directory.directory(A).await.unwrap();
    stores.directory.delete_environment(A, &web, directory.environments[&web].revision, &record()).await.unwrap();
    for of in INSIDE {
        assert_eq!(refusal(stores, of, 7, 3).await, StoreErrorKind::QuotaReached { usage: 3, limit: 3 }, "{of:?}");
    }
    // Made anew, it is empty.
    stores.directory.create_environment(A, &environment(&web), limit(2), &record()).await.unwrap();
    for of in INSIDE {
        make(stores, A, of, 8, limit(4)).await.unwrap();
    }
    let ios = place(1).platform;
    stores.directory.delete_platform(A, &ios, directory.platforms[&ios].revision, &record()).await.unwrap();
    for of in INSIDE {
        assert_eq!(refusal(stores, of, 10, 1).await, StoreErrorKind::QuotaReached { usage: 1, limit: 1 }, "{of:?}");
    }
    assert_eq!(refusal(stores, Countable::Platforms, 0, 1).await, StoreErrorKind::QuotaReached { usage: 1, limit: 1 });
    let made = stores.directory.create_environment(A, &environment(&scope("web", "n0")), limit(1), &record()).await;
    assert_eq!(kind(made), StoreErrorKind::QuotaReached { usage: 1, limit: 1 });
}
