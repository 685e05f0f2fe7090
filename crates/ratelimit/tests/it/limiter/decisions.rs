//! With a store that works.

use std::sync::Arc;

use togglebox_ratelimit::{
    Decision, Fact, LimitStore, Mode, OnOutage, Outcome, Override, Overrides, Policy, PolicyName, Quota, Source, Subject,
};

use super::*;

#[test]
fn a_store_within_the_process_is_asked_without_a_run_time() {
    let (limiter, clock) = alone([tenants("tenant", per_second(10, 3))]);
    for left in [2, 1, 0] {
        let decision = limiter.acquire_now(&request()).unwrap();
        assert!(decision.is_allowed());
        assert_eq!(decision.source(), Source::Store);
        assert_eq!(decision.binding().unwrap().standing.reading.remaining, left);
    }
    let denied = limiter.acquire_now(&request()).unwrap();
    let Outcome::Denied { retry_after, .. } = denied.outcome() else { panic!("{denied:?}") };
    clock.advance(retry_after);
    assert!(limiter.acquire_now(&request()).unwrap().is_allowed());
}

#[test]
fn what_passes_at_once_is_charged_and_what_does_not_is_not() {
    let login = Policy::new("login", &[Fact::Address], per_second(10, 3)).unwrap().for_routes(["login"]);
    let (limiter, clock) = alone([tenants("tenant", per_second(10, 3)).for_routes(["reads"]), login]);
    let [reads, login] = ["reads", "login"].map(|route| limiter.for_route(route).unwrap());
    assert!(limiter.for_route("health").is_none());
    // Whoever meets nothing passes, and nothing is told of it.
    for unmet in [Subject::of("health").tenant(TENANT), Subject::of("login").tenant(TENANT)] {
        assert_eq!(limiter.pass_now(&unmet).unwrap().limit(), None);
    }
    assert_eq!(login.pass_now(&Subject::of("login").tenant(TENANT)).unwrap().limit(), None);
    assert_eq!(reads.pass_now(&Subject::of("health").tenant(TENANT)).unwrap().limit(), None, "the subject's route counts");
    for left in [2, 1] {
        // Whether or not its policies were found before.
        let request = request();
        let pass = if left == 2 { limiter.pass_now(&request) } else { reads.pass_now(&request) };
        let report = pass.unwrap().limit().unwrap();
        assert_eq!((report.policy.as_str(), report.standing.reading.remaining), ("tenant", left));
        // Exactly what a decision would have said.
        let decision = alone_after(3 - left);
        assert_eq!(decision.binding(), Some(&report));
    }
    assert!(limiter.acquire_now(&request()).unwrap().is_allowed(), "both take from one bucket");
    assert!(limiter.pass_now(&request()).is_none() && reads.pass_now(&request()).is_none());
    let denied = limiter.acquire_now(&request()).unwrap();
    let Outcome::Denied { retry_after, .. } = denied.outcome() else { panic!("{denied:?}") };
    clock.advance(retry_after);
    assert!(limiter.pass_now(&request()).is_some(), "a pass that failed has taken nothing");
}

/// The decision on the `n`th request to a limiter by itself.
fn alone_after(n: u64) -> Decision {
    let (limiter, _) = alone([tenants("tenant", per_second(10, 3))]);
    let decisions: Vec<Decision> = (0..n).map(|_| limiter.acquire_now(&request()).unwrap()).collect();
    decisions.into_iter().next_back().unwrap()
}

