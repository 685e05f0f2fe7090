//! Checkout Sessions.

use serde_json::{Value, json};

use super::subscription::MissingPaymentMethod;
use crate::form::Pairs;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

impl SessionStatus {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("open", Self::Open), ("complete", Self::Complete), ("expired", Self::Expired)];

    fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, status)| *status == self).map_or("", |(word, _)| word)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LineItem {
    pub(crate) price: String,
    /// None for metered prices.
    pub(crate) quantity: Option<i64>,
}

/// When a trial ends, counted from the completion or fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trial {
    Days(i64),
    Until(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) expires_at: i64,
    pub(crate) status: SessionStatus,
    pub(crate) payment_status: &'static str,
    pub(crate) lines: Vec<LineItem>,
    pub(crate) currency: String,
    pub(crate) amount: i64,
    pub(crate) customer: Option<String>,
    pub(crate) customer_email: Option<String>,
    /// What the visitor typed.
    pub(crate) email: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) metadata: Pairs,
    pub(crate) subscription: Option<String>,
    pub(crate) subscription_metadata: Pairs,
    pub(crate) subscription_description: Option<String>,
    pub(crate) trial: Option<Trial>,
    pub(crate) missing_payment_method: MissingPaymentMethod,
    pub(crate) if_required: bool,
    pub(crate) invoice: Option<String>,
    pub(crate) success_url: Option<String>,
    pub(crate) cancel_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) allow_promotion_codes: Option<bool>,
    pub(crate) billing_address_collection: Option<&'static str>,
    pub(crate) automatic_tax: bool,
}

impl Session {
    pub(crate) fn render(&self, world: &World) -> Value {
        let email = self.email.clone().or_else(|| self.customer_email.clone());
        let details = email.map(
            |email| json!({"address": null, "email": email, "name": null, "phone": null, "tax_exempt": "none", "tax_ids": []}),
        );
        json!({
            "id": self.id,
            "object": "checkout.session",
            "adaptive_pricing": null,
            "after_expiration": null,
            "allow_promotion_codes": self.allow_promotion_codes,
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "automatic_tax": {"enabled": self.automatic_tax, "liability": null, "provider": null, "status": null},
            "billing_address_collection": self.billing_address_collection,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "client_secret": null,
            "collected_information": null,
            "consent": null,
            "consent_collection": null,
            "created": self.created,
            "currency": self.currency,
            "currency_conversion": null,
            "custom_fields": [],
            "custom_text": {"after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null},
            "customer": self.customer,
            "customer_creation": null,
            "customer_details": details,
            "customer_email": self.customer_email,
            "discounts": [],
            "expires_at": self.expires_at,
            "invoice": self.invoice,
            "invoice_creation": null,
            "livemode": world.livemode,
            "locale": self.locale,
            "metadata": self.metadata,
            "mode": "subscription",
            "payment_intent": null,
            "payment_link": null,
            "payment_method_collection": if self.if_required { "if_required" } else { "always" },
            "payment_method_configuration_details": null,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": self.payment_status,
            "phone_number_collection": {"enabled": false},
            "recovered_from": null,
            "saved_payment_method_options": null,
            "setup_intent": null,
            "shipping_address_collection": null,
            "shipping_cost": null,
            "shipping_options": [],
            "status": self.status.as_str(),
            "submit_type": null,
            "subscription": self.subscription,
            "success_url": self.success_url,
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            // The page is there only while there is something to pay.
            "url": (self.status == SessionStatus::Open).then(|| format!("https://checkout.stripe.com/c/pay/{}", self.id)),
        })
    }
}
