//! What happens outside of the store, once it is written down: mails, and what is undone over there.

use futures_util::{StreamExt as _, stream};
use togglebox_core::{StoreResult, TenantId};

use super::event::readable;
use super::observe::{Seen, Sight};
use super::{AT_ONCE, Billing, Result, trouble};
use crate::BillingError;
use crate::metrics;
use crate::ports::PortError;
use crate::provider::{Ending, ProviderError};
use crate::records::{ConflictRecord, Effect, EffectRecord, Held, lists};
use crate::store::Shelf;

const BATCH: usize = 100;

impl Billing {
    /// Does what is due; says how many there were.
    pub(super) async fn work_effects(&self) -> StoreResult<usize> {
        let due = self.ports.store.due(Shelf::Effect, self.now(), BATCH).await?;
        let count = due.len();
        let works = due.into_iter().filter_map(readable::<EffectRecord>).map(|held| async move {
            match self.claim(held).await? {
                Some(held) => self.work_effect(held).await,
                None => Ok(()),
            }
        });
        let outcomes: Vec<StoreResult<()>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect::<StoreResult<()>>()?;
        Ok(count)
    }

    async fn work_effect(&self, mut held: Held<EffectRecord>) -> StoreResult<()> {
        let key = held.id().to_owned();
        let held = match self.carry_out(&key, held.document.tenant, &held.value.effect).await {
            Ok(()) => {
                metrics::worked("effect", "done");
                held.value.trouble = None;
                held.list(lists::DONE).due(None)
            }
            Err(error) => {
                held.value.attempts += 1;
                held.value.trouble = Some(trouble(&error));
                let is_final = matches!(error, BillingError::Port(PortError::Refused(_)));
                let cause = &error as &dyn std::error::Error;
                if is_final || held.value.attempts >= self.settings.attempts {
                    metrics::worked("effect", "dead");
                    tracing::error!(effect = key, error = cause, "Something that was to happen could not; it is put aside");
                    held.list(lists::DEAD).due(None)
                } else {
                    metrics::worked("effect", "again");
                    tracing::warn!(effect = key, error = cause, "Something that was to happen will be tried again");
                    let at = self.again(held.value.attempts);
                    held.due(Some(at))
                }
            }
        };
        self.commit(&[held.put()?]).await.map(drop)
    }

    async fn carry_out(&self, key: &str, of: Option<TenantId>, effect: &Effect) -> Result<()> {
        match effect {
            Effect::Notify { tenant, notice } => Ok(self.ports.notifier.notify(*tenant, key, notice).await?),
            Effect::Undo { subscription, invoice } => {
                match self.ports.provider.end(&format!("{key}:end"), subscription, Ending::Now).await {
                    Ok(_) | Err(ProviderError::Missing(_)) => {}
                    Err(error) => return Err(error.into()),
                }
                if let Some(invoice) = invoice {
                    self.ports.provider.refund(&format!("{key}:refund"), invoice).await?;
                }
                self.resolve_quietly(&format!("second:{subscription}"), "It was ended and paid back.").await?;
                self.observe(&Sight::of(subscription), None, &mut Seen::default()).await.map(drop)
            }
            Effect::End { subscription, now } => {
                if !now && !self.is_leaving(of).await? {
                    return Ok(());
                }
                let ending = if *now { Ending::Now } else { Ending::PeriodEnd };
                self.end_as(key, subscription, ending).await?;
                // Whoever has come back meanwhile found nothing to take back yet.
                if !now && !self.is_leaving(of).await? {
                    self.end_as(&format!("{key}:back"), subscription, Ending::NotAtAll).await?;
                }
                Ok(())
            }
        }
    }

    async fn end_as(&self, key: &str, subscription: &str, ending: Ending) -> Result<()> {
        match self.ports.provider.end(key, subscription, ending).await {
            Ok(_) | Err(ProviderError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.observe(&Sight::of(subscription), None, &mut Seen::default()).await.map(drop)
    }

    async fn is_leaving(&self, tenant: Option<TenantId>) -> Result<bool> {
        let Some(tenant) = tenant else { return Ok(false) };
        Ok(self.account(tenant).await?.is_some_and(|account| account.value.leaving))
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
