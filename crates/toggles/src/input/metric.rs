//! Metrics of an experiment.

use togglebox_core::input::Reader;

use super::{any_text, at_most_a_key, filled};
use crate::{Metric, MetricType, SuccessDirection};

pub(super) fn metric(place: &Reader<'_>) -> Option<Metric> {
    place.object()?;
    let id = place.field("id");
    let id = at_most_a_key(id.text().min(1, "String must contain at least 1 character(s)")).owned();
    let name = filled(&place.field("name"));
    let event_name = filled(&place.field("eventName"));
    let metric_type = place.field("metricType").one_of(&MetricType::WORDS);
    let success_direction = place.field("successDirection").one_of(&SuccessDirection::WORDS);
    let value_property = place.field("valueProperty").optional(any_text);
    Some(Metric {
        id: id?,
        name: name?,
        event_name: event_name?,
        metric_type: metric_type?,
        success_direction: success_direction?,
        value_property: value_property?,
    })
}
