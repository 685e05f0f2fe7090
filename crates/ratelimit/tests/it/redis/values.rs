//! What stands in Redis: others read it, now and after an update.

use std::time::Duration;

use togglebox_core::TenantId;
use togglebox_ratelimit::{Batch, Digest, Limit, LimitStore as _, Quota, RedisStore, Tag, Warning, gcra};

use super::server::{self, Raw, Server};
use super::{burst_only, in_time, options, patient, read, store, value};

const TAG: Tag = Tag::Tenant(TenantId::DEFAULT);

fn batch(quota: Quota) -> Batch {
    Batch::one(TAG, Limit::new("api".parse().unwrap(), Digest::of([b"key".as_slice()]), quota, 1).unwrap())
}

/// The shared server, a prefix that no other test has, and a store under it.
async fn shared() -> Option<(Raw, String, RedisStore)> {
    let (url, prefix) = (server::shared()?, server::prefix());
    let store = store(options(&url).with_prefix(&prefix).unwrap().with_timeout(togglebox_core::testkit::PATIENCE));
    Some((Raw::to(&url).await, prefix, store))
}

fn key(prefix: &str) -> String {
    format!("{prefix}:rl:2:{{{TAG}}}:api:{}", Digest::of([b"key".as_slice()]))
}

/// A key lives a second longer than its bucket needs to be full again, at least, and says nothing then that its absence would not say.
#[tokio::test]
async fn keys_outlive_what_they_say() {
    let Some((mut raw, prefix, store)) = shared().await else { return };
    for (limit, period, burst) in [(10, 1000, 5), (7, 3000, 7), (1, 3_600_000, 24), (1_000_000, 1000, 1)] {
        let batch = batch(Quota::rate(limit, Duration::from_millis(period)).burst(burst).unwrap());
        let first = store.consume(&batch).await.unwrap();
        assert!(first.passed);
        assert_eq!(first.before[0].us(), first.now_us, "it was full");
        let full_at = gcra::charge(batch.limits()[0].quota(), Some(first.before[0]), first.now_us, 1);
        let expires_at_ms: u64 = raw.ask(&["PEXPIRETIME", &key(&prefix)]).await;
        let ahead_ms = expires_at_ms.saturating_sub(first.now_us / 1000);
        let expected_ms = 2 * ((full_at.us() - first.now_us) / 1000 + 1000);
        assert!((expected_ms..=expected_ms + 4).contains(&ahead_ms), "{ahead_ms} ms, {expected_ms} ms");
        // As if it had expired.
        let _: i64 = raw.ask(&["DEL", &key(&prefix)]).await;
        let again = store.consume(&batch).await.unwrap();
        assert_eq!((again.passed, again.before[0].us()), (true, again.now_us));
        let _: i64 = raw.ask(&["DEL", &key(&prefix)]).await;
    }
}

/// While a key lives long enough its time is left as it is, and said in its value; otherwise it is set anew.
#[tokio::test]
async fn the_time_of_a_key_is_set_when_it_has_to_be() {
    let Some((mut raw, prefix, store)) = shared().await else { return };
    let batch = batch(Quota::rate(1, Duration::from_mins(1)).burst(100).unwrap());
    let (mut times, mut sets) = (Vec::new(), 0);
    for _ in 0..100 {
        let reply = store.consume(&batch).await.unwrap();
        let full_at = gcra::charge(batch.limits()[0].quota(), Some(reply.before[0]), reply.now_us, 1);
        let expires_at_ms: u64 = raw.ask(&["PEXPIRETIME", &key(&prefix)]).await;
        assert!(expires_at_ms * 1000 >= full_at.us() + 999_000, "{expires_at_ms} ms");
        let kept: Vec<u8> = raw.ask(&["GET", &key(&prefix)]).await;
        let (us, _, gone_us) = read(&kept);
        assert_eq!(us, full_at.us());
        assert!((expires_at_ms * 1000).abs_diff(gone_us) <= 1_000, "the value says when the key goes");
        sets += u32::from(times.last() != Some(&expires_at_ms));
        times.push(expires_at_ms);
    }
    // Each time it is set it is twice as far off.
    assert!((6..=9).contains(&sets), "{times:?}");
}

/// Whole microseconds, fractions, what a later version may add, and what is none of ours.
#[tokio::test]
async fn values_are_read_in_every_format() {
    let Some((mut raw, prefix, store)) = shared().await else { return };
    // A seventh of an hour for each unit.
    let quota = Quota::rate(7, Duration::from_hours(1)).burst(7).unwrap();
    let now = store.peek(&batch(quota)).await.unwrap().now_us;
    let ahead = now + 600_000_000;
    let later = [value(ahead, 3, ahead + 5), b"later".to_vec()].concat();
    for (kept, us, part) in [
        (value(ahead, 0, 0), ahead, 0),
        (value(ahead, 3, ahead + 5), ahead, 3),
        (later, ahead, 3),
        (value(ahead, 7, 0), ahead + 1, 0),
    ] {
        raw.set(&key(&prefix), &kept).await;
        let reply = store.peek(&batch(quota)).await.unwrap();
        assert_eq!((reply.before[0].us(), reply.before[0].part()), (us, part), "{kept:?}");
        assert_eq!(raw.ask::<Vec<u8>>(&["GET", &key(&prefix)]).await, kept, "a look changes nothing");
    }
    let text = ahead.to_string();
    for kept in
        [b"".as_slice(), b"later", b"-5", text.as_bytes(), &value(now - 1, 0, now), &[0xff; 24], &value(ahead, 0, 0)[..23]]
    {
        raw.set(&key(&prefix), kept).await;
        let reply = store.peek(&batch(quota)).await.unwrap();
        assert_eq!(reply.before[0].us(), reply.now_us, "{kept:?} is a full bucket");
    }
    // A list is none of ours either, and makes room for a value.
    let _: i64 = raw.ask(&["DEL", &key(&prefix)]).await;
    let _: i64 = raw.ask(&["LPUSH", &key(&prefix), "1"]).await;
    assert!(store.consume(&batch(quota)).await.unwrap().passed);
    let (us, part, _) = read(&raw.ask::<Vec<u8>>(&["GET", &key(&prefix)]).await);
    assert!(us > now && part < 7, "{us} {part}");
}

/// What a state that no clock of today would have left costs: one full bucket of waiting at the most, and it is gone with the first look.
#[tokio::test]
async fn a_value_from_another_age_is_brought_back_by_whoever_sees_it() {
    let Some((mut raw, prefix, store)) = shared().await else { return };
    let batch = batch(Quota::rate(1, Duration::from_mins(1)).burst(5).unwrap());
    raw.set(&key(&prefix), &value((1 << 53) - 1, 0, (1 << 53) - 1)).await;
    let reply = store.peek(&batch).await.unwrap();
    assert_eq!(reply.before[0].us(), reply.now_us + 300_000_000);
    let (us, _, gone_us) = read(&raw.ask::<Vec<u8>>(&["GET", &key(&prefix)]).await);
    assert_eq!((us, (602_000..603_000).contains(&((gone_us - reply.now_us) / 1000))), (reply.now_us + 300_000_000, true));
    let left_ms: i64 = raw.ask(&["PTTL", &key(&prefix)]).await;
    assert!((1..=602_003).contains(&left_ms), "{left_ms} ms");
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
    let words = format!("ACL SETUSER limits on >secret ~blue:rl:2:* {rights}");
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
