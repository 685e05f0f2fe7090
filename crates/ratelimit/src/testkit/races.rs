//! Many callers at once.

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::testkit::{At, Fault, Faults, Faulty};

use super::{Limits, TENANT, limit, one, per_second};
use crate::{Batch, Limit, LimitStore, Quota};

/// Callers at once.
const CALLERS: u32 = 32;

/// So slow that no unit comes back while a test runs, whatever the clock does.
fn burst_only(burst: u32) -> Quota {
    Quota::rate(1, Duration::from_hours(24)).burst(burst).unwrap()
}

/// Makes as many calls at once as there are callers, each so many times; the sum of what they say.
async fn at_once<F>(times: u32, call: impl Fn(u32) -> F) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    let mut sum = 0;
    for round in 0..times {
        let calls: Vec<_> = (0..CALLERS).map(|caller| tokio::spawn(call(round * CALLERS + caller))).collect();
        for call in calls {
            sum += call.await.unwrap();
        }
    }
    sum
}

/// Reading and writing are one act.
pub async fn of_many_at_once_exactly_the_burst_passes(limits: &Limits) {
    let passed = at_once(10, |_| {
        let store = Arc::clone(&limits.store);
        async move { u64::from(store.consume(&one("a", burst_only(100), 1)).await.unwrap().passed) }
    });
    assert_eq!(passed.await, 100);
}

/// Batches that overlap in one limit: none leaves a charge behind where it did not pass.
pub async fn of_many_batches_at_once_each_is_whole(limits: &Limits) {
    let own = |caller: u32| limit("own", &format!("caller-{}", caller % 4), burst_only(10), 1);
    let shared: Limit = limit("shared", "everybody", burst_only(25), 1);
    let passed = at_once(4, |caller| {
        let store = Arc::clone(&limits.store);
        // In either order.
        let both = if caller % 2 == 0 { [own(caller), shared] } else { [shared, own(caller)] };
        let batch = Batch::new(TENANT, both).unwrap();
        async move { u64::from(store.consume(&batch).await.unwrap().passed) }
    });
    assert_eq!(passed.await, 25);
    let mut left = 0;
    for caller in 0..4 {
        left += limits.remaining(&Batch::one(TENANT, own(caller)), 0).await;
    }
    assert_eq!(left, 40 - 25, "what did not pass has charged nothing");
}

/// Whoever asks, and for however many.
pub async fn grants_at_once_never_give_more_than_there_is(limits: &Limits) {
    let granted = at_once(2, |caller| {
        let store = Arc::clone(&limits.store);
        async move { u64::from(store.grant(&one("a", burst_only(500), 1), 1 + caller % 17).await.unwrap().units) }
    });
    let (granted, batch) = (granted.await, one("a", burst_only(500), 1));
    assert_eq!(limits.remaining(&batch, 0).await, 500 - granted);
    assert_eq!(granted, (0..2 * CALLERS).map(|caller| u64::from(1 + caller % 17)).sum::<u64>().min(500));
}

/// A call that fails before or after it was carried out, or is carried out twice, may be stricter and is never laxer.
pub async fn a_lost_answer_never_lets_more_through(limits: &Limits) {
    for (fault, name) in
        [(Fault::Before, "before"), (Fault::After, "after"), (Fault::Twice, "twice"), (Fault::Throttled, "throttled")]
    {
        let faults = Arc::new(Faults::seeded(11));
        faults.inject(At::operation("limits.consume").chance(0.4), fault.clone());
        let faulty = Faulty::new(Arc::clone(&limits.store), Arc::clone(&faults));
        let batch = one(name, per_second(1, 20), 1);
        let mut passed = 0;
        for _ in 0..60 {
            passed += u32::from(faulty.consume(&batch).await.is_ok_and(|reply| reply.passed));
        }
        assert!(faults.counts().injected() > 0);
        let lost = limits.remaining(&batch, 0).await;
        match fault {
            Fault::Before | Fault::Throttled => assert_eq!((passed, lost), (20, 0), "{name}"),
            _ => assert!(passed < 20 && lost == 0, "{name}: {passed} passed, {lost} left"),
        }
    }
}
