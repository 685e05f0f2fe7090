//! One request to the API: sent until it is answered for good.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use togglebox_core::{Entropy, EntropyExt as _, Stopwatch, Timestamp};

use super::form::Form;
use super::metrics::{self, Reason};
use super::options::{self, StripeOptions};
use super::{StripeSetupError, answer};
use crate::objects::NotUnderstood;
use crate::order::AsOf;
use crate::provider::{Fetched, ProviderError, ProviderResult};

const VERSION: HeaderName = HeaderName::from_static("stripe-version");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// The most characters of a key.
const MAX_KEY: usize = 255;

/// A request.
pub(super) struct Ask {
    method: Method,
    path: String,
    form: Form,
    key: Option<String>,
    /// The object that the path names.
    about: Box<str>,
}

impl Ask {
    fn new(method: Method, path: &str, form: Form) -> Self {
        Self { method, path: path.to_owned(), form, key: None, about: Box::default() }
    }

    pub(super) fn get(path: &str, form: Form) -> Self {
        Self::new(Method::GET, path, form)
    }

    pub(super) fn post(path: &str, form: Form) -> Self {
        Self::new(Method::POST, path, form)
    }

    pub(super) fn delete(path: &str, form: Form) -> Self {
        Self::new(Method::DELETE, path, form)
    }

    /// Appends `/id`, and what follows it. Ids may come from anybody's address bar: what could be more than one step of a path is none of
    /// theirs.
    pub(super) fn of(mut self, id: &str, then: &str) -> ProviderResult<Self> {
        let is_id = !id.is_empty()
            && id.len() <= 255
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !is_id {
            return Err(ProviderError::Missing("an object without a usable id".into()));
        }
        self.about = id.into();
        self.path = format!("{}/{id}{then}", self.path);
        Ok(self)
    }

    /// Carried out once, however often it is sent with this key.
    pub(super) fn key(self, key: &str) -> Self {
        Self { key: Some(header_key(key)), ..self }
    }
}

/// A key that the header takes: as it is, or a digest of it.
fn header_key(key: &str) -> String {
    if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.to_owned();
    }
    format!("sha256:{}", digest(key.as_bytes()))
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What was answered to a request that was carried out.
pub(super) struct Answer {
    pub(super) value: Value,
    date: Option<Timestamp>,
    took: Duration,
}

impl Answer {
    pub(super) fn read<T>(&self, read: impl FnOnce(&Value) -> Result<T, NotUnderstood>) -> ProviderResult<T> {
        read(&self.value).map_err(not_understood)
    }

    /// What was read, and how recent it is. Only for what was looked up: an answer that is given again says when it is given, and not of when
    /// it is.
    pub(super) fn fetched<T>(&self, read: impl FnOnce(&Value) -> Result<T, NotUnderstood>) -> ProviderResult<Fetched<T>> {
        let date = self.date.ok_or_else(|| not_understood("an answer without a date"))?;
        Ok(Fetched { value: self.read(read)?, as_of: AsOf::answer(date, self.took) })
    }
}

pub(super) fn not_understood(why: impl Into<Box<dyn Error + Send + Sync>>) -> ProviderError {
    ProviderError::NotUnderstood(why.into())
}

/// The connection to the API.
pub(super) struct Wire {
    client: Client,
    base: String,
    tries: u32,
    try_timeout: Duration,
    first_pause: Duration,
    pub(super) stopwatch: Arc<dyn Stopwatch>,
    entropy: Arc<dyn Entropy>,
}

/// What came of one try that was not good.
struct Failed {
    error: ProviderError,
    /// Why another one may go better; `None` when it will not.
    again: Option<Reason>,
}

