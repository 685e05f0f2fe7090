//! A flag's split between its two values.

use togglebox_core::input::{Patch, Reader};

use super::is_whole;

/// What the two values get, in percent; together 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Share of A.
    pub a: f64,
    /// Share of B.
    pub b: f64,
}

impl Shares {
    /// Everybody gets A.
    pub const ALL_A: Self = Self { a: 100.0, b: 0.0 };

    /// Reads `rolloutPercentageA` and `rolloutPercentageB`; one alone decides the other.
    ///
    /// `sum` is where a wrong sum is reported.
    pub(super) fn read(root: &Reader<'_>, sum: &Reader<'_>) -> Option<Patch<Self>> {
        let a = root.field("rolloutPercentageA").optional(percentage);
        let b = root.field("rolloutPercentageB").optional(percentage);
        match (a?, b?) {
            (None, None) => Some(Patch::Keep),
            (Some(a), None) => Some(Patch::Set(Self { a, b: rest(a) })),
            (None, Some(b)) => Some(Patch::Set(Self { a: rest(b), b })),
            (Some(a), Some(b)) if is_whole(a + b) => Some(Patch::Set(Self { a, b })),
            (Some(_), Some(_)) => {
                sum.issue("rolloutPercentageA + rolloutPercentageB must equal 100");
                None
            }
        }
    }
}

/// A number from 0 to 100.
pub(super) fn percentage(place: &Reader<'_>) -> Option<f64> {
    place.number().min(0.0).max(100.0).get()
}

/// What is left of 100, without the noise that binary subtraction adds (100 - 70.1 is 29.900000000000006).
fn rest(share: f64) -> f64 {
    ((100.0 - share) * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_rest_reads_as_people_write_it() {
        assert_eq!(rest(70.1).to_string(), "29.9");
        assert_eq!(rest(33.33).to_string(), "66.67");
        assert_eq!(rest(100.0).to_string(), "0");
    }

    proptest! {
        #[test]
        fn accepted_shares_always_make_the_whole(a in proptest::option::of(0.0..=100.0_f64), b in proptest::option::of(0.0..=100.0_f64)) {
            let mut body = json!({});
            if let Some(a) = a { body["rolloutPercentageA"] = json!(a); }
            if let Some(b) = b { body["rolloutPercentageB"] = json!(b); }
            let root = Reader::new(Some(&body));
            let read = Shares::read(&root, &root);
            if let Some(Patch::Set(shares)) = read {
                prop_assert!(is_whole(shares.a + shares.b));
                prop_assert!((0.0..=100.0).contains(&shares.a) && (0.0..=100.0).contains(&shares.b));
                prop_assert!(a.is_none_or(|a| a.to_bits() == shares.a.to_bits()));
                prop_assert!(b.is_none_or(|b| b.to_bits() == shares.b.to_bits()));
            } else {
                prop_assert_eq!(read.is_none(), a.is_some() && b.is_some());
            }
        }
    }
}
