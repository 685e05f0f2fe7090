//! Events that did not come, and subscriptions that are not as they are known.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use togglebox_core::{TenantId, Timestamp};

use super::observe::{Observed, Seen, Sight};
use super::walk::Walk;
use super::{AT_ONCE, Billing, BillingError, Result};
use crate::metrics;
use crate::objects::{Envelope, EventKind};
use crate::provider::{EventQuery, ProviderError};
use crate::records::{AccountRecord, ConflictRecord, Held, TaskRecord, lists};

/// So far back is asked each time: what was made in these minutes may not have been listed yet the last time.
const OVERLAP: Duration = Duration::from_mins(10);
/// So long the payment service keeps events.
const KEPT: Duration = Duration::from_hours(30 * 24 - 1);

impl Billing {
    /// Asks for the events since the last time and takes them in like webhooks: those that came are known already.
    pub(super) async fn poll(&self, task: &mut Held<TaskRecord>) -> Result<(String, Timestamp)> {
        let (now, upto) = (self.now(), task.value.upto);
        let since = upto.unwrap_or(now).minus(OVERLAP);
        let is_too_long_ago = since < now.minus(KEPT);
        let mut query = EventQuery { since: since.max(now.minus(KEPT)), kinds: EventKind::ALL, before: None };
        let (mut count, mut news) = (0_usize, 0_usize);
        loop {
            let listed = self.ports.provider.events(&query).await?;
            count += listed.items.len();
            // The oldest of them first, as they would have come.
            for event in listed.items.into_iter().rev() {
                match Envelope::read(&event) {
                    Ok(envelope) => {
                        news += usize::from(self.take_in(&envelope, event).await? == super::Received::New);
                    }
                    Err(error) => {
                        let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
                        tracing::error!(error, "An event in the payment service's list cannot be understood");
                    }
                }
            }
            match listed.next {
                Some(next) => query.before = Some(next),
                None => break,
            }
            self.renew(task).await?;
        }
        if is_too_long_ago {
            self.sweep(task).await?;
        }
        Ok((format!("{count} events, {news} new"), now))
    }

    /// Looks at the subscription of every tenant that pays, and gives everyone what they are to have once more.
    pub(super) async fn sweep(&self, task: &mut Held<TaskRecord>) -> Result<String> {
        let (mut looked, mut drifted, mut failed) = (0_usize, 0_usize, 0_usize);
        let mut walk = Walk::over(lists::OPEN);
        while let Some(accounts) = walk.next(self, Some(task)).await? {
            looked += accounts.len();
            let works = accounts.into_iter().map(|account| self.sweep_one(account));
            let outcomes: Vec<Result<bool>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
            for outcome in outcomes {
                match outcome {
                    Ok(has_drifted) => drifted += usize::from(has_drifted),
                    Err(BillingError::Store(error)) => return Err(error.into()),
                    // One that cannot be looked at does not stand in the way of the others.
                    Err(error) => {
                        failed += 1;
                        let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
                        tracing::warn!(error, "A subscription could not be looked at");
                    }
                }
            }
        }
        Ok(format!("{looked} subscriptions, {drifted} other than known, {failed} could not be looked at"))
    }

    async fn sweep_one(&self, account: Held<AccountRecord>) -> Result<bool> {
        let subscription = account.value.subscription.clone();
        let fetched = match self.ports.provider.subscription(&subscription).await {
            Ok(fetched) => fetched,
            Err(ProviderError::Missing(_)) => return self.note_missing(&account).await,
            Err(error) => return Err(error.into()),
        };
        let has_ended = fetched.value.status == crate::objects::SubscriptionStatus::Canceled;
        let mut sight = Sight::read(fetched);
        // What nobody told in a month is told now.
        if has_ended {
            sight.notices = vec![(format!("canceled:{subscription}"), crate::notice::Notice::Canceled)];
        }
        let has_drifted = self.observe(&sight, None, &mut Seen::default()).await? == Observed::Changed;
        if has_drifted {
            metrics::drift("subscription");
            tracing::warn!(subscription = &*subscription, "A subscription was not as it was known; it is now");
        }
        if let Some(tenant) = account.document.tenant {
            self.give_again(tenant).await?;
        }
        Ok(has_drifted)
    }

    /// A subscription is not known over there: the key may be of another account, or of the other kind of money. Nobody loses anything by that.
    async fn note_missing(&self, account: &Held<AccountRecord>) -> Result<bool> {
        metrics::drift("subscription");
        let record = ConflictRecord {
            kind: "drift".into(),
            tenant: account.document.tenant,
            subscription: Some(account.value.subscription.clone()),
            customer: Some(account.value.customer.clone()),
            detail: "The payment service does not know the subscription. Is the key the one of the account in which it was made?"
                .to_owned(),
            resolution: None,
        };
        if let Some(write) = self.conflict(&format!("missing:{}", account.value.subscription), record).await? {
            self.commit(&[write]).await?;
        }
        Ok(true)
    }

    /// Marks what a tenant has as due: whatever became of it, it is given once more.
    async fn give_again(&self, tenant: TenantId) -> Result<()> {
        if let Some(account) = self.account(tenant).await?
            && account.document.due.is_none_or(|due| due > self.now())
        {
            let now = self.now();
            self.commit(&[account.due(Some(now)).put()?]).await?;
            self.settle_now(tenant).await;
        }
        Ok(())
    }
}
