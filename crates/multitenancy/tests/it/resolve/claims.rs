//! What tokens are worth.

use std::ops::Range;

use proptest::prelude::*;
use togglebox_multitenancy::{Changes, Claims, TenantChanges};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const BETA: HostRef<'static> = HostRef::Subdomain("beta");

/// The list of changes, of which a node is shown some when it asks for the first time.
#[derive(Debug)]
struct List {
    /// Each at its place, which is its version.
    notices: Mutex<Vec<Notice>>,
    /// Those up to this place are not on the list any more.
    pruned: AtomicU64,
    /// The most that are shown at once, and of those from before a node was there.
    part: usize,
}

impl List {
    fn new(part: usize) -> Self {
        Self { notices: Mutex::default(), pruned: AtomicU64::new(0), part }
    }

    fn end(&self) -> u64 {
        u64::try_from(self.notices.lock().unwrap().len()).unwrap()
    }

    /// A change of a tenant; its version.
    fn push(&self, number: u128, names: &[HostRef<'_>]) -> u64 {
        let version = self.end() + 1;
        self.notices.lock().unwrap().push(notice(number, version, names));
        version
    }
}

#[async_trait]
impl TenantChanges for List {
    async fn changes_since(&self, after: Option<u64>) -> StoreResult<Changes> {
        let (notices, pruned) = (self.notices.lock().unwrap().clone(), self.pruned.load(Ordering::SeqCst));
        let (end, part) = (self.end(), u64::try_from(self.part).unwrap());
        let wanted = after.unwrap_or(end.saturating_sub(part));
        let begins = wanted.max(pruned);
        let last = end.min(begins + part);
        let places: Range<usize> = usize::try_from(begins).unwrap()..usize::try_from(last).unwrap();
        let gap = after.is_some() && begins > wanted;
        Ok(Changes { notices: notices[places].to_vec(), begins: Some(begins), last, more: last < end, gap })
    }
}

/// A token that vouches for nothing.
fn claims(number: u128, version: u64) -> Claims<'static> {
    Claims { tenant: tenant(number), version, name: None, as_of: None }
}

impl Rig {
    async fn claimed(&self, key: HostRef<'_>, claims: Claims<'_>) -> Result<(u64, Source), &'static str> {
        let found = self.resolver.resolve_claimed(key, claims).await;
        found.map(|found| (found.entry.version, found.source)).map_err(|error| word(&error))
    }
}

/// A list with one change, of `acme`, and what a token of it says.
fn told() -> (List, Claims<'static>) {
    let list = List::new(100);
    let version = list.push(1, &[ACME]);
    (list, Claims { name: Some(ACME), as_of: Some(version), ..claims(1, version) })
}

#[tokio::test(start_paused = true)]
async fn a_node_that_knows_nobody_yet_needs_no_look_up_for_a_token() {
    let (rig, (list, token)) = (Rig::new(), told());
    rig.register.put(ACME, entry(1, 1));
    rig.register.hold_back();
    rig.resolver.poll(&list).await.unwrap();
    let found = rig.resolver.resolve_claimed_now(ACME, token).unwrap().unwrap();
    assert_eq!((found.entry.tenant, found.entry.version, found.source), (tenant(1), 1, Source::Token));
    assert_eq!(rig.held().loads, 1, "it is looked up behind its back, once");
    assert!(rig.resolver.resolve_claimed_now(ACME, token).is_some());
    rig.settle().await;
    assert_eq!(rig.register.loads(), 1);
    rig.register.answer(1);
    rig.settle().await;
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Fresh)));
}

