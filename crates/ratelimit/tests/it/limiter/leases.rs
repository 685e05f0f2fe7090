//! Units that are taken in advance.

use togglebox_core::testkit::{At, Delay, Fault, Gate};
use togglebox_core::{EntropyExt as _, SeededEntropy};
use togglebox_ratelimit::{Lease, LimitStore as _, Source, Stopwatch as _};

use super::*;

fn leased(quota: Quota, lease: Lease) -> Policy {
    tenants("tenant", quota).leased(lease)
}

/// Lets the tasks behind the requests run as far as they come without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn most_decisions_need_no_store_and_in_the_long_run_none_is_too_many() {
    let rig = Rig::new();
    let quota = per_second(1000, 2000);
    let options = LimiterOptions::default().with_nodes(4);
    let nodes: Vec<Limiter> =
        (0..4).map(|_| rig.limiter().policy(leased(quota, Lease::default())).options(options.clone()).build().unwrap()).collect();
    let (mut passed, mut requests) = (0_u64, 0);
    let began = rig.clock.now_us();
    // Twice the rate, for ten seconds: each millisecond two requests, at the nodes in turn.
    for _ in 0..10_000 {
        rig.clock.advance(Duration::from_millis(1));
        for _ in 0..2 {
            let limiter = &nodes[requests % 4];
            passed += u64::from(limiter.acquire(&request()).await.is_allowed());
            requests += 1;
        }
        settle().await;
    }
    let back = (rig.clock.now_us() - began) / 1000;
    assert!(passed <= 2000 + back + 100, "{passed}");
    assert!(passed >= 2000 + back - 200, "leases must not waste what there is: {passed}");
    let calls = rig.asked() + rig.faults.counts_of("limits.grant").calls;
    assert!(calls * 10 <= requests as u64, "{calls} calls for {requests} decisions");
    for limiter in &nodes {
        limiter.close().await;
        assert_eq!(limiter.leased_units(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_burst_is_small_nothing_is_taken_in_advance() {
    let rig = Rig::new();
    let options = LimiterOptions::default().with_nodes(4);
    // Below twenty for each node, a twentieth of the burst is no whole unit.
    let limiter = rig.limiter().policy(leased(per_second(1000, 79), Lease::default())).options(options).build().unwrap();
    assert_eq!(allowed(&limiter, &request(), 100).await, 79);
    assert_eq!(rig.faults.counts_of("limits.grant").calls, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_used_in_time_is_given_back() {
    let rig = Rig::new();
    let slow = Quota::rate(1, Duration::from_hours(1)).burst(1000).unwrap();
    let limiter = rig.limiter().policy(leased(slow, Lease::default())).build().unwrap();
    let mut used = 0;
    while limiter.leased_units() == 0 {
        used += allowed(&limiter, &request(), 1).await;
        settle().await;
    }
    rig.pass(100);
    limiter.tidy().await;
    assert_eq!(limiter.leased_units(), 0);
    // All that was not used is there again, for whoever comes.
    let other = rig.limiter().policy(tenants("tenant", slow)).build().unwrap();
    assert_eq!(allowed(&other, &request(), 2000).await, 1000 - used);
}

#[tokio::test(start_paused = true)]
async fn the_keeper_gives_back_by_itself() {
    let rig = Rig::new();
    let slow = Quota::rate(1, Duration::from_hours(1)).burst(1000).unwrap();
    let limiter = rig.limiter().policy(leased(slow, Lease::default())).build().unwrap();
    while limiter.leased_units() == 0 {
        allowed(&limiter, &request(), 1).await;
        settle().await;
    }
    rig.pass(100);
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(limiter.leased_units(), 0);
    assert!(rig.faults.counts_of("limits.refund").calls > 0);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_asked_for_who_went_away_is_there_for_others() {
    let rig = Rig::new();
    let slow = Quota::rate(1, Duration::from_hours(1)).burst(1000).unwrap();
    let limiter = rig.limiter().policy(leased(slow, Lease::default())).build().unwrap();
    // So much is used that a lease is worth it.
    let mut used = allowed(&limiter, &request(), 50).await;
    settle().await;
    rig.pass(100);
    limiter.tidy().await;
    assert_eq!(limiter.leased_units(), 0);
    let gate = Gate::closed();
    rig.faults.inject(At::operation("limits.grant").next(1), Fault::AnsweredLate(Delay::until(&gate)));
    {
        let request = request();
        let mut asking = std::pin::pin!(limiter.acquire(&request));
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
        settle().await;
        assert_eq!(rig.faults.counts_of("limits.grant").late, 1);
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
    }
    gate.open();
    settle().await;
    assert!(limiter.leased_units() > 10, "{}", limiter.leased_units());
    let decision = limiter.acquire(&request()).await;
    assert_eq!(decision.source(), Source::Lease);
    used += 1;
    // None was lost.
    limiter.close().await;
    let other = rig.limiter().policy(tenants("tenant", slow)).build().unwrap();
    assert_eq!(allowed(&other, &request(), 2000).await, 1000 - used);
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_never_comes_leaves_the_way_free() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(leased(per_second(1000, 10_000), Lease::default())).build().unwrap();
    allowed(&limiter, &request(), 50).await;
    settle().await;
    rig.pass(100);
    limiter.tidy().await;
    let gate = Gate::closed();
    rig.faults.inject(At::operation("limits.grant").next(1), Fault::AnsweredLate(Delay::until(&gate)));
    let grants = rig.faults.counts_of("limits.grant").calls;
    assert_eq!(limiter.acquire(&request()).await.source(), Source::Fallback);
    assert_eq!(limiter.acquire(&request()).await.source(), Source::Store);
    assert_eq!(rig.faults.counts_of("limits.grant").calls, grants + 2, "the next one asks in advance again");
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_was_not_used_after_all_is_there_again() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(leased(per_second(1000, 10_000), Lease::default())).build().unwrap();
    let mut decision = limiter.acquire(&request()).await;
    while decision.source() != Source::Lease {
        decision = limiter.acquire(&request()).await;
    }
    let held = limiter.leased_units();
    limiter.refund(decision).await;
    assert_eq!(limiter.leased_units(), held + 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_what_was_granted_short_is_told_of_the_limit_that_is_used_up_and_its_wait() {
    let rig = Rig::new();
    let slow = Quota::rate(1, Duration::from_mins(1)).burst(1000).unwrap();
    let roomy = Policy::new("roomy", &[Fact::Tenant], per_second(1000, 100_000)).unwrap().leased(Lease::default());
    let limiter = rig.limiter().policy(roomy).policy(leased(slow, Lease::default())).build().unwrap();
    assert_eq!(allowed(&limiter, &request(), 1000).await, 1000);
    for _ in 0..3 {
        let decision = limiter.acquire(&request()).await;
        let Outcome::Denied { policy, retry_after } = decision.outcome() else { panic!("{decision:?}") };
        assert_eq!((policy.as_str(), retry_after), ("tenant", Duration::from_mins(1)));
    }
}

/// Nodes, loads and pauses at random, with nodes that die: never more than `B + floor(W / T) + E` in any window.
#[tokio::test(start_paused = true)]
async fn no_window_sees_more_than_the_formula_allows() {
    for seed in 0..30 {
        let dice = SeededEntropy::new(seed);
        let below = |n: u32| u32::from_le_bytes(dice.bytes()) % n;
        let rig = Rig::new();
        let count = 2 + below(3);
        let (rate, burst) = (100 + below(900), 100 + below(400));
        let life_ms = 50 + u64::from(below(150));
        let lease = Lease { life: Duration::from_millis(life_ms), share: 0.2 };
        let quota = per_second(rate, burst);
        let options = LimiterOptions::default().with_nodes(count);
        let node = || rig.limiter().policy(leased(quota, lease)).options(options.clone()).build().unwrap();
        let mut nodes: Vec<Limiter> = (0..count).map(|_| node()).collect();
        let mut passed: Vec<u64> = Vec::new();
        for _ in 0..1500 {
            rig.clock.advance(Duration::from_micros(below(3000).into()));
            let chosen = below(count) as usize;
            for _ in 0..below(8) {
                if nodes[chosen].acquire(&request()).await.is_allowed() {
                    passed.push(rig.clock.now_us());
                }
            }
            if below(3) == 0 {
                settle().await;
            }
            match below(200) {
                0 => nodes[chosen] = node(),
                1..=20 => nodes[chosen].tidy().await,
                _ => {}
            }
        }
        let most = u64::from(burst / 5 / count) + 1;
        let extra = (u64::from(count) * (most - 1)).min(life_ms * u64::from(rate) / 1000 + 1);
        for (first, from) in passed.iter().enumerate() {
            for (units, to) in (1_u64..).zip(&passed[first..]) {
                let bound = u64::from(burst) + (to - from) * u64::from(rate) / 1_000_000 + extra;
                assert!(units <= bound, "seed {seed}: {units} of {bound} from {from} to {to}");
            }
        }
        let health = rig.store.health().await.unwrap();
        assert!(health.warnings.is_empty());
    }
}
