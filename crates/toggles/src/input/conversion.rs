//! A conversion that is reported by itself.

use serde_json::Value;
use togglebox_core::input::{Issues, Reader};

use super::filled;

/// What a user did. Whether the experiment has such a variation and metric is the caller's to check.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// The metric's id.
    pub metric_id: String,
    /// The variation's key, unchecked.
    pub variation_key: String,
    /// Who.
    pub user_id: String,
    /// What it was worth.
    pub value: Option<f64>,
}

impl Conversion {
    /// Reads `{metricId, variationKey, userId, value?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let conversion = root.object().and_then(|_| {
            let metric_id = filled(&root.field("metricId"));
            let variation_key = filled(&root.field("variationKey"));
            let user_id = filled(&root.field("userId"));
            let value = root.field("value").optional(|value| value.number().get());
            Some(Self { metric_id: metric_id?, variation_key: variation_key?, user_id: user_id?, value: value? })
        });
        root.finish(conversion)
    }
}
