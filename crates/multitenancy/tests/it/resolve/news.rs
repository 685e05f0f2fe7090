//! What notices, polls and tokens do.

use togglebox_core::{Change, ChangeBus as _, LocalBus, Revision};
use togglebox_multitenancy::{Changes, TenantChanges};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A list of changes, page by page.
#[derive(Debug, Default)]
struct List {
    notices: Mutex<Vec<Notice>>,
    /// The place before the first notice that is still on the list.
    begins: AtomicU64,
    down: Mutex<bool>,
}

impl List {
    fn push(&self, notice: Notice) {
        self.notices.lock().unwrap().push(notice);
    }
}

#[async_trait]
impl TenantChanges for List {
    async fn changes_since(&self, after: Option<u64>) -> StoreResult<Changes> {
        if *self.down.lock().unwrap() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "tenants.changes"));
        }
        let (notices, begins) = (self.notices.lock().unwrap().clone(), self.begins.load(Ordering::SeqCst));
        let end = u64::try_from(notices.len()).unwrap();
        let Some(after) = after else { return Ok(Changes { last: end, ..Changes::default() }) };
        let from = after.max(begins);
        let last = end.min(from + 2);
        let part = notices[usize::try_from(from).unwrap()..usize::try_from(last).unwrap()].to_vec();
        Ok(Changes { notices: part, begins: None, last, more: last < end, gap: after < begins })
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_ends_what_is_older_under_all_names() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.register.put(FLAGS, entry(1, 1));
    assert_eq!(rig.version(FLAGS).await, Ok(1));
    for key in [ACME, FLAGS] {
        rig.register.put(key, entry(1, 2));
    }
    rig.resolver.hear(&notice(1, 2, &[ACME]));
    rig.resolver.hear(&notice(1, 1, &[ACME]));
    assert_eq!((rig.version(ACME).await, rig.version(FLAGS).await), (Ok(2), Ok(2)));
    rig.register.loads();
    rig.resolver.hear(&notice(1, 2, &[ACME, FLAGS]));
    assert_eq!((rig.source(ACME).await, rig.source(FLAGS).await), (Ok(Source::Fresh), Ok(Source::Fresh)), "old news");
    assert_eq!(rig.register.loads(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_was_overtaken_is_done_again() {
    let rig = Rig::new();
    rig.register.put(ACME, entry(1, 1));
    rig.register.hold_back();
    let resolver = rig.resolver.clone();
    let request = tokio::spawn(async move { resolver.resolve(ACME).await });
    rig.settle().await;
    rig.register.put(ACME, Entry { suspended: true, ..entry(1, 2) });
    rig.resolver.hear(&notice(1, 2, &[]));
    rig.register.answer(2);
    assert!(request.await.unwrap().unwrap().entry.suspended, "whoever waited gets what is");
    assert_eq!(rig.register.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_behind_is_not_believed_until_it_has_been_set_back() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.resolver.hear(&notice(1, 9, &[ACME]));
    assert_eq!(rig.version(ACME).await, Err("behind"));
    assert_eq!(rig.register.loads(), 3);
    rig.pass(599 * SECOND);
    assert_eq!(rig.version(ACME).await, Err("behind"));
    rig.pass(SECOND);
    assert_eq!(rig.version(ACME).await, Ok(1));
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
}

#[tokio::test(start_paused = true)]
async fn who_is_created_is_there_at_once() {
    let rig = Rig::new();
    assert_eq!(rig.version(ACME).await, Err("nobody"));
    rig.register.put(ACME, entry(1, 1));
    rig.resolver.hear(&notice(1, 1, &[ACME]));
    assert_eq!(rig.version(ACME).await, Ok(1));
    // The same while somebody is being told that nobody is there.
    rig.register.hold_back();
    let resolver = rig.resolver.clone();
    let request = tokio::spawn(async move { resolver.resolve(FLAGS).await });
    rig.settle().await;
    rig.register.put(FLAGS, entry(2, 2));
    rig.resolver.hear(&notice(2, 2, &[FLAGS]));
    rig.register.answer(2);
    assert_eq!(request.await.unwrap().unwrap().entry.version, 2);
}

#[tokio::test(start_paused = true)]
async fn the_bus_carries_notices_of_tenants() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    let bus = LocalBus::default();
    bus.subscribe(Arc::new(rig.resolver.clone()));
    rig.register.put(ACME, entry(1, 2));
    assert_eq!(rig.version(FLAGS).await, Err("nobody"));
    rig.register.put(FLAGS, entry(1, 2));
    let change = Change::Accounts { tenant: tenant(1), revision: Revision::new(9) };
    bus.publish(change).await.unwrap();
    assert_eq!(rig.version(ACME).await, Ok(1));
    let (subdomains, domains) = (vec!["acme".to_owned()], vec!["flags.acme.test".to_owned()]);
    bus.publish(Change::Tenant { tenant: tenant(1), version: Revision::new(2), subdomains, domains }).await.unwrap();
    assert_eq!((rig.version(ACME).await, rig.version(FLAGS).await), (Ok(2), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn polls_read_the_list_to_its_end() {
    let (rig, list) = (Rig::of_acme(ResolveOptions::default()).await, List::default());
    list.push(notice(1, 1, &[ACME]));
    assert_eq!(rig.resolver.poll(&list).await.unwrap(), 0, "the first one only finds the end");
    for version in 2..9 {
        list.push(notice(1, version, &[ACME]));
    }
    rig.register.put(ACME, entry(1, 8));
    assert_eq!(rig.resolver.poll(&list).await.unwrap(), 7);
    assert_eq!(rig.version(ACME).await, Ok(8));
    assert_eq!(rig.resolver.poll(&list).await.unwrap(), 0);
    *list.down.lock().unwrap() = true;
    assert!(rig.resolver.poll(&list).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_missed_is_loaded_again() {
    let (rig, list) = (Rig::of_acme(ResolveOptions::default()).await, List::default());
    rig.register.put(ACME, entry(1, 2));
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.version(ACME).await, Ok(2), "loaded before anything was heard");
    rig.register.put(ACME, entry(1, 3));
    for version in 0..4 {
        list.push(notice(9, version, &[]));
    }
    list.begins.store(2, Ordering::SeqCst);
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.version(ACME).await, Ok(3), "the list no longer has all of it");
}

#[tokio::test(start_paused = true)]
async fn who_hears_all_changes_need_not_look_whether_there_are_any() {
    let (rig, list) = (Rig::of_acme(ResolveOptions::default()).await, List::default());
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.version(ACME).await, Ok(1));
    rig.register.loads();
    for _ in 0..239 {
        rig.pass(SECOND);
        rig.resolver.poll(&list).await.unwrap();
        assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
    }
    assert_eq!(rig.register.loads(), 0);
    rig.pass(SECOND);
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.source(ACME).await, Ok(Source::Stale), "now and then, all the same");
    rig.settle().await;
    assert_eq!(rig.register.loads(), 1);

    // Whoever hears nothing for a while goes by the entry's age again.
    rig.pass(31 * SECOND);
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
    rig.pass((2 * SECOND).saturating_sub(Duration::from_micros(1)));
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
    rig.pass(Duration::from_micros(1));
    *list.down.lock().unwrap() = true;
    assert!(rig.resolver.poll(&list).await.is_err());
    assert_eq!(rig.source(ACME).await, Ok(Source::Stale));

    // What was heard counts at once, however fresh the entry is.
    *list.down.lock().unwrap() = false;
    list.push(notice(1, 2, &[]));
    rig.register.put(ACME, entry(1, 2));
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.version(ACME).await, Ok(2));
}
