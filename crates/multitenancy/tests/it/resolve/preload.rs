//! What is known before anybody asks.

use proptest::prelude::*;
use togglebox_core::{Cursor, Page, PageRequest};
use togglebox_multitenancy::{Changes, Preloaded, Preloading, TenantChanges, TenantNames};

use super::*;

/// What the store lists, by name; a page goes on after its last name.
#[async_trait]
impl TenantNames for Register {
    async fn names(&self, page: &PageRequest) -> StoreResult<Page<HostKey>> {
        if *self.mood.lock().unwrap() == Mood::Down {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "tenants.list"));
        }
        let mut names: Vec<HostKey> = self.stored.lock().unwrap().keys().cloned().collect();
        names.sort_unstable_by_key(ToString::to_string);
        names.retain(|name| page.cursor().is_none_or(|cursor| name.to_string().as_str() > cursor.as_str()));
        let next = (names.len() > page.limit()).then(|| Cursor::new(names[page.limit() - 1].to_string()));
        names.truncate(page.limit());
        Ok(Page { items: names, next })
    }
}

/// A list of changes that stays at its end.
#[derive(Debug)]
struct NoChanges;

#[async_trait]
impl TenantChanges for NoChanges {
    async fn changes_since(&self, _after: Option<u64>) -> StoreResult<Changes> {
        Ok(Changes { last: 7, ..Changes::default() })
    }
}

fn label(number: u64) -> String {
    format!("tenant-{number}")
}

fn with_tenants(options: ResolveOptions, many: u64) -> Rig {
    let rig = Rig::with(options);
    for number in 0..many {
        rig.register.put(HostRef::Subdomain(&label(number)), entry(u128::from(number), 1));
    }
    rig
}

/// As many unknown hosts as may be looked up in this second, and one more.
async fn flood(rig: &Rig) {
    for number in 0..50 {
        assert_eq!(rig.source(HostRef::Subdomain(&format!("stranger-{number}"))).await, Err("nobody"));
    }
    assert_eq!(rig.source(HostRef::Subdomain("stranger-50")).await, Err("overloaded"));
    rig.register.loads();
}

