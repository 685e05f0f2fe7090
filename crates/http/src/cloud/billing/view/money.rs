//! Amounts.

use serde::Serialize;
use togglebox_billing::Money;
use utoipa::ToSchema;

/// So much of a currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub(in crate::cloud) struct MoneyView {
    /// In the smallest unit of the currency, as cents; less than nothing for a credit.
    amount: i64,
    /// By its three letters of ISO 4217, in lower case.
    currency: String,
    /// As people read it: `12.50 EUR`.
    formatted: String,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.minor, currency: money.currency.as_str().to_owned(), formatted: money.to_string() }
    }
}

pub(super) fn amounts(amounts: &[Money]) -> Vec<MoneyView> {
    amounts.iter().copied().map(Into::into).collect()
}
