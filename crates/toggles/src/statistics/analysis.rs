//! What an experiment's figures say.

use super::count::real;
use super::legacy::{self, Counts, Significance};
use super::mean::{Mean, Sums, ValueSums};
use super::power::{USUAL_POWER, achieved_power, required_sample_size};
use super::{Comparison, Confidence, Interval, Proportion, Srm, Verdict, holm};
use crate::store::{ExperimentStatistics, MetricSample};
use crate::{Experiment, ExperimentDefinition, Metric, MetricType, SuccessDirection, VariationKey};

/// An analysis: what today's clients read, and what decisions should rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// For today's clients: counts per event, of variations with exposures, in the experiment's order.
    pub variation_data: Vec<VariationData>,
    /// For today's clients: the first treatment of `per_variation`.
    pub significance: Option<Significance>,
    /// For today's clients: every treatment with exposures against the control, in the experiment's order. `None` when the
    /// control has no exposures.
    pub per_variation: Option<Vec<(VariationKey, Significance)>>,
    /// For today's clients: the split of the participants of `variation_data`, paired by key.
    pub srm: Option<Srm>,
    /// The split of the users.
    pub user_split: Option<Srm>,
    /// The primary metric, per user.
    pub primary: MetricAnalysis,
    /// The secondary metrics, per user.
    pub secondary: Vec<MetricAnalysis>,
}

impl Analysis {
    /// Whether at least two variations have exposures: otherwise there is nothing to compare.
    pub const fn is_comparable(&self) -> bool {
        self.variation_data.len() >= 2
    }
}

/// A variation as today's clients read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariationData {
    /// Which.
    pub variation: VariationKey,
    /// Exposures, or users where exposures were not counted.
    pub participants: u64,
    /// Conversions of the primary metric.
    pub conversions: u64,
}

/// A metric per user.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricAnalysis {
    /// The metric's id.
    pub metric: String,
    /// What it measures.
    pub metric_type: MetricType,
    /// Which way is good.
    pub direction: SuccessDirection,
    /// How sure its intervals and verdicts are.
    pub confidence: Confidence,
    /// Users per variation before any verdict is given: the experiment's minimum, or else what its minimum detectable effect
    /// needs on the control's rate at 80 % power (primary conversion metrics only). `None` when neither is known.
    pub required_users: Option<u64>,
    /// Every variation, in the experiment's order.
    pub variations: Vec<VariationFigures>,
}

/// A metric of one variation.
#[derive(Clone, Debug, PartialEq)]
pub struct VariationFigures {
    /// Which.
    pub variation: VariationKey,
    /// Users who were exposed.
    pub users: u64,
    /// Those of them who converted at least once.
    pub converted_users: u64,
    /// `converted_users / users`; `None` without users.
    pub rate: Option<f64>,
    /// Wilson's interval of the rate.
    pub rate_interval: Option<Interval>,
    /// The mean of a count or sum per user, or of the values of an average; `None` for conversion metrics and where undefined.
    pub mean: Option<f64>,
    /// Student's interval of the mean.
    pub mean_interval: Option<Interval>,
    /// How it does against the control; `None` for the control itself.
    pub versus_control: Option<VersusControl>,
}

/// A treatment against the control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VersusControl {
    /// The difference of rates (conversion metrics) or means; `None` where undefined.
    pub comparison: Option<Comparison>,
    /// The p-value, adjusted for the number of treatments by Holm's method.
    pub adjusted_p_value: Option<f64>,
    /// The chance that the users at hand show the minimum detectable effect if it is there (primary conversion metrics only).
    pub power: Option<f64>,
    /// What the adjusted p-value says.
    pub verdict: Verdict,
}

/// Analyses an experiment. Variations that the statistics do not mention count with zeros; those that the experiment does not
/// know are left out.
pub fn analyse(experiment: &Experiment, statistics: &ExperimentStatistics) -> Analysis {
    let definition = &experiment.definition;
    let variation_data: Vec<_> =
        definition.variations.iter().filter_map(|v| variation_data(definition, statistics, &v.key)).collect();
    let per_variation = per_variation(definition, &variation_data);
    let participants =
        |key: &VariationKey| variation_data.iter().find(|data| data.variation == *key).map_or(0, |data| data.participants);
    let primary = Question::new(definition, statistics, &definition.primary_metric).primary().answer();
    let secondary = definition.secondary_metrics.iter().flatten();
    Analysis {
        significance: per_variation.as_ref().and_then(|all| all.first()).map(|(_, significance)| *significance),
        per_variation,
        srm: split(definition, participants, None),
        user_split: srm(experiment, statistics, None),
        primary,
        secondary: secondary.map(|metric| Question::new(definition, statistics, metric).answer()).collect(),
        variation_data,
    }
}

