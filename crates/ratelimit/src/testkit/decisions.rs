//! One caller after another.

use std::time::Duration;

use togglebox_core::TenantId;
use uuid::Uuid;

use super::{Limits, TENANT, limit, one, per_second};
use crate::{Batch, Digest, MOST_LIMITS, Quota, Receipt, Tag, gcra};

/// And a denial says how long to wait.
pub async fn a_full_bucket_gives_its_burst_and_no_more(limits: &Limits) {
    let batch = one("a", per_second(10, 5), 1);
    assert_eq!(limits.passing(&batch, 20).await, 5);
    let reply = limits.store.consume(&batch).await.unwrap();
    let standing = reply.standing(&batch, 0).unwrap();
    assert!(!standing.passed);
    assert_eq!(standing.reading.remaining, 0);
    assert_eq!(standing.retry_after, Duration::from_millis(100));
    assert_eq!(standing.reading.reset_after, Duration::from_millis(500));
}

/// Not all at once at the end of a window.
pub async fn units_come_back_one_interval_after_another(limits: &Limits) {
    let batch = one("a", per_second(10, 3), 1);
    assert_eq!(limits.passing(&batch, 5).await, 3);
    limits.pass(99);
    assert!(!limits.passes(&batch).await);
    limits.pass(1);
    assert_eq!(limits.passing(&batch, 2).await, 1);
    limits.pass(200);
    assert_eq!(limits.passing(&batch, 4).await, 2);
    // Never more than the burst, however long nobody comes.
    limits.pass(3_600_000);
    assert_eq!(limits.passing(&batch, 9).await, 3);
}

/// Also where the interval is no whole number of microseconds, and not a microsecond earlier where the store is exact.
pub async fn who_waits_as_told_passes(limits: &Limits) {
    let quota = Quota::rate(7, Duration::from_secs(3)).burst(2).unwrap();
    let batch = one("a", quota, 1);
    assert_eq!(limits.passing(&batch, 3).await, 2);
    for _ in 0..20 {
        let reply = limits.store.peek(&batch).await.unwrap();
        let wait = reply.standing(&batch, 0).unwrap().retry_after;
        assert!(!wait.is_zero() && wait <= quota.interval() + Duration::from_micros(1), "{wait:?}");
        limits.clock.advance(wait.saturating_sub(Duration::from_micros(1)));
        assert!(!limits.passes(&batch).await);
        limits.clock.advance(Duration::from_micros(1));
        assert!(limits.passes(&batch).await);
    }
}

/// Splitting it makes no difference.
pub async fn a_cost_counts_as_so_many_units(limits: &Limits) {
    let quota = per_second(10, 10);
    let (three, four) = (one("a", quota, 3), one("a", quota, 4));
    assert_eq!(limits.passing(&three, 2).await, 2);
    assert!(limits.passes(&four).await);
    assert_eq!(limits.remaining(&three, 0).await, 0);
    limits.pass(300);
    assert!(!limits.passes(&four).await);
    assert!(limits.passes(&three).await);
}

/// The last limit is exhausted: the first ones stay as they are.
pub async fn a_batch_is_charged_as_a_whole_or_not_at_all(limits: &Limits) {
    let (wide, narrow) = (per_second(10, 10), per_second(10, 1));
    let batch =
        Batch::new(TENANT, [limit("a", "someone", wide, 2), limit("b", "someone", wide, 1), limit("c", "someone", narrow, 1)]);
    let batch = batch.unwrap();
    assert_eq!(limits.passing(&batch, 3).await, 1);
    let reply = limits.store.consume(&batch).await.unwrap();
    let passed: Vec<bool> = (0..3).map(|n| reply.standing(&batch, n).unwrap().passed).collect();
    assert_eq!(passed, [true, true, false]);
    assert_eq!(limits.remaining(&batch, 0).await, 8);
    assert_eq!(limits.remaining(&batch, 1).await, 9);
}

/// Nobody waits longer for having asked too early.
pub async fn a_denial_changes_nothing(limits: &Limits) {
    let batch = one("a", per_second(10, 1), 1);
    assert!(limits.passes(&batch).await);
    let before = limits.store.peek(&batch).await.unwrap();
    assert_eq!(limits.passing(&batch, 50).await, 0);
    assert_eq!(limits.store.peek(&batch).await.unwrap().before, before.before);
    limits.pass(100);
    assert!(limits.passes(&batch).await);
}

