//! Bills: what they will be, what they were, and paying them back.

use serde_json::Value;

use super::StripeProvider;
use super::answer::is_refused;
use super::form::{Form, seconds};
use super::list::{PAGE, page};
use super::wire::{Ask, not_understood};
use crate::objects::Invoice;
use crate::provider::{Change, Listed, ProviderError, ProviderResult};

const INVOICES: &str = "/v1/invoices";
const PREVIEW: &str = "/v1/invoices/create_preview";

/// A payment, by the parameter that a refund of it has.
type Payment = (&'static str, Box<str>);

impl StripeProvider {
    pub(super) async fn preview(&self, change: &Change) -> ProviderResult<Invoice> {
        let form = Form::new()
            .with("customer", &change.customer)
            .with("subscription", &change.subscription)
            .with("subscription_details[items][0][id]", &change.item)
            .with("subscription_details[items][0][price]", &change.price)
            .with("subscription_details[proration_date]", seconds(change.proration_date))
            // As the change itself has it: what is billed now, and not the next bill with it.
            .with("subscription_details[proration_behavior]", "always_invoice");
        self.wire.ask(Ask::post(PREVIEW, form)).await?.read(Invoice::read)
    }

    pub(super) async fn next_invoice(&self, customer: &str, subscription: &str) -> ProviderResult<Option<Invoice>> {
        let form = Form::new().with("customer", customer).with("subscription", subscription);
        match self.wire.ask(Ask::post(PREVIEW, form)).await {
            Ok(answer) => answer.read(Invoice::read).map(Some),
            // Of a subscription that is over it may also be told that there is no such one.
            Err(error) if ["invoice_upcoming_none", "resource_missing"].iter().any(|code| is_refused(&error, code)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn list_invoices(
        &self,
        customer: &str,
        limit: usize,
        before: Option<&str>,
    ) -> ProviderResult<Listed<Invoice>> {
        let form = Form::new().with("customer", customer).with("limit", limit.clamp(1, PAGE)).with_some("starting_after", before);
        let Listed { items, next } = page(self.wire.ask(Ask::get(INVOICES, form)).await?)?;
        let items = items.iter().map(Invoice::read).collect::<Result<_, _>>().map_err(not_understood)?;
        Ok(Listed { items, next })
    }

    pub(super) async fn void_invoice(&self, key: &str, invoice: &str) -> ProviderResult<()> {
        self.wire.ask(Ask::post(INVOICES, Form::new()).of(invoice, "/void")?.key(key)).await.map(drop)
    }

    pub(super) async fn refund_invoice(&self, key: &str, invoice: &str) -> ProviderResult<bool> {
        let mut any = false;
        for (field, id) in self.payments(invoice).await? {
            // Without an amount: all that was not paid back yet.
            let ask = Ask::post("/v1/refunds", Form::new().with(field, &id)).key(&format!("{key}:{id}"));
            match self.wire.ask(ask).await {
                Ok(_) => any = true,
                Err(error) if is_refused(&error, "charge_already_refunded") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(any)
    }

    /// What was paid for a bill. It may be several payments, each with an object of its own; before `2025-03-31.basil` it was one, named on the
    /// bill, and there was no such list.
    async fn payments(&self, invoice: &str) -> ProviderResult<Vec<Payment>> {
        match self.all("/v1/invoice_payments", &Form::new().with("invoice", invoice)).await {
            Ok(list) => Ok(list.iter().filter_map(payment_of_list).collect()),
            Err(ProviderError::Refused { .. } | ProviderError::Missing(_)) => {
                let answer = self.wire.ask(Ask::get(INVOICES, Form::new()).of(invoice, "")?).await?;
                Ok(payment(&answer.value).into_iter().collect())
            }
            Err(error) => Err(error),
        }
    }
}

fn payment_of_list(entry: &Value) -> Option<Payment> {
    if entry.get("status").and_then(Value::as_str) != Some("paid") {
        return None;
    }
    payment(entry.get("payment")?)
}

/// The payment that something names; one with an intent is paid back by that.
fn payment(value: &Value) -> Option<Payment> {
    ["payment_intent", "charge"].into_iter().find_map(|field| {
        let named = value.get(field)?;
        let id = named.as_str().or_else(|| named.get("id")?.as_str()).filter(|id| !id.is_empty())?;
        Some((field, id.into()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn payments_are_found_in_every_shape() {
        let intent = Some(("payment_intent", "pi_1".into()));
        assert_eq!(payment_of_list(&json!({"status": "paid", "payment": {"payment_intent": "pi_1"}})), intent);
        assert_eq!(payment_of_list(&json!({"status": "paid", "payment": {"payment_intent": {"id": "pi_1"}}})), intent);
        assert_eq!(payment_of_list(&json!({"status": "open", "payment": {"payment_intent": "pi_1"}})), None);
        assert_eq!(payment_of_list(&json!({"status": "paid", "payment": {"type": "payment_record"}})), None);
        assert_eq!(payment(&json!({"payment_intent": null, "charge": "ch_1"})), Some(("charge", "ch_1".into())));
        assert_eq!(payment(&json!({"payment_intent": "pi_1", "charge": "ch_1"})), intent);
        assert_eq!(payment(&json!({"payment_intent": "", "charge": 7})), None);
    }
}
