//! Where a tenant stands, and which steps lead on from there. Pure and total.

use std::fmt;
use std::time::Duration;

use togglebox_core::Timestamp;

/// What a tenant's standing comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TenantStatus {
    /// All is well.
    Active,
    /// A payment is overdue.
    PastDue,
    /// Stopped by the operator.
    Suspended,
    /// Deleted; for a while it can be restored.
    Deleted,
}

impl TenantStatus {
    /// The words of the wire, each with its status.
    pub const WORDS: [(&'static str, Self); 4] =
        [("active", Self::Active), ("past_due", Self::PastDue), ("suspended", Self::Suspended), ("deleted", Self::Deleted)];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// The status that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, status)| *status)
    }
}

impl fmt::Display for TenantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that gives no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reason must have 1 to {} characters", Reason::MAX_UNITS)]
pub struct InvalidReason;

/// Why a tenant was suspended, in words that its members may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// The most UTF-16 units of a reason.
    pub const MAX_UNITS: usize = 500;

    /// Takes `text` without the white space around it.
    ///
    /// # Errors
    /// [`InvalidReason`].
    pub fn new(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        let fits = !text.is_empty() && text.encode_utf16().count() <= Self::MAX_UNITS;
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidReason) }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// That a tenant is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub at: Timestamp,
}

/// That a tenant is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Since when.
    pub at: Timestamp,
    /// The end of the grace period: before it the tenant can be restored, from it on it can be purged.
    pub restorable_until: Timestamp,
    /// When its names were given up for good; from then on its data may go.
    pub purged_at: Option<Timestamp>,
}

impl Deletion {
    /// Without a grace period, and purged in the same moment.
    pub const fn at_once(at: Timestamp) -> Self {
        Self { at, restorable_until: at, purged_at: Some(at) }
    }
}

/// How a tenant is restricted because nobody pays for it, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpaid {
    /// Its names are kept for whoever signs up. It was never paid for: nothing can be done with it, and it can be
    /// [discarded](crate::store::TenantStore::discard).
    Reserved(Timestamp),
    /// A payment was overdue for too long: nothing can be changed.
    ReadOnly(Timestamp),
    /// It was paid for, and is not any more.
    Closed(Timestamp),
}

/// What makes one of these of a moment.
type UnpaidSince = fn(Timestamp) -> Unpaid;

impl Unpaid {
    /// The words of stores and of the wire, each with what it stands for.
    pub const WORDS: [(&'static str, UnpaidSince); 3] =
        [("reserved", Self::Reserved), ("read_only", Self::ReadOnly), ("closed", Self::Closed)];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved(_) => "reserved",
            Self::ReadOnly(_) => "read_only",
            Self::Closed(_) => "closed",
        }
    }

    /// Since when.
    pub const fn since(self) -> Timestamp {
        match self {
            Self::Reserved(at) | Self::ReadOnly(at) | Self::Closed(at) => at,
        }
    }

    /// What a word stands for, with its moment.
    pub fn parse(word: &str, since: Timestamp) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, unpaid)| unpaid(since))
    }
}

/// Everything that a tenant's status comes from. The parts are kept apart, so that a payment that arrives while the tenant is suspended
/// is not forgotten, and a restored tenant is again what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when a payment has been overdue.
    pub past_due_since: Option<Timestamp>,
    /// How that, or that it was never paid for, restricts it.
    pub unpaid: Option<Unpaid>,
    /// Set while the operator has stopped it.
    pub suspension: Option<Suspension>,
    /// Set once it was deleted.
    pub deletion: Option<Deletion>,
}

/// A step in a tenant's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The operator stops it. When it is suspended already, for another reason from now on.
    Suspend(Reason),
    /// The operator lets it go on.
    Resume,
    /// A payment is overdue. The first one counts.
    MarkPastDue,
    /// Everything is paid for.
    Settle,
    /// Its owner or the operator deletes it; for so long it can be restored.
    Delete {
        /// The grace period.
        grace: Duration,
    },
    /// It comes back as it was.
    Restore,
    /// It is given up for good.
    Purge,
}

impl Step {
    /// What the audit log calls it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Suspend(_) => "tenant.suspend",
            Self::Resume => "tenant.resume",
            Self::MarkPastDue => "tenant.past_due",
            Self::Settle => "tenant.settle",
            Self::Delete { .. } => "tenant.delete",
            Self::Restore => "tenant.restore",
            Self::Purge => "tenant.purge",
        }
    }
}

