//! A change that was planned for the end of a period, and gave way to one that was to hold at once.
//!
//! A schedule has to go before anything else can be changed. So that what it was going to do is not lost when the greater change is refused, or
//! never paid for, it is written down first, and looked at afterwards, whatever has become of the process meanwhile.

use std::time::Duration;

use togglebox_core::{StoreResult, TenantId, Timestamp};

use super::observe::{Seen, Sight};
use super::{Billing, Result, whole_second};
use crate::objects::Subscription;
use crate::provider::{Change, ProviderError, When};
use crate::records::{Effect, EffectRecord, Replan, SubscriptionRecord};
use crate::store::Write;

/// How often it is looked whether a change was paid for that waits for that. The payment service gives it up after a day.
const WHILE_UNPAID: Duration = Duration::from_hours(1);

impl Billing {
    /// Writes down what a schedule is going to do, before it goes; which effect that is. `None` when nothing is planned that is known.
    pub(super) async fn set_aside(&self, tenant: TenantId, known: &SubscriptionRecord) -> Result<Option<String>> {
        let state = &known.state;
        let (Some(schedule), Some(planned), Some((item, _))) = (&state.schedule, &known.scheduled, self.plan_item(state)) else {
            return Ok(None);
        };
        let key = format!("replan:{schedule}");
        let replan = Replan { subscription: state.id.clone(), from: item.price.clone(), to: planned.price.clone() };
        if let Some(mut write) = self.effect(&key, Some(tenant), Effect::Replan(replan)).await? {
            if let Write::Put(document) = &mut write {
                // Not before whoever writes it had time to make the change.
                document.due = Some(self.now().plus(self.settings.lease));
            }
            // Stale: somebody else has written the same.
            self.commit(&[write]).await?;
        }
        Ok(Some(key))
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
    pub(super) async fn replan(&self, attempt: &str, planned: &Replan) -> Result<Option<Timestamp>> {
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
        let item = found.items.iter().find(|item| item.price == planned.from);
        if let (Some(item), None) = (item, &found.schedule) {
            let change = Change {
                subscription: found.id.clone(),
                customer: found.customer.clone(),
                item: item.id.clone(),
                price: planned.to.clone(),
                proration_date: whole_second(self.now()),
            };
            self.ports.provider.change_plan(attempt, &change, When::PeriodEnd).await?;
            tracing::info!(subscription = &*found.id, "A change that was planned is planned again: another one was refused");
        }
        self.observe(&Sight::of(&planned.subscription), None, &mut Seen::default()).await?;
        Ok(None)
    }
}
