//! A bill.

use serde_json::Value;
use togglebox_core::Timestamp;

use super::look::{self, NotUnderstood};
use crate::money::Money;

/// A bill.
#[derive(Clone, PartialEq, Eq)]
pub struct Invoice {
    /// `in_…`; a preview has none.
    pub id: Option<Box<str>>,
    /// What people call it.
    pub number: Option<Box<str>>,
    /// `cus_…`.
    pub customer: Option<Box<str>>,
    /// `sub_…`.
    pub subscription: Option<Box<str>>,
    /// `draft`, `open`, `paid`, `void`, `uncollectible`, or a word that is not known.
    pub status: Option<Box<str>>,
    /// Why it was made, as `subscription_cycle`.
    pub reason: Option<Box<str>>,
    /// What is to be paid.
    pub due: Money,
    /// What was paid.
    pub paid: Money,
    /// What it comes to, credits not taken off.
    pub total: Money,
    /// How often it was tried to collect it.
    pub attempts: u64,
    /// When it is tried next.
    pub next_attempt: Option<Timestamp>,
    /// Where it can be seen and paid. Whoever has it can do so: it is not shown in logs.
    pub url: Option<Box<str>>,
    /// The same as a document.
    pub pdf: Option<Box<str>>,
    /// Of which period.
    pub period_start: Option<Timestamp>,
    /// Until when.
    pub period_end: Option<Timestamp>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub description: Box<str>,
    /// What it comes to; less than nothing for a credit.
    pub amount: Money,
}

impl std::fmt::Debug for Invoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Invoice");
        shown.field("id", &self.id).field("subscription", &self.subscription).field("status", &self.status);
        shown.field("due", &self.due).field("paid", &self.paid).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

const OBJECT: &str = "an invoice";

impl Invoice {
    /// Reads one, or the preview of one.
    ///
    /// # Errors
    /// Without a currency.
    pub fn read(value: &Value) -> Result<Self, NotUnderstood> {
        let missing = |field| NotUnderstood { object: OBJECT, field };
        let currency = look::text(value, "currency").ok_or(missing("currency"))?;
        let money = |object: &Value, field: &str| {
            Money::new(object.get(field).and_then(Value::as_i64).unwrap_or(0), &currency).ok_or(missing("currency"))
        };
        let parent = value.pointer("/parent/subscription_details/subscription").and_then(look::id_of);
        let transitions = value.get("status_transitions");
        let lines = look::list(value, "lines").iter().map(|line| {
            Ok(Line { description: look::text(line, "description").unwrap_or_default(), amount: money(line, "amount")? })
        });
        Ok(Self {
            id: look::text(value, "id").filter(|id| id.starts_with("in_")),
            number: look::text(value, "number"),
            customer: look::id(value, "customer"),
            subscription: parent.or_else(|| look::id(value, "subscription")),
            status: look::text(value, "status"),
            reason: look::text(value, "billing_reason"),
            due: money(value, "amount_due")?,
            paid: money(value, "amount_paid")?,
            total: money(value, "total")?,
            attempts: value.get("attempt_count").and_then(Value::as_u64).unwrap_or(0),
            next_attempt: look::moment(value, "next_payment_attempt"),
            url: look::text(value, "hosted_invoice_url"),
            pdf: look::text(value, "invoice_pdf"),
            period_start: look::moment(value, "period_start"),
            period_end: look::moment(value, "period_end"),
            created: look::moment(value, "created")
                .or_else(|| transitions.and_then(|transitions| look::moment(transitions, "finalized_at"))),
            lines: lines.collect::<Result<_, NotUnderstood>>()?,
        })
    }
}
