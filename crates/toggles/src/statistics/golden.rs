//! Every figure against `tests/vectors/statistics-golden.json`: scipy's and statsmodels' answers.

use serde_json::Value;

use super::mean::{Mean, Sums, ValueSums};
use super::{
    Comparison, Confidence, Interval, Proportion, Srm, achieved_power, gamma, holm, normal, required_sample_size, student,
};

/// One case, with shorthands for its numbers.
struct Case(Value);

impl Case {
    fn number(&self, pointer: &str) -> f64 {
        self.0.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{} lacks {pointer}", self.0))
    }

    fn count(&self, pointer: &str) -> u64 {
        self.0.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{} lacks {pointer}", self.0))
    }

    fn numbers(&self, pointer: &str) -> Vec<f64> {
        self.0.pointer(pointer).unwrap().as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
    }

    fn has(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some()
    }

    fn confidence(&self) -> Confidence {
        Confidence::new(self.number("/input/level")).unwrap()
    }

    fn proportion(&self, side: &str) -> Proportion {
        Proportion::new(self.count(&format!("/input/{side}/0")), self.count(&format!("/input/{side}/1"))).unwrap()
    }

    fn mean(&self, side: &str) -> Option<Mean> {
        let at = |what: &str| format!("/input/{side}/{what}");
        let (sum, sum_squared) = (self.number(&at("sum")), self.number(&at("sumSquared")));
        Mean::per_user(&Sums { users: self.count(&at("users")), sum, sum_squared })
    }

    /// Holds a figure against the expected one, with a relative and an absolute tolerance.
    fn expect(&self, name: &str, actual: f64, relative: f64, absolute: f64) {
        let expected = self.number(&format!("/expected/{name}"));
        let off = (actual - expected).abs();
        assert!(off <= absolute + relative * expected.abs(), "{name} is {actual}, not {expected}: {}", self.0);
    }

    fn expect_interval(&self, name: &str, actual: Interval, relative: f64, absolute: f64) {
        self.expect(&format!("{name}/0"), actual.low, relative, absolute);
        self.expect(&format!("{name}/1"), actual.high, relative, absolute);
    }
}

