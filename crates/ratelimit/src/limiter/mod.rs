//! From a request to a decision: policies, what is remembered, the store, and what happens without it.

mod ask;
pub(crate) mod breaker;
mod deny_cache;
mod guard;
mod lease;
mod metrics;
mod options;
mod plan;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use smallvec::SmallVec;
use togglebox_core::{Entropy, EntropyExt as _, OsEntropy};

use self::ask::{Answer, Asked};
use self::deny_cache::DenyCache;
use self::guard::Guard;
use self::lease::LeaseBook;
use self::metrics::{Metrics, Said};
pub use self::options::LimiterOptions;
use self::plan::{Meeting, Plan, Routes};
use crate::batch::Receipt;
use crate::clock::{Stopwatch, SystemStopwatch};
use crate::decision::{Decision, Pass, Source, Taken};
use crate::key::PolicyName;
use crate::memory::MemoryStore;
use crate::policy::{Mode, Overrides, Policy, PolicyError};
use crate::store::LimitStore;
use crate::subject::{Buckets, Naming, Subject};

/// Decides whether requests may go on. Clones are the same limiter.
///
/// It never fails: whatever happens to the store, there is a [`Decision`], within the [deadline](LimiterOptions::with_deadline).
///
/// - A denial is remembered for as long as it certainly holds, a second at the most, without asking again.
/// - A policy may let nodes take units [in advance](Policy::leased), and then mostly decides without the store.
/// - A store that fails again and again is not asked any more, but probed in the background; meanwhile each policy does what it says for
///   [an outage](crate::OnOutage). Limits on this node follow what the store answers, so that an outage does not begin with full buckets.
///
/// Probes and what is done about leases run as tasks of tokio. Without a run time, a store within the process can be asked all the same:
/// [`acquire_now`](Self::acquire_now).
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn LimitStore>,
    /// As the store has it.
    naming: Naming,
    policies: Vec<Policy>,
    routes: Routes,
    /// `None`: nobody is an exception, and need not be looked for.
    overrides: Option<Arc<dyn Overrides>>,
    options: LimiterOptions,
    nodes: AtomicU32,
    stopwatch: Arc<dyn Stopwatch>,
    entropy: Arc<dyn Entropy>,
    fallback: MemoryStore,
    denials: DenyCache,
    leases: LeaseBook,
    /// Whether something looks after leases that expire.
    keeper: Mutex<bool>,
    guards: Box<[Guard]>,
    metrics: Metrics,
}

/// Refunds that are under way at once.
const REFUNDS_AT_ONCE: usize = 32;

/// Parts of a store that are watched each for itself.
const GUARDS: usize = 64;

/// What a limiter is made of.
#[derive(Debug)]
#[must_use]
pub struct LimiterBuilder {
    store: Arc<dyn LimitStore>,
    policies: Vec<Policy>,
    overrides: Option<Arc<dyn Overrides>>,
    options: LimiterOptions,
    stopwatch: Arc<dyn Stopwatch>,
    entropy: Arc<dyn Entropy>,
}

impl LimiterBuilder {
    /// Adds a policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Adds policies.
    pub fn policies(mut self, policies: impl IntoIterator<Item = Policy>) -> Self {
        self.policies.extend(policies);
        self
    }

    /// Knows exceptions.
    pub fn overrides(mut self, overrides: Arc<dyn Overrides>) -> Self {
        self.overrides = Some(overrides);
        self
    }

    /// Deals with the store like this.
    pub fn options(mut self, options: LimiterOptions) -> Self {
        self.options = options;
        self
    }

    /// Takes the time from here. For tests.
    pub fn stopwatch(mut self, stopwatch: Arc<dyn Stopwatch>) -> Self {
        self.stopwatch = stopwatch;
        self
    }

    /// Takes randomness from here: it spreads probes.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The limiter. Counters are registered with the recorder of `metrics` that is installed now.
    ///
    /// # Errors
    /// Two policies have one name, or something has a cost that never passes.
    pub fn build(self) -> Result<Limiter, PolicyError> {
        for (number, policy) in self.policies.iter().enumerate() {
            policy.check()?;
            if self.policies[..number].iter().any(|earlier| earlier.name() == policy.name()) {
                return Err(PolicyError::Twice(policy.name()));
            }
        }
        Ok(Limiter(Arc::new(Inner {
            metrics: Metrics::register(self.policies.iter().map(Policy::name)),
            fallback: MemoryStore::with(self.options.fallback_capacity, Arc::clone(&self.stopwatch)),
            nodes: AtomicU32::new(self.options.nodes),
            naming: if self.store.is_within_process() { Naming::Open } else { Naming::Hidden },
            store: self.store,
            routes: Routes::of(&self.policies),
            policies: self.policies,
            overrides: self.overrides,
            options: self.options,
            stopwatch: self.stopwatch,
            entropy: self.entropy,
            denials: DenyCache::new(),
            leases: LeaseBook::new(),
            keeper: Mutex::new(false),
            guards: (0..GUARDS).map(|_| Guard::default()).collect(),
        })))
    }
}

