//! Bodies of flags.

use utoipa::ToSchema;

use super::value::{Country, FilledText, FlagKey, FlagType, FlagValue, FlagVersion, Language, Percentage, Side};

/// A flag to be made.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct NewFlagBody {
    flag_key: FlagKey,
    name: FilledText,
    /// For people.
    #[schema(nullable = false)]
    description: Option<String>,
    /// The master switch; off without.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// `boolean` without.
    #[schema(nullable = false)]
    flag_type: Option<FlagType>,
    /// Of the flag's type. Only boolean flags may leave it out: then it is `true`.
    #[schema(nullable = false)]
    value_a: Option<FlagValue>,
    /// Of the flag's type. Only boolean flags may leave it out: then it is `false`.
    #[schema(nullable = false)]
    value_b: Option<FlagValue>,
    #[schema(nullable = false)]
    targeting: Option<FlagTargetingBody>,
    /// Which value is served when nothing else applies; `B` without.
    #[schema(nullable = false)]
    default_value: Option<Side>,
    /// Whether users whom no rule matches are split; `false` without.
    #[schema(nullable = false)]
    rollout_enabled: Option<bool>,
    /// The share of A. One share decides the other; both must make 100, and are 100 and 0 without.
    #[schema(nullable = false)]
    rollout_percentage_a: Option<Percentage>,
    /// The share of B.
    #[schema(nullable = false)]
    rollout_percentage_b: Option<Percentage>,
}

/// A change of a flag. What is absent stays; key and type do.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct FlagPatchBody {
    #[schema(nullable = false)]
    name: Option<FilledText>,
    /// For people.
    #[schema(nullable = false)]
    description: Option<String>,
    /// The master switch.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// Of the flag's type.
    #[schema(nullable = false)]
    value_a: Option<FlagValue>,
    /// Of the flag's type.
    #[schema(nullable = false)]
    value_b: Option<FlagValue>,
    /// Replaces the whole targeting.
    #[schema(nullable = false)]
    targeting: Option<FlagTargetingBody>,
    /// Which value is served when nothing else applies.
    #[schema(nullable = false)]
    default_value: Option<Side>,
    /// Whether users whom no rule matches are split.
    #[schema(nullable = false)]
    rollout_enabled: Option<bool>,
    /// The share of A. One share decides the other; both must make 100.
    #[schema(nullable = false)]
    rollout_percentage_a: Option<Percentage>,
    /// The share of B.
    #[schema(nullable = false)]
    rollout_percentage_b: Option<Percentage>,
}

/// Who gets which value by rule. What is absent is empty.
#[derive(ToSchema)]
#[schema(as = FlagTargeting, rename_all = "camelCase")]
struct FlagTargetingBody {
    #[schema(nullable = false, max_items = 1000)]
    countries: Option<Vec<CountryRuleBody>>,
    /// Ids of users who get A.
    #[schema(nullable = false, max_items = 100_000)]
    force_include_users: Option<Vec<String>>,
    /// Ids of users who get B.
    #[schema(nullable = false, max_items = 100_000)]
    force_exclude_users: Option<Vec<String>>,
}

/// What users of a country get.
#[derive(ToSchema)]
#[schema(as = CountryRule, rename_all = "camelCase")]
struct CountryRuleBody {
    country: Country,
    serve_value: Side,
    /// Rules that come before the country's own.
    #[schema(nullable = false, max_items = 1000)]
    languages: Option<Vec<LanguageRuleBody>>,
}

/// What users of a language within a country get.
#[derive(ToSchema)]
#[schema(as = LanguageRule, rename_all = "camelCase")]
struct LanguageRuleBody {
    language: Language,
    serve_value: Side,
}

/// The master switch, to be set.
#[derive(ToSchema)]
pub(crate) struct FlagToggleBody {
    enabled: bool,
}

/// A change of the split. What is absent stays.
#[derive(ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
#[schema(rename_all = "camelCase")]
pub(crate) struct FlagRolloutBody {
    /// Whether users whom no rule matches are split.
    #[schema(nullable = false)]
    rollout_enabled: Option<bool>,
    /// The share of A. One share decides the other; both must make 100.
    #[schema(nullable = false)]
    rollout_percentage_a: Option<Percentage>,
    /// The share of B.
    #[schema(nullable = false)]
    rollout_percentage_b: Option<Percentage>,
}

/// Which version of a flag to take the content of.
#[derive(ToSchema)]
pub(crate) struct FlagRollbackBody {
    version: FlagVersion,
}
