//! What holds for any document.

use proptest::prelude::*;
use serde_json::{Value, json};
use togglebox_toggles::input::{
    CompleteExperiment, Conversion, EnvironmentPatch, EvaluationContext, EventBatch, ExperimentPatch, FlagPatch, FlagRollback,
    FlagRollout, FlagToggle, NewEnvironment, NewExperiment, NewFlag, NewParameter, NewPlatform, ParameterPatch, PlatformPatch,
    RollbackTarget, StartExperiment, TrafficUpdate,
};

/// Any JSON, made of words that the readers look for.
fn documents() -> impl Strategy<Value = Value> {
    let words = proptest::sample::select(vec![
        "name",
        "flagKey",
        "flagType",
        "string",
        "valueA",
        "valueB",
        "targeting",
        "countries",
        "country",
        "languages",
        "variations",
        "key",
        "trafficAllocation",
        "variationKey",
        "percentage",
        "controlVariation",
        "isControl",
        "events",
        "type",
        "conversion",
        "timestamp",
        "2025-01-01T00:00Z",
        "version",
        "1.0.0",
        "defaultValue",
        "valueType",
        "number",
        "scheduledEndAt",
        "\u{1F600}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
        "\\PC{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((words.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_a_reader_panic_or_refuse_without_a_reason(document in documents()) {
        let document = Some(&document);
        let reasons = [
            NewPlatform::read(document).err(),
            PlatformPatch::read(document).err(),
            NewEnvironment::read(document).err(),
            EnvironmentPatch::read(document).err(),
            NewParameter::read(document).err(),
            ParameterPatch::read(document).err(),
            RollbackTarget::read(document).err(),
            NewFlag::read(document).err(),
            FlagPatch::read(document).err(),
            FlagToggle::read(document).err(),
            FlagRollout::read(document).err(),
            FlagRollback::read(document).err(),
            NewExperiment::read(document).err(),
            ExperimentPatch::read(document).err(),
            TrafficUpdate::read(document).err(),
            StartExperiment::read(document).err(),
            CompleteExperiment::read(document).err(),
            EvaluationContext::read(document).err(),
            Conversion::read(document).err(),
            EventBatch::read(document).err(),
        ];
        for issues in reasons.into_iter().flatten() {
            prop_assert!(!issues.is_empty());
            prop_assert!(issues.iter().all(|issue| !issue.message.is_empty()));
            // What a reader says of a value it could not build and did not explain.
            prop_assert!(issues.iter().all(|issue| !(issue.path.is_empty() && issue.message == "Invalid input")));
        }
    }

    #[test]
    fn accepted_allocations_make_the_whole(shares in proptest::collection::vec(0.0..=100.0_f64, 2..6)) {
        let keys: Vec<String> = (0..shares.len()).map(|n| format!("v{n}")).collect();
        let body = json!({ "trafficAllocation": keys.iter().zip(&shares)
            .map(|(key, share)| json!({ "variationKey": key, "percentage": share })).collect::<Vec<_>>() });
        let sum: f64 = shares.iter().sum();
        prop_assert_eq!(TrafficUpdate::read(Some(&body)).is_ok(), (sum - 100.0).abs() <= 0.01 + 1e-9);
        let scaled: Vec<f64> = shares.iter().map(|share| share * 100.0 / sum.max(1e-9)).collect();
        prop_assume!(sum > 1e-3);
        let body = json!({ "trafficAllocation": keys.iter().zip(&scaled)
            .map(|(key, share)| json!({ "variationKey": key, "percentage": share.min(100.0) })).collect::<Vec<_>>() });
        prop_assert!(TrafficUpdate::read(Some(&body)).is_ok());
    }
}
