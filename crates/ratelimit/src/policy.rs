//! What is limited, for whom, how strictly, and what happens when nobody can tell.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::key::PolicyName;
use crate::quota::{Quota, QuotaError};
use crate::subject::{Fact, Scope, Seeds, Subject};

/// What a policy does with what it finds. A new one starts in `Shadow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Nothing; it is not even asked.
    Off,
    /// Counts what it would have denied.
    Shadow,
    /// Also tells the caller, in a header.
    Warn,
    /// Denies.
    #[default]
    Enforce,
}

/// What a policy does while its limits cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// Lets nothing through: where guessing would be dear. The caller did nothing wrong, and is told to come again.
    Closed,
    /// Lets everything through.
    Open,
    /// Limits on each node by itself, to the node's share.
    #[default]
    Local,
}

/// Units that a node takes in advance, so that it need not ask each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lease {
    /// How long units may be kept. In any window, at most `min(nodes·(k - 1), floor(life / interval) + 1)` units pass beyond what the
    /// quota promises, where `k` is the most units that a node takes at once; in the long run none.
    pub life: Duration,
    /// The most that all nodes together may hold, as a part of the burst.
    pub share: f64,
}

impl Default for Lease {
    /// A tenth of a second, and a twentieth of the burst.
    fn default() -> Self {
        Self { life: Duration::from_millis(100), share: 0.05 }
    }
}

/// What else may be said about the quota of somebody: what stands with a tenant or a key.
pub trait Overrides: Send + Sync + Debug + 'static {
    /// What counts instead of the plan's quota and the policy's own; `None` for these.
    fn find(&self, policy: PolicyName, subject: &Subject<'_>) -> Option<Override>;
}

/// An exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// This quota.
    Quota(Quota),
    /// Whatever the policy says, in this mode at the most: `Off` for no limit, `Shadow` for a dry run.
    Mode(Mode),
}

/// A rule: how much of what, for whom.
///
/// ```
/// use std::time::Duration;
/// use togglebox_ratelimit::{Fact, Mode, OnOutage, Policy, Quota};
///
/// let sign_ins = Policy::new("login", &[Fact::Address], Quota::rate(5, Duration::from_secs(60)).full_burst()?)?
///     .for_routes(["login"])
///     .on_outage(OnOutage::Closed);
/// let reads = Policy::new("tenant", &[Fact::Tenant], Quota::rate(100, Duration::from_secs(1)).burst(200)?)?
///     .for_plan("free", Quota::rate(10, Duration::from_secs(1)).burst(20)?)
///     .cost("writes", 10)
///     .mode(Mode::Shadow);
/// # Ok::<(), togglebox_ratelimit::PolicyError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Policy {
    name: PolicyName,
    seeds: Seeds,
    scope: Scope,
    quota: Quota,
    plans: BTreeMap<String, Quota>,
    routes: Option<Vec<String>>,
    costs: BTreeMap<String, u32>,
    on_outage: OnOutage,
    lease: Option<Lease>,
    mode: AtomicU8,
}

/// A policy that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No name of a policy.
    #[error(transparent)]
    Name(#[from] crate::key::PolicyNameError),
    /// Facts that say nothing of where the bucket is.
    #[error("scope: must have the tenant, the address or the account among its facts")]
    Scope,
    /// Two policies that cannot be told apart.
    #[error("policy {0}: there is another one of this name")]
    Twice(PolicyName),
    /// No quota.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// A cost that never passes.
    #[error("policy {policy}: {source}")]
    Cost {
        /// The policy's name.
        policy: PolicyName,
        /// What is wrong.
        source: QuotaError,
    },
    /// A cost that never passes under the quota of a plan.
    #[error("policy {policy}, plan {plan}: {source}")]
    Plan {
        /// The policy's name.
        policy: PolicyName,
        /// The plan's name.
        plan: String,
        /// What is wrong.
        source: QuotaError,
    },
}

