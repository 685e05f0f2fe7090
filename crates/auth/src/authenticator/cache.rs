//! What a node remembers of callers, so that a request costs no question to the store.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use togglebox_core::{Revision, TenantId, Timestamp};
use uuid::Uuid;

use crate::{KeyHash, Principal};

/// How maps hash what nobody outside chooses: ids, and hashes of keys under our secret.
type Keyed = foldhash::fast::RandomState;

/// What a caller is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A token of a session, by its `jti`.
    Token(Uuid),
    /// The user of a token without a session.
    User(Uuid),
    /// An API key, by its keyed hash.
    Key(KeyHash),
}

/// How callers are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePolicy {
    /// The most callers remembered at once.
    pub capacity: usize,
    /// How long the store is not asked again: how long a right that was withdrawn lives on where the notice was lost and the
    /// revision not polled.
    pub fresh: Duration,
    /// How long a caller is still known while the store does not answer.
    pub stale: Duration,
}

impl Default for CachePolicy {
    /// 100 000 callers, 30 seconds, 10 minutes.
    fn default() -> Self {
        Self { capacity: 100_000, fresh: Duration::from_secs(30), stale: Duration::from_mins(10) }
    }
}

/// One remembered caller.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) principal: Arc<Principal>,
    /// The tenant's floor when loading began: what was announced later may not be in here.
    loaded: Revision,
    /// The same, as it is now.
    floor: Arc<Floor>,
    loaded_at: Timestamp,
    /// Void from this moment on, whatever the policy says: a session's, a grace's or a key's end.
    void_from: Option<Timestamp>,
    /// When a use was last noted, in milliseconds since 1970: by this entry or, as the store knew it, by an earlier one or another node.
    noted_ms: AtomicI64,
    /// When the store last left a question about the caller without an answer, likewise.
    failed_ms: AtomicI64,
}

