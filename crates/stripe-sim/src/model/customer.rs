//! Customers, and the card that each has.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::form::Pairs;

/// How the payment method of a customer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Card {
    /// There is none.
    #[default]
    Missing,
    /// Every charge succeeds.
    Ok,
    /// Every charge is declined.
    Declining,
    /// Every charge waits for the customer's confirmation.
    RequiresAction,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Pairs,
    /// Negative is credit.
    pub(crate) balance: i64,
    pub(crate) currency: Option<String>,
    pub(crate) delinquent: bool,
    pub(crate) deleted: bool,
    pub(crate) test_clock: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) card: Card,
    /// So many charges are declined whatever the card.
    pub(crate) failures: u32,
    /// Numbers this customer's invoices.
    pub(crate) invoices: u32,
}

impl Customer {
    pub(crate) fn invoice_prefix(&self) -> String {
        let tail: String = self.id.chars().rev().take(8).collect();
        tail.chars().rev().collect::<String>().to_uppercase()
    }

    pub(crate) fn render(&self, livemode: bool) -> Value {
        if self.deleted {
            return json!({"id": self.id, "object": "customer", "deleted": true});
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": self.balance,
            "created": self.created,
            "currency": self.currency,
            "default_source": null,
            "delinquent": self.delinquent,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix(),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": self.payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": livemode,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": self.invoices + 1,
            "phone": self.phone,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": self.test_clock,
        })
    }
}
