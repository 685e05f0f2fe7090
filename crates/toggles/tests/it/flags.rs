//! `tests/vectors/flags.json`, and what must hold for every flag.

use proptest::prelude::*;
use serde_json::{Value, json};
use togglebox_toggles::{CompiledFlag, Context, FlagDefinition, FlagReason, FlagValue, Side};

use crate::records::{flag, targeted_flag};
use crate::vectors::cases;

#[test]
fn every_recorded_evaluation_is_reproduced() {
    let cases = cases("flags");
    assert_eq!(cases.len(), 336);
    for case in &cases {
        let mut document = case["flag"].clone();
        document["name"] = "Flag".into();
        let definition: FlagDefinition = serde_json::from_value(document).expect("a definition");
        let compiled = CompiledFlag::compile(flag(case["flag"]["flagKey"].as_str().unwrap(), definition));
        let outcome = compiled.evaluate(&context(&case["context"]));
        let given = json!({
            "flagKey": compiled.record().key.as_str(),
            "value": outcome.value,
            "servedValue": outcome.side,
            "reason": outcome.reason.text(),
        });
        assert_eq!(given, case["expected"], "{}", case["id"]);
        assert_eq!(outcome.reason.code(), case["reasonCode"], "{}", case["id"]);
        assert_eq!(Value::from(outcome.side == Side::A), case["sdkIsFlagEnabled"], "{}", case["id"]);
        if let Some(literally_true) = case["isEnabledHelper"].as_bool() {
            assert_eq!(*outcome.value == FlagValue::Boolean(true), literally_true, "{}", case["id"]);
        }
    }
}

fn context(context: &Value) -> Context<'_> {
    Context::new(context["userId"].as_str().expect("a user"))
        .country(context["country"].as_str())
        .language(context["language"].as_str())
}

#[test]
fn an_off_flag_serves_b_to_included_users_too() {
    let mut record = targeted_flag();
    record.definition.enabled = false;
    let compiled = CompiledFlag::compile(record);
    let outcome = compiled.evaluate(&Context::new("in-1").country(Some("US")));
    assert_eq!((outcome.side, outcome.reason), (Side::B, FlagReason::Disabled));
}

/// The rules once more, straight from the contract's table and as slow as they please.
fn oracle(
    key: &str,
    definition: &FlagDefinition,
    user: &str,
    country: Option<&str>,
    language: Option<&str>,
) -> (Side, &'static str) {
    let targeting = &definition.targeting;
    if !definition.enabled {
        return (Side::B, "FLAG_DISABLED");
    }
    if targeting.force_exclude_users.iter().any(|listed| listed == user) {
        return (Side::B, "FORCE_EXCLUDED");
    }
    if targeting.force_include_users.iter().any(|listed| listed == user) {
        return (Side::A, "FORCE_INCLUDED");
    }
    if let Some(country) = country.filter(|text| !text.is_empty()) {
        let matched = targeting.countries.iter().find(|rule| rule.country.to_uppercase() == country.to_uppercase());
        if let Some(rule) = matched {
            let spoken = language.filter(|text| !text.is_empty()).and_then(|language| {
                let languages = rule.languages.as_deref().unwrap_or_default();
                languages.iter().find(|rule| rule.language.to_lowercase() == language.to_lowercase())
            });
            return match spoken {
                Some(language) => (language.serve_value, "COUNTRY_LANGUAGE_MATCH"),
                None => (rule.serve_value, "COUNTRY_MATCH"),
            };
        }
    }
    if definition.rollout_enabled {
        let in_a = percentage(key, user) < definition.rollout_percentage_a;
        return (if in_a { Side::A } else { Side::B }, "ROLLOUT_PERCENTAGE");
    }
    (definition.default_value, "DEFAULT")
}

pub(crate) fn percentage(key: &str, user: &str) -> f64 {
    let mut hash = 5381_u32;
    for unit in format!("{key}:{user}").encode_utf16() {
        hash = hash.wrapping_mul(33) ^ u32::from(unit);
    }
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    f64::from((hash ^ (hash >> 16)) % 10_000) / 100.0
}

