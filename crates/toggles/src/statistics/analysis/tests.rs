use togglebox_core::{Revision, Timestamp};

use super::*;
use crate::statistics::Severity;
use crate::store::{MetricDay, VariationTotals};
use crate::{Allocation, ExperimentKey, ExperimentStatus, ExperimentTargeting, Variation};

fn key(text: &str) -> VariationKey {
    VariationKey::new(text).unwrap()
}

fn metric(id: &str, metric_type: MetricType, success_direction: SuccessDirection) -> Metric {
    Metric { id: id.into(), name: id.into(), event_name: id.into(), metric_type, success_direction, value_property: None }
}

/// An experiment whose first variation is the control, with those shares of the traffic.
fn experiment(variations: &[(&str, f64)], primary_metric: Metric) -> Experiment {
    let variation = |(text, _): &(&str, f64)| Variation { key: key(text), name: (*text).into(), value: None, is_control: false };
    let share = |(text, percentage): &(&str, f64)| Allocation { variation_key: key(text), percentage: *percentage };
    Experiment {
        key: ExperimentKey::new("cta").unwrap(),
        definition: ExperimentDefinition {
            name: "CTA".into(),
            description: None,
            hypothesis: "Green wins".into(),
            variations: variations.iter().map(variation).collect(),
            control_variation: key(variations[0].0),
            // In another order than the variations: pairing must be by key.
            traffic_allocation: variations.iter().rev().map(share).collect(),
            targeting: ExperimentTargeting::default(),
            primary_metric,
            secondary_metrics: None,
            confidence_level: 0.95,
            minimum_detectable_effect: None,
            minimum_sample_size: None,
            scheduled_start_at: None,
            scheduled_end_at: None,
        },
        status: ExperimentStatus::Running,
        started_at: None,
        started_by: None,
        completed_at: None,
        completed_by: None,
        winner: None,
        created_by: "dee@example.com".into(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn clicks() -> Metric {
    metric("click", MetricType::Conversion, SuccessDirection::Increase)
}

/// Variation, exposures, users, conversions (on two days), converted users.
type Arm = (&'static str, u64, u64, u64, u64);

fn statistics(arms: &[Arm]) -> ExperimentStatistics {
    let mut statistics = ExperimentStatistics::default();
    for &(variation, exposures, users, conversions, converted_users) in arms {
        statistics.variations.push(VariationTotals { variation: key(variation), exposures, users });
        for (day, conversions) in [("2026-11-21", conversions / 2), ("2026-11-22", conversions - conversions / 2)] {
            let (variation, metric) = (key(variation), "click".into());
            statistics.metric_days.push(MetricDay { variation, metric, day: day.into(), conversions, sum: 0.0 });
        }
        statistics.samples.push(MetricSample { converted_users, ..sample(variation, "click") });
    }
    statistics
}

fn sample(variation: &str, metric: &str) -> MetricSample {
    MetricSample {
        variation: key(variation),
        metric: metric.into(),
        converted_users: 0,
        conversions: 0.0,
        conversions_squared: 0.0,
        sum: 0.0,
        sum_squared: 0.0,
        values: 0,
        values_squared: 0.0,
        sum_values: 0.0,
    }
}

fn versus<'a>(metric: &'a MetricAnalysis, variation: &str) -> &'a VersusControl {
    let figures = metric.variations.iter().find(|figures| figures.variation == key(variation)).unwrap();
    figures.versus_control.as_ref().unwrap()
}

#[test]
fn todays_clients_read_counts_per_event_in_the_experiments_order() {
    let experiment = experiment(&[("control", 60.0), ("green", 20.0), ("blue", 20.0)], clicks());
    // The store answers by key: blue first.
    let statistics = statistics(&[("blue", 7, 5, 1, 1), ("control", 9, 8, 0, 0), ("green", 2, 2, 2, 1)]);
    let analysis = analyse(&experiment, &statistics);
    let data =
        |variation: &str, participants, conversions| VariationData { variation: key(variation), participants, conversions };
    assert_eq!(analysis.variation_data, [data("control", 9, 0), data("green", 2, 2), data("blue", 7, 1)]);
    let per_variation = analysis.per_variation.unwrap();
    assert_eq!(per_variation.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["green", "blue"]);
    // The recorded answer of the original for 0 of 9 against 2 of 2.
    let significance = analysis.significance.unwrap();
    assert!((significance.p_value - 0.000_911_233_544_425_460_5).abs() < 1e-12);
    assert_eq!(significance.confidence_interval.map(f64::to_bits), [1.0_f64.to_bits(); 2]);
    assert_eq!(per_variation[0].1, significance);
}

#[test]
fn users_stand_in_for_exposures_that_were_not_counted() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let analysis = analyse(&experiment, &statistics(&[("control", 0, 8, 0, 0), ("green", 3, 2, 0, 0)]));
    assert_eq!(analysis.variation_data.iter().map(|data| data.participants).collect::<Vec<_>>(), [8, 3]);
}

#[test]
fn without_exposures_of_the_control_nothing_is_compared() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let analysis = analyse(&experiment, &statistics(&[("green", 3, 2, 0, 0)]));
    assert_eq!((analysis.significance, analysis.per_variation.clone()), (None, None));
    assert!(!analysis.is_comparable());
    assert_eq!(versus(&analysis.primary, "green").verdict, Verdict::NotEnoughData);
    let empty = analyse(&experiment, &ExperimentStatistics::default());
    assert!(empty.variation_data.is_empty() && empty.primary.variations.len() == 2);
}

