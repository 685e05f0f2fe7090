//! Invoices and their lines.

use serde_json::{Value, json};

use crate::form::Pairs;
use crate::version::Shape;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Void,
    Uncollectible,
}

impl InvoiceStatus {
    pub(crate) const WORDS: [(&'static str, Self); 5] = [
        ("draft", Self::Draft),
        ("open", Self::Open),
        ("paid", Self::Paid),
        ("void", Self::Void),
        ("uncollectible", Self::Uncollectible),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, status)| *status == self).map_or("", |(word, _)| word)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Create,
    Cycle,
    Update,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "subscription_create",
            Self::Cycle => "subscription_cycle",
            Self::Update => "subscription_update",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) description: String,
    pub(crate) period: (i64, i64),
    pub(crate) quantity: i64,
    pub(crate) price: String,
    pub(crate) item: String,
    pub(crate) proration: bool,
    /// The invoice item that it was before it came onto an invoice.
    pub(crate) invoice_item: Option<String>,
    /// Counted anew until the invoice is finalised.
    pub(crate) metered: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) subscription: String,
    /// The subscription's metadata when the invoice was made.
    pub(crate) metadata: Pairs,
    pub(crate) status: InvoiceStatus,
    pub(crate) reason: Reason,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) period: (i64, i64),
    pub(crate) auto_advance: bool,
    pub(crate) finalizes_at: Option<i64>,
    pub(crate) finalized_at: Option<i64>,
    pub(crate) paid_at: Option<i64>,
    pub(crate) voided_at: Option<i64>,
    pub(crate) starting_balance: i64,
    pub(crate) ending_balance: Option<i64>,
    pub(crate) amount_due: i64,
    pub(crate) amount_paid: i64,
    pub(crate) attempts: u32,
    pub(crate) next_attempt: Option<i64>,
    pub(crate) number: Option<String>,
    /// The latest payment.
    pub(crate) payment: Option<String>,
    /// A bank has the payment and has not spoken.
    pub(crate) processing: bool,
}

impl Invoice {
    pub(crate) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// What is to be paid given the customer's balance, and what the balance is afterwards.
    pub(crate) fn settle(total: i64, balance: i64) -> (i64, i64) {
        let sum = total + balance;
        if sum < 0 { (0, sum) } else { (sum, 0) }
    }

    pub(crate) fn render(&self, world: &World, shape: Shape) -> Value {
        let total = self.total();
        let customer = world.customers.get(&self.customer);
        let due =
            if self.status == InvoiceStatus::Draft { Self::settle(total, self.starting_balance).0 } else { self.amount_due };
        let lines: Vec<Value> = self.lines.iter().map(|line| line.render(self, world, shape)).collect();
        let page = self.finalized_at.map(|_| format!("https://invoice.stripe.com/i/{}", self.id));
        let mut rendered = json!({
            "id": self.id,
            "object": "invoice",
            "account_country": "US",
            "account_name": null,
            "account_tax_ids": null,
            "amount_due": due,
            "amount_overpaid": 0,
            "amount_paid": self.amount_paid,
            "amount_remaining": due - self.amount_paid,
            "amount_shipping": 0,
            "application": null,
            "attempt_count": self.attempts,
            "attempted": self.attempts > 0 || self.status == InvoiceStatus::Paid,
            "auto_advance": self.auto_advance,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null},
            "automatically_finalizes_at": self.finalizes_at,
            "billing_reason": self.reason.as_str(),
            "collection_method": "charge_automatically",
            "created": self.created,
            "currency": self.currency,
            "custom_fields": null,
            "customer": self.customer,
            "customer_address": null,
            "customer_email": customer.and_then(|customer| customer.email.clone()),
            "customer_name": customer.and_then(|customer| customer.name.clone()),
            "customer_phone": customer.and_then(|customer| customer.phone.clone()),
            "customer_shipping": null,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_payment_method": null,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "due_date": null,
            "effective_at": self.finalized_at,
            "ending_balance": self.ending_balance,
            "footer": null,
            "from_invoice": null,
            "hosted_invoice_url": page,
            "invoice_pdf": page.as_ref().map(|page| format!("{page}/pdf")),
            "issuer": {"type": "self"},
            "last_finalization_error": null,
            "latest_revision": null,
            "lines": {
                "object": "list",
                "data": lines,
                "has_more": false,
                "url": format!("/v1/invoices/{}/lines", self.id),
            },
            "livemode": world.livemode,
            "metadata": {},
            "next_payment_attempt": self.next_attempt.or(self.finalizes_at.filter(|_| self.auto_advance)),
            "number": self.number,
            "on_behalf_of": null,
            "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
            "period_end": self.period.1,
            "period_start": self.period.0,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": null,
            "rendering": null,
            "shipping_cost": null,
            "shipping_details": null,
            "starting_balance": self.starting_balance,
            "statement_descriptor": null,
            "status": self.status.as_str(),
            "status_transitions": {
                "finalized_at": self.finalized_at,
                "marked_uncollectible_at": null,
                "paid_at": self.paid_at,
                "voided_at": self.voided_at,
            },
            "subtotal": total,
            "subtotal_excluding_tax": total,
            "test_clock": customer.and_then(|customer| customer.test_clock.clone()),
            "total": total,
            "total_discount_amounts": [],
            "total_excluding_tax": total,
            "webhooks_delivered_at": self.finalized_at,
        });
        self.render_shaped(world, shape, &mut rendered);
        rendered
    }

    /// What the two shapes do not share.
    fn render_shaped(&self, world: &World, shape: Shape, rendered: &mut Value) {
        match shape {
            Shape::Basil => {
                rendered["parent"] = json!({
                    "quote_details": null,
                    "subscription_details": {"metadata": self.metadata, "subscription": self.subscription},
                    "type": "subscription_details",
                });
            }
            Shape::Before => {
                rendered["subscription"] = json!(self.subscription);
                rendered["subscription_details"] = json!({"metadata": self.metadata});
                rendered["paid"] = json!(self.status == InvoiceStatus::Paid);
                rendered["payment_intent"] = json!(self.payment);
                rendered["charge"] = json!(self.payment.as_ref().and_then(|id| world.payments.get(id)?.charge.clone()));
            }
        }
    }
}

