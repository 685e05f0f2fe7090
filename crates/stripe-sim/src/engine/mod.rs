//! What happens by itself as time goes on, and what follows from payments and changes.

pub(crate) mod change;
mod checkout;
mod ending;
pub(crate) mod invoicing;
mod payment;
mod phases;
mod portal;
mod renewal;
pub(crate) mod starting;
mod trial;

pub use checkout::Outcome;
pub(crate) use payment::{Charged, Force};

use crate::calendar::{DAY, HOUR};
use crate::model::checkout::SessionStatus;
use crate::model::event::Cause;
use crate::model::invoice::InvoiceStatus;
use crate::model::schedule::ScheduleStatus;
use crate::model::subscription::{Status, Subscription};
use crate::world::World;

/// How long a first payment, and the payment of a pending update, may take.
pub(crate) const TO_PAY: i64 = 23 * HOUR;
/// How long an invoice of a renewal stays a draft.
pub(crate) const GRACE: i64 = HOUR;
/// How long before its end a trial is announced.
const WARNING: i64 = 3 * DAY;

/// Something that is due. The order is the order within one second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    ExpireSession(String),
    /// Before the renewal of the same second, which bills the new phase.
    EndPhase(String),
    WarnOfTrialEnd(String),
    CancelAsPlanned(String),
    EndTrial(String),
    Renew(String),
    Finalize(String),
    Retry(String),
    ExpireIncomplete(String),
    ExpirePendingUpdate(String),
}

impl World {
    /// When the next thing happens by itself.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.next_job().map(|(due, _)| due)
    }

    /// Runs all that is due by now, in order.
    pub(crate) fn run_due(&mut self) {
        self.cause = Cause::default();
        while let Some((due, job)) = self.next_job() {
            if due > self.now() {
                break;
            }
            self.run(job);
        }
    }

    /// Runs all that is due until `moment`, each at its own second.
    pub(crate) fn run_until(&mut self, moment: i64) {
        while let Some(due) = self.next_due().filter(|due| *due <= moment) {
            self.clock.move_to(due);
            self.run_due();
        }
        self.clock.move_to(moment);
    }

    fn next_job(&self) -> Option<(i64, Job)> {
        let sessions = self
            .sessions
            .values()
            .filter(|session| session.status == SessionStatus::Open)
            .map(|session| (session.expires_at, Job::ExpireSession(session.id.clone())));
        let phases =
            self.schedules.values().filter(|schedule| schedule.status == ScheduleStatus::Active).filter_map(|schedule| {
                let phase = schedule.phases.get(schedule.current)?;
                Some((phase.end, Job::EndPhase(schedule.id.clone())))
            });
        let subscriptions = self.subscriptions.values().filter(|subscription| !subscription.status.has_ended());
        let invoices = self.invoices.values().filter_map(|invoice| match invoice.status {
            InvoiceStatus::Draft if invoice.auto_advance => Some((invoice.finalizes_at?, Job::Finalize(invoice.id.clone()))),
            InvoiceStatus::Open => Some((invoice.next_attempt?, Job::Retry(invoice.id.clone()))),
            InvoiceStatus::Draft | InvoiceStatus::Paid | InvoiceStatus::Void | InvoiceStatus::Uncollectible => None,
        });
        sessions.chain(phases).chain(subscriptions.flat_map(jobs_of)).chain(invoices).min()
    }

    fn run(&mut self, job: Job) {
        match job {
            Job::ExpireSession(id) => self.expire_session(&id),
            Job::EndPhase(id) => self.end_phase(&id),
            Job::WarnOfTrialEnd(id) => self.warn_of_trial_end(&id),
            Job::CancelAsPlanned(id) => self.cancel_as_planned(&id),
            Job::EndTrial(id) => self.end_trial(&id),
            Job::Renew(id) => self.renew(&id),
            Job::Finalize(id) => {
                self.finalize(&id);
                self.charge(&id, Force::No);
            }
            Job::Retry(id) => {
                self.charge(&id, Force::No);
            }
            Job::ExpireIncomplete(id) => self.expire_incomplete(&id),
            Job::ExpirePendingUpdate(id) => self.expire_pending_update(&id),
        }
    }
}

fn jobs_of(subscription: &Subscription) -> impl Iterator<Item = (i64, Job)> {
    let id = || subscription.id.clone();
    let mut jobs = Vec::new();
    if let Some(pending) = &subscription.pending_update {
        jobs.push((pending.expires_at, Job::ExpirePendingUpdate(id())));
    }
    if subscription.status == Status::Incomplete {
        jobs.push((subscription.created + TO_PAY, Job::ExpireIncomplete(id())));
    }
    if let Some(cancel_at) = subscription.cancel_at {
        jobs.push((cancel_at, Job::CancelAsPlanned(id())));
    }
    if let (Status::Trialing, Some(end)) = (subscription.status, subscription.trial_end) {
        if !subscription.trial_warned {
            jobs.push((end - WARNING, Job::WarnOfTrialEnd(id())));
        }
        jobs.push((end, Job::EndTrial(id())));
    }
    if subscription.status.renews() {
        jobs.push((subscription.period_end(), Job::Renew(id())));
    }
    jobs.into_iter()
}