/// As often as one likes.
pub async fn a_look_charges_nothing_and_tells_what_would_happen(limits: &Limits) {
    let batch = one("a", per_second(10, 2), 1);
    for left in [2, 1, 0] {
        for _ in 0..3 {
            let reply = limits.store.peek(&batch).await.unwrap();
            assert!(!reply.charged);
            assert_eq!(reply.passed, left > 0);
            assert_eq!(reply.standing(&batch, 0).unwrap().reading.remaining, left);
        }
        assert_eq!(limits.passes(&batch).await, left > 0);
    }
}

/// The most that a batch may have.
pub async fn eight_limits_are_asked_at_once(limits: &Limits) {
    let names: Vec<String> = (0..MOST_LIMITS).map(|n| format!("limit-{n}")).collect();
    let each = names.iter().zip(1..).map(|(name, cost)| limit(name, "someone", per_second(10, 40), cost));
    let batch = Batch::new(TENANT, each).unwrap();
    // The last costs eight of forty.
    assert_eq!(limits.passing(&batch, 7).await, 5);
    for (number, cost) in (0..MOST_LIMITS).zip(1..) {
        assert_eq!(limits.remaining(&batch, number).await, 40 - 5 * cost);
    }
}

/// What one uses up, another one has.
pub async fn slots_and_tags_do_not_know_each_other(limits: &Limits) {
    let quota = per_second(1, 2);
    let digest = Digest::of([b"someone".as_slice()]);
    let other = TenantId::from_uuid(Uuid::from_u128(8));
    let tags = [TENANT, Tag::Tenant(other), Tag::Address(digest), Tag::Account(digest)];
    for (tag, name) in tags.into_iter().zip(["t", "u", "i", "a"]) {
        for subject in ["one", "two"] {
            // A slot is unique over tags: here it is, since names differ.
            let batch = Batch::one(tag, limit(name, subject, quota, 1));
            assert_eq!(limits.passing(&batch, 3).await, 2, "{tag} {subject}");
        }
    }
}

/// What is charged afterwards is always charged, until the debt is as deep as it may be.
pub async fn a_charge_goes_into_debt_and_no_deeper(limits: &Limits) {
    let quota = per_second(10, 5).with_debt(10).unwrap();
    let batch = one("a", quota, 4);
    let single = one("a", quota, 1);
    let passed = [true, false, false, false, false, false];
    for expected in passed {
        let reply = limits.store.charge(&batch).await.unwrap();
        assert!(reply.charged);
        assert_eq!(reply.passed, expected);
    }
    // Fifteen units down from full: eleven intervals until there is one again.
    let reply = limits.store.peek(&single).await.unwrap();
    assert_eq!(reply.standing(&single, 0).unwrap().retry_after, Duration::from_millis(1100));
    limits.pass(1099);
    assert!(!limits.passes(&single).await);
    limits.pass(1);
    assert!(limits.passes(&single).await);
}

/// No more than asked, no more than the narrowest limit has.
pub async fn a_grant_is_what_all_limits_have_room_for(limits: &Limits) {
    let batch = Batch::new(TENANT, [limit("a", "someone", per_second(10, 10), 1), limit("b", "someone", per_second(10, 20), 3)]);
    let batch = batch.unwrap();
    let grant = limits.store.grant(&batch, 4).await.unwrap();
    assert_eq!(grant.units, 4);
    assert!(grant.reply.passed && grant.reply.charged);
    let grant = limits.store.grant(&batch, 100).await.unwrap();
    assert_eq!(grant.units, 2, "the second has eight left, which are two of three each");
    let grant = limits.store.grant(&batch, 100).await.unwrap();
    assert_eq!(grant.units, 0);
    assert!(!grant.reply.passed && !grant.reply.charged);
    assert_eq!(limits.remaining(&batch, 0).await, 4);
    assert_eq!(limits.remaining(&batch, 1).await, 2);
}

/// Where fractions of microseconds add up.
pub async fn a_grant_of_many_units_is_exact(limits: &Limits) {
    // An interval of 142 6/7 microseconds.
    let quota = Quota::rate(7, Duration::from_millis(1)).burst(1_000_000).unwrap();
    let batch = one("a", quota, 1);
    let grant = limits.store.grant(&batch, 700_001).await.unwrap();
    assert_eq!(grant.units, 700_001);
    let grant = limits.store.grant(&batch, 1_000_000).await.unwrap();
    if limits.exact {
        assert_eq!(grant.units, 299_999);
    } else {
        assert!((290_000..=299_999).contains(&grant.units), "{}", grant.units);
    }
    limits.pass(1);
    let back = limits.store.grant(&batch, 100).await.unwrap().units;
    if limits.exact {
        assert_eq!(back, 7);
    } else {
        assert!(back <= 7, "{back}");
    }
}