/// Whatever is not sure is looked up.
#[tokio::test(start_paused = true)]
async fn a_token_alone_is_worth_nothing() {
    let (list, token) = told();
    let fresh = async |list: &List| {
        let rig = Rig::new();
        rig.register.put(ACME, entry(1, 1));
        rig.register.put(FLAGS, entry(1, 1));
        rig.resolver.poll(list).await.unwrap();
        rig
    };
    let deaf = Rig::new();
    deaf.register.put(ACME, entry(1, 1));
    assert_eq!(deaf.claimed(ACME, token).await, Ok((1, Source::Load)), "nothing was heard");
    let rig = fresh(&list).await;
    assert_eq!(rig.claimed(FLAGS, token).await, Ok((1, Source::Load)), "another name than the token's");
    let of_none = Claims { as_of: None, ..token };
    assert_eq!(fresh(&list).await.claimed(ACME, of_none).await, Ok((1, Source::Load)), "as of no place");
    let rig = fresh(&list).await;
    rig.pass(2 * SECOND);
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Load)), "heard two seconds ago");
    let rig = fresh(&list).await;
    let early = Claims { as_of: Some(2), ..token };
    assert_eq!(rig.claimed(ACME, early).await, Ok((1, Source::Load)), "made after what was heard");
    assert_eq!(rig.claimed(ACME, Claims { tenant: tenant(2), ..token }).await, Err("other tenant"));

    for _ in 0..100 {
        list.push(9, &[]);
    }
    let rig = fresh(&list).await;
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Token)), "all since then was heard");
    list.push(9, &[]);
    let rig = fresh(&list).await;
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Load)), "the first one since then was not heard");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_vouched_for_after_a_gap_or_what_was_forgotten() {
    let (rig, (list, token)) = (Rig::with(ResolveOptions::default().capacity(8, 8, 2)), told());
    rig.register.put(ACME, entry(1, 1));
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.resolver.resolve_claimed_now(ACME, token).unwrap().unwrap().source, Source::Token);
    for number in 7..11 {
        list.push(number, &[]);
    }
    rig.resolver.poll(&list).await.unwrap();
    assert!(rig.held().floors <= 2);
    assert!(rig.resolver.resolve_claimed_now(ACME, token).is_none(), "who knows which tenants have changed?");
    // From the next time on, for tokens that are made then.
    rig.resolver.poll(&list).await.unwrap();
    assert!(rig.resolver.resolve_claimed_now(ACME, token).is_none());
    let later = Claims { as_of: Some(list.end()), ..token };
    assert_eq!(rig.resolver.resolve_claimed_now(ACME, later).unwrap().unwrap().source, Source::Token);

    list.push(1, &[ACME]);
    list.push(9, &[]);
    list.pruned.store(list.end(), Ordering::SeqCst);
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.claimed(ACME, later).await, Ok((1, Source::Load)), "the change of the tenant was missed");
}

#[tokio::test(start_paused = true)]
async fn a_suspension_ends_what_tokens_vouch_for() {
    for by_bus in [true, false] {
        let (rig, (list, token)) = (Rig::new(), told());
        rig.resolver.poll(&list).await.unwrap();
        assert_eq!(rig.resolver.resolve_claimed_now(ACME, token).unwrap().unwrap().source, Source::Token);
        rig.register.put(ACME, Entry { suspended: true, ..entry(1, 2) });
        let version = list.push(1, &[ACME]);
        if by_bus {
            rig.resolver.hear(&notice(1, version, &[]));
        } else {
            rig.resolver.poll(&list).await.unwrap();
        }
        assert_eq!(rig.claimed(ACME, token).await, Ok((2, Source::Load)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_vouches_for_an_entry_while_news_arrives() {
    let (rig, (list, token)) = (Rig::of_acme(ResolveOptions::default()).await, told());
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.version(ACME).await, Ok(1));
    rig.register.loads();
    let token = Claims { as_of: None, ..token };
    rig.pass(600 * SECOND);
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Token)), "no look-up");
    assert_eq!(rig.register.loads(), 0);

    list.push(1, &[]);
    rig.register.put(ACME, Entry { suspended: true, ..entry(1, 2) });
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.claimed(ACME, token).await, Ok((2, Source::Load)), "the floor is higher");

    rig.pass(301 * SECOND);
    assert_eq!(rig.claimed(ACME, token).await, Ok((2, Source::Load)), "who hears nothing takes no token's word");
    rig.pass(900 * SECOND);
    rig.resolver.poll(&list).await.unwrap();
    assert_eq!(rig.claimed(ACME, token).await, Ok((2, Source::Load)), "nothing is vouched for that long");
}

/// Whoever has changed something and goes on at another node finds it changed.
#[tokio::test(start_paused = true)]
async fn a_token_that_knows_more_has_the_tenant_looked_up_at_once() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    rig.register.put(ACME, entry(1, 2));
    assert_eq!(rig.version(ACME).await, Ok(1), "nothing was heard");
    assert!(rig.resolver.resolve_claimed_now(ACME, claims(1, 2)).is_none());
    rig.register.loads();
    let ask = || rig.claimed(ACME, claims(1, 2));
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!((one, other), (Ok((2, Source::Load)), Ok((2, Source::Load))));
    assert_eq!(rig.register.loads(), 1, "together");
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh), "also for those without a token");

    rig.register.be(Mood::Down);
    assert_eq!(rig.claimed(ACME, claims(1, 3)).await, Err("store"), "what is known to be old is no answer in an outage");
    assert_eq!(rig.version(ACME).await, Ok(2), "to others it is");
}

