//! A change that was planned for the end of a period, and gave way to one that was to hold at once.
//!
//! A schedule has to go before anything else can be changed. So that what it was going to do is not lost when the greater change is refused, or
//! never paid for, it is written down first, and looked at afterwards, whatever has become of the process meanwhile.

use std::time::Duration;

use togglebox_core::{EntropyExt as _, StoreResult, TenantId, Timestamp};

use super::observe::{Seen, Sight};
use super::{Billing, BillingError, Result, TRIES, whole_second};
use crate::objects::Subscription;
use crate::provider::{Change, ProviderError, When};
use crate::records::{Effect, EffectRecord, Held, Replan, SubscriptionRecord, lists};

/// How often it is looked whether a change was paid for that waits for that. The payment service gives it up after a day.
const WHILE_UNPAID: Duration = Duration::from_hours(1);

impl Billing {
    /// What a schedule is going to do, as far as is known.
    pub(super) fn planned(&self, known: &SubscriptionRecord) -> Option<Replan> {
        let state = &known.state;
        let (Some(_), Some(planned), Some((item, _))) = (&state.schedule, &known.scheduled, self.plan_item(state)) else {
            return None;
        };
        Some(Replan { subscription: state.id.clone(), from: item.price.clone(), to: planned.price.clone() })
    }

    /// Writes down what a schedule is going to do, before it goes. What was written down before, and waits, is not looked at until whoever comes
    /// now has had time to make a change. Which effect that is; `None` when nothing is planned, and nothing waits.
    pub(super) async fn set_aside(
        &self,
        tenant: TenantId,
        subscription: &str,
        planned: Option<Replan>,
    ) -> Result<Option<String>> {
        let key = replan_key(subscription);
        for _ in 0..TRIES {
            let (now, found) = (self.now(), self.held::<EffectRecord>(&key).await?);
            let held = match (found, planned.clone().map(Effect::Replan)) {
                (found, Some(effect)) => {
                    // There is one for each subscription: it may be done since long, by an earlier change.
                    let value = EffectRecord { effect, attempts: 0, trouble: None };
                    let mut held = Held::new(&key, lists::WAITING, now, value).of(Some(tenant));
                    held.document.version = found.map_or(0, |found| found.document.version);
                    held
                }
                (Some(found), None) if &*found.document.list == lists::WAITING => found,
                (_, None) => return Ok(None),
            };
            if self.commit(&[held.due(Some(now.plus(self.settings.lease))).put()?]).await? {
                return Ok(Some(key));
            }
        }
        Err(BillingError::Busy)
    }

    /// What was planned is not wanted any more; whether any of it waited to be planned again.
    pub(super) async fn give_up_planned(&self, subscription: &str) -> Result<bool> {
        for _ in 0..TRIES {
            let Some(held) = self.held::<EffectRecord>(&replan_key(subscription)).await? else { return Ok(false) };
            if &*held.document.list == lists::DONE {
                return Ok(false);
            }
            if self.commit(&[held.list(lists::DONE).due(None).put()?]).await? {
                return Ok(true);
            }
        }
        Err(BillingError::Busy)
    }

    /// The greater change was refused: what was planned is planned again at once. Where that fails, it is done later.
    pub(super) async fn put_back(&self, key: &str) -> StoreResult<()> {
        let Some(held) = self.held::<EffectRecord>(key).await? else { return Ok(()) };
        if held.document.due.is_none() {
            return Ok(());
        }
        match self.claim::<EffectRecord>(held).await? {
            Some(held) => self.work_effect(held).await,
            None => Ok(()),
        }
    }

    /// Plans a change again, if what it gave way to has come to nothing; when to look again, while that is not known.
    pub(super) async fn replan(&self, effect: &Held<EffectRecord>, planned: &Replan) -> Result<Option<Timestamp>> {
        let found: Subscription = match self.ports.provider.subscription(&planned.subscription).await {
            Ok(found) => found.value,
            Err(ProviderError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if found.status.is_final() || found.ends() {
            return Ok(None);
        }
        if found.pending_update {
            return Ok(Some(self.now().plus(WHILE_UNPAID)));
        }
        // One that was made, and never told what to do, plans nothing.
        let is_planned = match &found.schedule {
            Some(schedule) => self.ports.provider.scheduled(schedule).await?.is_some(),
            None => false,
        };
        let item = found.items.iter().find(|item| item.price == planned.from);
        if let (Some(item), false) = (item, is_planned) {
            // Whoever has asked for something meanwhile wrote here first: then that counts, and what becomes of this is not kept.
            let current = self.held::<EffectRecord>(effect.id()).await?;
            if current.is_none_or(|current| current.document.version != effect.document.version) {
                return Ok(None);
            }
            let change = Change {
                subscription: found.id.clone(),
                customer: found.customer.clone(),
                item: item.id.clone(),
                price: planned.to.clone(),
                proration_date: whole_second(self.now()),
            };
            // New each time: what is planned there already was looked at, and the same may be planned again after it was given up.
            let key = format!("{}:{}", effect.id(), self.ports.entropy.uuid());
            self.ports.provider.change_plan(&key, &change, When::PeriodEnd).await?;
            tracing::info!(subscription = &*found.id, "A change that was planned is planned again: another one was refused");
        }
        self.observe(&Sight::of(&planned.subscription), None, &mut Seen::default()).await?;
        Ok(None)
    }
}

fn replan_key(subscription: &str) -> String {
    format!("replan:{subscription}")
}
