//! From values to bound parameters.

use serde::Serialize;
use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

/// The blob of an id.
pub(super) fn id(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

/// The blob of a tenant's id.
pub(super) fn tenant(tenant: &TenantId) -> &[u8] {
    tenant.as_uuid().as_bytes()
}

/// A counter. SQLite's integers end at `i64::MAX`, which no count reaches.
pub(super) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn revision(revision: Revision) -> i64 {
    count(revision.get())
}

pub(super) fn time(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_ms)
}

/// JSON text. Nothing that is stored has a map with other keys than texts, so this fails only on a programming error, which is
/// reported rather than hidden.
pub(super) fn json(operation: &'static str, value: &impl Serialize) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::new(StoreErrorKind::Refused("document"), operation).caused_by(error))
}

/// JSON text of a value that may be absent.
pub(super) fn optional_json(operation: &'static str, value: Option<&impl Serialize>) -> StoreResult<Option<String>> {
    value.map(|value| json(operation, value)).transpose()
}