fn check(op: &str, least: usize, check: impl Fn(&Case)) {
    let text = include_str!("../../tests/vectors/statistics-golden.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let cases = document["cases"].as_array().unwrap();
    assert_eq!(document["count"].as_u64(), Some(cases.len() as u64));
    let cases: Vec<Case> = cases.iter().filter(|case| case["op"] == op).cloned().map(Case).collect();
    assert!(cases.len() >= least, "only {} cases of {op}", cases.len());
    cases.iter().for_each(check);
}

#[test]
fn normal_quantile_agrees_with_scipy() {
    check("normalQuantile", 28, |case| case.expect("z", normal::quantile(case.number("/input/p")), 4e-15, 1e-16));
}

#[test]
fn normal_tails_agree_with_scipy() {
    check("normalTwoSided", 16, |case| case.expect("p", normal::two_sided(case.number("/input/z")), 2e-12, 1e-15));
}

#[test]
fn student_tails_agree_with_scipy() {
    check("studentTwoSided", 132, |case| {
        let actual = student::two_sided(case.number("/input/t"), case.number("/input/degrees"));
        case.expect("p", actual, 1e-11, 1e-15);
    });
}

#[test]
fn student_critical_values_agree_with_scipy() {
    check("studentCritical", 42, |case| {
        case.expect("t", student::critical(case.number("/input/alpha"), case.number("/input/degrees")), 1e-11, 0.0);
    });
}

#[test]
fn chi_square_tails_agree_with_scipy() {
    check("chiSquareTail", 63, |case| {
        let degrees = u32::try_from(case.count("/input/degrees")).unwrap();
        case.expect("p", gamma::chi_square_tail(case.number("/input/x"), degrees), 1e-11, 1e-15);
    });
}

#[test]
fn wilson_interval_agrees_with_statsmodels() {
    check("wilson", 38, |case| {
        let proportion = Proportion::new(case.count("/input/part"), case.count("/input/whole")).unwrap();
        case.expect_interval("interval", proportion.wilson(case.confidence()), 1e-12, 1e-14);
    });
}

#[test]
fn comparison_of_proportions_agrees_with_statsmodels() {
    check("proportions", 38, |case| {
        let comparison = case.proportion("control").against(case.proportion("treatment"), case.confidence());
        let Comparison { difference, interval, lift, lift_interval, statistic, p_value } = comparison;
        case.expect("difference", difference, 1e-13, 1e-15);
        case.expect_interval("interval", interval, 1e-10, 1e-14);
        if case.has("/expected/p") {
            case.expect("z", statistic, 1e-11, 1e-13);
            case.expect("p", p_value, 1e-10, 0.0);
        } else {
            assert!((p_value - 1.0).abs() < f64::EPSILON && lift_interval.is_none());
        }
        if case.has("/expected/lift") {
            case.expect("lift", lift.unwrap(), 1e-12, 1e-14);
            case.expect_interval("liftInterval", lift_interval.unwrap(), 1e-11, 1e-13);
        }
    });
}

#[test]
fn welch_agrees_with_scipy() {
    check("welch", 20, |case| {
        let (control, treatment) = (case.mean("control").unwrap(), case.mean("treatment").unwrap());
        let comparison = control.against(&treatment, case.confidence()).unwrap();
        // The sums of squares have lost a few digits.
        case.expect("difference", comparison.difference, 1e-10, 1e-12);
        case.expect("t", comparison.statistic, 1e-9, 1e-11);
        case.expect("p", comparison.p_value, 1e-8, 1e-12);
        case.expect_interval("interval", comparison.interval, 1e-9, 1e-10);
        case.expect_interval("controlInterval", control.interval(case.confidence()), 1e-9, 1e-10);
    });
}

#[test]
fn mean_of_values_agrees_with_statsmodels() {
    check("meanOfValues", 8, |case| {
        let mean = Mean::per_value(&ValueSums {
            users: case.count("/input/users"),
            sum: case.number("/input/sum"),
            sum_squared: case.number("/input/sumSquared"),
            values: case.count("/input/values"),
            values_squared: case.number("/input/valuesSquared"),
            sum_values: case.number("/input/sumValues"),
        })
        .unwrap();
        case.expect("mean", mean.value(), 1e-12, 0.0);
        case.expect("standardError", mean.standard_error(), 1e-9, 0.0);
    });
}

#[test]
fn holm_agrees_with_statsmodels() {
    check("holm", 13, |case| {
        for (index, adjusted) in holm(&case.numbers("/input/p")).into_iter().enumerate() {
            case.expect(&format!("adjusted/{index}"), adjusted, 1e-14, 0.0);
        }
    });
}

#[test]
fn required_sample_size_agrees_with_the_textbook() {
    check("requiredSampleSize", 10, |case| {
        let (baseline, effect) = (case.number("/input/baseline"), case.number("/input/effect"));
        let users = required_sample_size(baseline, effect, case.confidence(), case.number("/input/power"));
        assert_eq!(users, Some(case.count("/expected/users")), "{}", case.0);
    });
}

#[test]
fn achieved_power_agrees_with_the_textbook() {
    check("achievedPower", 5, |case| {
        let (baseline, effect) = (case.number("/input/baseline"), case.number("/input/effect"));
        let (control, treatment) = (case.count("/input/control"), case.count("/input/treatment"));
        case.expect("power", achieved_power(baseline, effect, case.confidence(), control, treatment).unwrap(), 1e-10, 0.0);
    });
}

#[test]
fn the_check_of_the_split_agrees_with_scipy() {
    check("srm", 6, |case| {
        let counts: Vec<u64> = case.0["input"]["counts"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
        let srm = Srm::check(&counts, &case.numbers("/input/ratios")).unwrap();
        case.expect("chiSquared", srm.chi_squared, 1e-12, 1e-12);
        case.expect("p", srm.p_value, 1e-10, 0.0);
    });
}
