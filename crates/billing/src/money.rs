//! Amounts, in the smallest unit of their currency. Nothing here is a floating-point number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency, by its three letters of ISO 4217, in lower case as the payment service writes them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that names no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("currency must have three letters")]
pub struct InvalidCurrency;

impl Currency {
    /// The currency of these letters.
    pub fn new(letters: &str) -> Option<Self> {
        let letters: [u8; 3] = letters.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_alphabetic).then(|| Self(letters.map(|letter| letter.to_ascii_lowercase())))
    }

    /// Its letters, in lower case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many digits the smallest unit has behind the point, as the payment service counts: its list of currencies without any, and of
    /// those with three. (It takes two for the rest, also where ISO 4217 has none.)
    pub fn digits(&self) -> u32 {
        match self.as_str() {
            "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd" | "vuv" | "xaf" | "xof"
            | "xpf" => 0,
            "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
            _ => 2,
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(letters: String) -> Result<Self, InvalidCurrency> {
        Self::new(&letters).ok_or(InvalidCurrency)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

/// So much of a currency; less than nothing for a credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// In the smallest unit: cents.
    pub minor: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// So much; `None` when the letters name no currency.
    pub fn new(minor: i64, currency: &str) -> Option<Self> {
        Some(Self { minor, currency: Currency::new(currency)? })
    }
}

/// As people read it: `12.50 EUR`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(self.currency.digits());
        let (sign, amount) = (if self.minor < 0 { "-" } else { "" }, self.minor.unsigned_abs());
        let letters = self.currency.as_str().to_ascii_uppercase();
        match self.currency.digits() {
            0 => write!(f, "{sign}{amount} {letters}"),
            digits => write!(f, "{sign}{}.{:0width$} {letters}", amount / unit, amount % unit, width = digits as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_their_currencies_are() {
        let shown = |minor, currency| Money::new(minor, currency).unwrap().to_string();
        assert_eq!(shown(1250, "eur"), "12.50 EUR");
        assert_eq!(shown(-5, "USD"), "-0.05 USD");
        assert_eq!(shown(1250, "jpy"), "1250 JPY");
        assert_eq!(shown(1250, "kwd"), "1.250 KWD");
        assert_eq!(shown(i64::MIN, "eur"), "-92233720368547758.08 EUR");
        for bad in ["", "eu", "euro", "e1r", "€"] {
            assert_eq!(Money::new(1, bad), None, "{bad}");
        }
    }
}