/// Checks how the users are split over the experiment's variations: by its traffic allocation, paired by key, or by ratios given
/// in the order of its variations. `None` when the ratios are not usable: not one per variation, negative, or not 1 ± 0.001
/// together.
pub fn srm(experiment: &Experiment, statistics: &ExperimentStatistics, expected_ratios: Option<&[f64]>) -> Option<Srm> {
    split(&experiment.definition, |key| users(statistics, key), expected_ratios)
}

fn split(definition: &ExperimentDefinition, count: impl Fn(&VariationKey) -> u64, ratios: Option<&[f64]>) -> Option<Srm> {
    let counts: Vec<u64> = definition.variations.iter().map(|variation| count(&variation.key)).collect();
    let allocated = |key: &VariationKey| -> f64 {
        let shares = definition.traffic_allocation.iter().filter(|share| share.variation_key == *key);
        shares.map(|share| share.percentage / 100.0).sum()
    };
    let ratios: Vec<f64> = match ratios {
        Some(ratios) => ratios.to_vec(),
        None => definition.variations.iter().map(|variation| allocated(&variation.key)).collect(),
    };
    Srm::check(&counts, &ratios)
}

fn users(statistics: &ExperimentStatistics, key: &VariationKey) -> u64 {
    statistics.variations.iter().find(|totals| totals.variation == *key).map_or(0, |totals| totals.users)
}

fn variation_data(
    definition: &ExperimentDefinition,
    statistics: &ExperimentStatistics,
    key: &VariationKey,
) -> Option<VariationData> {
    let totals = statistics.variations.iter().find(|totals| totals.variation == *key)?;
    let participants = if totals.exposures > 0 { totals.exposures } else { totals.users };
    let of_primary =
        statistics.metric_days.iter().filter(|day| day.variation == *key && day.metric == definition.primary_metric.id);
    let conversions = of_primary.fold(0, |sum: u64, day| sum.saturating_add(day.conversions));
    (participants > 0).then(|| VariationData { variation: key.clone(), participants, conversions })
}

fn per_variation(definition: &ExperimentDefinition, data: &[VariationData]) -> Option<Vec<(VariationKey, Significance)>> {
    let counts = |data: &VariationData| Counts { participants: real(data.participants), conversions: real(data.conversions) };
    let control = data.iter().find(|data| data.variation == definition.control_variation)?;
    let treatments = data.iter().filter(|data| data.variation != definition.control_variation);
    let treatments = treatments.map(|data| (data.variation.clone(), counts(data)));
    Some(legacy::several(counts(control), treatments, definition.confidence_level))
}

/// One metric to be analysed.
struct Question<'a> {
    definition: &'a ExperimentDefinition,
    statistics: &'a ExperimentStatistics,
    metric: &'a Metric,
    is_primary: bool,
    confidence: Confidence,
}

/// A variation's side of a comparison.
#[derive(Clone)]
struct Side {
    figures: VariationFigures,
    proportion: Option<Proportion>,
    mean: Option<Mean>,
}

impl<'a> Question<'a> {
    fn new(definition: &'a ExperimentDefinition, statistics: &'a ExperimentStatistics, metric: &'a Metric) -> Self {
        let confidence = Confidence::new(definition.confidence_level).unwrap_or_default();
        Self { definition, statistics, metric, is_primary: false, confidence }
    }

    const fn primary(self) -> Self {
        Self { is_primary: true, ..self }
    }

    fn answer(&self) -> MetricAnalysis {
        let mut sides: Vec<Side> = self.definition.variations.iter().map(|variation| self.side(&variation.key)).collect();
        let control = sides.iter().find(|side| self.is_control(side)).cloned();
        let required_users = self.required_users(control.as_ref());
        if let Some(control) = control {
            self.compare_all(&control, &mut sides, required_users);
        }
        MetricAnalysis {
            metric: self.metric.id.clone(),
            metric_type: self.metric.metric_type,
            direction: self.metric.success_direction,
            confidence: self.confidence,
            required_users,
            variations: sides.into_iter().map(|side| side.figures).collect(),
        }
    }

    fn is_control(&self, side: &Side) -> bool {
        side.figures.variation == self.definition.control_variation
    }

