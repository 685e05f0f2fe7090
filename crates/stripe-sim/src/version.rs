//! API versions: only what changes the shape of what we render.

use std::fmt;

/// What the account and new webhook endpoints are pinned to.
pub const DEFAULT_VERSION: &str = "2026-09-30.endive";

/// The first version with the billing period on items and an invoice's subscription under `parent`.
const BASIL: &str = "2025-03-31";

/// A version as it stands in the `Stripe-Version` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(String);

impl Version {
    /// Dates begin versions; their order is the versions' order.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let date = text.get(..10)?.as_bytes();
        let digits = |range: std::ops::Range<usize>| date[range].iter().all(u8::is_ascii_digit);
        let dated = digits(0..4) && date[4] == b'-' && digits(5..7) && date[7] == b'-' && digits(8..10);
        let named = text[10..].is_empty() || text[10..].starts_with('.');
        (dated && named).then(|| Self(text.to_owned()))
    }

    pub(crate) fn shape(&self) -> Shape {
        if self.0.as_str() >= BASIL { Shape::Basil } else { Shape::Before }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Version {
    fn default() -> Self {
        Self(DEFAULT_VERSION.to_owned())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two shapes that objects have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Since `2025-03-31.basil`.
    Basil,
    /// Earlier: period on the subscription, `plan` beside `price`, `invoice.subscription`.
    Before,
}

/// What an old version in examples and chaos is.
pub(crate) const OLD_VERSION: &str = "2024-06-20";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_change_with_basil() {
        assert_eq!(Version::parse("2025-03-31.basil").unwrap().shape(), Shape::Basil);
        assert_eq!(Version::parse("2025-02-24.acacia").unwrap().shape(), Shape::Before);
        assert_eq!(Version::default().shape(), Shape::Basil);
        assert_eq!(Version::parse(OLD_VERSION).unwrap().shape(), Shape::Before);
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "latest", "2025-3-31", "2025-03-31basil", "20250331ab"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