#[test]
fn the_split_pairs_by_key_and_counts_absent_variations_as_zero() {
    let experiment = experiment(&[("control", 20.0), ("green", 80.0)], clicks());
    let fair = srm(&experiment, &statistics(&[("control", 20, 20, 0, 0), ("green", 80, 80, 0, 0)]), None).unwrap();
    assert_eq!((fair.has_mismatch, fair.expected_ratios), (false, vec![0.2, 0.8]));
    let absent = srm(&experiment, &statistics(&[("control", 100, 100, 0, 0)]), None).unwrap();
    assert_eq!((absent.severity, absent.observed_ratios), (Severity::Critical, vec![1.0, 0.0]));
}

#[test]
fn given_ratios_are_in_the_order_of_the_variations() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let statistics = statistics(&[("green", 4, 4, 0, 0), ("control", 1, 1, 0, 0)]);
    assert_eq!(srm(&experiment, &statistics, Some(&[0.2, 0.8])).unwrap().p_value.to_bits(), 1.0_f64.to_bits());
    assert_eq!(srm(&experiment, &statistics, Some(&[1.0])), None);
    assert_eq!(srm(&experiment, &statistics, Some(&[f64::NAN, f64::NAN])), None);
}

#[test]
fn reloads_change_the_split_of_exposures_only() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let analysis = analyse(&experiment, &statistics(&[("control", 5000, 1000, 0, 0), ("green", 1010, 1000, 0, 0)]));
    assert!(analysis.srm.unwrap().has_mismatch);
    assert!(!analysis.user_split.unwrap().has_mismatch);
}

#[test]
fn a_verdict_follows_the_direction_that_is_good() {
    for (direction, verdict) in [(SuccessDirection::Increase, Verdict::Winner), (SuccessDirection::Decrease, Verdict::Loser)] {
        let experiment = experiment(&[("control", 50.0), ("green", 50.0)], metric("click", MetricType::Conversion, direction));
        let analysis = analyse(&experiment, &statistics(&[("control", 1000, 1000, 100, 100), ("green", 1000, 1000, 150, 150)]));
        assert_eq!(versus(&analysis.primary, "green").verdict, verdict);
    }
}

#[test]
fn repeated_conversions_of_a_user_count_once() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    // 3000 conversions by 100 users: the rate for today's clients is 3.
    let analysis = analyse(&experiment, &statistics(&[("control", 1000, 1000, 100, 100), ("green", 1000, 1000, 3000, 100)]));
    assert!((analysis.significance.unwrap().treatment_conversion_rate - 3.0).abs() < 1e-12);
    let green = &analysis.primary.variations[1];
    assert_eq!((green.converted_users, green.rate), (100, Some(0.1)));
    assert_eq!(versus(&analysis.primary, "green").verdict, Verdict::Inconclusive);
}

#[test]
fn six_users_get_no_verdict() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let analysis = analyse(&experiment, &statistics(&[("control", 1, 1, 1, 1), ("green", 5, 5, 0, 0)]));
    assert!(analysis.significance.unwrap().is_significant, "as the original has it");
    assert_eq!(versus(&analysis.primary, "green").verdict, Verdict::NotEnoughData);
}