    fn side(&self, key: &VariationKey) -> Side {
        let users = users(self.statistics, key);
        let sample = self.statistics.samples.iter().find(|sample| sample.variation == *key && sample.metric == self.metric.id);
        let converted_users = sample.map_or(0, |sample| sample.converted_users.min(users));
        let proportion = Proportion::new(converted_users, users);
        let mean = mean(self.metric.metric_type, users, sample);
        let figures = VariationFigures {
            variation: key.clone(),
            users,
            converted_users,
            rate: proportion.map(Proportion::rate),
            rate_interval: proportion.map(|proportion| proportion.wilson(self.confidence)),
            mean: mean.as_ref().map(Mean::value),
            mean_interval: mean.as_ref().map(|mean| mean.interval(self.confidence)),
            versus_control: None,
        };
        Side { figures, proportion, mean }
    }

    /// The treatments of one metric are the family whose p-values are adjusted together.
    fn compare_all(&self, control: &Side, sides: &mut [Side], required_users: Option<u64>) {
        let treatments: Vec<&mut Side> = sides.iter_mut().filter(|side| !self.is_control(side)).collect();
        let comparisons: Vec<_> = treatments.iter().map(|treatment| self.compare(control, treatment)).collect();
        let p_values: Vec<f64> = comparisons.iter().map(|comparison| comparison.map_or(f64::NAN, |it| it.p_value)).collect();
        for ((treatment, comparison), adjusted) in treatments.into_iter().zip(comparisons).zip(holm(&p_values)) {
            let fewest = control.figures.users.min(treatment.figures.users);
            let is_enough = required_users.is_none_or(|required| fewest >= required) && self.is_large_enough(control, treatment);
            let verdict = match comparison {
                Some(comparison) if is_enough => {
                    Verdict::of(comparison.difference, adjusted, self.confidence, self.metric.success_direction)
                }
                _ => Verdict::NotEnoughData,
            };
            treatment.figures.versus_control = Some(VersusControl {
                comparison,
                adjusted_p_value: comparison.map(|_| adjusted),
                power: self.power(control, treatment),
                verdict,
            });
        }
    }

    fn compare(&self, control: &Side, treatment: &Side) -> Option<Comparison> {
        match self.metric.metric_type {
            MetricType::Conversion => Some(control.proportion?.against(treatment.proportion?, self.confidence)),
            MetricType::Count | MetricType::Sum | MetricType::Average => {
                control.mean.as_ref()?.against(treatment.mean.as_ref()?, self.confidence)
            }
        }
    }

    fn is_large_enough(&self, control: &Side, treatment: &Side) -> bool {
        match self.metric.metric_type {
            MetricType::Conversion => {
                control.proportion.zip(treatment.proportion).is_some_and(|(a, b)| a.is_large_enough_with(b))
            }
            MetricType::Count | MetricType::Sum | MetricType::Average => {
                control.mean.as_ref().zip(treatment.mean.as_ref()).is_some_and(|(a, b)| a.is_large_enough_with(b))
            }
        }
    }

    fn power(&self, control: &Side, treatment: &Side) -> Option<f64> {
        let (rate, effect) = (control.figures.rate?, self.detectable_effect()?);
        achieved_power(rate, effect, self.confidence, control.figures.users, treatment.figures.users)
    }

    fn required_users(&self, control: Option<&Side>) -> Option<u64> {
        let by_effect = || required_sample_size(control?.figures.rate?, self.detectable_effect()?, self.confidence, USUAL_POWER);
        self.definition.minimum_sample_size.or_else(by_effect)
    }

    /// The relative effect to be found, in the direction that is good.
    fn detectable_effect(&self) -> Option<f64> {
        let applies = self.is_primary && self.metric.metric_type == MetricType::Conversion;
        let effect = self.definition.minimum_detectable_effect.filter(|_| applies)?;
        Some(match self.metric.success_direction {
            SuccessDirection::Increase => effect,
            SuccessDirection::Decrease => -effect,
        })
    }
}

fn mean(metric_type: MetricType, users: u64, sample: Option<&MetricSample>) -> Option<Mean> {
    let of = |figure: fn(&MetricSample) -> f64| sample.map_or(0.0, figure);
    match metric_type {
        MetricType::Conversion => None,
        MetricType::Count => {
            Mean::per_user(&Sums { users, sum: of(|it| it.conversions), sum_squared: of(|it| it.conversions_squared) })
        }
        MetricType::Sum => Mean::per_user(&Sums { users, sum: of(|it| it.sum), sum_squared: of(|it| it.sum_squared) }),
        MetricType::Average => {
            let sample = sample?;
            Mean::per_value(&ValueSums {
                users,
                sum: sample.sum,
                sum_squared: sample.sum_squared,
                values: sample.values,
                values_squared: sample.values_squared,
                sum_values: sample.sum_values,
            })
        }
    }
}

#[cfg(test)]
mod tests;
