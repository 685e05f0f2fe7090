//! One load at a time, and to its end.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_are_one_load() {
    let rig = Rig::new();
    rig.register.put(ACME, entry(1, 1));
    rig.register.hold_back();
    let requests: Vec<_> = (0..1000)
        .map(|_| {
            let resolver = rig.resolver.clone();
            tokio::spawn(async move { resolver.resolve(ACME).await })
        })
        .collect();
    rig.settle().await;
    assert_eq!(rig.resolver.held().loads, 1);
    rig.register.answer(1);
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().entry.version, 1);
    }
    assert_eq!(rig.register.loads(), 1);
    assert_eq!(rig.resolver.held().loads, 0);
}

#[test]
fn a_thousand_on_many_threads_are_one_load() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::new();
        rig.register.put(ACME, entry(1, 1));
        let requests: Vec<_> = (0..1000)
            .map(|_| {
                let resolver = rig.resolver.clone();
                tokio::spawn(async move { resolver.resolve(ACME).await })
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap().entry.version, 1);
        }
        assert_eq!(rig.register.loads(), 1);
    });
}

#[tokio::test(start_paused = true)]
async fn a_load_goes_on_when_whoever_asked_has_gone() {
    let rig = Rig::new();
    rig.register.put(ACME, entry(1, 1));
    rig.register.hold_back();
    let resolver = rig.resolver.clone();
    let request = tokio::spawn(async move { resolver.resolve(ACME).await });
    rig.settle().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    rig.register.answer(1);
    rig.settle().await;
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
    assert_eq!(rig.register.loads(), 1);
}

#[test]
fn a_load_whose_run_time_ends_is_taken_over() {
    let rig = Rig::new();
    rig.register.put(ACME, entry(1, 1));
    rig.register.hold_back();
    let build = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (first, second) = (build(), build());
    let resolver = rig.resolver.clone();
    first.block_on(async {
        tokio::spawn(async move { resolver.resolve(ACME).await });
        rig.settle().await;
    });
    assert_eq!(rig.resolver.held().loads, 1);
    second.block_on(async {
        let resolver = rig.resolver.clone();
        let waiting = tokio::spawn(async move { resolver.resolve(ACME).await });
        rig.settle().await;
        assert_eq!(rig.register.loads(), 1, "it waits for the other one's load");
        first.shutdown_background();
        rig.settle().await;
        assert_eq!(rig.register.loads(), 1, "and does its own when that is gone");
        rig.register.answer(2);
        assert_eq!(waiting.await.unwrap().unwrap().entry.version, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn what_fails_panics_or_hangs_is_told_to_all_and_stops_nobody_afterwards() {
    for mood in [Mood::Down, Mood::Panics, Mood::Hangs] {
        let rig = Rig::new();
        rig.register.put(ACME, entry(1, 1));
        rig.register.be(mood);
        let requests: Vec<_> = (0..10)
            .map(|_| {
                let resolver = rig.resolver.clone();
                tokio::spawn(async move { resolver.resolve(ACME).await })
            })
            .collect();
        for request in requests {
            assert_eq!(word(&request.await.unwrap().unwrap_err()), "store", "{mood:?}");
        }
        assert_eq!(rig.register.loads(), 1, "{mood:?}");
        assert_eq!(rig.resolver.held().loads, 0);
        rig.register.be(Mood::Well);
        assert_eq!(rig.version(ACME).await, Ok(1), "{mood:?}");
    }
}
