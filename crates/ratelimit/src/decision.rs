//! What came of asking.

use std::time::Duration;

use smallvec::SmallVec;

use crate::batch::{Limit, Receipt, ReplyToOne, Standing};
use crate::gcra::{self, Tat};
use crate::key::{Digest, PolicyName};
use crate::policy::{Mode, Policy};
use crate::quota::Quota;

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It may.
    Allowed,
    /// It is over a limit.
    Denied {
        /// Of the limits that have no room, the one with the longest wait.
        policy: PolicyName,
        /// How long until there is room, if nothing else comes.
        retry_after: Duration,
    },
    /// Nobody can tell, and the policy lets nothing through then. The caller did nothing wrong.
    Unavailable {
        /// The policy that wants to be asked.
        policy: PolicyName,
        /// When to try again.
        retry_after: Duration,
    },
}

/// Where a decision comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// No policy had anything to say.
    Off,
    /// Units that were taken in advance.
    Lease,
    /// A denial that still holds.
    DenyCache,
    /// The store.
    Store,
    /// This node alone: the store cannot be asked.
    Fallback,
}

/// How one limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReport {
    /// The policy.
    pub policy: PolicyName,
    /// What may pass.
    pub quota: Quota,
    /// What the policy does with what it finds.
    pub mode: Mode,
    /// How it stands after this request.
    pub standing: Standing,
}

impl LimitReport {
    /// The part of the burst that is used up, 0 to 1.
    pub fn used(&self) -> f64 {
        let left = u32::try_from(self.standing.reading.remaining).unwrap_or(u32::MAX).min(self.quota.burst());
        1.0 - f64::from(left) / f64::from(self.quota.burst())
    }
}

/// What came of asking whether a request may go on, and how its limits stand.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Decision {
    pub(crate) outcome: Outcome,
    pub(crate) source: Source,
    pub(crate) limits: Reports,
    pub(crate) taken: AllTaken,
}

/// How limits stand. Few are kept in place: a decision is moved more often than it is read.
pub(crate) type Reports = SmallVec<[LimitReport; 2]>;

/// What was taken: once, unless limits of several tags were asked.
pub(crate) type AllTaken = SmallVec<[Taken; 1]>;

/// What was taken for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// From the store.
    Charge(Receipt),
    /// From this node's own limits, while the store cannot be asked.
    Local(Receipt),
    /// A unit of what was taken in advance.
    Unit(Digest),
}

/// A request that passed one limit, or meets none: see [`Limiter::pass_now`](crate::Limiter::pass_now).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Pass<'l>(Option<Passed<'l>>);

/// An enforced limit, when it was charged, and how it stood before.
#[derive(Clone, Copy, Debug)]
struct Passed<'l> {
    policy: &'l Policy,
    quota: Quota,
    cost: u32,
    now_us: u64,
    before: Tat,
}

impl<'l> Pass<'l> {
    pub(crate) const fn unlimited() -> Self {
        Self(None)
    }

    /// Of a limit that was charged by itself.
    #[inline]
    pub(crate) const fn of(policy: &'l Policy, limit: &Limit, reply: &ReplyToOne) -> Self {
        Self(Some(Passed { policy, quota: *limit.quota(), cost: limit.cost(), now_us: reply.now_us, before: reply.before }))
    }

    /// How the limit stands, if there is one.
    pub fn limit(&self) -> Option<LimitReport> {
        let Passed { policy, quota, cost, now_us, before } = self.0.as_ref()?;
        let (retry_after, reading) = gcra::standing(quota, *before, *now_us, *cost, true);
        let standing = Standing { passed: true, reading, retry_after };
        Some(LimitReport { policy: policy.name(), quota: *quota, mode: Mode::Enforce, standing })
    }
}

impl Decision {
    /// Nothing to decide.
    pub(crate) fn unlimited() -> Self {
        Self { outcome: Outcome::Allowed, source: Source::Off, limits: Reports::new(), taken: AllTaken::new() }
    }

    /// Whether the request may go on.
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the request may go on.
    pub const fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed)
    }

    /// Where the decision comes from.
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The limits that were asked, as far as they are known.
    pub fn limits(&self) -> &[LimitReport] {
        &self.limits
    }

    /// Of the enforced limits the one that is nearest to denying: the one that denies with the longest wait, else the one with the
    /// smallest part of its burst left.
    pub fn binding(&self) -> Option<&LimitReport> {
        let enforced = self.limits.iter().filter(|limit| limit.mode == Mode::Enforce);
        enforced.max_by(|a, b| {
            let wait = |limit: &LimitReport| limit.standing.retry_after;
            wait(a).cmp(&wait(b)).then(a.used().total_cmp(&b.used()))
        })
    }

    /// The policies in [`Mode::Warn`] that would have denied, or have less than `left` of their burst left (0 to 1).
    pub fn warnings(&self, left: f64) -> impl Iterator<Item = PolicyName> {
        let warn = self.limits.iter().filter(|limit| limit.mode == Mode::Warn);
        warn.filter(move |limit| !limit.standing.passed || 1.0 - limit.used() < left).map(|limit| limit.policy)
    }
}