#[tokio::test(start_paused = true)]
async fn who_has_a_token_is_not_told_that_nobody_is_there() {
    let rig = Rig::new();
    assert_eq!(rig.version(ACME).await, Err("nobody"));
    rig.register.put(ACME, entry(1, 1));
    let token = Claims { name: Some(ACME), ..claims(1, 1) };
    assert_eq!(rig.claimed(FLAGS, token).await, Err("nobody"), "another name costs what a stranger's costs");
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Load)));
    // The tenant has moved: the token does not lead back.
    rig.register.remove(ACME);
    rig.register.put(BETA, entry(1, 2));
    rig.resolver.hear(&notice(1, 2, &[ACME, BETA]));
    assert_eq!(rig.claimed(ACME, token).await, Err("nobody"));
    rig.register.loads();
    assert_eq!(rig.claimed(ACME, token).await, Err("nobody"));
    assert_eq!(rig.register.loads(), 0, "and costs no look-up");
}

#[tokio::test(start_paused = true)]
async fn who_has_a_token_is_no_stranger() {
    let rig = Rig::with(ResolveOptions::default().strangers(1, 1));
    assert_eq!(rig.version(BETA).await, Err("nobody"));
    rig.register.put(ACME, entry(1, 1));
    assert_eq!(rig.version(ACME).await, Err("overloaded"));
    let token = Claims { name: Some(ACME), ..claims(1, 1) };
    assert_eq!(rig.claimed(ACME, token).await, Ok((1, Source::Load)));
}

/// Its holder has seen what the token names: an answer that is older would take it back.
#[tokio::test(start_paused = true)]
async fn a_token_is_not_answered_with_a_load_that_began_before_it_was_made() {
    for (before, name) in [(Some(entry(1, 1)), None), (None, Some(ACME))] {
        let rig = Rig::new();
        if let Some(before) = before {
            rig.register.put(ACME, before);
        }
        rig.register.hold_back();
        let resolver = rig.resolver.clone();
        let early = tokio::spawn(async move { resolver.resolve(ACME).await });
        rig.settle().await;
        rig.register.put(ACME, entry(1, 2));
        let resolver = rig.resolver.clone();
        let claims = Claims { name, ..claims(1, 2) };
        let claimed = tokio::spawn(async move { resolver.resolve_claimed(ACME, claims).await });
        rig.settle().await;
        rig.register.answer(2);
        assert_ne!(early.await.unwrap().map(|found| found.entry.version).ok(), Some(2));
        assert_eq!(claimed.await.unwrap().unwrap().entry.version, 2);
    }
}

/// A store that was set back to an earlier state: tokens from before that must not shut out those who come with later ones, or none.
#[tokio::test(start_paused = true)]
async fn the_store_has_the_last_word() {
    let rig = Rig::of_acme(ResolveOptions::default()).await;
    let ahead = Claims { name: Some(ACME), ..claims(1, 9) };
    assert_eq!(rig.claimed(ACME, ahead).await, Ok((1, Source::Load)));
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
    // Of another tenant, that had the name later.
    assert_eq!(rig.claimed(ACME, Claims { tenant: tenant(2), ..ahead }).await, Err("other tenant"));
    assert_eq!(rig.source(ACME).await, Ok(Source::Fresh));
}

#[tokio::test(start_paused = true)]
async fn catching_up_asks_once_for_all_who_come_in_that_time() {
    let (rig, (list, _)) = (Rig::new(), told());
    assert_eq!(rig.resolver.catch_up(&list, SECOND).await.unwrap(), Some(1));
    list.push(1, &[]);
    assert_eq!(rig.resolver.catch_up(&list, SECOND).await.unwrap(), None, "just heard");
    rig.pass(SECOND);
    let (one, other) = tokio::join!(rig.resolver.catch_up(&list, SECOND), rig.resolver.catch_up(&list, SECOND));
    assert_eq!((one.unwrap(), other.unwrap()), (Some(1), None));
}

/// A list that takes three seconds to read.
#[derive(Debug)]
struct SlowChanges {
    stopwatch: Arc<ManualStopwatch>,
    asked: AtomicU64,
}

