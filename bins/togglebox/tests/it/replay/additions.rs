//! What we add to answers everywhere: checked, then taken away, so that the rest can be compared with what was recorded.

use serde_json::{Map, Value, json};

/// The codes that go with a status.
const CODES: &[(u16, &[&str])] = &[
    (
        400,
        &[
            "BAD_REQUEST",
            "INVALID_JSON",
            "INVALID_URL",
            "INVALID_PAGE_TOKEN",
            "INVALID_STATUS",
            "INVALID_RESET_TOKEN",
            "WRONG_PASSWORD",
            "LAST_ADMIN",
        ],
    ),
    (401, &["UNAUTHORIZED", "INVALID_CREDENTIALS"]),
    (403, &["FORBIDDEN", "REGISTRATION_DISABLED"]),
    (404, &["NOT_FOUND", "ROUTE_NOT_FOUND", "EXPERIMENT_NOT_FOUND"]),
    (409, &["ALREADY_EXISTS", "CONFLICT"]),
    (413, &["PAYLOAD_TOO_LARGE"]),
    (415, &["UNSUPPORTED_MEDIA_TYPE"]),
    (422, &["VALIDATION_FAILED", "LIMIT_EXCEEDED", "INVALID_VARIATION_KEY", "INVALID_METRIC_ID"]),
];

/// The sentences of the original, and our codes for them. Why a user is in no experiment is one sentence with many codes: those are in
/// the table of differences.
const REASONS: &[(&str, &str)] = &[
    ("Flag is disabled - serving default value", "FLAG_DISABLED"),
    ("User is in force exclude list - serving valueB", "FORCE_EXCLUDED"),
    ("User is in force include list - serving valueA", "FORCE_INCLUDED"),
    ("Matched country and language targeting", "COUNTRY_LANGUAGE_MATCH"),
    ("Matched country targeting", "COUNTRY_MATCH"),
    ("Assigned via percentage rollout", "ROLLOUT_PERCENTAGE"),
    ("No targeting matched - serving default value", "DEFAULT"),
    ("Assigned via consistent hash", "HASH_ASSIGNMENT"),
];

/// Takes from our answer (masked) what we add to every answer of its kind, unless the original has it too.
///
/// # Panics
/// When an addition is not what it should be.
pub(crate) fn take(status: u16, theirs: &Value, ours: &mut Value) {
    let Some(body) = ours.as_object_mut() else { return };
    if body.get("success") == Some(&json!(false)) {
        error(status, theirs, body);
    }
    if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
        evaluation(data);
    }
}

fn error(status: u16, theirs: &Value, body: &mut Map<String, Value>) {
    // The page at the root is no API.
    if body.get("error") == Some(&json!("Not Found")) {
        return;
    }
    let code = body.get("code").and_then(Value::as_str).unwrap_or_else(|| panic!("every error has a code: {body:?}")).to_owned();
    let (_, codes) = CODES.iter().find(|(known, _)| *known == status).unwrap_or_else(|| panic!("{status} {body:?}"));
    assert!(codes.contains(&code.as_str()), "{code} does not go with {status}");
    if theirs.get("code").is_none() {
        body.remove("code");
    }
    if code == "INVALID_PAGE_TOKEN" && theirs.get("details").is_none() {
        let details = body.remove("details").expect("a refused token is named");
        assert!(details[0].as_str().is_some_and(|line| line.starts_with("nextToken: ")), "{details}");
    }
    let meta = body.get_mut("meta").and_then(Value::as_object_mut).expect("every error has a meta");
    assert_eq!(meta.get("requestId"), Some(&json!("<request id>")), "every error names its request");
    if theirs.pointer("/meta/requestId").is_none() {
        meta.remove("requestId");
    }
    if meta.is_empty() {
        body.remove("meta");
    }
}

/// A flag's evaluation also says which side was served in the words that the admin UI reads; it and an assignment give their reason
/// in a word for programs.
fn evaluation(data: &mut Map<String, Value>) {
    let Some(reason) = data.get("reason").and_then(Value::as_str) else { return };
    let Some((_, code)) = REASONS.iter().find(|(known, _)| *known == reason) else { return };
    assert_eq!(data.remove("reasonCode"), Some(json!(code)));
    if let Some(served) = data.get("servedValue").cloned() {
        assert_eq!(data.remove("variant"), Some(served.clone()));
        assert_eq!(data.remove("enabled"), Some(json!(served == "A")));
    }
}
