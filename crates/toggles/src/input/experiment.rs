//! Bodies of experiments.

use serde_json::Value;
use togglebox_core::input::{Issue, Issues, Reader};

use super::details::{self, Details};
use super::metric::metric;
use super::outline::Outline;
use super::traffic::{allocations, pairs, shares};
use super::variation::{mark_control, remark_control, variations};
use super::{Share, any_text, filled, key, members, schedule};
use crate::{Allocation, ExperimentDefinition, ExperimentKey, ExperimentTargeting, Metric, Variation, VariationKey};

/// An experiment to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExperiment {
    /// Its key.
    pub key: ExperimentKey,
    /// What it says.
    pub definition: ExperimentDefinition,
}

impl NewExperiment {
    /// Reads a whole experiment.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = members(document);
        let key: Option<ExperimentKey> = key(&root.field("experimentKey"), "Experiment");
        let name = name(&root.field("name"));
        let description = root.field("description").optional(any_text);
        let hypothesis = root.field("hypothesis").text().min(1, "Hypothesis is required").owned();
        let variations = variations(&root.field("variations"));
        let control = filled(&root.field("controlVariation"));
        let shares = shares(&root.field("trafficAllocation"));
        let details = Details::read(&root, |place| metric(place).map(Some));
        details::check_agreement(&root);

        let experiment = (|| {
            let (mut variations, control, details) = (variations?, control?, details?);
            mark_control(&mut variations, &control);
            let definition = ExperimentDefinition {
                name: name?,
                description: description?,
                hypothesis: hypothesis?,
                variations,
                control_variation: VariationKey::new(control).ok()?,
                traffic_allocation: allocations(&shares?)?,
                targeting: details.targeting.unwrap_or_default(),
                primary_metric: details.primary_metric?,
                secondary_metrics: details.secondary_metrics,
                confidence_level: details.confidence_level.unwrap_or(0.95),
                minimum_detectable_effect: details.minimum_detectable_effect,
                minimum_sample_size: details.minimum_sample_size,
                scheduled_start_at: details.scheduled_start_at,
                scheduled_end_at: details.scheduled_end_at,
            };
            Some(Self { key: key?, definition })
        })();
        root.finish(experiment)
    }
}

/// A change of an experiment's draft. What is absent stays; its key does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExperimentPatch {
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What is believed; may become empty.
    pub hypothesis: Option<String>,
    /// All variations.
    pub variations: Option<Vec<Variation>>,
    /// Key of the control, unchecked.
    pub control_variation: Option<String>,
    /// All shares.
    pub traffic_allocation: Option<Vec<Share>>,
    /// Who takes part, as a whole.
    pub targeting: Option<ExperimentTargeting>,
    /// What decides.
    pub primary_metric: Option<Metric>,
    /// What is watched besides, as a whole.
    pub secondary_metrics: Option<Vec<Metric>>,
    /// 0.8 to 0.99.
    pub confidence_level: Option<f64>,
    /// 0.01 to 1.
    pub minimum_detectable_effect: Option<f64>,
    /// At least 1.
    pub minimum_sample_size: Option<u64>,
    /// Nobody is assigned before this time.
    pub scheduled_start_at: Option<String>,
    /// Nobody is assigned after this time.
    pub scheduled_end_at: Option<String>,
}

impl ExperimentPatch {
    /// Reads a partial experiment. The parts that are there must agree with each other.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = members(document);
        let name = root.field("name").optional(name);
        let description = root.field("description").optional(any_text);
        let hypothesis = root.field("hypothesis").optional(any_text);
        let variations = root.field("variations").optional(variations);
        let control_variation = root.field("controlVariation").optional(filled);
        let traffic_allocation = root.field("trafficAllocation").optional(shares);
        let details = Details::read(&root, |place| place.optional(metric));
        details::check_agreement(&root);

