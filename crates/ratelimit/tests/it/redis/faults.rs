//! One server that forgets, stops, ends and comes back, and a network that does not carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use togglebox_core::{StoreErrorKind, StoreResult};
use togglebox_ratelimit::testkit::{Network, Proxy};
use togglebox_ratelimit::{Batch, LimitStore as _, RedisStore, Reply, gcra};
use tokio::task::JoinSet;

use super::server::{self, Raw, Server};
use super::{burst_only, count_on, in_time, one, options, patient, store};

/// What a busy machine may add to a time limit.
const SLACK: Duration = Duration::from_secs(2);

/// How many of a burst are used up.
async fn used(store: &RedisStore, batch: &Batch) -> u64 {
    let reply = in_time(async {
        loop {
            if let Ok(reply) = store.peek(batch).await {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let quota = batch.limits()[0].quota();
    u64::from(quota.burst()) - gcra::reading(quota, Some(reply.before[0]), reply.now_us).remaining
}

/// Eight tasks that go on asking until they are told to stop: what they were told, failures last.
struct Load {
    tasks: JoinSet<(u32, Vec<StoreResult<Reply>>)>,
    stop: Arc<AtomicBool>,
    passed: Arc<AtomicU32>,
}

impl Load {
    fn start(store: &Arc<RedisStore>, batch: &Batch) -> Self {
        let (stop, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let (store, batch, stop, all) = (Arc::clone(store), batch.clone(), Arc::clone(&stop), Arc::clone(&passed));
            tasks.spawn(async move {
                let (mut passed, mut failures) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    match store.consume(&batch).await {
                        Ok(reply) if reply.passed => {
                            passed += 1;
                            all.fetch_add(1, Ordering::Relaxed);
                        }
                        other => failures.push(other),
                    }
                    tokio::task::yield_now().await;
                }
                (passed, failures)
            });
        }
        Self { tasks, stop, passed }
    }

    /// Waits until so many more have passed.
    async fn more(&self, more: u32) {
        count_on(&self.passed, more).await;
    }

    async fn stop(self) -> (u32, Vec<StoreResult<Reply>>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut passed, mut others) = (0, Vec::new());
        for (each, failures) in in_time(self.tasks.join_all()).await {
            passed += each;
            others.extend(failures);
        }
        (passed, others)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_the_script_fails_no_call() {
    let Some(server) = Server::running() else { return };
    let mut raw = Raw::to(&server.url()).await;
    let store = Arc::new(patient(&server.url()));
    let batch = one(1, "flushed", burst_only(1_000_000));
    let load = Load::start(&store, &batch);
    for round in 0..50 {
        load.more(20).await;
        let () = raw.ask(if round % 2 == 0 { &["SCRIPT", "FLUSH"] } else { &["FUNCTION", "FLUSH"] }).await;
    }
    let (passed, others) = load.stop().await;
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(used(&store, &batch).await, u64::from(passed), "each was carried out once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_fails_only_calls_that_meet_it() {
    let Some(mut server) = Server::running() else { return };
    let store = Arc::new(patient(&server.url()));
    let load = Load::start(&store, &one(1, "restarted", burst_only(1_000_000)));
    for _ in 0..3 {
        load.more(100).await;
        server.kill();
        server.start();
        load.more(100).await;
    }
    let (_, others) = load.stop().await;
    assert!(!others.is_empty(), "nobody met it");
    for other in others {
        assert_eq!(other.unwrap_err().kind(), &StoreErrorKind::Unavailable);
    }
    in_time(store.connected()).await;
    for _ in 0..100 {
        store.consume(&one(1, "afterwards", burst_only(100))).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stands_still_keeps_nobody_and_is_asked_once() {
    let Some(server) = Server::running() else { return };
    let limit = Duration::from_millis(50);
    let store = Arc::new(store(options(&server.url()).with_timeout(limit)));
    in_time(store.connected()).await;
    let batch = |number: u32| one(number.into(), "frozen", burst_only(10));
    // It knows the script.
    let _ = used(&store, &batch(0)).await;
    server.freeze();
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let (store, batch) = (Arc::clone(&store), batch(number));
        calls.spawn(async move {
            let began = Instant::now();
            let error = store.consume(&batch).await.unwrap_err();
            assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
            began.elapsed()
        });
    }
    for took in in_time(calls.join_all()).await {
        assert!(took < limit + SLACK, "{took:?}");
    }
    server.thaw();
    let mut executed = 0;
    for number in 0..20 {
        let used = used(&store, &batch(number)).await;
        assert!(used <= 1, "call {number} was carried out {used} times");
        executed += used;
    }
    assert!(executed > 0, "what was sent is carried out late: that is why it is not sent again");
}

#[tokio::test]
async fn a_lost_answer_is_a_failure_of_a_call_that_was_carried_out_once() {
    let Some(url) = server::shared() else { return };
    let proxy = Proxy::before(url.trim_start_matches("redis://").parse().unwrap(), 1).await.unwrap();
    let store = store(options(&format!("redis://{}", proxy.address())).with_timeout(Duration::from_millis(50)));
    in_time(store.connected()).await;
    let batch = one(1, "lost", burst_only(10));
    assert_eq!(used(&store, &batch).await, 0);
    proxy.set(Network { lost_to_client: true, ..Network::default() });
    assert_eq!(store.consume(&batch).await.unwrap_err().kind(), &StoreErrorKind::Unavailable);
    proxy.set(Network::default());
    assert_eq!(used(&store, &batch).await, 1);
}

/// However it is broken, it is made anew, and calls go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_are_made_anew() {
    let Some(url) = server::shared() else { return };
    let proxy = Proxy::before(url.trim_start_matches("redis://").parse().unwrap(), 1).await.unwrap();
    let store = Arc::new(store(options(&format!("redis://{}", proxy.address())).with_timeout(Duration::from_millis(50))));
    let batch = one(1, "broken", burst_only(1_000_000));
    let load = Load::start(&store, &batch);
    for blow in [Proxy::cut, Proxy::half_open, Proxy::cut] {
        load.more(20).await;
        blow(&proxy);
        load.more(20).await;
    }
    proxy.set(Network { refusing: true, ..Network::default() });
    proxy.cut();
    let thrown_out = proxy.seen().accepted + 4;
    in_time(proxy.until(|seen| seen.accepted > thrown_out)).await;
    proxy.set(Network { jitter: Duration::from_millis(3), ..Network::slow(Duration::from_millis(2)) });
    load.more(20).await;
    let (passed, others) = load.stop().await;
    assert!(others.iter().all(|other| other.as_ref().is_err_and(|error| error.kind() == &StoreErrorKind::Unavailable)));
    proxy.set(Network::default());
    let used = used(&store, &batch).await;
    let failed = u64::try_from(others.len()).unwrap();
    assert!((u64::from(passed)..=u64::from(passed) + failed).contains(&used), "{passed} passed, {failed} failed, {used} used");
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_not_there_and_it_may_come_later() {
    let Some(mut server) = Server::stopped() else { return };
    // So long a limit that only a failure at once is in time.
    let store = patient(&server.url());
    let batch = one(1, "absent", burst_only(10));
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(store.consume(&batch).await.unwrap_err().kind(), &StoreErrorKind::Unavailable);
    }
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    assert_eq!(store.health().await.unwrap_err().kind(), &StoreErrorKind::Unavailable);
    server.start();
    in_time(store.connected()).await;
    assert!(store.consume(&batch).await.unwrap().passed);
    server.kill();
    in_time(async {
        while store.consume(&batch).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A script that takes too long is nobody's answer; the call waits for its end.
#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let Some(server) = Server::stopped() else { return };
    let mut server = server.with(&["--busy-reply-threshold", "5"]);
    server.start();
    let (mut raw, mut other) = (Raw::to(&server.url()).await, Raw::to(&server.url()).await);
    let store = Arc::new(patient(&server.url()));
    in_time(store.connected()).await;
    let batch = one(1, "busy", burst_only(10));
    let endless = tokio::spawn(async move { raw.try_ask::<()>(&["EVAL", "while true do end", "0"]).await });
    // Until it is busy, this is answered.
    in_time(async { while other.try_ask::<String>(&["PING"]).await.is_ok() {} }).await;
    let call = tokio::spawn({
        let (store, batch) = (Arc::clone(&store), batch.clone());
        async move { store.consume(&batch).await }
    });
    // It is told so several times, and asks again.
    for _ in 0..200 {
        other.try_ask::<String>(&["PING"]).await.unwrap_err();
    }
    assert!(!call.is_finished());
    let () = other.ask(&["SCRIPT", "KILL"]).await;
    endless.await.unwrap().unwrap_err();
    assert!(in_time(call).await.unwrap().unwrap().passed);
    assert_eq!(used(&store, &batch).await, 1);
}

/// Its replica is its successor, under the same name.
#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left_for_its_successor() {
    let (Some(old), Some(new)) = (Server::running(), Server::running()) else { return };
    let (mut old_raw, _) = (Raw::to(&old.url()).await, Raw::to(&new.url()).await);
    let proxy = Proxy::before(old.address(), 1).await.unwrap();
    let store = patient(&format!("redis://{}", proxy.address()));
    let batch = one(1, "demoted", burst_only(10));
    assert!(store.consume(&batch).await.unwrap().passed);
    proxy.lead_to(new.address());
    let () = old_raw.ask(&["REPLICAOF", "127.0.0.1", &new.address().port().to_string()]).await;
    assert!(store.consume(&batch).await.unwrap().passed, "by the new one");
}

/// Without certificates that the other side has, and without taking the program down.
#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_where_tls_is_wanted() {
    let Some(url) = server::shared() else { return };
    let store = patient(&url.replace("redis://", "rediss://"));
    let error = in_time(store.consume(&one(1, "plain", burst_only(1)))).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
}
