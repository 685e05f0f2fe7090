//! Audit records.

use serde::Serialize;
use serde_json::Value;
use togglebox_core::{AuditRecord, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditView<'a> {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `user`, `api_key` or `system`.
    #[schema(value_type = Object)]
    actor: &'a togglebox_core::Actor,
    /// As `flag.create`.
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    platform: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    environment: Option<&'a str>,
    /// The key, name or id of what was changed.
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>, nullable = false)]
    before: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>, nullable = false)]
    after: Option<&'a Value>,
}

impl<'a> From<&'a AuditRecord> for AuditView<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        Self {
            id: record.id,
            at: record.at,
            actor: &record.actor,
            action: &record.action,
            platform: record.platform.as_deref(),
            environment: record.environment.as_deref(),
            target: &record.target,
            before: record.before.as_ref(),
            after: record.after.as_ref(),
        }
    }
}
