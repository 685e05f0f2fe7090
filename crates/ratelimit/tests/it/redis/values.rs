//! What stands in Redis: others read it, now and after an update.

use std::time::Duration;

use togglebox_core::TenantId;
use togglebox_ratelimit::{Batch, Digest, Limit, LimitStore as _, Quota, Tag, Warning, gcra};

use super::server::{self, Raw, Server};
use super::{burst_only, in_time, options, patient, store};

const TAG: Tag = Tag::Tenant(TenantId::DEFAULT);

fn batch(quota: Quota) -> Batch {
    Batch::one(TAG, Limit::new("api".parse().unwrap(), Digest::of([b"key".as_slice()]), quota, 1).unwrap())
}

fn key(prefix: &str) -> String {
    format!("{prefix}:rl:1:{{{TAG}}}:api:{}", Digest::of([b"key".as_slice()]))
}

/// A key lives a second longer than its bucket needs to be full again, and says nothing then that its absence would not say.
#[tokio::test]
async fn keys_outlive_what_they_say() {
    let Some(url) = server::shared() else { return };
    let (mut raw, prefix) = (Raw::to(&url).await, server::prefix());
    let store = store(options(&url).with_prefix(&prefix).unwrap().with_timeout(togglebox_core::testkit::PATIENCE));
    for (limit, period, burst) in [(10, 1000, 5), (7, 3000, 7), (1, 3_600_000, 24), (1_000_000, 1000, 1)] {
        let batch = batch(Quota::rate(limit, Duration::from_millis(period)).burst(burst).unwrap());
        let first = store.consume(&batch).await.unwrap();
        assert!(first.passed);
        assert_eq!(first.before[0].us(), first.now_us, "it was full");
        let full_at = gcra::charge(batch.limits()[0].quota(), Some(first.before[0]), first.now_us, 1);
        let expires_at_ms: u64 = raw.ask(&["PEXPIRETIME", &key(&prefix)]).await;
        let spare_ms = expires_at_ms.saturating_sub(full_at.us() / 1000);
        assert!((500..=1_002).contains(&spare_ms), "{spare_ms} ms");
        // As if it had expired.
        let _: i64 = raw.ask(&["DEL", &key(&prefix)]).await;
        let again = store.consume(&batch).await.unwrap();
        assert_eq!((again.passed, again.before[0].us()), (true, again.now_us));
        let _: i64 = raw.ask(&["DEL", &key(&prefix)]).await;
    }
}

/// Whole microseconds, fractions, what a later version may add, and what is none of ours.
#[tokio::test]
async fn values_are_read_in_every_format() {
    let Some(url) = server::shared() else { return };
    let (mut raw, prefix) = (Raw::to(&url).await, server::prefix());
    let store = store(options(&url).with_prefix(&prefix).unwrap().with_timeout(togglebox_core::testkit::PATIENCE));
    // A seventh of an hour for each unit.
    let quota = Quota::rate(7, Duration::from_hours(1)).burst(7).unwrap();
    let now = store.peek(&batch(quota)).await.unwrap().now_us;
    let ahead = now + 600_000_000;
    for (value, us, part) in [
        (ahead.to_string(), ahead, 0),
        (format!("{ahead}:3"), ahead, 3),
        (format!("{ahead}:3:later"), ahead, 3),
        (format!("{ahead} later"), ahead, 0),
        (format!("{ahead}:7"), ahead + 1, 0),
    ] {
        let () = raw.ask(&["SET", &key(&prefix), &value]).await;
        let reply = store.peek(&batch(quota)).await.unwrap();
        assert_eq!((reply.before[0].us(), reply.before[0].part()), (us, part), "{value}");
        assert_eq!(raw.ask::<String>(&["GET", &key(&prefix)]).await, value, "a look changes nothing");
    }
    for value in ["", "later", "-5", "1", &format!("{}", now - 1)] {
        let () = raw.ask(&["SET", &key(&prefix), value]).await;
        let reply = store.peek(&batch(quota)).await.unwrap();
        assert_eq!(reply.before[0].us(), reply.now_us, "{value:?} is a full bucket");
    }
    // A list is none of ours either, and makes room for a value.
    let _: i64 = raw.ask(&["DEL", &key(&prefix)]).await;
    let _: i64 = raw.ask(&["LPUSH", &key(&prefix), "1"]).await;
    assert!(store.consume(&batch(quota)).await.unwrap().passed);
    let value: String = raw.ask(&["GET", &key(&prefix)]).await;
    let (us, part) = value.split_once(':').unwrap();
    assert!(us.parse::<u64>().unwrap() > now && part.parse::<u32>().unwrap() < 7, "{value}");
}

