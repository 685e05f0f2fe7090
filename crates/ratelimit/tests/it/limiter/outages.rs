//! With a store that does not.

use togglebox_core::testkit::{At, Delay, Fault, Gate};
use togglebox_ratelimit::headers::{self, Dialect, Told};
use togglebox_ratelimit::{OnOutage, Outcome, Policy, Source};

use super::*;

/// Lets the tasks behind the requests do what they have to.
async fn pass_time(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn each_policy_does_what_it_says_for_an_outage() {
    let rig = Rig::new();
    let policy = |name: &str, outage| tenants(name, per_second(1, 4)).for_routes([name]).on_outage(outage);
    let limiter = rig
        .limiter()
        .policies([policy("closed", OnOutage::Closed), policy("open", OnOutage::Open), policy("local", OnOutage::Local)])
        .options(LimiterOptions::default().with_nodes(2))
        .build()
        .unwrap();
    rig.faults.inject(At::any().always(), Fault::Before);
    let of = |route| Subject::of(route).tenant(TENANT);
    for _ in 0..10 {
        let decision = limiter.acquire(&of("closed")).await;
        assert!(matches!(decision.outcome(), Outcome::Unavailable { retry_after, .. } if retry_after == Duration::from_secs(1)));
        assert_eq!(decision.source(), Source::Fallback);
    }
    assert_eq!(allowed(&limiter, &of("open"), 20).await, 20);
    assert_eq!(allowed(&limiter, &of("local"), 20).await, 2, "this node's half");
    assert!(is_denied_by(limiter.acquire(&of("local")).await.outcome(), "local"));
}

#[tokio::test(start_paused = true)]
async fn after_five_faults_the_store_is_not_asked_until_it_answers_again() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1000, 1000))).build().unwrap();
    rig.faults.inject(At::any().always(), Fault::Before);
    allowed(&limiter, &request(), 500).await;
    assert_eq!(rig.asked(), 5);
    assert!(limiter.is_degraded());
    pass_time(2000).await;
    let probes = rig.faults.counts_of("limits.peek").calls;
    assert!((6..=8).contains(&probes), "{probes} probes in two seconds");
    allowed(&limiter, &request(), 500).await;
    assert_eq!(rig.asked(), 5);
    rig.faults.clear();
    pass_time(1000).await;
    assert!(!limiter.is_degraded());
    let decision = limiter.acquire(&request()).await;
    assert_eq!(decision.source(), Source::Store);
    assert_eq!(rig.asked(), 6);
}

/// The first answer takes up to 313 ms, the other two up to 79 ms each.
#[tokio::test(start_paused = true)]
async fn a_store_that_answers_again_is_asked_again_within_half_a_second() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1000, 1000))).build().unwrap();
    rig.faults.inject(At::any().always(), Fault::Before);
    allowed(&limiter, &request(), 5).await;
    pass_time(10_000).await;
    assert!(limiter.is_degraded());
    rig.faults.clear();
    pass_time(475).await;
    assert!(!limiter.is_degraded());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_deadline_and_nothing_is_sent_twice() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1000, 1000))).build().unwrap();
    let gate = Gate::closed();
    rig.faults.inject(At::operation("limits.consume").always(), Fault::Late(Delay::until(&gate)));
    for _ in 0..5 {
        let began = tokio::time::Instant::now();
        let decision = limiter.acquire(&request()).await;
        assert!(decision.is_allowed());
        assert_eq!(decision.source(), Source::Fallback);
        assert_eq!(began.elapsed(), Duration::from_millis(20));
    }
    let began = tokio::time::Instant::now();
    allowed(&limiter, &request(), 100).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(rig.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_begin_with_full_buckets() {
    let rig = Rig::new();
    let options = LimiterOptions::default().with_nodes(4);
    let nodes: Vec<Limiter> = (0..4)
        .map(|_| rig.limiter().policy(tenants("tenant", per_second(100, 100))).options(options.clone()).build().unwrap())
        .collect();
    // Each sees what all have used.
    for limiter in nodes.iter().cycle().take(80) {
        assert!(limiter.acquire(&request()).await.is_allowed());
    }
    rig.faults.inject(At::any().always(), Fault::Before);
    let mut during = 0;
    for limiter in &nodes {
        during += allowed(limiter, &request(), 100).await;
    }
    // Twenty are left; each node has a fourth of that, rounded.
    assert!((16..=24).contains(&during), "{during}");
    for _ in 0..10 {
        rig.pass(100);
        for limiter in &nodes {
            during += allowed(limiter, &request(), 100).await;
        }
    }
    // And a second's worth: at most a tenth beyond `B + R·t`, which is 20 + 100 here.
    assert!((100..=132).contains(&during), "{during}");
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_starts_without_its_store_limits_by_itself_and_heals() {
    let rig = Rig::new();
    rig.faults.inject(At::any().always(), Fault::Before);
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1, 10))).build().unwrap();
    assert_eq!(allowed(&limiter, &request(), 30).await, 10);
    rig.faults.clear();
    pass_time(1000).await;
    rig.pass(1000);
    assert_eq!(limiter.acquire(&request()).await.source(), Source::Store);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_nobody_has_any_more_probes_no_more() {
    let rig = Rig::new();
    rig.faults.inject(At::any().always(), Fault::Before);
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1, 10))).build().unwrap();
    allowed(&limiter, &request(), 10).await;
    drop(limiter);
    pass_time(1000).await;
    let probes = rig.faults.counts_of("limits.peek").calls;
    pass_time(5000).await;
    assert_eq!(rig.faults.counts_of("limits.peek").calls, probes);
}

