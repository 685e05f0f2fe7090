//! Regular work, of which each is done by one node at a time.

use std::time::Duration;

use togglebox_core::{EntropyExt as _, StoreResult, Timestamp};

use super::{Billing, BillingError, Result, trouble};
use crate::metrics;
use crate::records::{Held, TaskRecord, lists};

/// Also those that a newer node may know.
const BATCH: usize = 50;

/// Regular work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    /// Asks for events that did not come.
    Poll,
    /// Looks at every subscription.
    Sweep,
    /// Tells usage of the hours that are complete.
    Usage,
    /// Tells usage of periods that end.
    Closing,
    /// Compares what was told of usage with what the payment service has.
    Reconcile,
    /// Tells who has used most of what is included.
    Quota,
    /// Forgets what is long done.
    Prune,
}

impl Chore {
    /// All there are.
    pub const ALL: [Self; 7] = [Self::Poll, Self::Sweep, Self::Usage, Self::Closing, Self::Reconcile, Self::Quota, Self::Prune];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Sweep => "sweep",
            Self::Usage => "usage",
            Self::Closing => "closing",
            Self::Reconcile => "reconcile",
            Self::Quota => "quota",
            Self::Prune => "prune",
        }
    }

    /// The work that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chore| chore.as_str() == word)
    }

    /// How often.
    pub const fn every(self) -> Duration {
        match self {
            Self::Poll | Self::Closing => Duration::from_mins(5),
            Self::Quota => Duration::from_mins(15),
            Self::Usage => Duration::from_hours(1),
            Self::Sweep | Self::Reconcile | Self::Prune => Duration::from_hours(24),
        }
    }

    /// How long one run may have; then another node begins.
    const fn lease(self) -> Duration {
        match self {
            Self::Poll | Self::Closing => Duration::from_mins(5),
            _ => Duration::from_mins(30),
        }
    }
}

impl Billing {
    /// Does regular work that is due; says how much there was. It may take long: to be called again and again beside [`turn`](Self::turn).
    ///
    /// # Errors
    /// The store fails.
    pub async fn work_tasks(&self) -> StoreResult<usize> {
        let mut count = 0;
        for held in self.due::<TaskRecord>(BATCH).await? {
            let Some(chore) = Chore::parse(held.id()) else { continue };
            let Some(held) = self.take(chore, held).await? else { continue };
            count += 1;
            self.run(chore, held).await?;
        }
        Ok(count)
    }

    /// Sees to it that all regular work has its time. To be called once at the start of each node.
    ///
    /// # Errors
    /// The store fails.
    pub async fn schedule(&self) -> StoreResult<()> {
        let now = self.now();
        for chore in Chore::ALL {
            if self.held::<TaskRecord>(chore.as_str()).await?.is_none() {
                // What is to be done once a day is not needed on the first.
                let first = if chore.every() > Duration::from_hours(1) { now.plus(chore.every()) } else { now };
                let held = Held::new(chore.as_str(), lists::OPEN, now, TaskRecord::default()).due(Some(first));
                // Stale: another node was faster.
                self.commit(&[held.put()?]).await?;
            }
        }
        Ok(())
    }

    /// Does some regular work now, whenever its time is; what it found. `None` when another node has it in hand.
    ///
    /// # Errors
    /// As the work.
    pub async fn run_now(&self, chore: Chore) -> Result<Option<String>> {
        self.schedule().await?;
        let Some(held) = self.held::<TaskRecord>(chore.as_str()).await? else { return Ok(None) };
        if held.value.holder.is_some() && held.document.due.is_some_and(|due| due > self.now()) {
            return Ok(None);
        }
        let Some(mut held) = self.take(chore, held).await? else { return Ok(None) };
        let outcome = self.work(chore, &mut held).await;
        self.put_down(chore, held, &outcome).await?;
        outcome.map(|(outcome, _)| Some(outcome))
    }

