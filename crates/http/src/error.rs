//! What clients are told when something goes wrong.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use togglebox_core::input::{Issue, Issues};

use crate::limiting::LimitHeaders;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident;)*) => {
        /// The stable name of an error. Every error body carries one; this is the whole table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be understood, or breaks a rule of the thing it is about.
    BadRequest = "BAD_REQUEST", BAD_REQUEST;
    /// The body is not JSON.
    InvalidJson = "INVALID_JSON", BAD_REQUEST;
    /// The path or query is not well-formed.
    InvalidUrl = "INVALID_URL", BAD_REQUEST;
    /// The pagination token was not made by this list.
    InvalidPageToken = "INVALID_PAGE_TOKEN", BAD_REQUEST;
    /// The experiment's status does not allow this.
    InvalidStatus = "INVALID_STATUS", BAD_REQUEST;
    /// The password reset token is unknown, used or expired.
    InvalidResetToken = "INVALID_RESET_TOKEN", BAD_REQUEST;
    /// The current password is not the one given.
    WrongPassword = "WRONG_PASSWORD", BAD_REQUEST;
    /// The last admin cannot be demoted or deleted.
    LastAdmin = "LAST_ADMIN", BAD_REQUEST;
    /// The invitation is unknown, used, replaced or expired.
    InvalidInvitation = "INVALID_INVITATION", BAD_REQUEST;
    /// The record that shows whose the domain is was not found.
    DomainNotVerified = "DOMAIN_NOT_VERIFIED", CONFLICT;
    /// The workspace's plan allows no more of it; `meta` tells what and how many.
    PlanLimitReached = "PLAN_LIMIT_REACHED", CONFLICT;
    /// The workspace was renamed too often of late; `meta` tells when it can be renamed again.
    RenameLimitReached = "RENAME_LIMIT_REACHED", CONFLICT;
    /// What was told has no good signature.
    InvalidSignature = "INVALID_SIGNATURE", BAD_REQUEST;
    /// No valid credential.
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED;
    /// The payment did not go through; `meta.reason` tells why, in the payment service's word.
    PaymentDeclined = "PAYMENT_DECLINED", PAYMENT_REQUIRED;
    /// It has to be paid for first; of a workspace that is restricted for that, `meta.status` tells its status. `meta.upgradeUrl` is where.
    PaymentRequired = "PAYMENT_REQUIRED", PAYMENT_REQUIRED;
    /// Wrong e-mail address or password.
    InvalidCredentials = "INVALID_CREDENTIALS", UNAUTHORIZED;
    /// A valid credential that may not do this.
    Forbidden = "FORBIDDEN", FORBIDDEN;
    /// Registration is switched off.
    RegistrationDisabled = "REGISTRATION_DISABLED", FORBIDDEN;
    /// The workspace's standing does not allow it; `meta` tells its status and the reason.
    WorkspaceClosed = "WORKSPACE_CLOSED", FORBIDDEN;
    /// It does not exist.
    NotFound = "NOT_FOUND", NOT_FOUND;
    /// The host leads to no workspace.
    WorkspaceNotFound = "WORKSPACE_NOT_FOUND", NOT_FOUND;
    /// There is no such route.
    RouteNotFound = "ROUTE_NOT_FOUND", NOT_FOUND;
    /// The experiment does not exist.
    ExperimentNotFound = "EXPERIMENT_NOT_FOUND", NOT_FOUND;
    /// It exists already.
    AlreadyExists = "ALREADY_EXISTS", CONFLICT;
    /// The workspace has no subscription: it begins with a checkout.
    NoSubscription = "NO_SUBSCRIPTION", CONFLICT;
    /// The workspace has a subscription: its plan is changed, not bought anew.
    AlreadySubscribed = "ALREADY_SUBSCRIBED", CONFLICT;
    /// How billing stands does not allow it; `meta.state` tells how.
    BillingState = "BILLING_STATE", CONFLICT;
    /// It is like that already.
    NothingToChange = "NOTHING_TO_CHANGE", CONFLICT;
    /// What the change was shown to cost does not hold any more: preview it again.
    PreviewTooOld = "PREVIEW_TOO_OLD", CONFLICT;
    /// The workspace is being exported already.
    ExportRunning = "EXPORT_RUNNING", CONFLICT;
    /// It has changed since it was read; `meta.currentRevision` tells where it stands.
    Conflict = "CONFLICT", CONFLICT;
    /// The body did not arrive in time.
    RequestTimeout = "REQUEST_TIMEOUT", REQUEST_TIMEOUT;
    /// The body is larger than the route takes.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE;
    /// The body's character set or encoding is not supported.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE;
    /// The body or query is well-formed but says something that is not allowed; `details` tells what and where.
    ValidationFailed = "VALIDATION_FAILED", UNPROCESSABLE_ENTITY;
    /// A limit is reached.
    LimitExceeded = "LIMIT_EXCEEDED", UNPROCESSABLE_ENTITY;
    /// The experiment has no such variation.
    InvalidVariationKey = "INVALID_VARIATION_KEY", UNPROCESSABLE_ENTITY;
    /// The experiment has no such metric.
    InvalidMetricId = "INVALID_METRIC_ID", UNPROCESSABLE_ENTITY;
    /// Too many failed sign-ins; `Retry-After` tells how long to wait.
    TooManyAttempts = "TOO_MANY_ATTEMPTS", TOO_MANY_REQUESTS;
    /// Requests come too often; `Retry-After` and `meta.retryAfter` tell how long to wait, `meta.policy` which limit it is.
    RateLimitExceeded = "RATE_LIMIT_EXCEEDED", TOO_MANY_REQUESTS;
    /// The workspace has made all requests that its plan includes in the month: `meta` has `usage`, `limit`, `upgradeUrl`, and
    /// `resetsAt`, when the next month begins.
    ApiLimitExceeded = "API_LIMIT_EXCEEDED", TOO_MANY_REQUESTS;
    /// Something is wrong inside; the request id finds it in the log.
    Internal = "INTERNAL_SERVER_ERROR", INTERNAL_SERVER_ERROR;
    /// The payment service did not do what it was asked for; the operator has to look.
    PaymentServiceFailed = "PAYMENT_SERVICE_FAILED", BAD_GATEWAY;
    /// The payment service does not answer. The request may be repeated: nothing is charged twice.
    PaymentServiceUnavailable = "PAYMENT_SERVICE_UNAVAILABLE", SERVICE_UNAVAILABLE;
    /// Too much is on its way at once: large bodies, reports, or exports. Nothing was done; `Retry-After` tells when to repeat the request.
    Busy = "SERVER_BUSY", SERVICE_UNAVAILABLE;
    /// The store does not answer. Reads may be repeated; so may writes that name a revision.
    Unavailable = "SERVICE_UNAVAILABLE", SERVICE_UNAVAILABLE;
}

