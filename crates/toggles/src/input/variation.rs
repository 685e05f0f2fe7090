//! Variations of an experiment.

use togglebox_core::input::Reader;

use super::{MAX_PARTS, key};
use crate::{Variation, VariationKey};

pub(super) fn variations(place: &Reader<'_>) -> Option<Vec<Variation>> {
    place.at_least(2, "At least 2 variations required");
    place.each_of_at_most(MAX_PARTS, variation)
}

fn variation(place: &Reader<'_>) -> Option<Variation> {
    place.object()?;
    let key: Option<VariationKey> = key(&place.field("key"), "Variation");
    let name = place.field("name").text().min(1, "Variation name is required").owned();
    let value = place.field("value").raw().cloned();
    let is_control = place.field("isControl").optional(Reader::boolean);
    Some(Variation { key: key?, name: name?, value, is_control: is_control?.unwrap_or_default() })
}

/// Marks the control when nothing is marked: `controlVariation` alone says which it is.
pub(super) fn mark_control(variations: &mut [Variation], control: &str) {
    if !variations.iter().any(|variation| variation.is_control) {
        remark_control(variations, control);
    }
}

/// Marks the control and nothing else.
pub(super) fn remark_control(variations: &mut [Variation], control: &str) {
    for variation in variations {
        variation.is_control = variation.key.as_str() == control;
    }
}