/// Few enough that rules and contexts meet.
pub(crate) fn user() -> impl Strategy<Value = String> {
    prop_oneof![4 => "u[0-9]", 1 => Just("é😀".to_owned()), 1 => any::<String>()]
}

pub(crate) fn country() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["US", "us", "uS", "DE", "ſe", "SE", "ß", "SS", "ﬁ", "FI", "ıt", "IT", "US ", ""]).prop_map_into(),
        1 => any::<String>(),
    ]
}

pub(crate) fn language() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["en", "EN", "de", "\u{212A}k", "kk", "İs", "is", "ΑΣ", "ας", "en-US", ""]).prop_map_into(),
        1 => any::<String>(),
    ]
}

fn side() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["A", "B"])
}

fn definition() -> impl Strategy<Value = FlagDefinition> {
    let language = (language(), side()).prop_map(|(language, side)| json!({ "language": language, "serveValue": side }));
    let languages = prop::option::of(prop::collection::vec(language, 0..4));
    let country = (country(), side(), languages)
        .prop_map(|(country, side, languages)| json!({ "country": country, "serveValue": side, "languages": languages }));
    let lists = (prop::collection::vec(user(), 0..4), prop::collection::vec(user(), 0..4), prop::collection::vec(country, 0..5));
    let switches = (prop::bool::weighted(0.9), side(), any::<bool>(), -10.0..110.0_f64);
    (lists, switches).prop_map(|((include, exclude, countries), (enabled, default, rollout, percentage))| {
        let document = json!({
            "name": "Flag", "enabled": enabled, "flagType": "boolean", "valueA": true, "valueB": false, "defaultValue": default,
            "rolloutEnabled": rollout, "rolloutPercentageA": percentage, "rolloutPercentageB": 0,
            "targeting": { "countries": countries, "forceIncludeUsers": include, "forceExcludeUsers": exclude },
        });
        serde_json::from_value(document).expect("a definition")
    })
}

proptest! {
    #[test]
    fn compiled_rules_are_the_contracts_rules(
        definition in definition(),
        user in user(),
        country in prop::option::of(country()),
        language in prop::option::of(language()),
    ) {
        let (country, language) = (country.as_deref(), language.as_deref());
        let compiled = CompiledFlag::compile(flag("generated", definition.clone()));
        let outcome = compiled.evaluate(&Context::new(&user).country(country).language(language));
        prop_assert_eq!((outcome.side, outcome.reason.code()), oracle("generated", &definition, &user, country, language));
        let value = if outcome.side == Side::A { &definition.value_a } else { &definition.value_b };
        prop_assert_eq!(outcome.value, value);
    }

    #[test]
    fn raising_a_rollout_keeps_everybody_who_is_in(low in 0.0..100.0_f64, more in 0.0..100.0_f64, users in prop::collection::vec(any::<String>(), 50)) {
        let rollout = |percentage| {
            let mut record = targeted_flag();
            record.definition.rollout_percentage_a = percentage;
            CompiledFlag::compile(record)
        };
        let (before, after) = (rollout(low), rollout(low + more));
        for user in &users {
            let context = Context::new(user);
            prop_assert!(before.evaluate(&context).side == Side::B || after.evaluate(&context).side == Side::A);
        }
    }

    #[test]
    fn the_order_of_user_lists_does_not_matter(definition in definition(), user in user(), country in country(), language in language()) {
        let mut reversed = definition.clone();
        reversed.targeting.force_include_users.reverse();
        reversed.targeting.force_exclude_users.reverse();
        let (one, other) = (CompiledFlag::compile(flag("generated", definition)), CompiledFlag::compile(flag("generated", reversed)));
        let context = Context::new(&user).country(Some(&country)).language(Some(&language));
        prop_assert_eq!(one.evaluate(&context), other.evaluate(&context));
    }
}