/// Why a step cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepRefused {
    /// The tenant does not stand where the step begins.
    #[error("a tenant in status {0} does not allow it")]
    Status(TenantStatus),
    /// The grace period is over.
    #[error("the tenant could be restored until {0}")]
    GraceIsOver(Timestamp),
    /// The grace period goes on.
    #[error("the tenant can be restored until {0}: it is not purged before")]
    GraceGoesOn(Timestamp),
    /// Its names are given up, its data may be gone.
    #[error("the tenant is being purged")]
    Purged,
}

impl Standing {
    /// What it comes to: what was deleted is deleted, whatever else it is; then a suspension counts, then a payment. What was never paid
    /// for, or is restricted for that, is past due.
    pub const fn status(&self) -> TenantStatus {
        if self.deletion.is_some() {
            TenantStatus::Deleted
        } else if self.suspension.is_some() {
            TenantStatus::Suspended
        } else if self.past_due_since.is_some() || self.unpaid.is_some() {
            TenantStatus::PastDue
        } else {
            TenantStatus::Active
        }
    }

    /// Since when it has been restricted because nobody pays for it.
    pub fn unpaid_since(&self) -> Option<Timestamp> {
        self.unpaid.map(Unpaid::since)
    }

    /// Whether its names are kept for whoever signs up, and nothing was ever paid for it.
    pub const fn is_reserved(&self) -> bool {
        matches!(self.unpaid, Some(Unpaid::Reserved(_)))
    }

    /// Whether it takes anybody or anything new in: not what is deleted or only reserved.
    pub const fn takes_in(&self) -> bool {
        self.deletion.is_none() && !self.is_reserved()
    }

    /// Where it stands by what was paid for it: since when a payment has been overdue, and what is restricted for that. A suspension and a
    /// deletion stay, and count before it.
    ///
    /// | | never paid for | paid for at some time |
    /// | --- | --- | --- |
    /// | reserved | nothing changes | nothing changes: what it has, it keeps |
    /// | everything else | it is not reserved any more, and never again | as told |
    #[must_use]
    pub fn paid(&self, past_due_since: Option<Timestamp>, unpaid: Option<Unpaid>) -> Self {
        if matches!(unpaid, Some(Unpaid::Reserved(_))) {
            return self.clone();
        }
        Self { past_due_since, unpaid, ..self.clone() }
    }

    /// Whether it is given up for good.
    pub fn is_purged(&self) -> bool {
        self.deletion.as_ref().is_some_and(|deletion| deletion.purged_at.is_some())
    }

    /// Whether it is deleted, and its grace period over at `now`: then it can be purged, and no longer restored.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.deletion.as_ref().is_some_and(|deletion| now >= deletion.restorable_until)
    }

    /// Where it stands after `step`, taken at `now`. A step that was taken already changes nothing where repeating it makes sense (payment
    /// notices come twice and out of order); everything else is refused.
    ///
    /// What is [unpaid](Unpaid) stands at past due. Only [`paid`](Self::paid) restricts it; settling lifts that, be it reserved or closed.
    ///
    /// | | active | past due | suspended | deleted |
    /// | --- | --- | --- | --- | --- |
    /// | suspend | suspended | suspended | suspended | |
    /// | resume | | | active or past due | |
    /// | mark past due | past due | past due | suspended | |
    /// | settle | active | active | suspended | |
    /// | delete | deleted | deleted | deleted | |
    /// | restore | | | | what it was; only before the end of the grace period |
    /// | purge | | | | deleted, for good; only from that end on |
    ///
    /// # Errors
    /// [`StepRefused`].
    pub fn after(&self, step: &Step, now: Timestamp) -> Result<Self, StepRefused> {
        let refused = StepRefused::Status(self.status());
        let mut next = self.clone();
        match (step, &self.deletion) {
            (Step::Restore | Step::Purge, Some(Deletion { purged_at: Some(_), .. })) => return Err(StepRefused::Purged),
            (Step::Restore, Some(deletion)) if self.is_over(now) => {
                return Err(StepRefused::GraceIsOver(deletion.restorable_until));
            }
            (Step::Restore, Some(_)) => next.deletion = None,
            (Step::Purge, Some(deletion)) if !self.is_over(now) => {
                return Err(StepRefused::GraceGoesOn(deletion.restorable_until));
            }
            (Step::Purge, Some(deletion)) => next.deletion = Some(Deletion { purged_at: Some(now), ..deletion.clone() }),
            (Step::Restore | Step::Purge, None) | (_, Some(_)) => return Err(refused),
            (Step::Suspend(reason), None) => {
                let at = self.suspension.as_ref().map_or(now, |suspension| suspension.at);
                next.suspension = Some(Suspension { reason: reason.clone(), at });
            }
            (Step::Resume, None) => match next.suspension.take() {
                Some(_) => {}
                None => return Err(refused),
            },
            (Step::MarkPastDue, None) => next.past_due_since = self.past_due_since.or(Some(now)),
            (Step::Settle, None) => (next.past_due_since, next.unpaid) = (None, None),
            (Step::Delete { grace }, None) => {
                next.deletion = Some(Deletion { at: now, restorable_until: now.plus(*grace), purged_at: None });
            }
        }
        Ok(next)
    }
}

