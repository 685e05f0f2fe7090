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

/// Everything that a tenant's status comes from. The parts are kept apart, so that a payment that arrives while the tenant is suspended
/// is not forgotten, and a restored tenant is again what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when a payment has been overdue.
    pub past_due_since: Option<Timestamp>,
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
    /// What it comes to: what was deleted is deleted, whatever else it is; then a suspension counts, then a payment.
    pub const fn status(&self) -> TenantStatus {
        if self.deletion.is_some() {
            TenantStatus::Deleted
        } else if self.suspension.is_some() {
            TenantStatus::Suspended
        } else if self.past_due_since.is_some() {
            TenantStatus::PastDue
        } else {
            TenantStatus::Active
        }
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
            (Step::Settle, None) => next.past_due_since = None,
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
    /// Signing in and changing things.
    pub management: bool,
    /// Reading flags, configs and experiments, and reporting events: what clients do.
    pub evaluation: bool,
}

impl Allowed {
    /// Everything.
    pub const EVERYTHING: Self = Self { management: true, evaluation: true };
    /// Nothing.
    pub const NOTHING: Self = Self { management: false, evaluation: false };
}

/// What each status allows. An active tenant may do everything, a deleted one nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// While a payment is overdue.
    pub past_due: Allowed,
    /// While it is suspended.
    pub suspended: Allowed,
}

impl Default for AccessPolicy {
    /// Who owes something goes on; who is suspended manages nothing, while the clients of the tenant's own users go on.
    fn default() -> Self {
        Self { past_due: Allowed::EVERYTHING, suspended: Allowed { management: false, evaluation: true } }
    }
}

impl AccessPolicy {
    /// What `status` allows.
    pub const fn allowed(&self, status: TenantStatus) -> Allowed {
        match status {
            TenantStatus::Active => Allowed::EVERYTHING,
            TenantStatus::PastDue => self.past_due,
            TenantStatus::Suspended => self.suspended,
            TenantStatus::Deleted => Allowed::NOTHING,
        }
    }
}

#[cfg(test)]
mod tests;
