//! How long what is remembered is used.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);

#[tokio::test(start_paused = true)]
async fn an_entry_is_fresh_then_used_while_the_store_is_asked_then_loaded() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.pass((30 * SECOND).saturating_sub(MOMENT));
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
    rig.pass(MOMENT);
    rig.register.put(ACME, entry(1, 2));
    for _ in 0..20 {
        assert_eq!(rig.version(ACME).await, Ok(1), "nobody waits");
    }
    rig.settle().await;
    assert_eq!(rig.register.loads(), 1, "one asks");
    assert_eq!((rig.version(ACME).await, rig.source(ACME).await), (Ok(2), Ok(Source::Fresh)));
    rig.pass(300 * SECOND);
    rig.register.put(ACME, entry(1, 3));
    assert_eq!(rig.version(ACME).await, Ok(3), "what is that old is waited for");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_was_seen_in_vain_is_left_in_peace_for_a_second() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.pass(31 * SECOND);
    rig.register.be(Mood::Down);
    for expected in [1, 0, 1, 0] {
        for _ in 0..5 {
            assert_eq!(rig.source(ACME).await, Ok(Source::Stale));
            rig.settle().await;
        }
        assert_eq!(rig.register.loads(), expected);
        rig.pass(SECOND / 2);
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_old_entries_are_used_that_allow_it() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.register.put(FLAGS, Entry { suspended: true, ..entry(2, 1) });
    assert_eq!(rig.version(FLAGS).await, Ok(1));
    rig.register.loads();
    rig.register.be(Mood::Down);
    rig.pass(301 * SECOND);
    assert_eq!(rig.source(ACME).await, Ok(Source::Outage));
    assert_eq!(rig.source(FLAGS).await, Err("store"), "a suspended tenant does not live on");
    let asked = rig.register.loads();
    for _ in 0..100 {
        assert_eq!(rig.source(ACME).await, Ok(Source::Outage));
    }
    assert_eq!((asked, rig.register.loads()), (2, 0), "the store is left in peace for a while");
    rig.pass(3600 * SECOND);
    assert_eq!(rig.source(ACME).await, Err("store"));
    rig.register.be(Mood::Well);
    assert_eq!(rig.source(ACME).await, Ok(Source::Load));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_a_request_a_quarter_of_a_second() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.register.be(Mood::Hangs);
    rig.pass(301 * SECOND);
    let began = tokio::time::Instant::now();
    assert_eq!(rig.source(ACME).await, Ok(Source::Outage));
    assert_eq!(began.elapsed().as_millis() / 10, 25);
}

#[tokio::test(start_paused = true)]
async fn what_is_old_and_outdated_is_not_used_in_an_outage() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.register.be(Mood::Hangs);
    rig.pass(301 * SECOND);
    let resolver = rig.resolver.clone();
    let waiting = tokio::spawn(async move { resolver.resolve(ACME).await });
    rig.settle().await;
    rig.resolver.hear(&notice(1, 2, &[ACME]));
    let answer = waiting.await.unwrap();
    assert_eq!(word(&answer.unwrap_err()), "store", "the notice came while it waited");
    assert_eq!(rig.source(ACME).await, Err("store"));
}

#[tokio::test(start_paused = true)]
async fn that_nobody_is_there_is_remembered_for_some_seconds() {
    for (asked_for, seconds) in [(1, 5), (10, 10), (99, 30)] {
        let rig = Rig::with(ResolveOptions::default().absent(asked_for * SECOND));
        assert_eq!(rig.version(ACME).await, Err("nobody"));
        rig.register.put(ACME, entry(1, 1));
        rig.pass((seconds * SECOND).saturating_sub(MOMENT));
        assert_eq!(rig.version(ACME).await, Err("nobody"));
        assert_eq!(rig.register.loads(), 1);
        rig.pass(MOMENT);
        assert_eq!(rig.version(ACME).await, Ok(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_gone_is_gone() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.register.remove(ACME);
    rig.pass(31 * SECOND);
    assert_eq!(rig.version(ACME).await, Ok(1));
    rig.settle().await;
    assert_eq!(rig.version(ACME).await, Err("nobody"));
    assert_eq!((rig.resolver.held().tenants, rig.resolver.held().absent), (0, 1));
}
