//! How an experiment's traffic is shared.

use serde_json::Value;
use togglebox_core::input::{Issues, Reader};

use super::outline::Outline;
use super::rollout::percentage;
use super::{MAX_PARTS, filled, is_whole};
use crate::{Allocation, ExperimentDefinition, VariationKey};

/// A share of the traffic as the client sent it: whether there is such a variation is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The variation's key, unchecked.
    pub variation_key: String,
    /// In percent, 0 to 100.
    pub percentage: f64,
}

/// New shares for an experiment. They make 100.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficUpdate {
    /// Every variation's share, in the order in which buckets are filled.
    pub shares: Vec<Share>,
}

impl TrafficUpdate {
    /// Reads `{trafficAllocation: [{variationKey, percentage}]}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let update = root.object().and_then(|body| {
            let place = root.field("trafficAllocation");
            let shares = shares(&place);
            if root.is_well_formed() {
                let listed = body.get("trafficAllocation").and_then(Value::as_array).into_iter().flatten();
                let sum: f64 = listed.filter_map(|share| share.get("percentage")?.as_f64()).sum();
                if !is_whole(sum) {
                    place.issue(format!("Traffic allocation must sum to 100% (got {sum}%)"));
                }
            }
            shares.map(|shares| Self { shares })
        });
        root.finish(update)
    }

    /// The first key that is none of the experiment's variations.
    pub fn unknown_variation(&self, definition: &ExperimentDefinition) -> Option<&str> {
        let known = |key: &str| definition.variations.iter().any(|variation| variation.key.as_str() == key);
        self.shares.iter().map(|share| share.variation_key.as_str()).find(|key| !known(key))
    }

    /// The definition with these shares.
    ///
    /// # Errors
    /// An unknown or repeated variation, or one without a share.
    pub fn apply(&self, definition: &ExperimentDefinition) -> Result<ExperimentDefinition, Issues> {
        let outline = Outline { shares: Some(pairs(&self.shares)), ..Outline::of_definition(definition) };
        let problems = outline.problems();
        match allocations(&self.shares) {
            Some(traffic_allocation) if problems.is_empty() => {
                Ok(ExperimentDefinition { traffic_allocation, ..definition.clone() })
            }
            _ => Err(problems),
        }
    }
}

/// At least two shares.
pub(super) fn shares(place: &Reader<'_>) -> Option<Vec<Share>> {
    place.at_least(2, "Array must contain at least 2 element(s)");
    place.each_of_at_most(MAX_PARTS, |place| {
        place.object()?;
        let variation_key = filled(&place.field("variationKey"));
        let percentage = percentage(&place.field("percentage"));
        Some(Share { variation_key: variation_key?, percentage: percentage? })
    })
}

pub(super) fn pairs(shares: &[Share]) -> Vec<(&str, f64)> {
    shares.iter().map(|share| (share.variation_key.as_str(), share.percentage)).collect()
}

/// `None` when a key is not even one in form.
pub(super) fn allocations(shares: &[Share]) -> Option<Vec<Allocation>> {
    let allocation = |share: &Share| {
        let variation_key = VariationKey::new(&share.variation_key).ok()?;
        Some(Allocation { variation_key, percentage: share.percentage })
    };
    shares.iter().map(allocation).collect()
}