impl Entry {
    /// Whether a use at `now` is to be noted: at most one per `interval` is.
    pub(super) fn notes(&self, now: Timestamp, interval: Duration) -> bool {
        let last = self.noted_ms.load(Ordering::Relaxed);
        let due = last == i64::MIN || now.as_ms() >= Timestamp::from_ms(last).plus(interval).as_ms();
        due && self.noted_ms.compare_exchange(last, now.as_ms(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The store did not answer at `now`.
    pub(super) fn failed(&self, now: Timestamp) {
        self.failed_ms.store(now.as_ms(), Ordering::Relaxed);
    }

    /// Whether the store did not answer less than `pause` before `now`.
    pub(super) fn rests(&self, now: Timestamp, pause: Duration) -> bool {
        let failed = self.failed_ms.load(Ordering::Relaxed);
        // A clock that was set back ends the pause.
        (failed..Timestamp::from_ms(failed).plus(pause).as_ms()).contains(&now.as_ms())
    }

    /// Until when the entry may be used at all, and whether it is fresh.
    fn state(&self, now: Timestamp, policy: &CachePolicy) -> State {
        let Some(confirmed_at) = self.floor.confirmed_at(self.loaded) else { return State::Void };
        // A clock that was set back makes an entry look young: then it is not trusted.
        let age_known = now >= self.loaded_at;
        // Where a session stands is more than the accounts' revision tells.
        let counts = matches!(*self.principal, Principal::ApiKey(_)) && confirmed_at <= now;
        let known_at = if counts { self.loaded_at.max(confirmed_at) } else { self.loaded_at };
        if self.void_from.is_some_and(|end| now >= end) || !age_known || now >= known_at.plus(policy.stale.max(policy.fresh)) {
            State::Void
        } else if now < known_at.plus(policy.fresh) {
            State::Fresh
        } else {
            State::Stale
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Stale,
    Void,
}

/// What is remembered of a caller.
#[derive(Debug)]
pub(super) enum Remembered {
    /// Use it.
    Fresh(Arc<Entry>),
    /// Ask the store; use this only if it does not answer.
    Stale(Arc<Entry>),
    /// Ask the store.
    Nothing,
}

/// A loading that has begun. What it finds counts as known at the floor of its beginning.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    tenant: TenantId,
    subject: Subject,
    floor: Arc<Floor>,
    revision: Revision,
    at: Timestamp,
}

/// What is known of a tenant's accounts. Each entry of the tenant has a share in it, so that a request need not look it up.
#[derive(Debug)]
struct Floor {
    /// The highest revision that this node was told of.
    revision: AtomicU64,
    /// When the store was last asked, in milliseconds since 1970, and said that this is where they are.
    confirmed_ms: AtomicI64,
    /// Held while one of them is changed.
    changing: Mutex<()>,
}

impl Default for Floor {
    fn default() -> Self {
        Self { revision: AtomicU64::new(0), confirmed_ms: AtomicI64::new(i64::MIN), changing: Mutex::new(()) }
    }
}

impl Floor {
    fn revision(&self) -> Revision {
        Revision::new(self.revision.load(Ordering::Acquire))
    }

    /// When the store last said that the accounts are at `revision`; `None` where this node was told of another one.
    ///
    /// The time is read first. Where the floor rises in between, that of an earlier revision may come with the new one: it is earlier than
    /// the loading of whatever was loaded since, and so changes nothing.
    fn confirmed_at(&self, revision: Revision) -> Option<Timestamp> {
        let confirmed_at = Timestamp::from_ms(self.confirmed_ms.load(Ordering::Acquire));
        (self.revision() == revision).then_some(confirmed_at)
    }

    fn raise(&self, revision: Revision) {
        self.change(revision, None);
    }

    /// What was asked before the news came tells nothing new.
    fn confirm(&self, revision: Revision, at: Timestamp) {
        self.change(revision, Some(at));
    }

    fn change(&self, revision: Revision, confirmed_at: Option<Timestamp>) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.revision();
        if revision > known {
            // In this order: nobody takes what was said of the old one for something that was said of the new one.
            self.confirmed_ms.store(i64::MIN, Ordering::Release);
            self.revision.store(revision.get(), Ordering::Release);
        }
        if let Some(at) = confirmed_at.filter(|_| revision >= known) {
            self.confirmed_ms.fetch_max(at.as_ms(), Ordering::AcqRel);
        }
    }
}

/// The remembered callers of all tenants.
///
/// A tenant's *floor* is the highest revision of its accounts that this node was told of. An entry counts only while the floor is the
/// one at which its loading began: raising it forgets a whole tenant at once, entries that are being loaded included.
#[derive(Debug)]
pub(super) struct PrincipalCache {
    policy: CachePolicy,
    entries: papaya::HashMap<(TenantId, Subject), Arc<Entry>, Keyed>,
    floors: papaya::HashMap<TenantId, Arc<Floor>, Keyed>,
    /// Held while room is made, so that one caller does it.
    sweeping: Mutex<()>,
}

impl PrincipalCache {
    pub(super) fn new(policy: CachePolicy) -> Self {
        Self { policy, entries: papaya::HashMap::default(), floors: papaya::HashMap::default(), sweeping: Mutex::new(()) }
    }

    /// Forgets what was learnt of `tenant` before `revision`.
    pub(super) fn raise(&self, tenant: TenantId, revision: Revision) {
        self.floor(tenant).raise(revision);
    }

    /// The same; and the store was asked at `at`, so that what was learnt at this revision is as good as learnt then.
    pub(super) fn confirm(&self, tenant: TenantId, revision: Revision, at: Timestamp) {
        self.floor(tenant).confirm(revision, at);
    }

    fn floor(&self, tenant: TenantId) -> Arc<Floor> {
        Arc::clone(self.floors.pin().get_or_insert_with(tenant, Arc::default))
    }

    pub(super) fn get(&self, tenant: TenantId, subject: Subject, now: Timestamp) -> Remembered {
        let Some(entry) = self.entries.pin().get(&(tenant, subject)).map(Arc::clone) else { return Remembered::Nothing };
        match entry.state(now, &self.policy) {
            State::Fresh => Remembered::Fresh(entry),
            State::Stale => Remembered::Stale(entry),
            State::Void => Remembered::Nothing,
        }
    }

    /// Looks at what can be used without asking the store, without a share in the entry: each count of shares that every core raises and
    /// lowers is among the slowest parts of a request.
    pub(super) fn with_fresh<R>(
        &self,
        tenant: TenantId,
        subject: Subject,
        now: Timestamp,
        look: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let entries = self.entries.pin();
        let entry = entries.get(&(tenant, subject))?;
        (entry.state(now, &self.policy) == State::Fresh).then(|| look(entry))
    }

    /// Begins loading. To be called before the store is asked.
    pub(super) fn begin(&self, tenant: TenantId, subject: Subject, at: Timestamp) -> Loading {
        let floor = self.floor(tenant);
        Loading { tenant, subject, revision: floor.revision(), floor, at }
    }

    /// Remembers what a loading found.
    pub(super) fn put(&self, loading: Loading, principal: Principal, void_from: Option<Timestamp>) -> Arc<Entry> {
        let last_used_at = match &principal {
            Principal::ApiKey(holder) => holder.key().last_used_at,
            _ => None,
        };
        let entry = Arc::new(Entry {
            principal: Arc::new(principal),
            loaded: loading.revision,
            floor: loading.floor,
            loaded_at: loading.at,
            void_from,
            noted_ms: AtomicI64::new(last_used_at.map_or(i64::MIN, Timestamp::as_ms)),
            failed_ms: AtomicI64::new(i64::MIN),
        });
        if self.entries.len() >= self.policy.capacity {
            self.sweep(loading.at);
        }
        self.entries.pin().insert((loading.tenant, loading.subject), Arc::clone(&entry));
        entry
    }

    /// Makes room: first of what no longer counts, then, if more than half is left, of everything. So a sweep pays for at least half
    /// the capacity's worth of insertions.
    fn sweep(&self, now: Timestamp) {
        let _one_at_a_time = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.entries.len() < self.policy.capacity {
            return;
        }
        let entries = self.entries.pin();
        entries.retain(|_, entry| entry.state(now, &self.policy) == State::Fresh);
        if entries.len() > self.policy.capacity / 2 {
            entries.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiKey, KeyHolder, PasswordHash, Permissions, Role, SignedKey, User};
    use proptest::prelude::*;
    use togglebox_core::Email;

    const A: TenantId = TenantId::DEFAULT;
    const B: TenantId = TenantId::from_uuid(Uuid::from_u128(1));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(seconds * 1000)
    }

    fn someone() -> Principal {
        Principal::SignedKey(SignedKey { id: "x".to_owned(), name: String::new(), permissions: Permissions::NONE })
    }

    fn subject(n: u128) -> Subject {
        Subject::Token(Uuid::from_u128(n))
    }

    fn remember(cache: &PrincipalCache, tenant: TenantId, n: u128, now: Timestamp) {
        cache.put(cache.begin(tenant, subject(n), now), someone(), None);
    }

    fn is_fresh(cache: &PrincipalCache, tenant: TenantId, n: u128, now: Timestamp) -> bool {
        matches!(cache.get(tenant, subject(n), now), Remembered::Fresh(_))
    }

    #[test]
    fn a_caller_is_fresh_then_stale_then_forgotten() {
        let cache = PrincipalCache::new(CachePolicy::default());
        remember(&cache, A, 1, at(100));
        assert!(is_fresh(&cache, A, 1, at(129)));
        assert!(matches!(cache.get(A, subject(1), at(130)), Remembered::Stale(_)));
        assert!(matches!(cache.get(A, subject(1), at(700)), Remembered::Nothing));
        assert!(matches!(cache.get(A, subject(1), at(99)), Remembered::Nothing), "the clock was set back");
        assert!(matches!(cache.get(B, subject(1), at(101)), Remembered::Nothing));
        assert!(matches!(cache.get(A, subject(2), at(101)), Remembered::Nothing));
    }

    fn remember_key(cache: &PrincipalCache, now: Timestamp, void_from: Option<Timestamp>) {
        let user = User {
            id: Uuid::nil(),
            name: None,
            email: Email::new("ann@example.com").unwrap(),
            password: PasswordHash::new("none"),
            role: Role::Viewer,
            created_at: at(0),
            updated_at: at(0),
            tokens_valid_from: at(0),
            revision: Revision::ZERO,
        };
        let key = ApiKey {
            id: Uuid::nil(),
            user: user.id,
            name: String::new(),
            hash: KeyHash([0; 32]),
            prefix: String::new(),
            last4: String::new(),
            permissions: Vec::new(),
            expires_at: void_from,
            last_used_at: None,
            created_at: at(0),
        };
        cache.put(cache.begin(A, subject(9), now), Principal::ApiKey(KeyHolder::new(key, user)), void_from);
    }

    #[test]
    fn a_key_stays_fresh_while_the_store_says_that_nothing_has_changed() {
        let (cache, fresh) =
            (PrincipalCache::new(CachePolicy::default()), |cache: &PrincipalCache, s| is_fresh(cache, A, 9, at(s)));
        cache.raise(A, Revision::new(5));
        remember_key(&cache, at(100), Some(at(900)));
        remember(&cache, A, 1, at(100));
        for asked in [20, 110, 125, 150] {
            cache.confirm(A, Revision::new(5), at(asked));
        }
        assert!(fresh(&cache, 100) && fresh(&cache, 179) && !fresh(&cache, 180));
        assert!(!is_fresh(&cache, A, 1, at(130)), "where a session stands is looked up");
        cache.confirm(A, Revision::new(4), at(170));
        assert!(!fresh(&cache, 180), "asked before, answered late");
        cache.confirm(A, Revision::new(5), at(899));
        assert!(fresh(&cache, 899) && !fresh(&cache, 900), "it ends when it ends");
        assert!(!fresh(&cache, 200), "the clock was set back: nobody knows when the store was asked");
        cache.confirm(A, Revision::new(6), at(899));
        assert!(matches!(cache.get(A, subject(9), at(899)), Remembered::Nothing));
        assert!(matches!(cache.get(A, subject(9), at(100)), Remembered::Nothing));
        remember_key(&cache, at(899), None);
        cache.raise(A, Revision::new(7));
        cache.confirm(A, Revision::new(6), at(899));
        assert!(!fresh(&cache, 899), "old news revives nobody");
    }

    #[test]
    fn a_right_ends_when_it_ends_however_fresh_the_memory() {
        let cache = PrincipalCache::new(CachePolicy::default());
        cache.put(cache.begin(A, subject(1), at(100)), someone(), Some(at(105)));
        assert!(is_fresh(&cache, A, 1, at(104)));
        assert!(matches!(cache.get(A, subject(1), at(105)), Remembered::Nothing));
    }

    #[test]
    fn a_change_forgets_its_tenant_and_no_other() {
        let cache = PrincipalCache::new(CachePolicy::default());
        remember(&cache, A, 1, at(100));
        remember(&cache, B, 1, at(100));
        cache.raise(A, Revision::new(5));
        assert!(!is_fresh(&cache, A, 1, at(101)) && is_fresh(&cache, B, 1, at(101)));
        remember(&cache, A, 1, at(101));
        cache.raise(A, Revision::new(5));
        cache.raise(A, Revision::new(4));
        assert!(is_fresh(&cache, A, 1, at(102)), "old news changes nothing");
    }

    #[test]
    fn what_is_said_of_a_later_revision_is_never_taken_for_an_earlier_one() {
        for _ in 0..2_000 {
            let cache = PrincipalCache::new(CachePolicy::default());
            cache.raise(A, Revision::new(1));
            remember_key(&cache, at(100), None);
            let begin = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    begin.wait();
                    cache.confirm(A, Revision::new(1), at(110));
                    cache.confirm(A, Revision::new(2), at(1_000));
                });
                begin.wait();
                while is_fresh(&cache, A, 9, at(110)) {
                    assert!(!is_fresh(&cache, A, 9, at(1_001)));
                }
            });
        }
    }

    #[test]
    fn what_was_loading_when_the_news_came_is_not_kept() {
        let cache = PrincipalCache::new(CachePolicy::default());
        let loading = cache.begin(A, subject(1), at(100));
        cache.raise(A, Revision::new(5));
        cache.put(loading, someone(), None);
        assert!(matches!(cache.get(A, subject(1), at(100)), Remembered::Nothing));
    }

    #[test]
    fn a_use_is_noted_once_per_interval() {
        let cache = PrincipalCache::new(CachePolicy::default());
        let entry = cache.put(cache.begin(A, subject(1), at(100)), someone(), None);
        let minute = Duration::from_mins(1);
        let noted: Vec<bool> = [100, 101, 159, 160, 161, 500].map(|now| entry.notes(at(now), minute)).to_vec();
        assert_eq!(noted, [true, false, false, true, false, true]);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_keeps_the_newest(seen in prop::collection::vec(0_u128..1000, 1..400)) {
            let cache = PrincipalCache::new(CachePolicy { capacity: 16, ..CachePolicy::default() });
            for n in seen {
                remember(&cache, A, n, at(100));
                prop_assert!(cache.entries.len() <= 16);
                prop_assert!(is_fresh(&cache, A, n, at(100)));
            }
        }

        /// Whatever the order of loads and news: an entry is used only if its loading began after the last news.
        #[test]
        fn no_order_of_events_leaves_an_old_entry(events in prop::collection::vec((0_u8..3, 1_u64..6), 1..40)) {
            let cache = PrincipalCache::new(CachePolicy::default());
            let (mut told, mut loading, mut kept) = (0, None, None);
            for (event, revision) in events {
                match event {
                    0 => {
                        cache.raise(A, Revision::new(revision));
                        told = told.max(revision);
                    }
                    1 => loading = Some((cache.begin(A, subject(1), at(100)), told)),
                    _ => if let Some((begun, floor)) = loading.take() {
                        cache.put(begun, someone(), None);
                        kept = Some(floor);
                    }
                }
                prop_assert_eq!(is_fresh(&cache, A, 1, at(100)), kept == Some(told));
            }
        }
    }
}
