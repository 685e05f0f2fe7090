//! Numbers as JavaScript writes them: a whole number has no fraction. Typed clients (PHP) take `100` for an integer but not `100.0`.

use serde::{Serialize, Serializer};
use serde_json::Number;

/// Whole numbers up to here are exact in binary64.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `n` as a JSON number; `None` for what JSON has no number for.
pub(crate) fn json(n: f64) -> Option<Number> {
    if n.fract() == 0.0 && n.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        let whole = n as i64;
        Some(whole.into())
    } else {
        Number::from_f64(n)
    }
}

/// For `serialize_with`. What JSON has no number for becomes `null`, as in JavaScript.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
pub(crate) fn serialize<S: Serializer>(n: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    json(*n).serialize(serializer)
}

/// For `serialize_with` on an optional member.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(crate) fn serialize_some<S: Serializer>(n: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    n.and_then(json).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_no_fraction() {
        let text = |n: f64| json(n).map(|n| n.to_string());
        assert_eq!(text(100.0).as_deref(), Some("100"));
        assert_eq!(text(-0.0).as_deref(), Some("0"));
        assert_eq!(text(33.3).as_deref(), Some("33.3"));
        assert_eq!(text(1e300).as_deref(), Some("1e+300"));
        assert_eq!(text(f64::NAN), None);
    }
}
