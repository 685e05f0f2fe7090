//! Two nodes over one store, and a bus between them that loses, delays, repeats and shuffles what it is given.

mod model;
mod schedule;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use togglebox_core::{Change, ChangeListener as _, Revision, TenantId};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use self::model::{Model, TENANT, scope, told};
use super::{ASK, CALLS, Fresh, Home, Memory, PART, RETRY, ServedEnvironment, TOGETHER, WAIT};

const SWIFT: Duration = Duration::from_millis(20);

/// What a node answers: which environment, at which revision, and whether it says that this may be old.
async fn read(node: &Memory, place: &togglebox_toggles::Scope) -> Option<(Uuid, u64, bool)> {
    let served = node.environment(TENANT, place.platform.as_str(), place.environment.as_str()).await.unwrap()?;
    Some((served.value.id(), served.value.snapshot().revision().get(), served.stale))
}

fn fresh(stands: Option<(Uuid, u64)>) -> Option<(Uuid, u64, bool)> {
    stands.map(|(id, revision)| (id, revision, false))
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_told_answers_from_no_less() {
    let (model, place) = (Model::new(SWIFT), scope("production"));
    model.create(&place);
    let node = model.node();
    read(&node, &place).await;
    let first = model.write(&place);
    let second = model.write(&place);
    for notice in [&second, &first, &second] {
        node.changed(notice);
        assert_eq!(read(&node, &place).await, fresh(model.stands(&place)));
    }
    assert_eq!(model.loads(), 2, "an old or repeated notice is no news");
}

#[tokio::test(start_paused = true)]
async fn who_knows_where_a_tenants_memory_is_hears_what_everybody_hears() {
    let (model, place, other) = (Model::new(SWIFT), scope("production"), scope("staging"));
    model.create(&place);
    let (node, home) = (model.node(), Home::default());
    let look = |place: &togglebox_toggles::Scope| {
        let revision = |served: Option<Fresh<&ServedEnvironment>>| served.map(|served| served.value.snapshot().revision().get());
        node.look((TENANT, Some(&home)), place.platform.as_str(), place.environment.as_str(), revision)
    };
    assert_eq!(look(&place), Poll::Pending, "nothing was read yet");
    read(&node, &place).await;
    assert!(home.of(TENANT).is_none());
    assert_eq!(look(&place), Poll::Ready(Some(0)));
    assert!(home.of(TENANT).is_some(), "what follows need not look for it");
    let other_tenant = TenantId::from_uuid(Uuid::from_u128(99));
    let of_other = node.look((other_tenant, Some(&home)), place.platform.as_str(), place.environment.as_str(), |_| ());
    assert_eq!(of_other, Poll::Pending, "another tenant's memory is none of its business");
    for revision in 1..4 {
        node.changed(&model.write(&place));
        assert_eq!(look(&place), Poll::Pending, "the node was told of a newer one");
        read(&node, &place).await;
        assert_eq!(look(&place), Poll::Ready(Some(revision)));
    }
    assert_eq!(look(&other), Poll::Ready(None));
    node.changed(&model.create(&other));
    read(&node, &other).await;
    assert_eq!((look(&other), look(&place)), (Poll::Ready(Some(0)), Poll::Ready(Some(3))));
    node.changed(&model.delete(&place));
    read(&node, &place).await;
    assert_eq!((look(&other), look(&place)), (Poll::Ready(Some(0)), Poll::Ready(None)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_waited_long_enough_says_that_what_it_has_is_old() {
    let (model, place) = (Model::new(SWIFT), scope("production"));
    let created = model.create(&place);
    let node = model.node();
    let (id, ..) = read(&node, &place).await.unwrap();
    model.hang(true);
    node.changed(&model.write(&place));
    let began = Instant::now();
    assert_eq!(read(&node, &place).await, Some((id, 0, true)));
    assert_eq!(began.elapsed(), WAIT);
    // Also when both the directory and the environment are behind, the wait is one.
    sleep(RETRY).await;
    node.changed(&told(&place, 2));
    let Change::Directory { revision, .. } = created else { unreachable!() };
    node.changed(&Change::Directory { tenant: TENANT, revision: revision.next() });
    let began = Instant::now();
    assert_eq!(read(&node, &place).await, Some((id, 0, true)));
    assert!(began.elapsed() <= WAIT, "{:?}", began.elapsed());
}

/// Revisions begin anew in an environment that is made again. A notice that is late, or was never true, is not waited for again
/// and again.
#[tokio::test(start_paused = true)]
async fn a_notice_of_a_revision_that_is_not_there_is_looked_into_once() {
    let (model, place) = (Model::new(SWIFT), scope("production"));
    model.create(&place);
    let node = model.node();
    (0..50).for_each(|_| drop(model.write(&place)));
    let late = told(&place, 50);
    read(&node, &place).await;
    node.changed(&model.delete(&place));
    assert_eq!(read(&node, &place).await, None);
    node.changed(&model.create(&place));
    assert_eq!(read(&node, &place).await, fresh(model.stands(&place)));
    for notice in [late, told(&place, u64::MAX), Change::Directory { tenant: TENANT, revision: Revision::new(u64::MAX) }] {
        node.changed(&notice);
        let before = model.loads() + model.directories();
        for _ in 0..10 {
            assert_eq!(read(&node, &place).await, fresh(model.stands(&place)), "{notice:?}");
        }
        assert_eq!(model.loads() + model.directories(), before + 1, "{notice:?}");
        // And the next one that is true is heard.
        node.changed(&model.write(&place));
        assert_eq!(read(&node, &place).await, fresh(model.stands(&place)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_of_an_environment_that_is_gone_does_no_harm() {
    let (model, place, other) = (Model::new(SWIFT), scope("production"), scope("staging"));
    model.create(&place);
    model.create(&other);
    let node = model.node();
    read(&node, &place).await;
    read(&node, &other).await;
    let last = model.write(&place);
    let gone = model.delete(&place);
    // The directory's notice is lost: the environment's own shows that it is not there any more.
    node.changed(&last);
    assert_eq!(read(&node, &place).await, None);
    assert_eq!(read(&node, &other).await, fresh(model.stands(&other)));
    for late in [&last, &gone, &last] {
        node.changed(late);
        assert_eq!(read(&node, &place).await, None);
        assert_eq!(read(&node, &other).await, fresh(model.stands(&other)));
    }
}

/// The environment was made on another node, and the notice of it is lost or late.
#[tokio::test(start_paused = true)]
async fn a_write_into_an_environment_that_the_node_did_not_know_is_seen_by_its_next_read() {
    let (model, place, other) = (Model::new(SWIFT), scope("production"), scope("staging"));
    model.create(&place);
    let node = model.node();
    read(&node, &place).await;
    model.create(&other);
    let Change::Environment { revision, .. } = model.write(&other) else { unreachable!() };
    assert!(node.settle(TENANT, &other, revision).await.is_some());
    assert_eq!(read(&node, &other).await, fresh(model.stands(&other)));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_notices_causes_one_load_at_a_time() {
    let (model, place) = (Model::new(SWIFT), scope("production"));
    model.create(&place);
    let node = model.node();
    read(&node, &place).await;
    let before = model.loads();
    let began = Instant::now();
    let mut readers = Vec::new();
    for _ in 0..200 {
        // A write and ten notices of it each millisecond, and a reader that comes along.
        let notice = model.write(&place);
        (0..10).for_each(|_| node.changed(&notice));
        let (node, place) = (Arc::clone(&node), place.clone());
        readers.push(tokio::spawn(async move { read(&node, &place).await }));
        sleep(Duration::from_millis(1)).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let most = began.elapsed().as_millis() / SWIFT.as_millis() + 2;
    assert!((model.loads() - before) as u128 <= most, "{} loads, at most {most}", model.loads() - before);
    assert_eq!(read(&node, &place).await, fresh(model.stands(&place)));
    // The same of an environment that is not there.
    let before = model.directories();
    for revision in 0..1000 {
        node.changed(&told(&scope("nowhere"), revision));
    }
    assert_eq!(read(&node, &place).await, fresh(model.stands(&place)));
    assert_eq!(model.directories(), before + 1);
}

/// A node hears of every tenant, and serves some.
#[tokio::test(start_paused = true)]
async fn notices_of_tenants_that_nobody_asks_for_are_not_kept() {
    let (model, place) = (Model::new(SWIFT), scope("production"));
    let node = model.node();
    for n in 0..1000 {
        let tenant = TenantId::from_uuid(Uuid::from_u128(n));
        node.changed(&Change::Directory { tenant, revision: Revision::new(1) });
        let (platform, environment) = (place.platform.to_string(), place.environment.to_string());
        node.changed(&Change::Environment { tenant, platform, environment, revision: Revision::new(1) });
    }
    assert_eq!(node.tenants.len(), 0);
}

/// Or the revisions would be asked for too seldom.
#[tokio::test(start_paused = true)]
async fn a_poll_does_not_wait_for_all_that_it_found() {
    let model = Model::new(SWIFT);
    let places: Vec<_> = (0..200).map(|n| scope(&format!("e{n}"))).collect();
    for place in &places {
        model.create(place);
    }
    let node = model.node();
    for place in &places {
        read(&node, place).await;
    }
    for place in &places {
        model.write(place);
    }
    let began = Instant::now();
    node.poll().await.unwrap();
    assert!(began.elapsed() <= Duration::from_millis(1100), "{:?}", began.elapsed());
    for place in &places {
        assert_eq!(read(&node, place).await, fresh(model.stands(place)), "each reader sees to its own");
    }
    model.hang(true);
    let began = Instant::now();
    assert!(node.poll().await.is_err());
    assert_eq!(began.elapsed(), ASK);
    assert!(!node.reach(TENANT).await);
    assert_eq!(began.elapsed(), ASK, "the poll has just asked");
}

/// What one poll costs is bounded, and nobody is left out.
#[tokio::test(start_paused = true)]
async fn many_tenants_are_polled_in_turn() {
    const MANY: usize = 2500;
    let (model, place) = (Model::new(SWIFT), scope("production"));
    model.create(&place);
    let node = model.node();
    let tenants: Vec<_> = (0..MANY).map(|n| TenantId::from_uuid(Uuid::from_u128(n as u128))).collect();
    let revision = async |tenant: &TenantId| {
        let served = node.environment(*tenant, "web", "production").await.unwrap().unwrap();
        (served.value.snapshot().revision().get(), served.stale)
    };
    for tenant in &tenants {
        assert_eq!(revision(tenant).await, (0, false));
    }
    model.write(&place);
    for _ in 0..3 {
        assert_eq!(model.polls(), 0);
        node.poll().await.unwrap();
        assert_eq!(model.polls(), PART);
    }
    for tenant in &tenants {
        assert_eq!(revision(tenant).await, (1, false));
    }
    // One that is away is not asked about everybody, and nobody counts as up to date.
    model.hang(true);
    assert!(node.poll().await.is_err());
    assert_eq!(model.polls(), CALLS * TOGETHER);
    for tenant in &tenants {
        assert_eq!(revision(tenant).await, (1, true));
    }
    model.hang(false);
    for _ in 0..3 {
        node.poll().await.unwrap();
    }
    for tenant in &tenants {
        assert_eq!(revision(tenant).await, (1, false));
    }
    // Who polls seldom asks about everybody.
    model.write(&place);
    model.polls();
    node.poll_all().await.unwrap();
    assert_eq!(model.polls(), MANY);
    for tenant in &tenants {
        assert_eq!(revision(tenant).await, (2, false));
    }
}
