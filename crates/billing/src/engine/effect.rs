//! What happens outside of the store, once it is written down: mails, and what is undone over there.

use futures_util::{StreamExt as _, stream};
use togglebox_core::{StoreResult, TenantId, Timestamp};

use super::failure::Work;
use super::observe::{Seen, Sight};
use super::{AT_ONCE, Billing, Result, trouble};
use crate::BillingError;
use crate::metrics;
use crate::provider::{Ending, ProviderError};
use crate::records::{ConflictRecord, Effect, EffectRecord, Held, lists};

const BATCH: usize = 100;

impl Billing {
    /// Does what is due; says how many there were.
    pub(super) async fn work_effects(&self) -> StoreResult<usize> {
        let works = self.due::<EffectRecord>(BATCH).await?.into_iter().map(|held| async move {
            match self.claim(held).await? {
                Some(held) => self.work_effect(held).await.map(|()| 1),
                None => Ok(0),
            }
        });
        let outcomes: Vec<StoreResult<usize>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().sum()
    }

    pub(super) async fn work_effect(&self, mut held: Held<EffectRecord>) -> StoreResult<()> {
        let key = held.id().to_owned();
        let held = match self.carry_out(&held).await {
            Ok(Some(later)) => held.due(Some(later)),
            Ok(None) => {
                metrics::worked("effect", "done");
                held.value.trouble = None;
                held.value.effect = held.value.effect.without_links();
                held.list(lists::DONE).due(None)
            }
            Err(error) => {
                held.value.attempts += 1;
                held.value.trouble = Some(trouble(&error));
                let cause = &error as &dyn std::error::Error;
                let verdict = self.failed(Work::Effect(held.document.at), &error, held.value.attempts);
                if verdict.is_enough {
                    tracing::error!(effect = key, error = cause, "Something that was to happen could not; it is put aside");
                    held.list(lists::DEAD).due(None)
                } else {
                    tracing::warn!(effect = key, error = cause, "Something that was to happen will be tried again");
                    held.due(Some(verdict.again))
                }
            }
        };
        self.commit(&[held.put()?]).await.map(drop)
    }

    /// Each try has a key of its own: all of this may be done twice, and what went wrong over there is answered the same for a day.
    /// When it is to be looked at again that could not be decided yet; `None` when it is done.
    async fn carry_out(&self, held: &Held<EffectRecord>) -> Result<Option<Timestamp>> {
        let key = held.id();
        let attempt = format!("{key}:{}", held.value.attempts);
        match &held.value.effect {
            Effect::Notify { tenant, notice } => self.ports.notifier.notify(*tenant, key, notice).await?,
            Effect::Undo { subscription } => self.undo(&attempt, subscription).await?,
            Effect::End { tenant, subscription } => self.let_end(&attempt, *tenant, subscription).await?,
            Effect::Replan(planned) => return self.replan(held, planned).await,
        }
        Ok(None)
    }

    /// Ends a subscription that nobody should have, and pays back all that was paid for it.
    async fn undo(&self, attempt: &str, subscription: &str) -> Result<()> {
        let found = match self.ports.provider.subscription(subscription).await {
            Ok(found) => found.value,
            Err(ProviderError::Missing(_)) => {
                return self.resolve_quietly(&format!("second:{subscription}"), "It is gone.").await;
            }
            Err(error) => return Err(error.into()),
        };
        if !found.status.is_final() {
            self.ports.provider.end(&format!("{attempt}:end"), subscription, Ending::Undone).await?;
        }
        let (mut before, mut is_under_way) = (None, false);
        loop {
            let bills = self.ports.provider.invoices(&found.customer, 100, before.as_deref()).await?;
            for bill in bills.items.iter().filter(|bill| bill.subscription.as_deref() == Some(subscription)) {
                let Some(id) = &bill.id else { continue };
                match bill.status.as_deref() {
                    Some("paid") if bill.paid.minor > 0 => {
                        self.ports.provider.refund(&format!("{attempt}:refund"), id).await?;
                    }
                    Some("open") => match self.ports.provider.void(&format!("{attempt}:void:{id}"), id).await {
                        Ok(()) => {}
                        // Money may be on its way: then it is paid back once it is there.
                        Err(ProviderError::Refused { .. }) => is_under_way = true,
                        Err(error) => return Err(error.into()),
                    },
                    _ => {}
                }
            }
            match bills.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
        self.observe(&Sight::of(subscription), None, &mut Seen::default()).await?;
        if is_under_way {
            return Err(BillingError::Status("being paid"));
        }
        self.resolve_quietly(&format!("second:{subscription}"), "It was ended and paid back.").await
    }

    /// Lets the subscription of a tenant that is deleted end with its period; not, if the tenant has come back meanwhile.
    async fn let_end(&self, attempt: &str, tenant: TenantId, subscription: &str) -> Result<()> {
        if !self.is_leaving(tenant, subscription).await? {
            return Ok(());
        }
        let found = match self.ports.provider.subscription(subscription).await {
            Ok(found) => found.value,
            Err(ProviderError::Missing(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !found.status.is_final() {
            self.give_up_planned(subscription).await?;
            // While a schedule has it, nobody else may end it.
            if let Some(schedule) = &found.schedule {
                self.ports.provider.release_schedule(&format!("{attempt}:release"), schedule).await?;
            }
            self.ports.provider.end(&format!("{attempt}:end"), subscription, Ending::PeriodEnd).await?;
            if !self.is_leaving(tenant, subscription).await? {
                self.ports.provider.end(&format!("{attempt}:back"), subscription, Ending::NotAtAll).await?;
            }
        }
        self.observe(&Sight::of(subscription), None, &mut Seen::default()).await.map(drop)
    }

    async fn is_leaving(&self, tenant: TenantId, subscription: &str) -> Result<bool> {
        let account = self.account(tenant).await?;
        Ok(account.is_some_and(|account| account.value.leaving && *account.value.subscription == *subscription))
    }

    /// Notes what was done about a conflict, if there is one.
    pub(super) async fn resolve_quietly(&self, id: &str, resolution: &str) -> Result<()> {
        if let Some(mut held) = self.held::<ConflictRecord>(id).await?
            && held.value.resolution.is_none()
        {
            held.value.resolution = Some(resolution.to_owned());
            self.commit(&[held.list(lists::CLOSED).put()?]).await?;
        }
        Ok(())
    }
}