impl Limiter {
    /// A limiter over this store.
    pub fn over(store: Arc<dyn LimitStore>) -> LimiterBuilder {
        LimiterBuilder {
            store,
            policies: Vec::new(),
            overrides: None,
            options: LimiterOptions::default(),
            stopwatch: Arc::new(SystemStopwatch::start()),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// Decides, and charges what passes.
    ///
    /// Dropping the future does not take back what the store was asked already.
    pub async fn acquire(&self, subject: &Subject<'_>) -> Decision {
        let inner = &self.0;
        let plan = inner.plan(subject);
        let mut asked = Asked::default();
        for group in &plan.enforced {
            let answer = match inner.ask_now(group) {
                Some(answer) => answer,
                None => inner.ask(group).await,
            };
            if !asked.add(inner, group, answer) {
                inner.give_back(asked.take_back()).await;
                return asked.decision();
            }
        }
        for group in &plan.watching {
            let answer = match inner.ask_now(group) {
                Some(answer) => answer,
                None => inner.ask(group).await,
            };
            asked.add(inner, group, answer);
        }
        asked.decision()
    }

    /// Decides without waiting, if that is possible: `None` where the store has to be asked and is not within the process. Nothing was
    /// charged then, and [`acquire`](Self::acquire) decides.
    pub fn acquire_now(&self, subject: &Subject<'_>) -> Option<Decision> {
        let inner = &self.0;
        let plan = inner.plan(subject);
        match (&plan.enforced[..], &plan.watching[..]) {
            ([], []) => return Some(Decision::unlimited()),
            // What most requests meet, without detours.
            ([group], []) | ([], [group]) => return inner.ask_now(group).map(|answer| Asked::one(inner, group, answer)),
            _ => {}
        }
        // Nothing is counted before it is certain that nothing has to be waited for.
        let mut answers: SmallVec<[Answer; 1]> = SmallVec::new();
        let groups = || plan.enforced.iter().chain(&plan.watching);
        for (number, group) in groups().enumerate() {
            let Some(answer) = inner.ask_now(group) else {
                inner.give_back_now(answers.into_iter().filter_map(Answer::into_taken));
                return None;
            };
            let ends = number < plan.enforced.len() && answer.is_refusal();
            answers.push(answer);
            if ends {
                break;
            }
        }
        let mut asked = Asked::default();
        for (group, answer) in groups().zip(answers) {
            if !asked.add(inner, group, answer) {
                inner.give_back_now(asked.take_back());
            }
        }
        Some(asked.decision())
    }

    /// Lets a request through that meets one enforced limit or none, if the store is within the process and has room: what nearly all
    /// requests to such a store come to, without all that other outcomes need. `None`: nothing was charged, and
    /// [`acquire_now`](Self::acquire_now) or [`acquire`](Self::acquire) decides.
    ///
    /// What has passed like this cannot be [given back](Self::refund).
    pub fn pass_now(&self, subject: &Subject<'_>) -> Option<Pass<'_>> {
        self.0.pass_now(self.0.routes.policies(subject.route()), subject)
    }

    /// The limits of one class of routes. `None` where no policy is for it, and there is nothing to ask.
    pub fn for_route(&self, route: &str) -> Option<RouteLimiter> {
        let policies = self.0.routes.policies(route);
        (!policies.is_empty()).then(|| RouteLimiter {
            inner: Arc::clone(&self.0),
            route: route.into(),
            policies: policies.into(),
        })
    }

    /// Gives back what a decision has taken, for a request that came to nothing by no fault of the caller's. A refund that is lost errs
    /// to the strict side.
    pub async fn refund(&self, decision: Decision) {
        self.0.give_back(decision.taken).await;
    }

    /// What every policy does from now on: a switch for operators. `false` when there is no such policy.
    pub fn set_mode(&self, policy: PolicyName, mode: Mode) -> bool {
        let found = self.0.policies.iter().find(|each| each.name() == policy);
        found.inspect(|policy| policy.set_mode(mode)).is_some()
    }

    /// How many nodes share the store from now on.
    pub fn set_nodes(&self, nodes: u32) {
        self.0.nodes.store(nodes, Ordering::Relaxed);
    }

    /// Where the limits are kept.
    pub fn store(&self) -> &Arc<dyn LimitStore> {
        &self.0.store
    }

    /// Whether a part of the store is not asked at present.
    pub fn is_degraded(&self) -> bool {
        self.0.guards.iter().any(|guard| !guard.is_closed())
    }

    /// How many units are held in advance.
    pub fn leased_units(&self) -> u64 {
        self.0.leases.held()
    }

    /// Gives back what was taken in advance and has expired. Called by itself while there is something to look after.
    pub async fn tidy(&self) {
        self.0.tidy(self.0.stopwatch.now_us()).await;
    }

    /// Gives back everything that was taken in advance. To be called before the process ends.
    pub async fn close(&self) {
        self.0.tidy(u64::MAX).await;
    }
}

/// The limits of one class of routes, whose policies are found out once: [`Limiter::for_route`].
#[derive(Clone, Debug)]
pub struct RouteLimiter {
    inner: Arc<Inner>,
    route: Box<str>,
    policies: Box<[usize]>,
}

impl RouteLimiter {
    /// [`Limiter::pass_now`], for a request to this class of routes in less time.
    #[inline]
    pub fn pass_now(&self, subject: &Subject<'_>) -> Option<Pass<'_>> {
        if subject.route() != &*self.route {
            // Never by the policies of another route.
            return self.inner.pass_now(self.inner.routes.policies(subject.route()), subject);
        }
        self.inner.pass_now(&self.policies, subject)
    }
}

impl Inner {
    /// Of the policies with these numbers.
    #[inline]
    fn pass_now(&self, policies: &[usize], subject: &Subject<'_>) -> Option<Pass<'_>> {
        let mut meeting = self.meeting(subject);
        let mut policies = policies.iter();
        let met = loop {
            let Some(number) = policies.next() else { return Some(Pass::unlimited()) };
            if let Some(met) = meeting.met(*number) {
                break met;
            }
        };
        if met.mode != Mode::Enforce || policies.any(|number| meeting.met(*number).is_some()) {
            return None;
        }
        let limit = met.limit();
        let reply = self.store.consume_one_now(met.tag, &limit)?.ok().filter(|reply| reply.passed)?;
        self.metrics.decided(met.number, Said::Allowed, Source::Store, Mode::Enforce);
        Some(Pass::of(met.policy, &limit, &reply))
    }

    fn plan(&self, subject: &Subject<'_>) -> Plan {
        let of_route = self.routes.policies(subject.route());
        Plan::of(of_route, self.meeting(subject))
    }

    #[inline]
    fn meeting<'p, 's, 'a>(&'p self, subject: &'s Subject<'a>) -> Meeting<'p, 's, 'a>
    where
        'p: 's,
    {
        let buckets = Buckets::of(subject, self.options.ipv6_prefix, self.naming);
        Meeting::of(&self.policies, self.overrides.as_deref(), buckets)
    }

    fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed).max(1)
    }

    async fn tidy(&self, now_us: u64) {
        let refunds = futures_util::stream::iter(self.leases.expired(now_us));
        refunds.for_each_concurrent(REFUNDS_AT_ONCE, |receipt| self.return_units(receipt)).await;
    }

    /// Gives units back that were not used. Units that cannot be are lost: the store is stricter than it need be, for a while.
    async fn return_units(&self, receipt: Receipt) {
        let units = receipt.batch().limits().iter().map(|limit| u64::from(limit.cost())).min().unwrap_or_default();
        let is_worth_it = self.guard(receipt.batch().tag()).is_closed();
        let returned = is_worth_it && self.within_deadline(self.store.refund(&receipt)).await.is_some_and(|told| told.is_ok());
        let counter = if returned { &self.metrics.returned } else { &self.metrics.lost };
        counter.increment(units);
    }

    async fn give_back(&self, taken: impl IntoIterator<Item = Taken>) {
        for each in taken {
            match each {
                Taken::Charge(receipt) => {
                    // Lost: the store is stricter than it need be, for a while.
                    let _ = self.within_deadline(self.store.refund(&receipt)).await;
                    self.forget_denials(&receipt);
                }
                other => self.give_back_here(&other),
            }
        }
    }

    /// Without waiting, or behind the requests.
    fn give_back_now(self: &Arc<Self>, taken: impl IntoIterator<Item = Taken>) {
        for each in taken {
            match each {
                Taken::Charge(receipt) => {
                    if self.store.refund_now(&receipt).is_none() {
                        let inner = Arc::clone(self);
                        guard::in_background(async move { inner.give_back([Taken::Charge(receipt)]).await });
                    } else {
                        self.forget_denials(&receipt);
                    }
                }
                other => self.give_back_here(&other),
            }
        }
    }

    fn give_back_here(&self, taken: &Taken) {
        match taken {
            Taken::Charge(_) => {}
            Taken::Local(receipt) => {
                let _ = self.fallback.refund_now(receipt);
            }
            Taken::Unit(name) => {
                self.leases.put_back(name, self.stopwatch.now_us());
            }
        }
    }

    fn forget_denials(&self, receipt: &Receipt) {
        for limit in receipt.batch().limits() {
            self.denials.forget(&limit.slot());
        }
    }

    /// What comes of a call in time.
    async fn within_deadline<T>(&self, call: impl Future<Output = T> + Send) -> Option<T> {
        tokio::time::timeout(self.options.deadline, call).await.ok()
    }

    /// The pause before the next probe. After one that went well the next ones come soon: limits are to hold again.
    fn pause(&self, well: bool) -> Duration {
        let [byte] = self.entropy.bytes();
        let pause = if well { self.options.probe_every / 4 } else { self.options.probe_every };
        pause + pause / 4 * u32::from(byte) / 255
    }
}
