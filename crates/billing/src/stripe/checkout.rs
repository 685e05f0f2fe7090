//! Pages to pay on, and the portal.

use serde_json::Value;

use super::StripeProvider;
use super::form::{Form, seconds};
use super::wire::{Ask, not_understood};
use crate::objects::Checkout;
use crate::provider::{NewCheckout, PortalFlow, PortalUrl, ProviderResult};

const SESSIONS: &str = "/v1/checkout/sessions";

impl StripeProvider {
    pub(super) async fn new_checkout(&self, new: &NewCheckout) -> ProviderResult<Checkout> {
        self.wire.ask(Ask::post(SESSIONS, form(new)).key(&new.key)).await?.read(Checkout::read)
    }

    pub(super) async fn read_checkout(&self, id: &str) -> ProviderResult<Checkout> {
        self.wire.ask(Ask::get(SESSIONS, Form::new()).of(id, "")?).await?.read(Checkout::read)
    }

    pub(super) async fn close_checkout(&self, id: &str) -> ProviderResult<Checkout> {
        // With a key of its own: a repeat, after an answer that was lost, is told what the first was told, and not that there is nothing open.
        let ask = Ask::post(SESSIONS, Form::new()).of(id, "/expire")?.key(&self.wire.own_key());
        self.wire.ask(ask).await?.read(Checkout::read)
    }

    pub(super) async fn new_portal(&self, customer: &str, flow: PortalFlow, return_url: &str) -> ProviderResult<PortalUrl> {
        let form = Form::new().with("customer", customer).with("return_url", return_url);
        let form = match flow {
            PortalFlow::Overview => form,
            PortalFlow::PaymentMethod => form.with("flow_data[type]", "payment_method_update"),
        };
        let answer = self.wire.ask(Ask::post("/v1/billing_portal/sessions", form).key(&self.wire.own_key())).await?;
        let url = answer.value.get("url").and_then(Value::as_str).filter(|url| !url.is_empty());
        url.map(|url| PortalUrl(url.into())).ok_or_else(|| not_understood("a portal session without a url"))
    }
}

fn form(new: &NewCheckout) -> Form {
    let mut form = Form::new()
        .with("mode", "subscription")
        .with("client_reference_id", &new.reference)
        .with("success_url", &new.success_url)
        .with("cancel_url", &new.cancel_url)
        .with("expires_at", seconds(new.expires_at))
        .with("line_items[0][price]", &new.price)
        .with("line_items[0][quantity]", 1)
        // What is billed by use has no quantity.
        .with_some("line_items[1][price]", new.usage_price.as_deref());
    form = match &new.customer {
        Some(customer) => form.with("customer", customer),
        None => form.with_some("customer_email", Some(&new.email).filter(|email| !email.is_empty())),
    };
    for (name, value) in &new.metadata {
        // What is written on the page is not copied to the subscription.
        form.add(format!("metadata[{name}]"), value);
        form.add(format!("subscription_data[metadata][{name}]"), value);
    }
    form = form.with_some("subscription_data[trial_period_days]", new.trial_days.filter(|days| *days > 0));
    if new.options.promotion_codes {
        form.add("allow_promotion_codes", true);
    }
    if new.options.automatic_tax {
        form.add("automatic_tax[enabled]", true);
        if new.customer.is_some() {
            // Tax needs an address, and a customer may have none yet: the one that is given on the page is kept.
            form.add("customer_update[address]", "auto");
        }
    }
    form
}