    async fn take(&self, chore: Chore, mut held: Held<TaskRecord>) -> StoreResult<Option<Held<TaskRecord>>> {
        held.value.holder = Some(self.ports.entropy.uuid());
        let mut taken = held.due(Some(self.now().plus(chore.lease())));
        if !self.commit(&[taken.put()?]).await? {
            return Ok(None);
        }
        taken.document.version += 1;
        Ok(Some(taken))
    }

    /// Work that goes on has more time.
    ///
    /// # Errors
    /// `Busy` when another node has begun anew.
    pub(super) async fn renew(&self, held: &mut Held<TaskRecord>) -> Result<()> {
        let Some(chore) = Chore::parse(held.id()) else { return Ok(()) };
        held.document.due = Some(self.now().plus(chore.lease()));
        if !self.commit(&[held.put()?]).await? {
            return Err(BillingError::Busy);
        }
        held.document.version += 1;
        Ok(())
    }

    async fn run(&self, chore: Chore, mut held: Held<TaskRecord>) -> StoreResult<()> {
        let outcome = self.work(chore, &mut held).await;
        self.put_down(chore, held, &outcome).await
    }

    async fn work(&self, chore: Chore, held: &mut Held<TaskRecord>) -> Result<(String, Option<Timestamp>)> {
        match chore {
            Chore::Poll => self.poll(held).await.map(|(outcome, upto)| (outcome, Some(upto))),
            Chore::Sweep => self.sweep(held).await.map(|outcome| (outcome, None)),
            Chore::Usage => self.export(held, false).await.map(|outcome| (outcome, None)),
            Chore::Closing => self.export(held, true).await.map(|outcome| (outcome, None)),
            Chore::Reconcile => self.reconcile(held).await.map(|outcome| (outcome, None)),
            Chore::Quota => self.quotas(held).await.map(|outcome| (outcome, None)),
            Chore::Prune => self.prune().await.map(|outcome| (outcome, None)),
        }
    }

    async fn put_down(
        &self,
        chore: Chore,
        mut held: Held<TaskRecord>,
        outcome: &Result<(String, Option<Timestamp>)>,
    ) -> StoreResult<()> {
        let now = self.now();
        held.value.holder = None;
        let due = match outcome {
            Ok((outcome, upto)) => {
                metrics::worked("task", "done");
                held.value.failures = 0;
                held.value.done = Some(now);
                held.value.outcome = Some(outcome.clone());
                held.value.upto = upto.or(held.value.upto);
                next_time(chore, now)
            }
            Err(error) => {
                metrics::worked("task", "again");
                held.value.failures += 1;
                held.value.outcome = Some(trouble(error).into());
                let failures = held.value.failures;
                let error = error as &dyn std::error::Error;
                tracing::warn!(chore = chore.as_str(), error, failures, "Regular work will be tried again");
                self.again(failures).min(next_time(chore, now))
            }
        };
        // Stale: it took so long that another node has begun anew.
        self.commit(&[held.due(Some(due)).put()?]).await.map(drop)
    }
}

const HOUR_MS: i64 = 3_600_000;
/// How long past the hour usage is told.
const PAST_MS: i64 = 6 * 60_000;

/// When it is due next. Usage is told six minutes past the hour: then what was counted in it has arrived.
fn next_time(chore: Chore, now: Timestamp) -> Timestamp {
    if chore != Chore::Usage {
        return now.plus(chore.every());
    }
    let past = now.as_ms() - PAST_MS;
    Timestamp::from_ms((past.div_euclid(HOUR_MS) + 1) * HOUR_MS + PAST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_told_six_minutes_past_the_hour() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let next = |text| next_time(Chore::Usage, at(text));
        assert_eq!(next("2026-03-01T10:05:59.999Z"), at("2026-03-01T10:06:00Z"));
        assert_eq!(next("2026-03-01T10:06:00Z"), at("2026-03-01T11:06:00Z"));
        assert_eq!(next_time(Chore::Poll, at("2026-03-01T10:06:00Z")), at("2026-03-01T10:11:00Z"));
    }
}