#[test]
fn only_one_enforced_limit_is_passed_at_once() {
    let two = [tenants("one", per_second(10, 3)), tenants("two", per_second(10, 3))];
    let watched = |mode| [tenants("tenant", per_second(10, 3)).mode(mode)];
    for limiter in [alone(two).0, alone(watched(Mode::Shadow)).0, alone(watched(Mode::Warn)).0] {
        assert!(limiter.pass_now(&request()).is_none());
        let decision = limiter.acquire_now(&request()).unwrap();
        assert!(decision.limits().iter().all(|limit| limit.standing.reading.remaining == 2), "nothing was taken before");
    }
    assert!(alone(watched(Mode::Off)).0.pass_now(&request()).unwrap().limit().is_none());
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_tenant_are_asked_at_once_and_charged_as_a_whole() {
    let rig = Rig::new();
    let by_key = Policy::new("key", &[Fact::Tenant, Fact::Key], per_second(10, 2)).unwrap();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(10, 5))).policy(by_key).build().unwrap();
    let (one, two) = (request().key(b"one"), request().key(b"two"));
    assert_eq!(allowed(&limiter, &one, 2).await, 2);
    assert_eq!(rig.asked(), 2, "one call for both limits");
    assert!(is_denied_by(limiter.acquire(&one).await.outcome(), "key"));
    assert_eq!(allowed(&limiter, &two, 2).await, 2);
    // Who has no key meets the tenant's limit alone.
    assert_eq!(allowed(&limiter, &request(), 5).await, 1);
    assert!(is_denied_by(limiter.acquire(&request()).await.outcome(), "tenant"));
}