impl Line {
    fn render(&self, invoice: &Invoice, world: &World, shape: Shape) -> Value {
        let mut rendered = json!({
            "id": self.id,
            "object": "line_item",
            "amount": self.amount,
            "currency": invoice.currency,
            "description": self.description,
            "discount_amounts": [],
            "discountable": !self.proration,
            "discounts": [],
            "invoice": invoice.id,
            "livemode": world.livemode,
            "metadata": invoice.metadata,
            "period": {"start": self.period.0, "end": self.period.1},
            "pretax_credit_amounts": [],
            "quantity": self.quantity,
        });
        let price = world.prices.get(&self.price);
        match shape {
            Shape::Basil => {
                let about_item = json!({
                    "invoice_item": self.invoice_item,
                    "proration": self.proration,
                    "proration_details": {"credited_items": null},
                    "subscription": invoice.subscription,
                    "subscription_item": self.item,
                });
                rendered["parent"] = if self.invoice_item.is_some() {
                    let mut details = about_item;
                    if let Some(details) = details.as_object_mut() {
                        details.shift_remove("subscription_item");
                    }
                    json!({"invoice_item_details": details, "subscription_item_details": null, "type": "invoice_item_details"})
                } else {
                    json!({"invoice_item_details": null, "subscription_item_details": about_item, "type": "subscription_item_details"})
                };
                rendered["pricing"] = json!({
                    "price_details": {"price": self.price, "product": price.map(|price| price.product.clone())},
                    "type": "price_details",
                    "unit_amount_decimal": price.and_then(|price| Some(price.unit()?.text())),
                });
                rendered["subtotal"] = json!(self.amount);
                rendered["taxes"] = json!([]);
            }
            Shape::Before => {
                rendered["type"] = json!(if self.invoice_item.is_some() { "invoiceitem" } else { "subscription" });
                rendered["proration"] = json!(self.proration);
                rendered["subscription"] = json!(invoice.subscription);
                rendered["subscription_item"] = json!(self.item);
                rendered["invoice_item"] = json!(self.invoice_item);
                rendered["price"] = price.map_or(Value::Null, |price| price.render(world.livemode));
                rendered["plan"] = price.map_or(Value::Null, |price| price.render_plan(world.livemode));
            }
        }
        rendered
    }
}

/// A line that waits for the next invoice of its subscription.
#[derive(Debug, Clone)]
pub(crate) struct InvoiceItem {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) subscription: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) line: Line,
    /// The invoice that it went to.
    pub(crate) invoice: Option<String>,
}

impl InvoiceItem {
    pub(crate) fn render(&self, world: &World, shape: Shape) -> Value {
        let price = world.prices.get(&self.line.price);
        let mut rendered = json!({
            "id": self.id,
            "object": "invoiceitem",
            "amount": self.line.amount,
            "currency": self.currency,
            "customer": self.customer,
            "date": self.created,
            "description": self.line.description,
            "discountable": false,
            "discounts": [],
            "invoice": self.invoice,
            "livemode": world.livemode,
            "metadata": {},
            "period": {"start": self.line.period.0, "end": self.line.period.1},
            "proration": self.line.proration,
            "quantity": self.line.quantity,
            "tax_rates": [],
            "test_clock": null,
        });
        match shape {
            Shape::Basil => {
                rendered["quantity_decimal"] = json!(self.line.quantity.to_string());
                rendered["parent"] = json!({
                    "subscription_details": {"subscription": self.subscription, "subscription_item": self.line.item},
                    "type": "subscription_details",
                });
                rendered["pricing"] = json!({
                    "price_details": {"price": self.line.price, "product": price.map(|price| price.product.clone())},
                    "type": "price_details",
                    "unit_amount_decimal": price.and_then(|price| Some(price.unit()?.text())),
                });
            }
            Shape::Before => {
                rendered["subscription"] = json!(self.subscription);
                rendered["price"] = price.map_or(Value::Null, |price| price.render(world.livemode));
            }
        }
        rendered
    }
}
