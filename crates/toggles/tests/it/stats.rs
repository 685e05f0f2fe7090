//! `tests/vectors/stats.json`.

use serde_json::Value;
use togglebox_toggles::statistics::legacy::{self, Counts, Significance};
use togglebox_toggles::statistics::{Severity, Srm};

/// What a client gets when it says nothing.
const LEVEL: f64 = 0.95;
const POWER: f64 = 0.8;
const THRESHOLD: f64 = 0.01;

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap_or_else(|| panic!("{number} is no number")),
    }
}

fn number_or(value: &Value, default: f64) -> f64 {
    if value.is_null() { default } else { number(value) }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Whether a figure is what it should be, with the tolerance that the file names.
fn agrees(actual: f64, expected: &Value) -> bool {
    let expected = number(expected);
    if expected.is_nan() { actual.is_nan() } else { (actual - expected).abs() <= 1e-9 * expected.abs().max(1.0) }
}

fn counts(arm: &Value) -> Counts {
    Counts { participants: number(&arm["participants"]), conversions: number(&arm["conversions"]) }
}

fn agrees_with(actual: &Significance, expected: &Value) -> bool {
    let [low, high] = actual.confidence_interval;
    expected.as_object().unwrap().len() == 7
        && agrees(actual.p_value, &expected["pValue"])
        && actual.is_significant == expected["isSignificant"].as_bool().unwrap()
        && agrees(actual.z_score, &expected["zScore"])
        && agrees(low, &expected["confidenceInterval"][0])
        && agrees(high, &expected["confidenceInterval"][1])
        && agrees(actual.relative_lift, &expected["relativeLift"])
        && agrees(actual.control_conversion_rate, &expected["controlConversionRate"])
        && agrees(actual.treatment_conversion_rate, &expected["treatmentConversionRate"])
}

fn srm_agrees_with(actual: &Srm, expected: &Value) -> bool {
    let observed = expected["observedRatios"].as_array().unwrap();
    actual.has_mismatch == expected["hasMismatch"].as_bool().unwrap()
        && agrees(actual.p_value, &expected["pValue"])
        && agrees(actual.chi_squared, &expected["chiSquared"])
        && actual.observed_ratios.len() == observed.len()
        && actual.observed_ratios.iter().zip(observed).all(|(actual, expected)| agrees(*actual, expected))
        && actual.warning.is_some() == expected["hasWarning"].as_bool().unwrap()
        && actual.severity.as_str() == expected["severity"].as_str().unwrap()
}

fn passes(case: &Value) -> bool {
    let (input, expected) = (&case["input"], &case["expected"]);
    let is_error = case["error"].as_bool().unwrap_or(false);
    match case["op"].as_str().unwrap() {
        "normalCdf" => agrees(legacy::normal_cdf(number(&input["x"])), &expected["y"]),
        "significance" => {
            let level = number_or(&input["confidenceLevel"], LEVEL);
            agrees_with(&legacy::significance(counts(&input["control"]), counts(&input["treatment"]), level), expected)
        }
        "multipleSignificance" => {
            let treatments = input["treatments"].as_array().unwrap();
            let treatments = treatments.iter().map(|arm| (arm["variationKey"].as_str().unwrap(), counts(arm)));
            let level = number_or(&input["confidenceLevel"], LEVEL);
            let results = legacy::several(counts(&input["control"]), treatments, level);
            results.len() == expected.as_object().unwrap().len()
                && results.iter().all(|(key, result)| agrees_with(result, &expected[*key]))
        }
        "srm" => {
            let observed: Vec<u64> = input["participants"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
            let threshold = number_or(&input["threshold"], THRESHOLD);
            match legacy::sample_ratio_mismatch(&observed, &numbers(&input["expectedRatios"]), threshold) {
                Some(srm) => !is_error && srm_agrees_with(&srm, expected),
                None => is_error,
            }
        }
        "srmSeverity" => Severity::of(number(&input["pValue"])).as_str() == expected["severity"].as_str().unwrap(),
        "requiredSampleSize" => {
            let (baseline, effect) = (number(&input["baselineConversion"]), number(&input["minimumDetectableEffect"]));
            let (level, power) = (number_or(&input["confidenceLevel"], LEVEL), number_or(&input["power"], POWER));
            match legacy::required_sample_size(baseline, effect, level, power) {
                Some(users) => !is_error && agrees(users, &expected["perVariation"]),
                None => is_error,
            }
        }
        op => panic!("unknown operation {op}"),
    }
}

#[test]
fn every_recorded_figure_is_reproduced() {
    let cases = crate::vectors::cases("stats");
    assert_eq!(cases.len(), 229);
    let failed: Vec<&Value> = cases.iter().filter(|case| !passes(case)).collect();
    assert!(failed.is_empty(), "{} of {} differ: {failed:#?}", failed.len(), cases.len());
}