        let patch = (|| {
            let details = details?;
            Some(Self {
                name: name?,
                description: description?,
                hypothesis: hypothesis?,
                variations: variations?,
                control_variation: control_variation?,
                traffic_allocation: traffic_allocation?,
                targeting: details.targeting,
                primary_metric: details.primary_metric,
                secondary_metrics: details.secondary_metrics,
                confidence_level: details.confidence_level,
                minimum_detectable_effect: details.minimum_detectable_effect,
                minimum_sample_size: details.minimum_sample_size,
                scheduled_start_at: details.scheduled_start_at,
                scheduled_end_at: details.scheduled_end_at,
            })
        })();
        root.finish(patch)
    }

    /// The definition that results. What the patch touches must agree with what stays.
    ///
    /// A patch that names another control without sending variations moves the mark with it.
    ///
    /// # Errors
    /// Every disagreement.
    pub fn apply(self, current: &ExperimentDefinition) -> Result<ExperimentDefinition, Issues> {
        let mut problems = self.disagreements(current);
        let scheduled_start_at = self.scheduled_start_at.clone().or_else(|| current.scheduled_start_at.clone());
        let scheduled_end_at = self.scheduled_end_at.clone().or_else(|| current.scheduled_end_at.clone());
        if self.scheduled_start_at.is_some() || self.scheduled_end_at.is_some() {
            schedule::check_order(scheduled_start_at.as_deref(), scheduled_end_at.as_deref(), |message| {
                problems.push(Issue::new("scheduledEndAt", message));
            });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (control_variation, traffic_allocation) = self.references(current)?;
        let mut variations = self.variations.clone();
        if let Some(variations) = &mut variations {
            mark_control(variations, control_variation.as_str());
        }
        let variations = variations.unwrap_or_else(|| {
            let mut variations = current.variations.clone();
            if self.control_variation.is_some() {
                remark_control(&mut variations, control_variation.as_str());
            }
            variations
        });
        Ok(ExperimentDefinition {
            name: self.name.unwrap_or_else(|| current.name.clone()),
            description: self.description.or_else(|| current.description.clone()),
            hypothesis: self.hypothesis.unwrap_or_else(|| current.hypothesis.clone()),
            variations,
            control_variation,
            traffic_allocation,
            targeting: self.targeting.unwrap_or_else(|| current.targeting.clone()),
            primary_metric: self.primary_metric.unwrap_or_else(|| current.primary_metric.clone()),
            secondary_metrics: self.secondary_metrics.or_else(|| current.secondary_metrics.clone()),
            confidence_level: self.confidence_level.unwrap_or(current.confidence_level),
            minimum_detectable_effect: self.minimum_detectable_effect.or(current.minimum_detectable_effect),
            minimum_sample_size: self.minimum_sample_size.or(current.minimum_sample_size),
            scheduled_start_at,
            scheduled_end_at,
        })
    }

    /// What the touched parts and the stored ones do not agree on. Parts that are not touched are not judged, so that a draft that
    /// came from elsewhere can still be renamed.
    fn disagreements(&self, current: &ExperimentDefinition) -> Issues {
        if self.variations.is_none() && self.control_variation.is_none() && self.traffic_allocation.is_none() {
            return Issues::new();
        }
        let stored = Outline::of_definition(current);
        let variations = match &self.variations {
            Some(variations) => Some(variations.iter().map(|v| (v.key.as_str(), v.is_control)).collect()),
            // Nobody marked these anew: they follow the control.
            None => stored.variations.map(|all| all.into_iter().map(|(key, _)| (key, false)).collect()),
        };
        let outline = Outline {
            variations,
            control: self.control_variation.as_deref().or(stored.control),
            shares: self.traffic_allocation.as_deref().map(pairs).or(stored.shares),
        };
        outline.problems()
    }

    /// Control and allocation that result, once they agree with the variations.
    fn references(&self, current: &ExperimentDefinition) -> Result<(VariationKey, Vec<Allocation>), Issues> {
        let control = match &self.control_variation {
            Some(control) => {
                VariationKey::new(control).map_err(|error| vec![Issue::new("controlVariation", error.to_string())])?
            }
            None => current.control_variation.clone(),
        };
        let allocation = match &self.traffic_allocation {
            Some(shares) => allocations(shares).ok_or_else(|| vec![Issue::new("trafficAllocation", "Invalid input")])?,
            None => current.traffic_allocation.clone(),
        };
        Ok((control, allocation))
    }
}

fn name(place: &Reader<'_>) -> Option<String> {
    place.text().min(1, "Name is required").owned()
}
