//! `tests/vectors/experiments.json`, and what must hold for every experiment.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use togglebox_core::Timestamp;
use togglebox_toggles::{Assignment, CompiledExperiment, Context, ExperimentDefinition, ExperimentStatus, NotAssigned};

use crate::flags::{country, language, percentage, user};
use crate::records::{experiment, targeted_experiment};
use crate::vectors::cases;

#[test]
fn every_recorded_assignment_is_reproduced() {
    let cases = cases("experiments");
    assert_eq!(cases.len(), 273);
    for case in &cases {
        let recorded = &case["experiment"];
        // "Running" is the one recorded word that is no status and cannot be stored. It stands for: not running.
        let status = serde_json::from_value(recorded["status"].clone()).unwrap_or(ExperimentStatus::Draft);
        let compiled = CompiledExperiment::compile(experiment(
            recorded["experimentKey"].as_str().unwrap(),
            status,
            serde_json::from_value(complete(recorded.clone())).unwrap(),
        ));
        let context = &case["context"];
        let text = |name: &str| context[name].as_str();
        let context = Context::new(text("userId").unwrap()).country(text("country")).language(text("language"));
        let given = match compiled.assign(&context, case["now"].as_str().unwrap().parse().unwrap()) {
            Err(_) => Value::Null,
            Ok(Assignment { variation, .. }) => {
                let mut given = json!({
                    "experimentKey": compiled.record().key.as_str(),
                    "variationKey": variation.key,
                    "isControl": variation.is_control,
                    "reason": Assignment::TEXT,
                });
                if let Some(value) = &variation.value {
                    given["value"] = value.clone();
                }
                given
            }
        };
        assert_eq!(given, case["expected"], "{}", case["id"]);
    }
}

/// Adds what every definition has and no assignment depends on.
fn complete(mut definition: Value) -> Value {
    definition["name"] = "Experiment".into();
    definition["hypothesis"] = "It helps.".into();
    definition["confidenceLevel"] = json!(0.95);
    definition["primaryMetric"] =
        json!({ "id": "m", "name": "m", "eventName": "m", "metricType": "conversion", "successDirection": "increase" });
    definition
}

#[test]
fn whoever_is_left_out_is_told_why() {
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let after: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
    let mut record = targeted_experiment();
    let compiled = CompiledExperiment::compile(record.clone());
    let german = Context::new("u").country(Some("de")).language(Some("DE"));
    assert!(compiled.assign(&german, now).is_ok());
    assert!(compiled.assign(&Context::new("in-1"), now).is_ok());
    for (context, now, reason) in [
        (german, Timestamp::EPOCH, "NOT_STARTED_YET"),
        (german, after, "ENDED"),
        (Context::new("out-1").country(Some("de")).language(Some("de")), now, "FORCE_EXCLUDED"),
        (Context::new("u"), now, "COUNTRY_NOT_TARGETED"),
        (Context::new("u").country(Some("CH")).language(Some("de")), now, "COUNTRY_NOT_TARGETED"),
        (Context::new("u").country(Some("DE")), now, "LANGUAGE_NOT_TARGETED"),
        (Context::new("u").country(Some("DE")).language(Some("it")), now, "LANGUAGE_NOT_TARGETED"),
    ] {
        assert_eq!(compiled.assign(&context, now).map_err(NotAssigned::code), Err(reason));
    }
    record.definition.variations.clear();
    let empty = CompiledExperiment::compile(record.clone());
    assert_eq!(empty.assign(&german, now), Err(NotAssigned::NoVariations));
    record.status = ExperimentStatus::Paused;
    assert_eq!(CompiledExperiment::compile(record).assign(&german, now), Err(NotAssigned::NotRunning));
}

#[test]
fn weights_split_the_users() {
    let mut record = targeted_experiment();
    record.definition.targeting.countries.clear();
    for (share, percentage) in record.definition.traffic_allocation.iter_mut().zip([50.0, 33.3, 16.65, 0.05]) {
        share.percentage = percentage;
    }
    let compiled = CompiledExperiment::compile(record);
    let now = "2030-01-01T00:00:00Z".parse().unwrap();
    let users = 100_000;
    let mut counts: HashMap<String, f64> = HashMap::new();
    for n in 0..users {
        let assignment = compiled.assign(&Context::new(&format!("user-{n}")), now).unwrap();
        *counts.entry(assignment.variation.key.to_string()).or_default() += 1.0;
    }
    for share in &compiled.record().definition.traffic_allocation {
        let expected = f64::from(users) * share.percentage / 100.0;
        // Four standard deviations of a count.
        let tolerance = 4.0 * (expected * (1.0 - share.percentage / 100.0)).sqrt();
        let count = counts[share.variation_key.as_str()];
        assert!((count - expected).abs() < tolerance, "{}: {count}, not {expected}", share.variation_key);
    }
}

