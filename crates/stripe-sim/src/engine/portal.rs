//! What customers do in the portal and on invoice pages.

use crate::error::{ApiError, ApiResult};
use crate::model::invoice::InvoiceStatus;
use crate::world::{Thing, World};

use super::Force;
use super::change::{ChangeRequest, ItemChange, PaymentBehavior, Proration};

impl World {
    /// The customer pays an open invoice with a card that works.
    pub(crate) fn pay_invoice(&mut self, id: &str) -> ApiResult<()> {
        match self.invoice(id)?.status {
            InvoiceStatus::Open => {
                self.charge(id, Force::Succeed);
                Ok(())
            }
            InvoiceStatus::Draft | InvoiceStatus::Paid | InvoiceStatus::Void | InvoiceStatus::Uncollectible => {
                Err(ApiError::invalid("This invoice is not open."))
            }
        }
    }

    /// Another plan in place of the first licensed item, billed at once.
    pub(crate) fn portal_change_plan(&mut self, id: &str, price: &str) -> ApiResult<()> {
        let subscription = self.live(id)?;
        let old = self.snapshot(Thing::Subscription(id));
        let item = subscription.items.iter().find(|item| !self.is_metered(&item.price));
        let item = item.ok_or_else(|| ApiError::invalid("This subscription has no plan."))?;
        let change = ItemChange { id: Some(item.id.clone()), price: Some(price.to_owned()), ..ItemChange::default() };
        let request = ChangeRequest { items: vec![change], proration: Proration::InvoiceNow, ..ChangeRequest::default() };
        let change = self.compute_change(&subscription, &request)?;
        self.apply_change(id, &change, PaymentBehavior::AllowIncomplete, &old)
    }

    /// The customer cancels, at the period's end or now.
    pub(crate) fn portal_cancel(&mut self, id: &str, at_period_end: bool) -> ApiResult<()> {
        self.live(id)?;
        if at_period_end {
            let old = self.snapshot(Thing::Subscription(id));
            self.plan_cancellation(id, true);
            self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
        } else {
            self.cancel_now(id, false, false);
        }
        Ok(())
    }

    /// The customer takes a planned cancellation back, or ends a pause.
    pub(crate) fn portal_resume(&mut self, id: &str) -> ApiResult<()> {
        let subscription = self.live(id)?;
        if subscription.status == crate::model::subscription::Status::Paused {
            self.resume_paused(id);
            return Ok(());
        }
        let old = self.snapshot(Thing::Subscription(id));
        self.plan_cancellation(id, false);
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
        Ok(())
    }

    /// A subscription that has not ended.
    pub(crate) fn live(&self, id: &str) -> ApiResult<crate::model::subscription::Subscription> {
        let subscription = self.subscription(id)?;
        if subscription.status.has_ended() {
            return Err(ApiError::missing("subscription", id));
        }
        Ok(subscription.clone())
    }

    /// Sets or takes back `cancel_at_period_end`.
    pub(crate) fn plan_cancellation(&mut self, id: &str, planned: bool) {
        let now = self.now();
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.cancel_at_period_end = planned;
        subscription.cancel_at = planned.then(|| subscription.period_end());
        subscription.canceled_at = planned.then_some(now);
        subscription.cancel_reason = planned.then_some("cancellation_requested");
    }
}