/// What a state that no clock of today would have left costs: one full bucket of waiting at the most, and it is gone with the first look.
#[tokio::test]
async fn a_value_from_another_age_is_brought_back_by_whoever_sees_it() {
    let Some(url) = server::shared() else { return };
    let (mut raw, prefix) = (Raw::to(&url).await, server::prefix());
    let store = store(options(&url).with_prefix(&prefix).unwrap().with_timeout(togglebox_core::testkit::PATIENCE));
    let batch = batch(Quota::rate(1, Duration::from_mins(1)).burst(5).unwrap());
    let () = raw.ask(&["SET", &key(&prefix), "9007199254740991"]).await;
    let reply = store.peek(&batch).await.unwrap();
    assert_eq!(reply.before[0].us(), reply.now_us + 300_000_000);
    assert_eq!(raw.ask::<u64>(&["GET", &key(&prefix)]).await, reply.now_us + 300_000_000);
    assert!(raw.ask::<i64>(&["PTTL", &key(&prefix)]).await <= 301_001);
}

/// By the server's clock the script is told of horizons in the same way as by a test's.
#[tokio::test]
async fn debts_are_as_deep_as_they_may_be_by_the_servers_clock() {
    let Some(url) = server::shared() else { return };
    let store = patient(&url);
    let minutes = |quota: Quota| {
        Batch::new(
            TAG,
            [("api", quota), ("other", burst_only(9))]
                .map(|(name, quota)| Limit::new(name.parse().unwrap(), Digest::of([name.as_bytes()]), quota, 2).unwrap()),
        )
        .unwrap()
    };
    let batch = minutes(Quota::rate(7, Duration::from_hours(1)).burst(3).unwrap().with_debt(2).unwrap());
    for passed in [true, false, false, false] {
        let reply = store.charge(&batch).await.unwrap();
        assert_eq!((reply.passed, reply.charged), (passed, true));
    }
    let reply = store.peek(&batch).await.unwrap();
    // Five sevenths of an hour, of which a moment may have passed; four times two of the other's nine.
    let ahead = |number: usize| Duration::from_micros(reply.before[number].us() - reply.now_us);
    let nearly = |length: Duration| length.saturating_sub(Duration::from_secs(30))..=length;
    assert!(nearly(Duration::from_secs(5 * 3600 / 7 + 1)).contains(&ahead(0)), "{:?}", ahead(0));
    assert!(nearly(Duration::from_mins(80)).contains(&ahead(1)), "{:?}", ahead(1));
}

/// A user with no more rights than the documentation names.
#[tokio::test]
async fn a_user_with_few_rights_is_enough_and_one_without_is_refused() {
    let Some(server) = Server::stopped() else { return };
    let mut server = server.with(&["--requirepass", "hunter2"]);
    server.start();
    let mut raw = Raw::to(&format!("redis://:hunter2@{}", server.address())).await;
    let rights = "+eval +evalsha +time +mget +set +ping +info +config|get +hello";
    let words = format!("ACL SETUSER limits on >secret ~blue:rl:1:* {rights}");
    let () = raw.ask(&words.split(' ').collect::<Vec<_>>()).await;
    let url = format!("redis://limits:secret@{}", server.address());
    let blue = store(options(&url).with_prefix("blue").unwrap().with_timeout(togglebox_core::testkit::PATIENCE));
    assert!(blue.consume(&batch(burst_only(1))).await.unwrap().passed);
    blue.health().await.unwrap();
    let green = patient(&url);
    green.consume(&batch(burst_only(1))).await.unwrap_err();

    let stranger = patient(&format!("redis://limits:wrong@{}", server.address()));
    let error = in_time(stranger.consume(&batch(burst_only(1)))).await.unwrap_err();
    let told = format!("{error:?} {stranger:?}");
    assert!(!told.contains("wrong"), "{told}");
}

#[tokio::test]
async fn a_server_that_is_unfit_for_limits_is_told_of() {
    let Some(server) = Server::stopped() else { return };
    let mut server = server.with(&["--maxmemory-policy", "allkeys-lru"]);
    server.start();
    let store = patient(&server.url());
    in_time(store.connected()).await;
    let health = store.health().await.unwrap();
    let expected = [Warning::Evicts("allkeys-lru".to_owned()), Warning::NotPersisted];
    assert_eq!(health.warnings, expected);
    assert!(health.clock_ahead_us.unwrap().abs() < 30_000_000, "the same machine: {health:?}");
}