struct Raw {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Wire {
    pub(super) fn new(
        options: &StripeOptions,
        stopwatch: Arc<dyn Stopwatch>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StripeSetupError> {
        let client = |error: Box<dyn Error + Send + Sync>| StripeSetupError::Client(error);
        let (base, with_tls) = options::base(&options.api_base).unwrap_or_default();
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", options.secret_key.expose_secret())).map_err(|e| client(e.into()))?;
        bearer.set_sensitive(true);
        let version = HeaderValue::try_from(&options.api_version).map_err(|e| client(e.into()))?;
        let agent = HeaderValue::from_static(concat!("togglebox-billing/", env!("CARGO_PKG_VERSION")));
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer), (VERSION, version), (USER_AGENT, agent)]);
        let http = Client::builder()
            .tls_backend_preconfigured(tls(with_tls).map_err(|e| client(e.into()))?)
            .default_headers(headers)
            .connect_timeout(options.connect_timeout)
            // The key goes to no other place than the one that was named.
            .redirect(reqwest::redirect::Policy::none())
            // Libraries do not read the environment.
            .no_proxy()
            .http1_only()
            .build()
            .map_err(|e| client(e.into()))?;
        let StripeOptions { tries, try_timeout, first_pause, .. } = *options;
        Ok(Self { client: http, base, tries, try_timeout, first_pause, stopwatch, entropy })
    }

    /// A key for a wish that has none of its own: so that a repeat within a call is one.
    pub(super) fn own_key(&self) -> String {
        self.entropy.hex::<16>()
    }

    /// Sends a request until it is answered for good, or often enough.
    pub(super) async fn ask(&self, ask: Ask) -> ProviderResult<Answer> {
        let mut tried = 1;
        loop {
            let began = self.stopwatch.now_us();
            let Failed { error, again } = match self.attempt(&ask).await {
                Ok((value, date)) => {
                    let took = Duration::from_micros(self.stopwatch.now_us().saturating_sub(began));
                    return Ok(Answer { value, date, took });
                }
                Err(failed) => failed,
            };
            let Some(reason) = again.filter(|_| tried < self.tries) else { return Err(error) };
            let pause = self.pause(tried);
            tracing::info!(
                stripe.tried = tried,
                stripe.reason = reason.as_str(),
                pause_ms = pause.as_millis(),
                "Sending a request to Stripe again"
            );
            metrics::retried(reason);
            tokio::time::sleep(pause).await;
            tried += 1;
        }
    }

    fn pause(&self, tried: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1)));
        self.entropy.jittered(doubled.min(StripeOptions::LONGEST_PAUSE))
    }

    async fn attempt(&self, ask: &Ask) -> Result<(Value, Option<Timestamp>), Failed> {
        let raw = match tokio::time::timeout(self.try_timeout, self.send(ask)).await {
            Ok(sent) => sent?,
            Err(late) => {
                return Err(Failed { error: ProviderError::Unavailable(Some(late.into())), again: Some(Reason::Timeout) });
            }
        };
        let text = |name: &HeaderName| raw.headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(&REQUEST_ID).unwrap_or_default();
        tracing::debug!(
            http.method = ask.method.as_str(),
            http.status = raw.status.as_u16(),
            stripe.request_id = request_id,
            "Stripe answered"
        );
        if raw.status.is_success() {
            let date = text(&DATE).and_then(http_date);
            return match serde_json::from_slice(&raw.body) {
                Ok(value) => Ok((value, date)),
                Err(error) => Err(Failed { error: not_understood(error), again: None }),
            };
        }
        let again = match text(&SHOULD_RETRY) {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(raw.status.as_u16(), 409 | 424 | 429 | 500..),
        };
        let error = answer::error(raw.status.as_u16(), &raw.body, &ask.about, request_id);
        Err(Failed { error, again: again.then_some(Reason::Status) })
    }

    async fn send(&self, ask: &Ask) -> Result<Raw, Failed> {
        let mut url = format!("{}{}", self.base, ask.path);
        let in_query = ask.method != Method::POST;
        if in_query && !ask.form.is_empty() {
            url = format!("{url}?{}", ask.form.encoded());
        }
        let mut request = self.client.request(ask.method.clone(), url);
        if !in_query {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(ask.form.encoded());
        }
        if let Some(key) = &ask.key {
            request = request.header(KEY, key);
        }
        let response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Raw { status, headers, body: read(response).await? })
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Whatever happened to the connection; the request may have been carried out.
fn broken(error: reqwest::Error) -> Failed {
    // Addresses have ids in them, and parameters.
    let error = error.without_url();
    Failed { error: ProviderError::Unavailable(Some(error.into())), again: Some(Reason::Connection) }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failed> {
    let too_large = || Failed { error: not_understood("an answer that is too large"), again: None };
    let told = response.content_length().unwrap_or(0);
    if usize::try_from(told).map_or(true, |told| told > MAX_ANSWER_BYTES) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The date of an HTTP header (RFC 9110, section 5.6.7), in its one form that is still sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from_ms(date.timestamp_millis()))
}

/// TLS with the one cryptography that the programs have, whatever else was or was not set up in the process, and with the root certificates
/// of the system. Without TLS none are looked for: a machine that only asks itself needs none.
fn tls(wanted: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder =
        if wanted { builder.with_platform_verifier()? } else { builder.with_root_certificates(rustls::RootCertStore::empty()) };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use togglebox_core::{ManualStopwatch, SeededEntropy};

    use super::*;

    #[test]
    fn keys_fit_the_header() {
        assert_eq!(header_key("plan:t1:7:price_1"), "plan:t1:7:price_1");
        let longest = "k".repeat(MAX_KEY);
        assert_eq!(header_key(&longest), longest);
        for odd in ["k".repeat(MAX_KEY + 1), "schlüssel".to_owned(), "a b".to_owned(), "a\r\nb".to_owned(), String::new()] {
            let key = header_key(&odd);
            assert!(key.starts_with("sha256:") && key.len() == 71, "{odd}");
            assert_eq!(key, header_key(&odd), "the same for the same wish");
        }
        assert_ne!(header_key(&"a".repeat(300)), header_key(&"b".repeat(300)));
    }

    #[test]
    fn what_is_no_id_leads_nowhere() {
        let path = |id: &str| Ask::get("/v1/x", Form::new()).of(id, "/y").map(|ask| ask.path);
        assert_eq!(path("cs_test_a1-B").unwrap(), "/v1/x/cs_test_a1-B/y");
        for bad in ["", "..", "a/b", "a?b", "a#b", "a%2fb", "ä", "a b", &"a".repeat(256)] {
            assert!(matches!(path(bad), Err(ProviderError::Missing(_))), "{bad}");
        }
    }

    #[test]
    fn dates_of_headers_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap().as_ms(), 784_111_777_000);
        for bad in ["", "yesterday", "784111777", "Sunday, 06-Nov-94 08:49:37 GMT"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let options =
            StripeOptions { api_base: "http://127.0.0.1:1".to_owned(), ..StripeOptions::new("sk_test_1".into(), "requests") };
        let wire = Wire::new(&options, Arc::new(ManualStopwatch::default()), Arc::new(SeededEntropy::new(7))).unwrap();
        for (tried, most_ms) in [(1, 500), (2, 1000), (3, 2000), (4, 4000), (5, 4000), (u32::MAX, 4000)] {
            let most = Duration::from_millis(most_ms);
            assert!((most / 2..=most).contains(&wire.pause(tried)), "{tried}");
        }
    }

    #[test]
    fn a_client_with_tls_can_be_made() {
        tls(false).unwrap();
        // Of a machine without certificates nothing can be said.
        if let Ok(config) = tls(true) {
            assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
        }
    }
}