#[tokio::test(start_paused = true)]
async fn a_closed_policy_that_only_watches_lets_everything_through() {
    let rig = Rig::new();
    let policy: Policy = tenants("tenant", per_second(1, 1)).on_outage(OnOutage::Closed).mode(togglebox_ratelimit::Mode::Shadow);
    let limiter = rig.limiter().policy(policy).build().unwrap();
    rig.faults.inject(At::any().always(), Fault::Before);
    assert_eq!(allowed(&limiter, &request(), 10).await, 10);
}

/// Workers come and go, each with its own run time.
#[test]
fn a_store_is_found_again_also_where_the_run_time_that_lost_it_has_ended() {
    let paused = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let rig = Rig::new();
    let policy = tenants("tenant", per_second(1000, 10_000)).leased(togglebox_ratelimit::Lease::default());
    let limiter = rig.limiter().policy(policy).build().unwrap();
    paused().block_on(async {
        while limiter.leased_units() == 0 {
            assert!(limiter.acquire(&request()).await.is_allowed());
        }
        rig.pass(200);
        rig.faults.inject(At::any().always(), Fault::Before);
        allowed(&limiter, &request(), 10).await;
        assert!(limiter.is_degraded());
    });
    rig.faults.clear();
    let grants = rig.faults.counts_of("limits.grant").calls;
    paused().block_on(async {
        allowed(&limiter, &request(), 1).await;
        pass_time(2000).await;
        assert!(!limiter.is_degraded());
        // Leases are looked after again as well.
        while rig.faults.counts_of("limits.grant").calls == grants {
            assert!(limiter.acquire(&request()).await.is_allowed());
        }
        rig.pass(100);
        pass_time(200).await;
        assert_eq!(limiter.leased_units(), 0);
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_told_during_an_outage_is_this_nodes_part() {
    let rig = Rig::new();
    let warn = tenants("warn", per_second(1, 100)).mode(togglebox_ratelimit::Mode::Warn);
    let limiter = rig
        .limiter()
        .policy(tenants("real", per_second(1, 100)))
        .policy(warn)
        .options(LimiterOptions::default().with_nodes(10))
        .build()
        .unwrap();
    rig.faults.inject(At::any().always(), Fault::Before);
    let first = limiter.acquire(&request()).await;
    assert_eq!(first.warnings(0.2).count(), 0, "nine of ten are left");
    let told = first.binding().unwrap();
    assert_eq!((told.quota, told.standing.reading.remaining), (per_second(1, 100).share(10), 9));
    allowed(&limiter, &request(), 9).await;
    let denied = limiter.acquire(&request()).await;
    let headers = headers::of(&denied, Dialect::Draft, Told::Binding, 0.2);
    assert_eq!(headers[1].1, r#""real";r=0;t=10"#);
}
