//! The record of every change.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Actor, Page, PageRequest, StoreResult, TenantId, Timestamp};

/// One change: who, when, what, before and after. Stored in the same atomic act as the change itself.
///
/// Secrets (password hashes, key hashes) never stand in `before` or `after`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Unique; a write that is repeated with the same id is recorded once.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done, as `flag.create` or `user.role`.
    pub action: String,
    /// The platform, for things below one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The environment, for things inside one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The key, name or id of what was changed.
    pub target: String,
    /// The state before; absent on creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The state after; absent on deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Which audit records are wanted. An absent member does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditFilter {
    /// Only below this platform.
    pub platform: Option<String>,
    /// Only inside this environment.
    pub environment: Option<String>,
    /// Only of this key, name or id.
    pub target: Option<String>,
}

/// Where audit records are read and, when they are old, removed. They are written by the port call that makes the change.
#[async_trait]
pub trait AuditLog: Send + Sync + fmt::Debug + 'static {
    /// Records that match, newest first.
    ///
    /// # Errors
    /// [`InvalidCursor`](crate::StoreErrorKind::InvalidCursor), [`Unavailable`](crate::StoreErrorKind::Unavailable).
    async fn list(&self, tenant: TenantId, filter: &AuditFilter, page: &PageRequest) -> StoreResult<Page<AuditRecord>>;

    /// Removes the oldest records from before `before`, at most `limit` (1 to 1000) of them; says how many. Fewer than `limit` means
    /// that no more are left, unless another call removes some at the same time. Records of `before` itself stay.
    ///
    /// A write whose record is gone is no longer recognised when it is repeated: never call this with a moment of the last day.
    ///
    /// # Errors
    /// [`Unavailable`](crate::StoreErrorKind::Unavailable): some may have been removed. Repeating is safe.
    async fn prune(&self, tenant: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize>;
}