#[tokio::test(start_paused = true)]
async fn a_plan_has_its_own_quota_and_an_exception_beats_it() {
    #[derive(Debug)]
    struct Exceptions(Quota);
    impl Overrides for Exceptions {
        fn find(&self, _policy: PolicyName, subject: &Subject<'_>) -> Option<Override> {
            match subject.key_id()? {
                b"vip" => Some(Override::Quota(self.0)),
                b"free" => Some(Override::Mode(Mode::Off)),
                _ => None,
            }
        }
    }
    let rig = Rig::new();
    let policy = Policy::new("key", &[Fact::Tenant, Fact::Key], per_second(1, 2)).unwrap().for_plan("pro", per_second(1, 4));
    let exceptions = Arc::new(Exceptions(per_second(1, 8)));
    let limiter = rig.limiter().policy(policy).overrides(exceptions).build().unwrap();
    assert_eq!(allowed(&limiter, &request().key(b"a"), 20).await, 2);
    assert_eq!(allowed(&limiter, &request().plan("unheard of").key(b"b"), 20).await, 2);
    assert_eq!(allowed(&limiter, &request().plan("pro").key(b"c"), 20).await, 4);
    assert_eq!(allowed(&limiter, &request().plan("pro").key(b"vip"), 20).await, 8);
    assert_eq!(allowed(&limiter, &request().plan("pro").key(b"free"), 20).await, 20);
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_for_its_routes_and_knows_their_costs() {
    let rig = Rig::new();
    let policy = tenants("tenant", per_second(1, 20)).cost("writes", 10).cost("health", 0);
    let login = Policy::new("login", &[Fact::Address], per_second(1, 5)).unwrap().for_routes(["login"]);
    let limiter = rig.limiter().policy(policy).policy(login).build().unwrap();
    let of = |route| Subject::of(route).tenant(TENANT);
    assert_eq!(allowed(&limiter, &of("health"), 100).await, 100);
    assert_eq!(rig.asked(), 0, "what costs nothing is not asked");
    assert_eq!(allowed(&limiter, &of("writes"), 1).await, 1);
    assert_eq!(allowed(&limiter, &of("reads").cost(4), 3).await, 2);
    assert_eq!(allowed(&limiter, &of("reads"), 9).await, 2);
    // What says it costs more than there can be costs all there can be.
    rig.pass(20_000);
    assert_eq!(allowed(&limiter, &of("reads").cost(1_000_000), 2).await, 1);
    let from = Subject::of("login").address("192.0.2.1".parse().unwrap());
    assert_eq!(allowed(&limiter, &from, 9).await, 5);
    assert_eq!(allowed(&limiter, &Subject::of("reads").address("192.0.2.1".parse().unwrap()), 9).await, 9);
}

#[tokio::test(start_paused = true)]
async fn of_two_tags_the_first_is_given_back_where_the_second_denies() {
    let rig = Rig::new();
    let address = Policy::new("address", &[Fact::Address], per_second(1, 10)).unwrap();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1, 3))).policy(address).build().unwrap();
    let subject = request().address("192.0.2.1".parse().unwrap());
    assert_eq!(allowed(&limiter, &subject, 5).await, 3);
    assert!(is_denied_by(limiter.acquire(&subject).await.outcome(), "tenant"));
    let other = Subject::of("reads").address("192.0.2.1".parse().unwrap());
    assert_eq!(allowed(&limiter, &other, 20).await, 7, "denied requests have cost the address nothing");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_watches_denies_nothing_and_tells() {
    let rig = Rig::new();
    let shadow = tenants("shadow", per_second(1, 2)).mode(Mode::Shadow);
    let warn = tenants("warn", per_second(1, 10)).mode(Mode::Warn);
    let limiter = rig.limiter().policies([shadow, warn]).policy(tenants("real", per_second(1, 4))).build().unwrap();
    let mut warned = Vec::new();
    for number in 1..=6 {
        let decision = limiter.acquire(&request()).await;
        assert_eq!(decision.is_allowed(), number <= 4, "{number}");
        warned.push(decision.warnings(0.8).count());
    }
    assert_eq!(warned, [0, 0, 1, 1, 0, 0], "what is denied is not watched: it would not have come that far");
    let name = |name: &str| name.parse::<PolicyName>().unwrap();
    assert!(limiter.set_mode(name("real"), Mode::Off));
    assert_eq!(allowed(&limiter, &request(), 10).await, 10);
    assert!(limiter.set_mode(name("warn"), Mode::Enforce));
    assert!(is_denied_by(limiter.acquire(&request()).await.outcome(), "warn"));
    assert!(!limiter.set_mode(name("none"), Mode::Off));
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_remembered_for_as_long_as_it_holds_and_a_second_at_the_most() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(5, 1))).build().unwrap();
    assert_eq!(allowed(&limiter, &request(), 2).await, 1);
    let asked = rig.asked();
    rig.pass(50);
    for _ in 0..50_000 {
        let decision = limiter.acquire(&request()).await;
        assert_eq!(decision.source(), Source::DenyCache);
        let Outcome::Denied { retry_after, .. } = decision.outcome() else { panic!("{decision:?}") };
        assert_eq!(retry_after, Duration::from_millis(150));
    }
    assert_eq!(rig.asked(), asked);
    rig.pass(150);
    assert_eq!(allowed(&limiter, &request(), 1).await, 1);

    // An hour's wait is looked at again each second.
    let slow = Quota::rate(1, Duration::from_hours(1)).burst(1).unwrap();
    let limiter = rig.limiter().policy(tenants("slow", slow)).build().unwrap();
    let before = rig.asked();
    assert_eq!(allowed(&limiter, &request(), 2).await, 1);
    for passed in 0..100 {
        for _ in 0..10 {
            let Outcome::Denied { retry_after, .. } = limiter.acquire(&request()).await.outcome() else { panic!() };
            assert_eq!(retry_after, Duration::from_millis(3_600_000 - 100 * passed), "whoever tells it");
        }
        rig.pass(100);
    }
    assert!((10..=12).contains(&(rig.asked() - before)), "{}", rig.asked() - before);
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_for_one_unit_do_not_all_ask_for_it() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(10, 1))).build().unwrap();
    assert_eq!(allowed(&limiter, &request(), 2).await, 1);
    for _ in 0..20 {
        rig.pass(100);
        let asked = rig.asked();
        let request = request();
        let all = futures_util::future::join_all((0..50).map(|_| limiter.acquire(&request))).await;
        assert_eq!(all.iter().filter(|decision| decision.is_allowed()).count(), 1);
        assert_eq!(rig.asked(), asked + 1);
    }
    // Nobody came for a while: all that was saved up is there.
    rig.pass(1000);
    assert_eq!(allowed(&limiter, &request(), 5).await, 1);
}

/// A larger bucket than the one that denied is seen within a second, and lets through what it has.
#[tokio::test(start_paused = true)]
async fn another_plan_counts_although_the_old_one_denied() {
    let rig = Rig::new();
    let policy = tenants("tenant", per_second(1, 2)).for_plan("large", per_second(1, 50));
    let limiter = rig.limiter().policy(policy).build().unwrap();
    assert_eq!(allowed(&limiter, &request(), 10).await, 2);
    rig.pass(1000);
    assert_eq!(allowed(&limiter, &request().plan("large"), 100).await, 49);
}