impl Policy {
    /// A policy with a bucket for each value of these facts, enforced, one unit a request.
    ///
    /// # Errors
    /// The name is none, or the facts lack tenant, address and account.
    pub fn new(name: &str, scope: &[Fact], quota: Quota) -> Result<Self, PolicyError> {
        let name: PolicyName = name.parse()?;
        let scope = Scope::of(scope).ok_or(PolicyError::Scope)?;
        Ok(Self {
            seeds: Seeds::of(name.as_str(), scope),
            name,
            scope,
            quota,
            plans: BTreeMap::new(),
            routes: None,
            costs: BTreeMap::new(),
            on_outage: OnOutage::default(),
            lease: None,
            mode: AtomicU8::new(Mode::Enforce as u8),
        })
    }

    /// Another quota for tenants with this plan.
    pub fn for_plan(mut self, plan: impl Into<String>, quota: Quota) -> Self {
        self.plans.insert(plan.into(), quota);
        self
    }

    /// For these classes of routes only.
    pub fn for_routes<R: Into<String>>(mut self, routes: impl IntoIterator<Item = R>) -> Self {
        self.routes = Some(routes.into_iter().map(Into::into).collect());
        self
    }

    /// What a request to a class of routes costs; 0: it is not counted. Without it, what the request itself says, and then 1.
    pub fn cost(mut self, route: impl Into<String>, units: u32) -> Self {
        self.costs.insert(route.into(), units);
        self
    }

    /// Whether everything that has a cost can pass under every quota.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        for units in self.costs.values().filter(|units| **units > 0) {
            self.quota.check_cost(*units).map_err(|source| PolicyError::Cost { policy: self.name, source })?;
            for (plan, quota) in &self.plans {
                let named = |source| PolicyError::Plan { policy: self.name, plan: plan.clone(), source };
                quota.check_cost(*units).map_err(named)?;
            }
        }
        Ok(())
    }

    /// What happens while limits cannot be asked.
    pub const fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// Lets nodes take units in advance.
    pub const fn leased(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// What it does with what it finds.
    pub fn mode(self, mode: Mode) -> Self {
        self.set_mode(mode);
        self
    }

    /// Its name.
    #[inline]
    pub const fn name(&self) -> PolicyName {
        self.name
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn current_mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            0 => Mode::Off,
            1 => Mode::Shadow,
            2 => Mode::Warn,
            _ => Mode::Enforce,
        }
    }

    #[inline]
    pub(crate) const fn seeds(&self) -> &Seeds {
        &self.seeds
    }

    #[inline]
    pub(crate) const fn scope(&self) -> Scope {
        self.scope
    }

    #[inline]
    pub(crate) const fn outage(&self) -> OnOutage {
        self.on_outage
    }

    pub(crate) const fn lease(&self) -> Option<Lease> {
        self.lease
    }

    pub(crate) fn is_for(&self, route: &str) -> bool {
        self.is_for_all() || self.routes().any(|each| each == route)
    }

    /// Whether it is for all classes of routes.
    pub(crate) const fn is_for_all(&self) -> bool {
        self.routes.is_none()
    }

    /// The classes of routes that it is for, unless it is for all.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().flatten().map(String::as_str)
    }

    /// The quota and the mode that count for somebody: an exception beats the plan, the plan beats the policy.
    #[inline]
    pub(crate) fn terms(&self, subject: &Subject<'_>, overrides: Option<&dyn Overrides>) -> (Quota, Mode) {
        let mode = self.current_mode();
        let planned = || subject.plan_name().and_then(|plan| self.plans.get(plan)).copied().unwrap_or(self.quota);
        match overrides.and_then(|overrides| overrides.find(self.name, subject)) {
            Some(Override::Quota(quota)) => (quota, mode),
            Some(Override::Mode(most)) => (planned(), mode.min(most)),
            None => (planned(), mode),
        }
    }

    /// What a request costs under this quota: nothing, or 1 to the burst. A request that says it costs more than can ever be saved up
    /// costs everything that can.
    #[inline]
    pub(crate) fn cost_of(&self, subject: &Subject<'_>, quota: &Quota) -> u32 {
        let units = if self.costs.is_empty() { None } else { self.costs.get(subject.route()).copied() };
        units.unwrap_or_else(|| subject.units()).min(quota.burst())
    }
}
