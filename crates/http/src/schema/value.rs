//! The texts, words and numbers that bodies and paths are made of.

use std::borrow::Cow;

use utoipa::openapi::schema::{AllOfBuilder, KnownFormat, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! values {
    ($($(#[doc = $about:literal])+ $name:ident = $schema:expr;)*) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.description(Some(concat!($($about),+).trim())).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

values! {
    /// 1 to 100 letters, digits, hyphens or underscores.
    PlaceName = text(1, 100).pattern(Some("^[A-Za-z0-9_-]+$"));
    /// 1 to 256 letters, digits, hyphens or underscores, beginning with a letter.
    ParameterKey = text(1, 256).pattern(Some("^[A-Za-z][A-Za-z0-9_-]*$"));
    /// 1 to 512 lower-case letters, digits, hyphens or underscores, beginning with a letter.
    FlagKey = lower_key();
    /// 1 to 512 lower-case letters, digits, hyphens or underscores, beginning with a letter.
    ExperimentKey = lower_key();
    /// 1 to 512 lower-case letters, digits, hyphens or underscores, beginning with a letter.
    VariationKey = lower_key();
    /// What events call a metric.
    MetricId = text(1, 512);
    /// A version of a flag: `1.0.n`.
    FlagVersion = any_text().pattern(Some(r"^1\.0\.(0|[1-9][0-9]*)$"));

    /// A text that is not empty.
    FilledText = any_text().min_length(Some(1));
    /// What is remembered of a platform or environment besides its name, for people.
    PlaceDescription = any_text().max_length(Some(500));
    /// A text in an event.
    EventText = any_text().max_length(Some(512));
    /// Two letters, by ISO 3166.
    Country = text(2, 2);
    /// Two letters, by ISO 639.
    Language = text(2, 2);
    /// UTC; seconds and fractions of them may be left out.
    UtcMoment = moment(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z$");
    /// With any offset; seconds and fractions of them may be left out.
    Moment = moment(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$");

    /// An e-mail address in ASCII.
    EmailAddress = email();
    /// The e-mail address of an account.
    AccountAddress = email().min_length(Some(5)).max_length(Some(255));
    /// The e-mail address of an account, as typed.
    SignInAddress = email().min_length(Some(5));
    /// The name of a person or key.
    PersonName = text(1, 100);
    /// With a lower-case letter, an upper-case letter and a digit on its first line.
    NewPassword = AllOfBuilder::new()
        .item(text(8, 128).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password))))
        .item(any_text().pattern(Some("^.*[a-z]")))
        .item(any_text().pattern(Some("^.*[A-Z]")))
        .item(any_text().pattern(Some("^.*[0-9]")));
    /// A password as typed.
    TypedPassword = any_text().min_length(Some(1)).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
    /// What a reset link ends with.
    ResetToken = text(32, 256);

    /// What a user is.
    Role = words(&togglebox_auth::Role::WORDS);
    /// How a parameter's text is read.
    ValueType = words(&togglebox_toggles::ValueType::WORDS);
    /// What a flag's values are.
    FlagType = words(&togglebox_toggles::FlagType::WORDS);
    /// Which of a flag's two values.
    Side = words(&togglebox_toggles::Side::WORDS);
    /// Where an experiment is in its life.
    ExperimentStatus = words(&togglebox_toggles::ExperimentStatus::WORDS);
    /// What is measured.
    MetricType = words(&togglebox_toggles::MetricType::WORDS);
    /// Which way is good.
    SuccessDirection = words(&togglebox_toggles::SuccessDirection::WORDS);

    /// A value of the flag's type.
    FlagValue = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Boolean, Type::String, Type::Number]));
    /// In percent.
    Percentage = number(0.0, 100.0);
    /// One minus the risk of seeing an effect that is not there.
    ConfidenceLevel = number(0.8, 0.99);
    /// The smallest relative effect worth finding.
    MinimumEffect = number(0.01, 1.0);
    /// How many users.
    SampleSize = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(9_007_199_254_740_991_usize));
    /// What a conversion was worth.
    EventValue = number(-1e100, 1e100);
    /// What stands in place of a member that is not there.
    Nothing = ObjectBuilder::new().schema_type(Type::Null);
}

fn any_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Lengths are in UTF-16 code units where the server counts them, in characters where a validator does.
fn text(least: usize, most: usize) -> ObjectBuilder {
    any_text().min_length(Some(least)).max_length(Some(most))
}

fn lower_key() -> ObjectBuilder {
    text(1, 512).pattern(Some("^[a-z][a-z0-9_-]*$"))
}

fn email() -> ObjectBuilder {
    any_text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .pattern(Some("^([A-Za-z0-9_'+-]+\\.)*[A-Za-z0-9_'+-]*[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9-]*\\.)+[A-Za-z]{2,}$"))
}

fn moment(pattern: &str) -> ObjectBuilder {
    any_text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).pattern(Some(pattern))
}

fn words<T>(words: &[(&'static str, T)]) -> ObjectBuilder {
    any_text().enum_values(Some(words.iter().map(|(word, _)| *word)))
}

fn number(least: f64, most: f64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number).minimum(Some(least)).maximum(Some(most))
}