/// A tenant's limit denied; when it has room, a key's does not: that must keep nobody else of the tenant waiting.
#[tokio::test(start_paused = true)]
async fn whoever_asked_in_vain_leaves_the_way_free() {
    let rig = Rig::new();
    let key = Policy::new("key", &[Fact::Tenant, Fact::Key], per_second(1, 1)).unwrap();
    let limiter = rig.limiter().policies([tenants("tenant", per_second(2, 2)), key]).build().unwrap();
    let of = |key: &'static [u8]| request().key(key);
    assert_eq!(allowed(&limiter, &of(b"a"), 1).await, 1);
    // Another node uses the key `b`, and the tenant up.
    let other = rig.limiter().policy(Policy::new("key", &[Fact::Tenant, Fact::Key], per_second(1, 1)).unwrap()).build().unwrap();
    assert_eq!(allowed(&other, &of(b"b"), 1).await, 1);
    assert_eq!(allowed(&limiter, &of(b"c"), 1).await, 1);
    assert!(is_denied_by(limiter.acquire(&of(b"d")).await.outcome(), "tenant"));
    rig.pass(500);
    assert!(is_denied_by(limiter.acquire(&of(b"b")).await.outcome(), "key"));
    assert!(limiter.acquire(&of(b"d")).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_can_be_given_back() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(tenants("tenant", per_second(1, 3))).build().unwrap();
    let first = limiter.acquire(&request()).await;
    assert_eq!(allowed(&limiter, &request(), 5).await, 2);
    limiter.refund(first).await;
    assert_eq!(allowed(&limiter, &request(), 5).await, 1, "also where the denial was remembered");
}

#[test]
fn policies_that_cannot_be_are_refused_by_name() {
    let build = |policies: Vec<Policy>| {
        let store: Arc<dyn LimitStore> = Arc::new(MemoryStore::new());
        Limiter::over(store).policies(policies).build().unwrap_err().to_string()
    };
    let twice = build(vec![tenants("a", per_second(1, 1)), tenants("a", per_second(1, 1))]);
    assert_eq!(twice, "policy a: there is another one of this name");
    let dear = build(vec![tenants("a", per_second(1, 5)).cost("writes", 6)]);
    assert_eq!(dear, "policy a: cost: 6 can never pass, since the burst is 5");
    let planned = build(vec![tenants("a", per_second(1, 9)).cost("writes", 6).for_plan("free", per_second(1, 3))]);
    assert_eq!(planned, "policy a, plan free: cost: 6 can never pass, since the burst is 3");
    let scope = Policy::new("a", &[Fact::Route], per_second(1, 1)).unwrap_err().to_string();
    assert!(scope.starts_with("scope: must have the tenant, the address or the account"), "{scope}");
    assert!(Policy::new("A", &[Fact::Tenant], per_second(1, 1)).unwrap_err().to_string().starts_with("policy: "));
}

#[test]
fn where_a_closed_policy_finds_no_room_nobody_is_let_through() {
    let clock = Arc::new(ManualStopwatch::new(0));
    let store = Arc::new(MemoryStore::with(64, Arc::<ManualStopwatch>::clone(&clock)));
    let login = Policy::new("login", &[Fact::Account], per_second(1, 1)).unwrap().on_outage(OnOutage::Closed);
    let limiter = Limiter::over(store).policy(login).stopwatch(clock).build().unwrap();
    let mut unavailable = 0;
    for n in 0..1000 {
        let account = format!("someone-{n}@example.com");
        match limiter.acquire_now(&Subject::of("login").account(&account)).unwrap().outcome() {
            Outcome::Unavailable { .. } => unavailable += 1,
            outcome => assert_eq!(outcome, Outcome::Allowed),
        }
    }
    assert!(unavailable >= 1000 - 64, "{unavailable}");
}
