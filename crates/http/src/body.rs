//! Reads request bodies.
//!
//! JSON with a JSON content type and forms are read; a body of any other type counts as absent, as the contract has it. Compressed
//! bodies are decompressed up to the same limit as plain ones, so that a small body cannot become a large one.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::budget::{BodyBudget, FREE_BYTES, Part};
use crate::error::{ApiError, Code, Result};
use crate::packing::{Unpacking, packing};
use crate::serving::INLINE_BYTES;

/// The largest body that any route takes, in bytes: 10 MiB, as the contract says.
pub(crate) const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Bodies of sign-in, registration and the like: nothing in them is long.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;

/// The most values in a body: several times those of the largest batch of events. Read, each takes tens of bytes of memory, so that ten
/// mebibytes of nothing but commas would take hundreds.
const MAX_VALUES: usize = 250_000;

/// How long a client may take to send a body: time for the largest at 350 KB/s. Whoever takes longer holds a connection and memory for
/// nothing.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Format {
    Json,
    Form,
    Other,
}

/// What the first step of unpacking brought.
enum Unpacked {
    /// The whole document.
    All(Option<Value>),
    /// A large body's beginning.
    More(Unpacking),
}

/// The body as a document; `None` when there is none, or none of a type that is read. What it takes of memory beyond a small body
/// comes out of `budget`.
pub(crate) async fn read(headers: &HeaderMap, payload: &mut Payload, limit: usize, budget: &BodyBudget) -> Result<Option<Value>> {
    let format = format(headers)?;
    let mut part = budget.part();
    let bytes = timeout(PATIENCE, bytes(headers, payload, limit, &mut part)).await.map_err(|_| late())??;
    // What is read aside takes its part of the budget along: it may outlive a request that is given up.
    let Some(packing) = packing(headers)? else {
        if bytes.len() <= INLINE_BYTES {
            return document(format, &bytes);
        }
        return aside(move || {
            let document = document(format, &bytes);
            drop(part);
            document
        })
        .await;
    };
    let packed_bytes = bytes.len();
    let mut unpacking = Unpacking::of(packing, bytes, part);
    // What is compressed may be large all the same, but mostly is not: the budget is not asked before that is known.
    let first = aside(move || {
        let is_whole = unpacking.go_on(limit.min(FREE_BYTES))?;
        if is_whole { document(format, unpacking.plain()).map(Unpacked::All) } else { Ok(Unpacked::More(unpacking)) }
    });
    match first.await? {
        Unpacked::All(document) => Ok(document),
        Unpacked::More(mut unpacking) => {
            unpacking.make_room(packed_bytes + limit).await?;
            aside(move || if unpacking.go_on(limit)? { document(format, unpacking.plain()) } else { Err(too_large(limit)) }).await
        }
    }
}

/// A body as it came, with its part of the budget.
#[cfg(feature = "cloud")]
#[derive(Debug)]
pub(crate) struct Raw {
    bytes: Bytes,
    _part: Part,
}

#[cfg(feature = "cloud")]
impl Raw {
    /// It, byte by byte.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body as it comes, whatever it says it is: what is signed is bytes.
#[cfg(feature = "cloud")]
pub(crate) async fn raw(headers: &HeaderMap, payload: &mut Payload, limit: usize, budget: &BodyBudget) -> Result<Raw> {
    let mut part = budget.part();
    let bytes = timeout(PATIENCE, bytes(headers, payload, limit, &mut part)).await.map_err(|_| late())??;
    Ok(Raw { bytes, _part: part })
}

/// Does what takes a while where it keeps nobody waiting.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(read).await.unwrap_or_else(|panic| {
        tracing::error!(error = &panic as &dyn std::error::Error, "A body could not be read");
        Err(ApiError::internal())
    })
}

fn document(format: Format, bytes: &[u8]) -> Result<Option<Value>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let values = match format {
        Format::Json => values(bytes),
        Format::Form => bytes.split(|byte| *byte == b'&').count(),
        Format::Other => 0,
    };
    if values > MAX_VALUES {
        return Err(ApiError::new(Code::PayloadTooLarge, format!("request entity too large: at most {MAX_VALUES} values")));
    }
    match format {
        Format::Json => parse(bytes).map(Some),
        Format::Form => Ok(Some(fields(form_urlencoded::parse(bytes)))),
        Format::Other => Ok(None),
    }
}

/// Pairs as a document: a name that comes more than once becomes an array, which then fails as text.
pub(crate) fn fields<K: AsRef<str>, V: Into<String>>(pairs: impl Iterator<Item = (K, V)>) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value.into());
        match object.get_mut(name.as_ref()) {
            None => {
                object.insert(name.as_ref().to_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(object)
}

/// How many values a JSON document holds, or more: each but the first follows a comma or opens an array or object. Exact enough for a
/// limit, whatever the bytes are.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

fn parse(bytes: &[u8]) -> Result<Value> {
    let value = serde_json::from_slice::<Value>(bytes).map_err(|error| {
        // The parser's own words ("expected value at line 1 column 2") say nothing about us and help the sender.
        ApiError::new(Code::InvalidJson, format!("The body is not valid JSON: {error}"))
    })?;
    // The contract's parser is strict: a bare text or number is not a document.
    if value.is_object() || value.is_array() {
        Ok(value)
    } else {
        Err(ApiError::new(Code::InvalidJson, "The body must be a JSON object or array"))
    }
}

fn format(headers: &HeaderMap) -> Result<Format> {
    let Some(header) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return Ok(Format::Other) };
    let mut parts = header.split(';').map(str::trim);
    let kind = parts.next().unwrap_or("").to_ascii_lowercase();
    let format = if kind == "application/json" {
        Format::Json
    } else if kind == "application/x-www-form-urlencoded" {
        Format::Form
    } else {
        return Ok(Format::Other);
    };
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(name) if !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("utf8") => Err(ApiError::new(
            Code::UnsupportedMediaType,
            format!("unsupported charset \"{}\": use utf-8", name.to_ascii_uppercase()),
        )),
        _ => Ok(format),
    }
}

