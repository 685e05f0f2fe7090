//! The members that new experiments and changes of experiments share.

use togglebox_core::input::Reader;

use super::metric::metric;
use super::outline::Outline;
use super::{MAX_PARTS, schedule, targeting};
use crate::{ExperimentTargeting, Metric};

/// What follows the allocation in the body of an experiment.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) targeting: Option<ExperimentTargeting>,
    pub(super) primary_metric: Option<Metric>,
    pub(super) secondary_metrics: Option<Vec<Metric>>,
    pub(super) confidence_level: Option<f64>,
    pub(super) minimum_detectable_effect: Option<f64>,
    pub(super) minimum_sample_size: Option<u64>,
    pub(super) scheduled_start_at: Option<String>,
    pub(super) scheduled_end_at: Option<String>,
}

impl Details {
    /// Reads them; `primary` says whether the primary metric may be absent.
    pub(super) fn read(root: &Reader<'_>, primary: impl FnOnce(&Reader<'_>) -> Option<Option<Metric>>) -> Option<Self> {
        let within = |name: &str, least: f64, most: f64| root.field(name).optional(|n| n.number().min(least).max(most).get());
        let targeting = root.field("targeting").optional(targeting::of_experiment);
        let primary_metric = primary(&root.field("primaryMetric"));
        let secondary_metrics = root.field("secondaryMetrics").optional(|metrics| metrics.each_of_at_most(MAX_PARTS, metric));
        let confidence_level = within("confidenceLevel", 0.8, 0.99);
        let minimum_detectable_effect = within("minimumDetectableEffect", 0.01, 1.0);
        let minimum_sample_size = root.field("minimumSampleSize").optional(|n| n.number().positive().whole());
        let scheduled_start_at = root.field("scheduledStartAt").optional(schedule::moment);
        let end = root.field("scheduledEndAt");
        let scheduled_end_at = end.optional(schedule::moment);
        if let (Some(start), Some(finish)) = (&scheduled_start_at, &scheduled_end_at) {
            schedule::check_order(start.as_deref(), finish.as_deref(), |message| end.issue(message));
        }
        Some(Self {
            targeting: targeting?,
            primary_metric: primary_metric?,
            secondary_metrics: secondary_metrics?,
            confidence_level: confidence_level?,
            minimum_detectable_effect: minimum_detectable_effect?,
            minimum_sample_size: minimum_sample_size?,
            scheduled_start_at: scheduled_start_at?,
            scheduled_end_at: scheduled_end_at?,
        })
    }
}

/// Reports what the members of a well-formed body do not agree on.
pub(super) fn check_agreement(root: &Reader<'_>) {
    let Some(body) = root.raw().filter(|_| root.is_well_formed()) else { return };
    for problem in Outline::of_body(body).problems() {
        if problem.path.is_empty() { root.issue(problem.message) } else { root.field(&problem.path).issue(problem.message) }
    }
}
