//! Answers that say no.

use serde_json::Value;

use super::wire::not_understood;
use crate::provider::ProviderError;

/// What an answer with such a status means. Only the payment service's own word is taken for that something is not there: whoever stands in
/// between may answer 404 to anything.
pub(super) fn error(status: u16, body: &[u8], about: &str, request_id: &str) -> ProviderError {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let said = answer.as_ref().and_then(|answer| answer.get("error")).filter(|error| error.is_object());
    let word = |field: &str| said.and_then(|error| error.get(field)).and_then(Value::as_str).filter(|word| !word.is_empty());
    let code = word("code").or(word("decline_code")).or(word("type"));
    match (status, code) {
        (401 | 403, _) => ProviderError::Unauthorized,
        (409 | 424 | 429 | 500.., _) => {
            let why = format!("answered {status} ({}) to request {request_id:?}", code.unwrap_or("no code"));
            ProviderError::Unavailable(Some(why.into()))
        }
        (402, Some(code)) => ProviderError::Declined { code: code.into() },
        (404, Some("resource_missing")) if !about.is_empty() => ProviderError::Missing(about.into()),
        (400..=499, Some(code)) => ProviderError::Refused { code: code.into(), param: word("param").map(Into::into) },
        _ => not_understood(format!("answered {status} to request {request_id:?}")),
    }
}

/// Whether it was refused for this reason.
pub(super) fn is_refused(error: &ProviderError, reason: &str) -> bool {
    matches!(error, ProviderError::Refused { code, .. } if &**code == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ProviderError {
        error(status, body.as_bytes(), "sub_1", "req_1")
    }

    #[test]
    fn every_answer_tells_what_to_do() {
        let code = |code: &str| {
            format!(r#"{{"error":{{"type":"invalid_request_error","code":"{code}","param":"id","message":"secret"}}}}"#)
        };
        assert!(matches!(read(401, "{}"), ProviderError::Unauthorized));
        assert!(matches!(read(403, &code("more_permissions_required")), ProviderError::Unauthorized));
        for status in [409, 424, 429, 500, 502, 503, 504, 599] {
            assert!(read(status, &code("lock_timeout")).is_temporary(), "{status}");
            assert!(read(status, "<html>").is_temporary(), "{status}");
        }
        assert!(matches!(read(402, &code("card_declined")), ProviderError::Declined { code } if &*code == "card_declined"));
        assert!(matches!(read(404, &code("resource_missing")), ProviderError::Missing(what) if &*what == "sub_1"));
        assert!(is_refused(&read(404, &code("invoice_upcoming_none")), "invoice_upcoming_none"));
        assert!(is_refused(&error(404, code("resource_missing").as_bytes(), "", ""), "resource_missing"));
        assert!(
            matches!(read(400, &code("parameter_unknown")), ProviderError::Refused { param: Some(param), .. } if &*param == "id")
        );
        let typed = r#"{"error":{"type":"idempotency_error","code":null,"message":"m"}}"#;
        assert!(is_refused(&read(400, typed), "idempotency_error"));
    }

    #[test]
    fn what_others_answer_is_not_taken_for_theirs() {
        for body in ["", "<html>not found</html>", "{}", r#"{"error":"no"}"#, r#"{"error":{}}"#, "[]", "null"] {
            for status in [301, 302, 304, 400, 402, 404, 418] {
                assert!(matches!(read(status, body), ProviderError::NotUnderstood(_)), "{status} {body}");
            }
        }
    }

    #[test]
    fn bodies_are_not_told_on() {
        for status in [400, 402, 404, 429, 500] {
            let told = format!("{0:?} {0}", read(status, r#"{"error":{"type":"t","code":"c","message":"pays with 4242"}}"#));
            assert!(!told.contains("4242"), "{told}");
        }
    }
}