#[test]
fn the_minimum_sample_size_holds_back_the_verdict() {
    let mut experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let statistics = statistics(&[("control", 1000, 1000, 100, 100), ("green", 1000, 1000, 150, 150)]);
    for (minimum, verdict) in [(1000, Verdict::Winner), (1001, Verdict::NotEnoughData)] {
        experiment.definition.minimum_sample_size = Some(minimum);
        let primary = analyse(&experiment, &statistics).primary;
        assert_eq!((primary.required_users, versus(&primary, "green").verdict), (Some(minimum), verdict));
    }
}

#[test]
fn the_detectable_effect_says_how_many_users_are_needed() {
    let mut experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    experiment.definition.minimum_detectable_effect = Some(0.1);
    let analysis = analyse(&experiment, &statistics(&[("control", 2000, 2000, 100, 100), ("green", 2000, 2000, 160, 160)]));
    assert_eq!(analysis.primary.required_users, Some(31_235));
    let green = versus(&analysis.primary, "green");
    assert_eq!(green.verdict, Verdict::NotEnoughData);
    assert!((0.05..0.2).contains(&green.power.unwrap()), "{:?}", green.power);
}

#[test]
fn several_treatments_share_the_chance_of_a_false_alarm() {
    let shares = [("control", 25.0), ("one", 25.0), ("two", 25.0), ("three", 25.0)];
    let arms: [Arm; 4] = [
        ("control", 1000, 1000, 100, 100),
        ("one", 1000, 1000, 128, 128),
        ("two", 1000, 1000, 101, 101),
        ("three", 1000, 1000, 99, 99),
    ];
    let alone = analyse(&experiment(&[("control", 50.0), ("one", 50.0)], clicks()), &statistics(&arms[..2]));
    assert_eq!(versus(&alone.primary, "one").verdict, Verdict::Winner);
    let together = analyse(&experiment(&shares, clicks()), &statistics(&arms));
    let one = versus(&together.primary, "one");
    assert_eq!(one.verdict, Verdict::Inconclusive);
    assert!((one.adjusted_p_value.unwrap() / one.comparison.unwrap().p_value - 3.0).abs() < 1e-12);
}

#[test]
fn secondary_metrics_are_analysed_by_their_type() {
    let mut experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let types = [("orders", MetricType::Count), ("revenue", MetricType::Sum), ("price", MetricType::Average)];
    experiment.definition.secondary_metrics =
        Some(types.map(|(id, metric_type)| metric(id, metric_type, SuccessDirection::Increase)).to_vec());
    let mut statistics = statistics(&[("control", 100, 100, 10, 10), ("green", 100, 100, 10, 10)]);
    for (variation, factor) in [("control", 1.0), ("green", 4.0)] {
        // Fifty users, each of whom ordered once, for 8 or 12 on the control.
        for (id, _) in types {
            statistics.samples.push(MetricSample {
                converted_users: 50,
                conversions: 50.0,
                conversions_squared: 50.0,
                sum: 500.0 * factor,
                sum_squared: 25.0 * (64.0 + 144.0) * factor * factor,
                values: 50,
                values_squared: 50.0,
                sum_values: 500.0 * factor,
                ..sample(variation, id)
            });
        }
    }
    let analysis = analyse(&experiment, &statistics);
    let [orders, revenue, price] = &analysis.secondary[..] else { panic!("three metrics") };
    assert_eq!(orders.variations.iter().map(|figures| figures.mean).collect::<Vec<_>>(), [Some(0.5), Some(0.5)]);
    assert_eq!(versus(orders, "green").verdict, Verdict::Inconclusive);
    assert_eq!(revenue.variations.iter().map(|figures| figures.mean).collect::<Vec<_>>(), [Some(5.0), Some(20.0)]);
    assert_eq!(versus(revenue, "green").verdict, Verdict::Winner);
    assert_eq!(price.variations.iter().map(|figures| figures.mean).collect::<Vec<_>>(), [Some(10.0), Some(40.0)]);
    let lift = versus(price, "green").comparison.unwrap();
    assert!((lift.lift.unwrap() - 3.0).abs() < 1e-12 && lift.lift_interval.unwrap().contains(3.0));
    assert_eq!((analysis.primary.variations[0].mean, price.required_users), (None, None));
}

#[test]
fn statistics_of_unknown_variations_are_left_out() {
    let experiment = experiment(&[("control", 50.0), ("green", 50.0)], clicks());
    let analysis = analyse(&experiment, &statistics(&[("control", 9, 9, 0, 0), ("green", 9, 9, 0, 0), ("stray", 9, 9, 0, 0)]));
    assert_eq!(analysis.variation_data.len(), 2);
    assert_eq!(analysis.primary.variations.len(), 2);
}
