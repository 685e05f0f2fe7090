//! Subscriptions, and what is changed about them at once.

use super::StripeProvider;
use super::form::{Form, seconds};
use super::wire::Ask;
use crate::objects::Subscription;
use crate::provider::{Change, Ending, Fetched, ProviderError, ProviderResult};

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

impl StripeProvider {
    pub(super) async fn read_subscription(&self, id: &str) -> ProviderResult<Fetched<Subscription>> {
        self.wire.ask(Ask::get(SUBSCRIPTIONS, Form::new()).of(id, "")?).await?.fetched(Subscription::read)
    }

    /// What a change costs more is billed now; until that is paid it waits as the subscription's `pending_update`. Nothing else may be asked
    /// for together with it.
    pub(super) async fn change_now(&self, key: &str, change: &Change) -> ProviderResult<Fetched<Subscription>> {
        let form = Form::new()
            .with("items[0][id]", &change.item)
            .with("items[0][price]", &change.price)
            .with("proration_date", seconds(change.proration_date))
            .with("proration_behavior", "always_invoice")
            .with("payment_behavior", "pending_if_incomplete");
        self.update(key, &change.subscription, form).await
    }

    pub(super) async fn end_subscription(&self, key: &str, id: &str, ending: Ending) -> ProviderResult<Fetched<Subscription>> {
        match ending {
            Ending::PeriodEnd => self.update(key, id, Form::new().with("cancel_at_period_end", true)).await,
            Ending::Now => self.cancel(id, Form::new().with("invoice_now", true)).await,
            Ending::Undone => self.cancel(id, Form::new().with("invoice_now", false).with("prorate", false)).await,
            Ending::NotAtAll => self.go_on(key, id).await,
        }
    }

    /// Keys are for POST: of a repeat it is told that there is no such subscription, since those that are over cannot be ended.
    async fn cancel(&self, id: &str, form: Form) -> ProviderResult<Fetched<Subscription>> {
        let ask = Ask::delete(SUBSCRIPTIONS, form).of(id, "")?;
        let Err(error) = self.wire.ask(ask).await else { return self.read_subscription(id).await };
        if !matches!(error, ProviderError::Missing(_)) {
            return Err(error);
        }
        let found = self.read_subscription(id).await?;
        if found.value.status.is_final() { Ok(found) } else { Err(error) }
    }

    /// It may end with its period or at some date; the one cannot be taken back with the other, nor both at once.
    async fn go_on(&self, key: &str, id: &str) -> ProviderResult<Fetched<Subscription>> {
        let found = self.read_subscription(id).await?;
        if found.value.cancel_at_period_end {
            self.update(key, id, Form::new().with("cancel_at_period_end", false)).await
        } else if found.value.cancel_at.is_some() {
            self.update(&format!("{key}:cancel_at"), id, Form::new().with("cancel_at", "")).await
        } else {
            Ok(found)
        }
    }

    async fn update(&self, key: &str, id: &str, form: Form) -> ProviderResult<Fetched<Subscription>> {
        self.wire.ask(Ask::post(SUBSCRIPTIONS, form).of(id, "")?.key(key)).await?;
        self.read_subscription(id).await
    }
}