/// What is allowed to a tenant's people and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Changing things.
    pub management: bool,
    /// Looking at what can be changed.
    pub reading: bool,
    /// Reading flags, configs and experiments, and reporting events: what clients do.
    pub evaluation: bool,
}

impl Allowed {
    /// Everything.
    pub const EVERYTHING: Self = Self { management: true, reading: true, evaluation: true };
    /// Nothing.
    pub const NOTHING: Self = Self { management: false, reading: false, evaluation: false };
    /// What clients do.
    pub const EVALUATION: Self = Self { evaluation: true, ..Self::NOTHING };

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            management: self.management && other.management,
            reading: self.reading && other.reading,
            evaluation: self.evaluation && other.evaluation,
        }
    }
}

/// What each part of a standing leaves. An active tenant may do everything, a deleted or reserved one nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// While a payment is overdue.
    pub past_due: Allowed,
    /// When it was overdue for too long: [`Unpaid::ReadOnly`].
    pub unpaid: Allowed,
    /// When it is not paid for any more: [`Unpaid::Closed`].
    pub closed: Allowed,
    /// While it is suspended.
    pub suspended: Allowed,
    /// For how long clients go on from when it was [`Unpaid::ReadOnly`], if they do at all; `None`: without an end.
    pub unpaid_evaluation: Option<Duration>,
    /// The same of [`Unpaid::Closed`], from the moment that it tells: of what was [`Unpaid::ReadOnly`] before, when that began.
    pub closed_evaluation: Option<Duration>,
}

impl Default for AccessPolicy {
    /// Who owes something goes on; who has owed it for too long looks on; who is suspended or pays no more manages nothing. The clients of
    /// the tenant's own users go on in any case: that they fail because of an expired card would be worse than what is owed.
    fn default() -> Self {
        Self {
            past_due: Allowed::EVERYTHING,
            unpaid: Allowed { reading: true, ..Allowed::EVALUATION },
            closed: Allowed::EVALUATION,
            suspended: Allowed::EVALUATION,
            unpaid_evaluation: None,
            closed_evaluation: None,
        }
    }
}

impl AccessPolicy {
    /// When what clients do ends by itself that [`allowed`](Self::allowed) lets them do, from when on nothing is paid; `None`: not by itself.
    pub fn evaluation_until(&self, standing: &Standing) -> Option<Timestamp> {
        let (since, time) = match standing.unpaid? {
            Unpaid::Reserved(_) => return None,
            Unpaid::ReadOnly(since) => (since, self.unpaid_evaluation?),
            Unpaid::Closed(since) => (since, self.closed_evaluation?),
        };
        Some(since.plus(time))
    }

    /// What `standing` allows: what each of its parts leaves. What ends by itself is [apart](Self::evaluation_until).
    pub const fn allowed(&self, standing: &Standing) -> Allowed {
        if standing.deletion.is_some() {
            return Allowed::NOTHING;
        }
        let mut allowed = match standing.unpaid {
            None => Allowed::EVERYTHING,
            Some(Unpaid::Reserved(_)) => return Allowed::NOTHING,
            Some(Unpaid::ReadOnly(_)) => self.unpaid,
            Some(Unpaid::Closed(_)) => self.closed,
        };
        if standing.past_due_since.is_some() {
            allowed = allowed.and(self.past_due);
        }
        if standing.suspension.is_some() {
            allowed = allowed.and(self.suspended);
        }
        allowed
    }
}

#[cfg(test)]
mod tests;
