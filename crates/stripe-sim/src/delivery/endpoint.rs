//! Webhook endpoints.

use serde_json::{Value, json};

use super::Chaos;
use crate::faults::glob;
use crate::form::Pairs;
use crate::ids::Dice;
use crate::version::Version;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) value: String,
    /// When a rolled secret ends.
    pub(crate) until: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) url: String,
    /// The newest first; none is ever removed, since chaos signs with old ones.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) events: Vec<String>,
    pub(crate) version: Option<Version>,
    pub(crate) enabled: bool,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Pairs,
    /// Deliveries wait until they are taken.
    pub(crate) manual: bool,
    pub(crate) chaos: Chaos,
    pub(crate) dice: Dice,
}

impl Endpoint {
    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.enabled && self.events.iter().any(|wanted| glob(wanted, kind))
    }

    pub(crate) fn active_secrets(&self, now: i64) -> impl Iterator<Item = &str> {
        let active = move |secret: &&Secret| secret.until.is_none_or(|until| now < until);
        self.secrets.iter().filter(active).map(|secret| secret.value.as_str())
    }

    /// The secret before the current one, or one that the endpoint never had.
    pub(crate) fn old_secret(&self) -> &str {
        self.secrets.get(1).map_or("whsec_never_valid", |secret| &secret.value)
    }

    pub(crate) fn render(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.version.as_ref().map(Version::as_str),
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.events,
            "livemode": livemode,
            "metadata": self.metadata,
            "status": if self.enabled { "enabled" } else { "disabled" },
            "url": self.url,
        })
    }
}