async fn bytes(headers: &HeaderMap, payload: &mut Payload, limit: usize, part: &mut Part) -> Result<Bytes> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(FREE_BYTES));
    let mut room = FREE_BYTES;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(Code::BadRequest, "The body could not be read to its end"))?;
        let length = bytes.len() + chunk.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if length > room {
            // Not before the first bytes are here: who only announces a large body holds nothing of the budget.
            room = announced.unwrap_or_else(|| length.next_power_of_two().min(limit)).max(length);
            part.grow(room).await?;
            bytes.reserve(room - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn late() -> ApiError {
    ApiError::new(Code::RequestTimeout, format!("The body did not arrive within {} seconds", PATIENCE.as_secs()))
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("request entity too large: at most {limit} bytes"))
        .with_meta("limitBytes", limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Coding;
    use crate::config::BodyMemory;
    use actix_web::http::StatusCode;
    use actix_web::http::header::CONTENT_ENCODING;
    use actix_web::test::TestRequest;
    use serde_json::json;

    async fn body(content_type: &str, coding: &str, bytes: impl Into<Bytes>) -> Result<Option<Value>> {
        let mut request = TestRequest::post().insert_header((CONTENT_TYPE, content_type)).set_payload(bytes.into());
        if !coding.is_empty() {
            request = request.insert_header((CONTENT_ENCODING, coding));
        }
        let (request, mut payload) = request.to_http_parts();
        read(request.headers(), &mut payload, 1000, &BodyBudget::new(BodyMemory::default())).await
    }

    fn status(result: Result<Option<Value>>) -> StatusCode {
        result.unwrap_err().code().status()
    }

    #[actix_web::test]
    async fn json_and_forms_are_read_and_the_rest_is_absent() {
        assert_eq!(body("application/json; charset=UTF-8", "", r#"{"a":1}"#).await.unwrap(), Some(json!({"a":1})));
        let form = body("application/x-www-form-urlencoded", "", "a=1&b=x%40y&a=2").await.unwrap();
        assert_eq!(form, Some(json!({"a":["1","2"],"b":"x@y"})));
        assert_eq!(body("text/plain", "", r#"{"a":1}"#).await.unwrap(), None);
        assert_eq!(body("application/json", "", "").await.unwrap(), None);
    }

    #[actix_web::test]
    async fn bad_bodies_are_the_senders_fault() {
        assert_eq!(status(body("application/json", "", "{\"a\":").await), StatusCode::BAD_REQUEST);
        assert_eq!(status(body("application/json", "", "5").await), StatusCode::BAD_REQUEST);
        assert_eq!(status(body("application/json", "", &b"{\"a\":\"\xff\"}"[..]).await), StatusCode::BAD_REQUEST);
        assert_eq!(status(body("application/json", "", "[".repeat(900)).await), StatusCode::BAD_REQUEST);
        assert_eq!(status(body("application/json", "", "x".repeat(1001)).await), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status(body("application/json; charset=latin9", "", "{}").await), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(status(body("application/json", "gzip", "not gzip").await), StatusCode::BAD_REQUEST);
        assert_eq!(status(body("application/json", "zstd", "{}").await), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[test]
    fn a_body_of_very_many_values_is_refused_before_it_takes_memory() {
        let read = |format: Format, body: &str| document(format, body.as_bytes());
        for (format, start, item, end) in [(Format::Json, "[0", ",0", "]"), (Format::Form, "a=1", "&a", "")] {
            let fits = format!("{start}{}{end}", item.repeat(MAX_VALUES - 1));
            assert!(read(format, &fits).unwrap().is_some());
            assert_eq!(
                status(read(format, &format!("{start}{}{end}", item.repeat(MAX_VALUES + 1)))),
                StatusCode::PAYLOAD_TOO_LARGE
            );
        }
        let text = format!(r#"{{"a":"\\\"{}"}}"#, ",[{".repeat(MAX_VALUES));
        assert!(read(Format::Json, &text).unwrap().is_some(), "what stands in a text is not counted");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let request = TestRequest::post().insert_header((CONTENT_TYPE, "application/json")).to_http_request();
        let mut body: Payload = Payload::Stream { payload: Box::pin(futures_util::stream::pending()) };
        let answer = read(request.headers(), &mut body, 1000, &BodyBudget::new(BodyMemory::default())).await;
        assert_eq!(status(answer), StatusCode::REQUEST_TIMEOUT);
    }

    #[actix_web::test]
    async fn a_small_body_cannot_become_a_large_one() {
        for coding in [Coding::Gzip, Coding::Brotli] {
            let bomb = coding.encode(&vec![b' '; 100_000]).unwrap();
            assert!(bomb.len() < 1000);
            assert_eq!(status(body("application/json", coding.token(), bomb).await), StatusCode::PAYLOAD_TOO_LARGE);
            let good = coding.encode(br#"{"a":1}"#).unwrap();
            assert_eq!(body("application/json", coding.token(), good).await.unwrap(), Some(json!({"a":1})));
        }
    }
}
