//! The record of requests, for tests that count them.

use serde::Serialize;

/// One request to the API, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Call {
    /// `req_…`, as in the `Request-Id` header.
    pub request_id: String,
    /// In capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The form, still encoded: the body of a POST, the query of others.
    pub form: String,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The `Stripe-Version` header.
    pub version: Option<String>,
    /// When it came, on the simulator's clock.
    pub at: i64,
    /// Zero while it is under way, or when the connection was dropped instead of an answer.
    pub status: u16,
    /// Whether the answer was a stored one.
    pub replayed: bool,
}
