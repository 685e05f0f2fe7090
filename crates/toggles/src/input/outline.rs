//! What the parts of an experiment must agree on.

use std::collections::HashSet;

use serde_json::Value;
use togglebox_core::input::Issue;

use super::is_whole;
use crate::ExperimentDefinition;

/// The members of an experiment that refer to each other. An absent one (of a partial update) restricts nothing.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    /// Key and mark of each variation.
    pub(super) variations: Option<Vec<(&'a str, bool)>>,
    /// Key of the control.
    pub(super) control: Option<&'a str>,
    /// Key and percentage of each share.
    pub(super) shares: Option<Vec<(&'a str, f64)>>,
}

impl<'a> Outline<'a> {
    /// Of a body that is well-formed, whatever its content.
    pub(super) fn of_body(body: &'a Value) -> Self {
        let list = |name: &str| body.get(name).and_then(Value::as_array);
        let text = |object: &'a Value, name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let variations = list("variations").map(|variations| {
            let mark = |variation: &Value| variation.get("isControl").and_then(Value::as_bool).unwrap_or_default();
            variations.iter().map(|variation| (text(variation, "key"), mark(variation))).collect()
        });
        let shares = list("trafficAllocation").map(|shares| {
            let percentage = |share: &Value| share.get("percentage").and_then(Value::as_f64).unwrap_or_default();
            shares.iter().map(|share| (text(share, "variationKey"), percentage(share))).collect()
        });
        Self { variations, control: body.get("controlVariation").and_then(Value::as_str), shares }
    }

    /// Of a whole definition.
    pub(super) fn of_definition(definition: &'a ExperimentDefinition) -> Self {
        Self {
            variations: Some(definition.variations.iter().map(|v| (v.key.as_str(), v.is_control)).collect()),
            control: Some(definition.control_variation.as_str()),
            shares: Some(definition.traffic_allocation.iter().map(|a| (a.variation_key.as_str(), a.percentage)).collect()),
        }
    }

    /// What does not agree. Consequences of a problem are not told beside it.
    pub(super) fn problems(&self) -> Vec<Issue> {
        let mut problems = Vec::new();
        let mut report = |path: &str, message: &str| problems.push(Issue::new(path, message));
        let keys: Option<HashSet<&str>> = self.variations.as_ref().map(|all| all.iter().map(|(key, _)| *key).collect());
        let allocated: Option<HashSet<&str>> = self.shares.as_ref().map(|all| all.iter().map(|(key, _)| *key).collect());

        let control_known = match (&keys, self.control) {
            (Some(keys), Some(control)) => keys.contains(control),
            _ => true,
        };
        if !control_known {
            report("", "Control variation must exist in variations");
        }
        if let Some(shares) = &self.shares
            && !is_whole(shares.iter().map(|(_, percentage)| percentage).sum())
        {
            report("", "Traffic allocation must sum to 100%");
        }
        if let (Some(keys), Some(allocated)) = (&keys, &allocated) {
            if !allocated.is_subset(keys) {
                report("", "All traffic allocation keys must exist in variations");
            } else if !keys.is_subset(allocated) {
                report("trafficAllocation", "Every variation must be in the traffic allocation");
            }
        }
        if let (Some(all), Some(distinct)) = (&self.variations, &keys)
            && all.len() != distinct.len()
        {
            report("variations", "Variation keys must be unique");
        }
        if let (Some(all), Some(distinct)) = (&self.shares, &allocated)
            && all.len() != distinct.len()
        {
            report("trafficAllocation", "A variation must not be allocated twice");
        }
        if let (Some(variations), Some(control), true) = (&self.variations, self.control, control_known) {
            let any = variations.iter().any(|(_, marked)| *marked);
            let agree = variations.iter().all(|(key, marked)| *marked == (*key == control));
            if any && !agree {
                report("variations", "isControl must mark the control variation and no other");
            }
        }
        problems
    }
}