async fn preload(rig: &Rig, how: Preloading) -> Preloaded {
    rig.resolver.preload(&*rig.register, how).await
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_a_node_that_starts_from_its_tenants() {
    let rig = with_tenants(ResolveOptions::default(), 1000);
    rig.resolver.poll(&NoChanges).await.unwrap();
    flood(&rig).await;
    assert_eq!(rig.source(HostRef::Subdomain(&label(0))).await, Err("overloaded"), "this is what it is for");
    assert_eq!(preload(&rig, Preloading::default()).await, Preloaded { found: 1000, failed: 0, whole: true });
    assert_eq!(rig.register.loads(), 1000);
    for number in 0..1000 {
        assert_eq!(rig.source(HostRef::Subdomain(&label(number))).await, Ok(Source::Fresh));
    }
    assert_eq!(rig.source(HostRef::Subdomain("stranger-51")).await, Err("overloaded"), "strangers gain nothing by it");
    assert_eq!(rig.register.loads(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_was_listed_once_stays_known() {
    let rig = with_tenants(ResolveOptions::default(), 10);
    preload(&rig, Preloading::default()).await;
    // Longer than an entry is good for anything.
    rig.pass(Duration::from_hours(3));
    flood(&rig).await;
    assert_eq!(rig.source(HostRef::Subdomain(&label(3))).await, Ok(Source::Load));
}

#[tokio::test(start_paused = true)]
async fn what_a_request_has_loaded_is_not_loaded_again() {
    let rig = with_tenants(ResolveOptions::default(), 10);
    assert_eq!(rig.version(HostRef::Subdomain(&label(3))).await, Ok(1));
    assert_eq!(rig.register.loads(), 1);
    assert_eq!(preload(&rig, Preloading::default()).await.found, 10);
    assert_eq!(rig.register.loads(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_load_that_is_under_way() {
    let rig = with_tenants(ResolveOptions::default(), 1);
    rig.register.hold_back();
    let (resolver, register) = (rig.resolver.clone(), Arc::clone(&rig.register));
    let preloading = tokio::spawn(async move { resolver.preload(&*register, Preloading::default()).await });
    rig.settle().await;
    let resolver = rig.resolver.clone();
    let request = tokio::spawn(async move { resolver.resolve(HostRef::Subdomain("tenant-0")).await });
    rig.settle().await;
    rig.register.answer(1);
    assert_eq!(request.await.unwrap().unwrap().entry.version, 1);
    assert_eq!(preloading.await.unwrap().found, 1);
    assert_eq!(rig.register.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_nobodys_when_it_was_asked_for_is_somebodys_when_it_is_listed() {
    let rig = Rig::new();
    assert_eq!(rig.version(ACME).await, Err("nobody"));
    rig.register.put(ACME, entry(1, 1));
    assert_eq!(preload(&rig, Preloading::default()).await.found, 1);
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_it_is_brought_in_is_not_shown_as_it_was() {
    let rig = with_tenants(ResolveOptions::default(), 1);
    let key = HostRef::Subdomain("tenant-0");
    rig.register.hold_back();
    let (resolver, register) = (rig.resolver.clone(), Arc::clone(&rig.register));
    let preloading = tokio::spawn(async move { resolver.preload(&*register, Preloading::default()).await });
    rig.settle().await;
    assert_eq!(rig.register.loads(), 1, "it has read version 1");
    rig.register.put(key, entry(0, 2));
    rig.resolver.hear(&notice(0, 2, &[key]));
    rig.register.answer(2);
    assert_eq!(preloading.await.unwrap().found, 1);
    assert_eq!(rig.register.loads(), 1, "it was read again");
    assert_eq!(rig.version(key).await, Ok(2));
    assert_eq!(rig.register.loads(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_a_number_and_at_a_time() {
    let rig = with_tenants(ResolveOptions::default(), 500);
    let few = Preloading { most: 250, ..Preloading::default() };
    assert_eq!(preload(&rig, few).await, Preloaded { found: 250, failed: 0, whole: false });
    assert_eq!(rig.register.loads(), 250);

    let rig = with_tenants(ResolveOptions::default(), 3);
    rig.register.be(Mood::Hangs);
    let begun = tokio::time::Instant::now();
    let short = Preloading { time: Duration::from_millis(1500), ..Preloading::default() };
    assert_eq!(preload(&rig, short).await, Preloaded::default());
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_are_looked_up_at_once() {
    let rig = with_tenants(ResolveOptions::default(), 50);
    rig.register.hold_back();
    let (resolver, register) = (rig.resolver.clone(), Arc::clone(&rig.register));
    let preloading = tokio::spawn(async move { resolver.preload(&*register, Preloading::default()).await });
    rig.settle().await;
    assert_eq!((rig.resolver.held().loads, rig.register.loads()), (4, 4));
    rig.register.answer(50);
    assert_eq!(preloading.await.unwrap().found, 50);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for() {
    let rig = with_tenants(ResolveOptions::default(), 300);
    rig.register.be(Mood::Down);
    let (resolver, register) = (rig.resolver.clone(), Arc::clone(&rig.register));
    let preloading = tokio::spawn(async move { resolver.preload(&*register, Preloading::default()).await });
    tokio::time::sleep(Duration::from_secs(11)).await;
    rig.register.be(Mood::Well);
    assert_eq!(preloading.await.unwrap(), Preloaded { found: 300, failed: 0, whole: true });
    assert_eq!(rig.register.loads(), 300);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_does_not_keep_the_others_out() {
    let rig = with_tenants(ResolveOptions::default(), 20);
    rig.register.be(Mood::Panics);
    assert_eq!(preload(&rig, Preloading::default()).await, Preloaded { found: 0, failed: 20, whole: true });
}

proptest! {
    /// Whoever was asked for before, however the list is cut, and whatever is full: all that there is room for is in memory afterwards,
    /// was loaded once, and as the store has it.
    #[test]
    fn all_that_is_listed_is_in_memory(many in 0_u64..450, most in 0_usize..500, asked in prop::collection::vec(0_u64..500, 0..20), at_once in 0_usize..20) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let rig = with_tenants(ResolveOptions::default().strangers(5, 2), many);
            for number in asked {
                // Found, nobody, or too many strangers by now.
                let _ = rig.resolve(HostRef::Subdomain(&label(number))).await;
            }
            let met = rig.resolver.held().tenants;
            rig.register.loads();
            let done = preload(&rig, Preloading { most, at_once, ..Preloading::default() }).await;
            let many = usize::try_from(many).unwrap();
            prop_assert_eq!(done, Preloaded { found: many.min(most), failed: 0, whole: many <= most });
            let loads = usize::try_from(rig.register.loads()).unwrap();
            prop_assert!(loads <= many.min(most) && (most < many || loads == many - met), "{loads} loads of {many}, {met} met before");
            let mut names: Vec<String> = (0..many).map(|number| label(number.try_into().unwrap())).collect();
            names.sort_unstable();
            for name in names.iter().take(most) {
                prop_assert_eq!(rig.source(HostRef::Subdomain(name)).await, Ok(Source::Fresh));
            }
            prop_assert_eq!(rig.register.loads(), 0);
            Ok(())
        })?;
    }
}
