//! Events: what happened, as it was rendered then.

use serde_json::{Map, Value, json};

use crate::version::{Shape, Version};

/// An object in both shapes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) basil: Value,
    pub(crate) before: Value,
}

impl Snapshot {
    pub(crate) fn get(&self, shape: Shape) -> &Value {
        match shape {
            Shape::Basil => &self.basil,
            Shape::Before => &self.before,
        }
    }
}

/// What an event was caused by: nothing when the clock did it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    pub(crate) request: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) created: i64,
    pub(crate) livemode: bool,
    pub(crate) object: Snapshot,
    pub(crate) previous: Option<Snapshot>,
    pub(crate) cause: Cause,
    /// The account's version when it happened.
    pub(crate) version: Version,
}

impl Event {
    pub(crate) fn render(&self, version: &Version, pending_webhooks: usize) -> Value {
        let shape = version.shape();
        let mut data = Map::new();
        data.insert("object".to_owned(), self.object.get(shape).clone());
        if let Some(previous) = &self.previous {
            data.insert("previous_attributes".to_owned(), previous.get(shape).clone());
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": version.as_str(),
            "created": self.created,
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": pending_webhooks,
            "request": {"id": self.cause.request, "idempotency_key": self.cause.key},
            "type": self.kind,
        })
    }
}

/// The former values of what differs: objects key by key, everything else whole.
pub(crate) fn previous_attributes(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return old.clone() };
    let mut changed = Map::new();
    for (key, old_value) in old {
        let new_value = new.get(key).unwrap_or(&Value::Null);
        if old_value != new_value {
            changed.insert(key.clone(), previous_attributes(old_value, new_value));
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        changed.insert(key.clone(), Value::Null);
    }
    Value::Object(changed)
}
