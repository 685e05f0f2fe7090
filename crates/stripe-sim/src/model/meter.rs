//! Meters and what was sent to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::calendar::{DAY, HOUR};
use crate::form::Pairs;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Formula {
    Sum,
    Count,
    Last,
}

impl Formula {
    pub(crate) const WORDS: [&'static str; 3] = ["sum", "count", "last"];

    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "count" => Self::Count,
            "last" => Self::Last,
            _ => Self::Sum,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Last => "last",
        }
    }
}

/// The window of input that is aggregated before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    Hour,
    Day,
}

impl Window {
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// One accepted event.
#[derive(Debug, Clone)]
pub(crate) struct MeterEvent {
    pub(crate) identifier: String,
    pub(crate) customer: String,
    pub(crate) value: i64,
    pub(crate) timestamp: i64,
    pub(crate) received: i64,
    pub(crate) payload: Pairs,
    pub(crate) canceled: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Meter {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) display_name: String,
    pub(crate) event_name: String,
    pub(crate) formula: Formula,
    pub(crate) window: Option<Window>,
    pub(crate) customer_key: String,
    pub(crate) value_key: String,
    pub(crate) deactivated_at: Option<i64>,
    /// In the order in which they came.
    pub(crate) events: Vec<MeterEvent>,
}

impl Meter {
    /// The customer's usage with a timestamp in `[start, end)`.
    ///
    /// With a window, what came last for a window stands for all of it, whatever its timestamp inside.
    pub(crate) fn usage(&self, customer: &str, start: i64, end: i64) -> i64 {
        let counted: Vec<&MeterEvent> = self.counted(customer).filter(|event| (start..end).contains(&event.timestamp)).collect();
        match self.formula {
            Formula::Sum => counted.iter().map(|event| event.value).sum(),
            Formula::Count => i64::try_from(counted.len()).unwrap_or(i64::MAX),
            Formula::Last => counted.iter().max_by_key(|event| event.timestamp).map_or(0, |event| event.value),
        }
    }

    /// Whether anything was sent for the customer in `[start, end)`.
    pub(crate) fn has_usage(&self, customer: &str, start: i64, end: i64) -> bool {
        self.counted(customer).any(|event| (start..end).contains(&event.timestamp))
    }

    fn counted(&self, customer: &str) -> impl Iterator<Item = &MeterEvent> {
        let mut events: Vec<&MeterEvent> =
            self.events.iter().filter(|event| !event.canceled && event.customer == customer).collect();
        if let Some(window) = self.window {
            let last: BTreeMap<i64, &MeterEvent> =
                events.into_iter().map(|event| (event.timestamp.div_euclid(window.seconds()), event)).collect();
            events = last.into_values().collect();
        }
        events.into_iter()
    }

    pub(crate) fn render(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "billing.meter",
            "created": self.created,
            "customer_mapping": {"event_payload_key": self.customer_key, "type": "by_id"},
            "default_aggregation": {"formula": self.formula.as_str()},
            "display_name": self.display_name,
            "event_name": self.event_name,
            "event_time_window": self.window.map(Window::as_str),
            "livemode": livemode,
            "status": if self.deactivated_at.is_some() { "inactive" } else { "active" },
            "status_transitions": {"deactivated_at": self.deactivated_at},
            "updated": self.updated,
            "value_settings": {"event_payload_key": self.value_key},
        })
    }
}