#[async_trait]
impl TenantChanges for SlowChanges {
    async fn changes_since(&self, _after: Option<u64>) -> StoreResult<Changes> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.stopwatch.advance(3 * SECOND);
        Ok(Changes { last: 7, ..Changes::default() })
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_slow_store_is_content_with_what_was_asked_meanwhile() {
    let rig = Rig::new();
    let list = SlowChanges { stopwatch: Arc::clone(&rig.stopwatch), asked: AtomicU64::new(0) };
    let ask = || rig.resolver.catch_up(&list, SECOND);
    let (one, other, third) = tokio::join!(ask(), ask(), ask());
    assert_eq!((one.unwrap(), other.unwrap(), third.unwrap()), (Some(0), None, None));
    assert_eq!(list.asked.load(Ordering::SeqCst), 1);
    ask().await.unwrap();
    assert_eq!(list.asked.load(Ordering::SeqCst), 2, "who comes later asks anew");
}

/// What may happen to two tenants and two names, and to a node.
#[derive(Clone, Debug)]
enum Event {
    /// A tenant is suspended, or goes on.
    Turn(u128),
    /// A tenant gets a name that is free.
    Move(u128, bool),
    /// Something happens to others.
    Others(u8),
    /// A token is made of a tenant.
    Sign(u128),
    /// A notice of a tenant's present state arrives.
    Hear(u128),
    Poll,
    /// A new node takes the place of the one that was there.
    Start,
    /// The list loses its front.
    Prune,
    Pass(u16),
    /// A request with the token that was made so many tokens ago.
    Ask {
        token: usize,
        beta: bool,
    },
    /// One without.
    Plain {
        beta: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let number = || 1..3_u128;
    prop_oneof![
        2 => number().prop_map(Event::Turn),
        2 => (number(), any::<bool>()).prop_map(|(number, beta)| Event::Move(number, beta)),
        1 => (1..6_u8).prop_map(Event::Others),
        4 => number().prop_map(Event::Sign),
        2 => number().prop_map(Event::Hear),
        5 => Just(Event::Poll),
        2 => Just(Event::Start),
        1 => Just(Event::Prune),
        3 => (0..3000_u16).prop_map(Event::Pass),
        12 => (0..4_usize, any::<bool>()).prop_map(|(token, beta)| Event::Ask { token, beta }),
        1 => any::<bool>().prop_map(|beta| Event::Plain { beta }),
    ]
}

const NAMES: [HostRef<'static>; 2] = [ACME, BETA];

/// What is so, and since when.
#[derive(Clone, Debug)]
struct State {
    at_us: u64,
    /// Of each tenant: its version, whether it is suspended, and which name it has.
    tenants: [(u64, bool, Option<bool>); 2],
}

#[derive(Debug)]
struct World {
    states: Vec<State>,
    list: List,
    tokens: Vec<Claims<'static>>,
}

impl World {
    fn now(&self) -> &State {
        self.states.last().unwrap()
    }

    fn change(&mut self, rig: &Rig, number: u128, change: impl FnOnce(&mut (u64, bool, Option<bool>))) {
        let mut state = State { at_us: rig.now_us(), ..self.now().clone() };
        let tenant = &mut state.tenants[usize::try_from(number).unwrap() - 1];
        let before = tenant.2;
        change(tenant);
        let names: Vec<HostRef<'_>> = [before, tenant.2].into_iter().flatten().map(|beta| NAMES[usize::from(beta)]).collect();
        tenant.0 = self.list.push(number, &names);
        let (version, suspended, name) = *tenant;
        for gone in names {
            rig.register.remove(gone);
        }
        if let Some(beta) = name {
            rig.register.put(NAMES[usize::from(beta)], Entry { suspended, ..entry(number, version) });
        }
        self.states.push(state);
    }

    /// The states that an answer may be of that is at most `lag` old.
    fn since(&self, now_us: u64, lag: Duration) -> impl Iterator<Item = &State> {
        let from_us = now_us - u64::try_from(lag.as_micros()).unwrap();
        let first = self.states.iter().rposition(|state| state.at_us <= from_us).unwrap_or(0);
        self.states[first..].iter()
    }
}

/// How a node answers without a look-up, that is, out of memory for no other reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// On the word of a token.
    Token,
    /// As it has heard of all changes: nothing is fresh by its age.
    Hearing,
}

impl By {
    fn options(self, floors: usize) -> ResolveOptions {
        let options = ResolveOptions::default().capacity(8, 8, floors);
        if self == Self::Hearing { options.lives(Duration::ZERO, Duration::ZERO) } else { options }
    }