/// The rules once more, straight from the contract's list and as slow as they please.
fn oracle<'d>(
    key: &str,
    status: ExperimentStatus,
    definition: &'d ExperimentDefinition,
    (user, country, language): (&str, Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<&'d str, &'static str> {
    let moment = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let targeting = &definition.targeting;
    if status != ExperimentStatus::Running {
        return Err("NOT_RUNNING");
    }
    if moment(&definition.scheduled_start_at).is_some_and(|start| now < start) {
        return Err("NOT_STARTED_YET");
    }
    if moment(&definition.scheduled_end_at).is_some_and(|end| now > end) {
        return Err("ENDED");
    }
    if targeting.force_exclude_users.iter().any(|listed| listed == user) {
        return Err("FORCE_EXCLUDED");
    }
    let included = targeting.force_include_users.iter().any(|listed| listed == user);
    if !included && !targeting.countries.is_empty() {
        let country = country.filter(|text| !text.is_empty()).ok_or("COUNTRY_NOT_TARGETED")?;
        let rule = targeting.countries.iter().find(|rule| rule.country.to_uppercase() == country.to_uppercase());
        let languages = rule.ok_or("COUNTRY_NOT_TARGETED")?.languages.as_deref().unwrap_or_default();
        if !languages.is_empty() {
            let language = language.filter(|text| !text.is_empty()).ok_or("LANGUAGE_NOT_TARGETED")?;
            let listed = languages.iter().any(|listed| listed.language.to_lowercase() == language.to_lowercase());
            listed.then_some(()).ok_or("LANGUAGE_NOT_TARGETED")?;
        }
    }
    let last = definition.variations.last().ok_or("NO_VARIATIONS")?;
    let mut total = 0.0;
    for share in &definition.traffic_allocation {
        total += share.percentage;
        if percentage(key, user) < total {
            let chosen = definition.variations.iter().find(|variation| variation.key == share.variation_key);
            return Ok(chosen.unwrap_or(last).key.as_str());
        }
    }
    Ok(last.key.as_str())
}

fn definition() -> impl Strategy<Value = ExperimentDefinition> {
    let languages =
        prop::option::of(prop::collection::vec(language().prop_map(|language| json!({ "language": language })), 0..3));
    let country = (country(), languages).prop_map(|(country, languages)| json!({ "country": country, "languages": languages }));
    let users = || prop::collection::vec(user(), 0..4);
    let targeting = (users(), users(), prop::collection::vec(country, 0..4));
    let key = || prop::sample::select(vec!["control", "a", "b"]);
    let variations = prop::collection::vec(key(), 0..4);
    let allocation = prop::collection::vec((key(), prop_oneof![0.0..60.0_f64, Just(0.1), Just(33.33)]), 0..5);
    let moment = || prop::option::of(prop::sample::select(vec!["2025-01-01T00:00:00Z", "2030-01-01T00:00:00.000+02:00", "soon"]));
    (targeting, variations, allocation, moment(), moment()).prop_map(
        |((include, exclude, countries), variations, allocation, start, end)| {
            let variation = |key| json!({ "key": key, "name": key, "isControl": false });
            let share = |(key, percentage)| json!({ "variationKey": key, "percentage": percentage });
            let document = complete(json!({
                "variations": variations.into_iter().map(variation).collect::<Value>(),
                "controlVariation": "control",
                "trafficAllocation": allocation.into_iter().map(share).collect::<Value>(),
                "targeting": { "countries": countries, "forceIncludeUsers": include, "forceExcludeUsers": exclude },
                "scheduledStartAt": start,
                "scheduledEndAt": end,
            }));
            serde_json::from_value(document).expect("a definition")
        },
    )
}

proptest! {
    #[test]
    fn compiled_rules_are_the_contracts_rules(
        definition in definition(),
        status in prop_oneof![5 => Just(ExperimentStatus::Running), 1 => Just(ExperimentStatus::Completed)],
        user in user(),
        country in prop::option::of(country()),
        language in prop::option::of(language()),
        now in prop::sample::select(vec!["2024-12-31T23:59:59.999Z", "2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2029-12-31T22:00:00Z", "2031-01-01T00:00:00Z"]),
    ) {
        let now = now.parse().unwrap();
        let (country, language) = (country.as_deref(), language.as_deref());
        let compiled = CompiledExperiment::compile(experiment("generated", status, definition.clone()));
        let assigned = compiled.assign(&Context::new(&user).country(country).language(language), now);
        let given = assigned.map(|assignment| assignment.variation.key.as_str()).map_err(NotAssigned::code);
        prop_assert_eq!(given, oracle("generated", status, &definition, (&user, country, language), now));
    }

    #[test]
    fn raising_the_first_share_keeps_everybody_who_is_in(
        low in 0.0..25.0_f64,
        more in 0.0..75.0_f64,
        users in prop::collection::vec(any::<String>(), 50),
    ) {
        let share = |percentage| {
            let mut record = targeted_experiment();
            record.definition.targeting.countries.clear();
            record.definition.traffic_allocation[0].percentage = percentage;
            CompiledExperiment::compile(record)
        };
        let (before, after) = (share(low), share(low + more));
        let now = "2030-01-01T00:00:00Z".parse().unwrap();
        for user in &users {
            let in_first = |compiled: &CompiledExperiment| compiled.assign(&Context::new(user), now).unwrap().variation.key.as_str() == "control";
            prop_assert!(!in_first(&before) || in_first(&after));
        }
    }

    #[test]
    fn the_order_of_user_lists_does_not_matter(definition in definition(), user in user(), country in country(), language in language()) {
        let mut reversed = definition.clone();
        reversed.targeting.force_include_users.reverse();
        reversed.targeting.force_exclude_users.reverse();
        let compile = |definition| CompiledExperiment::compile(experiment("generated", ExperimentStatus::Running, definition));
        let (one, other) = (compile(definition), compile(reversed));
        let context = Context::new(&user).country(Some(&country)).language(Some(&language));
        let now = "2025-01-01T00:00:00Z".parse().unwrap();
        prop_assert_eq!(one.assign(&context, now), other.assign(&context, now));
    }
}
