//! Descriptions and readers say the same of a body.
//!
//! From bodies that are right, each place in turn is left out or replaced by each of many values; then schema and reader must agree. The
//! schema may be more lenient only where a rule compares members, which no schema here can say.

mod agreement;
mod checker;
mod samples;

use proptest::prelude::*;
use serde_json::json;
use togglebox_core::input::{is_email, is_offset_datetime, is_utc_datetime};
use utoipa::ToSchema;

use self::checker::Checker;
use super::value;

/// Whether a text fits the schema of `T` exactly when `accepts` takes it.
fn agree<T: ToSchema>(text: &str, accepts: bool) {
    assert_eq!(Checker::of::<T>().accepts(&json!(text)), accepts, "{} and {text:?}", T::name());
}

proptest! {
    #[test]
    fn names_and_keys_are_described_as_they_are_read(text in "[a-cA-C0-2_. -]{0,5}|[a-z]{99,101}|[a-z]{255,257}|\\PC{0,4}") {
        agree::<value::PlaceName>(&text, togglebox_toggles::PlatformName::new(&text).is_ok());
        agree::<value::PlaceName>(&text, togglebox_toggles::EnvironmentName::new(&text).is_ok());
        agree::<value::ParameterKey>(&text, togglebox_toggles::ParameterKey::new(&text).is_ok());
        agree::<value::FlagKey>(&text, togglebox_toggles::FlagKey::new(&text).is_ok());
        agree::<value::ExperimentKey>(&text, togglebox_toggles::ExperimentKey::new(&text).is_ok());
        agree::<value::VariationKey>(&text, togglebox_toggles::VariationKey::new(&text).is_ok());
    }

    #[test]
    fn versions_of_flags_are_described_as_they_are_read(text in "1[.]0[.][0-2]{0,3}|[01.]{0,6}") {
        agree::<value::FlagVersion>(&text, text.parse::<togglebox_toggles::FlagVersion>().is_ok());
    }

    #[test]
    fn addresses_are_described_as_they_are_read(text in "[aB0'.+_-]{0,4}@[aB0.-]{0,4}[.][a-zA-Z0]{0,3}|[a@.]{0,6}") {
        agree::<value::EmailAddress>(&text, is_email(&text));
    }

    #[test]
    fn moments_are_described_as_they_are_read(text in "2026-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9](:[0-5][0-9]([.][0-9]{0,3})?)?(Z|z|[+-]0[0-9]:30|)") {
        agree::<value::UtcMoment>(&text, is_utc_datetime(&text));
        agree::<value::Moment>(&text, is_offset_datetime(&text));
    }
}