    fn source(self) -> Source {
        if self == Self::Hearing { Source::Fresh } else { Source::Token }
    }
}

/// Runs through the events and checks every answer; how many of them came without a look-up.
async fn run(events: Vec<Event>, by: By, floors: usize, part: usize) -> usize {
    let options = by.options(floors);
    let mut rig = Rig::with(options);
    rig.pass(10 * SECOND);
    let state = State { at_us: 0, tenants: [(0, false, None); 2] };
    let (mut world, mut taken) = (World { states: vec![state], list: List::new(part), tokens: Vec::new() }, 0);
    world.change(&rig, 1, |tenant| tenant.2 = Some(false));
    world.change(&rig, 2, |_| {});
    for event in events {
        match event {
            Event::Turn(number) => world.change(&rig, number, |tenant| tenant.1 = !tenant.1),
            Event::Move(number, beta) => {
                let is_free = world.now().tenants.iter().all(|tenant| tenant.2 != Some(beta));
                if is_free {
                    world.change(&rig, number, |tenant| tenant.2 = Some(beta));
                }
            }
            Event::Others(count) => (0..count).for_each(|other| {
                world.list.push(100 + u128::from(other), &[]);
            }),
            Event::Sign(number) => {
                let (version, suspended, name) = world.now().tenants[usize::try_from(number).unwrap() - 1];
                let name = name.map(|beta| NAMES[usize::from(beta)]);
                let as_of = (!suspended).then(|| world.list.end());
                world.tokens.push(Claims { tenant: tenant(number), version, name, as_of });
            }
            Event::Hear(number) => {
                let (version, ..) = world.now().tenants[usize::try_from(number).unwrap() - 1];
                rig.resolver.hear(&notice(number, version, &[]));
            }
            Event::Poll => {
                rig.resolver.poll(&world.list).await.unwrap();
            }
            Event::Start => rig.start_anew(options),
            Event::Prune => world.list.pruned.store(world.list.end().saturating_sub(1), Ordering::SeqCst),
            Event::Pass(ms) => rig.pass(Duration::from_millis(ms.into())),
            Event::Ask { token, beta } => {
                if let Some(token) = world.tokens.iter().rev().nth(token) {
                    taken += usize::from(ask(&rig, &world, by, *token, NAMES[usize::from(beta)]).await);
                }
            }
            Event::Plain { beta } => {
                let key = NAMES[usize::from(beta)];
                if let Ok(found) = rig.resolve(key).await {
                    taken += usize::from(check(&rig, &world, by, key, &found));
                }
            }
        }
    }
    taken
}

/// Whether it was answered without a look-up.
async fn ask(rig: &Rig, world: &World, by: By, token: Claims<'static>, key: HostRef<'static>) -> bool {
    let found = rig.resolver.resolve_claimed(key, token).await;
    // What is looked up behind its back.
    rig.settle().await;
    let Ok(found) = found else { return false };
    let entry = &found.entry;
    assert_eq!(entry.tenant, token.tenant, "{token:?}");
    assert!(entry.version >= token.version, "older than {token:?}: {entry:?}");
    check(rig, world, by, key, &found)
}

/// Whether it was answered without a look-up; then it was so within the last two seconds.
fn check(rig: &Rig, world: &World, by: By, key: HostRef<'static>, found: &Resolved<Entry>) -> bool {
    let entry = &found.entry;
    if found.source == by.source() {
        let number = usize::try_from(entry.tenant.as_uuid().as_u128()).unwrap() - 1;
        let shown = (entry.version, entry.suspended, Some(key));
        let mut states = world.since(rig.now_us(), 2 * SECOND).map(|state| state.tenants[number]);
        let was_so =
            states.any(|(version, suspended, name)| (version, suspended, name.map(|beta| NAMES[usize::from(beta)])) == shown);
        assert!(was_so, "{shown:?} was over two seconds ago, and is answered by {by:?}: {:?}", world.states);
    }
    found.source == by.source()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever happens, and whatever a node hears of it: what it takes a token's word for was so within the last two seconds, and no
    /// answer is older than the token. So was what it uses without a look because it hears of all changes.
    #[test]
    fn no_order_of_events_lets_a_token_or_an_entry_outlive_what_it_tells(
        events in prop::collection::vec(event(), 1..80), floors in 1..6_usize, part in 1..8_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(events.clone(), By::Token, floors, part));
        runtime.block_on(run(events, By::Hearing, floors, part));
    }
}

/// The property above is about something.
#[tokio::test(start_paused = true)]
async fn tokens_and_what_was_heard_count_again_and_again() {
    let ask = Event::Ask { token: 0, beta: false };
    let round =
        [Event::Turn(1), Event::Turn(1), Event::Sign(1), Event::Poll, ask.clone(), Event::Pass(1900), ask, Event::Pass(500)];
    let events = round.iter().cycle().take(10 * round.len()).cloned().collect();
    assert_eq!(run(events, By::Token, 4, 4).await, 10);
    let round = [Event::Turn(1), Event::Poll, Event::Plain { beta: false }, Event::Pass(1900), Event::Plain { beta: false }];
    let events = round.iter().cycle().take(10 * round.len()).cloned().collect();
    assert_eq!(run(events, By::Hearing, 4, 4).await, 10);
}
