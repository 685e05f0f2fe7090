//! What strangers may cost.

use super::*;

/// A name that nobody has.
fn stranger(number: u64) -> String {
    format!("stranger-{number}")
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_hosts_costs_fifty_look_ups_a_second() {
    const FLOOD: u64 = 50_000;
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    let (mut refused, mut seconds, mut loads) = (0, 0, Vec::new());
    for number in 0..FLOOD {
        // Ten thousand a second.
        if number % 10_000 == 0 && number > 0 {
            loads.push(rig.register.loads());
            seconds += 1;
            rig.pass(Duration::from_micros(1));
        }
        match rig.resolve(HostRef::Subdomain(&stranger(number))).await {
            Err(ResolveError::NotFound) => {}
            Err(ResolveError::Overloaded { retry_after }) => {
                assert!(retry_after <= Duration::from_secs(1));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
        rig.pass(Duration::from_micros(100));
        if number % 500 == 0 {
            assert_eq!(rig.version(ACME).await, Ok(1), "who is known is not concerned");
        }
    }
    loads.push(rig.register.loads());
    assert_eq!(seconds, 4);
    assert!(loads.iter().all(|loads| *loads <= 51), "{loads:?}");
    let all: u64 = loads.iter().sum();
    assert!((245..=255).contains(&all), "{loads:?}");
    assert_eq!(refused, FLOOD - all);
    let held = rig.resolver.held();
    assert!(held.absent <= 500 && held.tenants == 1 && held.loads == 0 && held.floors == 1, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn no_second_of_a_flood_has_more() {
    let rig = Rig::new();
    let mut began = Vec::new();
    for number in 0..20_000 {
        rig.resolve(HostRef::Subdomain(&stranger(number))).await.unwrap_err();
        began.extend(std::iter::repeat_n(rig.now_us(), usize::try_from(rig.register.loads()).unwrap()));
        rig.pass(Duration::from_micros(137 * (number % 7)));
    }
    for (place, first) in began.iter().enumerate() {
        assert!(began[place..].iter().take_while(|us| **us < first + 1_000_000).count() <= 50);
    }
    assert!(began.len() > 300);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_just_started_learns_a_thousand_tenants_at_once() {
    let rig = Rig::new();
    for number in 0..1000 {
        rig.register.put(HostRef::Subdomain(&stranger(number)), entry(u128::from(number), 1));
    }
    for number in 0..1000 {
        assert_eq!(rig.version(HostRef::Subdomain(&stranger(number))).await, Ok(1));
    }
    assert_eq!(rig.register.loads(), 1000);
}

#[tokio::test(start_paused = true)]
async fn tenants_that_changed_are_loaded_whatever_strangers_do() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    for number in 0..60 {
        rig.resolve(HostRef::Subdomain(&stranger(number))).await.unwrap_err();
    }
    assert_eq!(rig.source(HostRef::Subdomain("stranger-99")).await, Err("overloaded"));
    rig.register.put(ACME, entry(1, 2));
    rig.resolver.hear(&notice(1, 2, &[ACME]));
    assert_eq!(rig.version(ACME).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_strangers_are_looked_up_at_once() {
    let rig = Rig::with(ResolveOptions::default().strangers(1000, 4));
    rig.register.hold_back();
    let requests: Vec<_> = (0..20)
        .map(|number| {
            let resolver = rig.resolver.clone();
            tokio::spawn(async move { resolver.resolve(HostRef::Subdomain(&stranger(number))).await })
        })
        .collect();
    rig.settle().await;
    assert_eq!((rig.resolver.held().loads, rig.register.loads()), (4, 4));
    rig.register.answer(4);
    let mut words = Vec::new();
    for request in requests {
        words.push(word(&request.await.unwrap().unwrap_err()));
    }
    assert_eq!(words.iter().filter(|word| **word == "overloaded").count(), 16);
    assert_eq!(words.iter().filter(|word| **word == "nobody").count(), 4);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_keeps_what_was_loaded_last() {
    let rig = Rig::with(ResolveOptions::default().capacity(64, 16, 8).strangers(100_000, 100));
    for number in 0..1000 {
        let name = stranger(number);
        let key = HostRef::Subdomain(&name);
        rig.register.put(key, entry(u128::from(number), 1));
        assert_eq!(rig.version(key).await, Ok(1));
        assert_eq!(rig.source(key).await, Ok(Source::Fresh), "what was just loaded is there");
        rig.resolver.hear(&notice(u128::from(number) + 5000, 1, &[]));
        assert_eq!(rig.version(HostRef::Domain(&name)).await, Err("nobody"));
        let held = rig.resolver.held();
        // What has left the map goes some time later, in batches, and its floor after that.
        assert!(held.tenants <= 64 && held.absent <= 16 && held.floors <= 8 + 64 + 64, "{held:?}");
        rig.pass(Duration::from_millis(1));
    }
    assert!(rig.resolver.held().tenants >= 56);
}
