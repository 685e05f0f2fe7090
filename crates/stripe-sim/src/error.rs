//! Errors in the shape that Stripe answers with.

use serde_json::{Map, Value, json};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    decline_code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, decline_code: None, message: message.into(), param: None }
    }

    /// The request makes no sense as it is.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A parameter has a value that is not possible.
    pub(crate) fn parameter(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid(message) }
    }

    pub(crate) fn unknown_parameter(param: impl Into<String>) -> Self {
        let param = param.into();
        Self { code: Some("parameter_unknown"), ..Self::parameter(param.clone(), format!("Received unknown parameter: {param}")) }
    }

    pub(crate) fn required(param: impl Into<String>) -> Self {
        let param = param.into();
        Self { code: Some("parameter_missing"), ..Self::parameter(param.clone(), format!("Missing required param: {param}.")) }
    }

    /// An object of the path is not there.
    pub(crate) fn missing(what: &str, id: &str) -> Self {
        let error = Self::new(404, "invalid_request_error", format!("No such {what}: '{id}'"));
        Self { code: Some("resource_missing"), param: Some("id".to_owned()), ..error }
    }

    /// An object that a parameter names is not there.
    pub(crate) fn missing_in(param: impl Into<String>, what: &str, id: &str) -> Self {
        Self { status: 400, param: Some(param.into()), ..Self::missing(what, id) }
    }

    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        Self::new(404, "invalid_request_error", format!("Unrecognized request URL ({method}: {path})."))
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// The bank says no.
    pub(crate) fn declined() -> Self {
        let error = Self::new(402, "card_error", "Your card was declined.");
        Self { code: Some("card_declined"), decline_code: Some("generic_decline"), ..error }
    }

    /// The payment waits for the customer.
    pub(crate) fn action_required() -> Self {
        let error = Self::new(402, "card_error", "Your card was declined. This transaction requires authentication.");
        Self { code: Some("authentication_required"), decline_code: Some("authentication_required"), ..error }
    }

    /// The same key with another request.
    pub(crate) fn other_request(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key \
             other than '{key}' if you meant to execute a different request."
        );
        Self::new(400, "idempotency_error", message)
    }

    /// The same key while its first request runs.
    pub(crate) fn in_flight(key: &str) -> Self {
        let message =
            format!("There is currently another in-progress request using this idempotency key ({key}). Please try again later.");
        Self { code: Some("idempotency_key_in_use"), ..Self::new(409, "idempotency_error", message) }
    }

    /// What an injected fault answers.
    pub(crate) fn injected(status: u16) -> Self {
        match status {
            429 => Self { code: Some("rate_limit"), ..Self::new(429, "invalid_request_error", "Request rate limit exceeded.") },
            409 => Self {
                code: Some("lock_timeout"),
                ..Self::new(409, "invalid_request_error", "This object is being accessed by another request.")
            },
            402 => Self::declined(),
            status => Self::new(status, "api_error", "An unknown error occurred."),
        }
    }

    pub(crate) fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".to_owned(), json!(self.kind));
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            error.insert("doc_url".to_owned(), json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))));
        }
        if let Some(code) = self.decline_code {
            error.insert("decline_code".to_owned(), json!(code));
        }
        error.insert("message".to_owned(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        json!({ "error": error })
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