/// In full, and only what was not used.
pub async fn units_given_back_at_once_are_there_again(limits: &Limits) {
    let batch = Batch::new(TENANT, [limit("a", "someone", per_second(10, 10), 2), limit("b", "someone", per_second(10, 10), 1)]);
    let batch = batch.unwrap();
    let reply = limits.store.consume(&batch).await.unwrap();
    limits.store.refund(&reply.receipt(&batch).unwrap()).await.unwrap();
    assert_eq!(limits.remaining(&batch, 0).await, 10);
    assert_eq!(limits.remaining(&batch, 1).await, 10);
    let grant = limits.store.grant(&batch, 5).await.unwrap();
    limits.store.refund(&grant.receipt(&batch, 3)).await.unwrap();
    assert_eq!(limits.remaining(&batch, 0).await, 6);
    assert_eq!(limits.remaining(&batch, 1).await, 8);
}

/// Five of ten are taken; four intervals later one more; then the five are given back. Had they never been taken, nine were left: what
/// time gave back meanwhile is not given back again.
pub async fn a_refund_does_not_give_what_time_has_given(limits: &Limits) {
    let quota = per_second(10, 10);
    let (five, single) = (one("a", quota, 5), one("a", quota, 1));
    let receipt = limits.store.consume(&five).await.unwrap().receipt(&five).unwrap();
    limits.pass(400);
    assert!(limits.passes(&single).await);
    limits.store.refund(&receipt).await.unwrap();
    assert_eq!(limits.remaining(&single, 0).await, 9);
    // Much later there is nothing to give back any more.
    limits.pass(60_000);
    assert!(limits.passes(&single).await);
    limits.store.refund(&receipt).await.unwrap();
    assert_eq!(limits.remaining(&single, 0).await, 9);
}

/// A limit without state is full.
pub async fn a_refund_of_what_is_not_there_changes_nothing(limits: &Limits) {
    let quota = per_second(10, 3);
    let (here, elsewhere) = (one("a", quota, 2), one("b", quota, 2));
    let reply = limits.store.consume(&here).await.unwrap();
    let receipt: Receipt = reply.receipt(&here).unwrap();
    limits.pass(3_600_000);
    limits.store.refund(&receipt).await.unwrap();
    assert_eq!(limits.passing(&one("a", quota, 1), 5).await, 3);
    assert_eq!(limits.passing(&elsewhere, 3).await, 1);
}

/// The debt keeps its length in time; nobody waits longer than the new bucket takes to fill up.
pub async fn another_quota_counts_at_once(limits: &Limits) {
    let slow = Quota::rate(1, Duration::from_hours(1)).burst(24).unwrap();
    assert_eq!(limits.passing(&one("a", slow, 1), 30).await, 24);
    let fast = per_second(10, 5);
    let reply = limits.store.peek(&one("a", fast, 1)).await.unwrap();
    let wait = reply.standing(&one("a", fast, 1), 0).unwrap().retry_after;
    assert_eq!(wait, Duration::from_millis(100));
    limits.clock.advance(wait);
    assert!(limits.passes(&one("a", fast, 1)).await);
    // A larger burst is there at once.
    let wide = per_second(10, 50);
    assert_eq!(limits.passing(&one("a", wide, 1), 100).await, 45);
    // Fractions that the new quota does not have are rounded.
    let sevenths = Quota::rate(7, Duration::from_secs(1)).burst(7).unwrap();
    let odd = one("b", sevenths, 3);
    assert!(limits.passes(&odd).await);
    let whole = one("b", per_second(2, 2), 1);
    let before = limits.store.peek(&odd).await.unwrap();
    let read = limits.store.peek(&whole).await.unwrap();
    assert!(gcra::rebase(whole.limits()[0].quota(), Some(read.before[0]), read.now_us).us() >= before.before[0].us());
}

/// Backwards by an hour: as if the bucket were empty. Forwards: as if time had passed.
pub async fn nobody_waits_longer_than_a_full_bucket_after_a_step_of_the_clock(limits: &Limits) {
    let quota = per_second(10, 5);
    let batch = one("a", quota, 1);
    assert_eq!(limits.passing(&batch, 5).await, 5);
    let now = crate::Stopwatch::now_us(&*limits.clock);
    limits.clock.set_us(now - 3_600_000_000);
    let reply = limits.store.consume(&batch).await.unwrap();
    assert!(!reply.passed);
    assert_eq!(reply.standing(&batch, 0).unwrap().retry_after, quota.interval());
    limits.pass(100);
    assert!(limits.passes(&batch).await);
    limits.clock.set_us(now + 3_600_000_000);
    assert_eq!(limits.passing(&batch, 9).await, 5);
}