/// How the problems of an input are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Details {
    /// `path: message`.
    Lines(Vec<String>),
    /// `{field, message}`, in the routes of accounts.
    Fields(Issues),
}

/// When to ask again where the store does not answer: as soon as it is asked again itself.
pub(crate) const RETRY_AFTER_S: u64 = 1;

/// An error on its way to the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    code: Code,
    message: Cow<'static, str>,
    // Boxed: results carry this type about, and most errors have neither.
    details: Option<Box<Details>>,
    meta: Option<Box<Map<String, Value>>>,
    retry_after_s: Option<u64>,
    limits: Option<Box<LimitHeaders>>,
}

pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: None, meta: None, retry_after_s: None, limits: None }
    }

    /// Problems of a body or query, as `path: message`.
    pub(crate) fn validation(issues: &[Issue]) -> Self {
        Self::lines(issues.iter().map(ToString::to_string).collect())
    }

    /// Problems as bare messages, without their paths.
    pub(crate) fn bare_validation(issues: Issues) -> Self {
        Self::lines(issues.into_iter().map(|issue| issue.message).collect())
    }

    /// Problems as objects, in the routes of accounts.
    pub(crate) fn field_validation(issues: Issues) -> Self {
        Self { details: Some(Box::new(Details::Fields(issues))), ..Self::new(Code::ValidationFailed, "Validation failed") }
    }

    fn lines(lines: Vec<String>) -> Self {
        Self { details: Some(Box::new(Details::Lines(lines))), ..Self::new(Code::ValidationFailed, "Validation failed") }
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// Constant: what happened inside is the log's business.
    pub(crate) fn internal() -> Self {
        Self::new(Code::Internal, "Something went wrong")
    }

    pub(crate) fn unavailable() -> Self {
        Self { retry_after_s: Some(RETRY_AFTER_S), ..Self::new(Code::Unavailable, "The service is temporarily unavailable") }
    }

    pub(crate) fn with_lines(mut self, lines: Vec<String>) -> Self {
        self.details = Some(Box::new(Details::Lines(lines)));
        self
    }

    pub(crate) fn with_meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Tells of these limits, instead of those that the request has passed before.
    pub(crate) fn telling(mut self, limits: LimitHeaders) -> Self {
        self.limits = Some(Box::new(limits));
        self
    }

    pub(crate) fn limits(&self) -> Option<&LimitHeaders> {
        self.limits.as_deref()
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// The body. `timestamp` and `request_id` are the caller's.
    pub(crate) fn body(&self, timestamp: &str, request_id: &str) -> Vec<u8> {
        let mut meta = self.meta.as_deref().cloned().unwrap_or_default();
        meta.insert("requestId".to_owned(), request_id.into());
        self.body_with(timestamp, &meta)
    }

    /// The body where requests have no ids.
    pub(crate) fn body_without_id(&self, timestamp: &str) -> Vec<u8> {
        self.body_with(timestamp, &self.meta.as_deref().cloned().unwrap_or_default())
    }

    fn body_with(&self, timestamp: &str, meta: &Map<String, Value>) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            success: bool,
            error: &'a str,
            code: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<Value>,
            timestamp: &'a str,
            meta: &'a Map<String, Value>,
        }
        let details = self.details.as_deref().map(|details| match details {
            Details::Lines(lines) => json!(lines),
            Details::Fields(issues) => {
                issues.iter().map(|issue| json!({ "field": issue.path, "message": issue.message })).collect()
            }
        });
        let code = self.code.as_str();
        let body = Body { success: false, error: &self.message, code, details, timestamp, meta };
        serde_json::to_vec(&body).expect("text, numbers and JSON values always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }

    #[test]
    fn a_body_carries_code_and_request_id() {
        let error = ApiError::validation(&[Issue::new("name", "Required")]).with_meta("x", 1);
        let body: Value = serde_json::from_slice(&error.body("2026-11-22T00:00:00.000Z", "r-1")).unwrap();
        let expected = json!({
            "success": false, "error": "Validation failed", "code": "VALIDATION_FAILED", "details": ["name: Required"],
            "timestamp": "2026-11-22T00:00:00.000Z", "meta": { "x": 1, "requestId": "r-1" },
        });
        assert_eq!(body, expected);
    }
}
