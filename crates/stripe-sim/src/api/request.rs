//! One request from its headers to its answer: authentication, version, idempotency, faults.

use http::Method;
use serde_json::Value;

use super::{Context, dispatch, expand};
use crate::calendar::http_date;
use crate::calls::Call;
use crate::error::{ApiError, ApiResult};
use crate::faults::Effect;
use crate::form::Form;
use crate::idempotency::{Admission, Stored, is_kept};
use crate::model::event::Cause;
use crate::version::Version;
use crate::world::World;

/// A request to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Encoded: the query of a GET or DELETE, the body of a POST.
    pub(crate) form: String,
    /// The bearer, or the user name of Basic.
    pub(crate) api_key: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) key: Option<String>,
}

impl Ask {
    fn new(method: Method, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let api_key = Some("sk_test_sim".to_owned());
        Self { method, path: path.to_owned(), form: query.to_owned(), api_key, version: None, key: None }
    }

    /// Reads.
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// Makes or changes.
    pub fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    /// Ends or removes.
    pub fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// One more parameter, such as `items[0][price]`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are written where they are used")]
    pub fn form(mut self, key: &str, value: impl ToString) -> Self {
        let mut encoder = form_urlencoded::Serializer::new(std::mem::take(&mut self.form));
        encoder.append_pair(key, &value.to_string());
        self.form = encoder.finish();
        self
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// With a `Stripe-Version`.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        Self { version: Some(version.to_owned()), ..self }
    }

    /// With another API key than `sk_test_sim`; none if empty.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        Self { api_key: Some(key.to_owned()).filter(|key| !key.is_empty()), ..self }
    }
}

/// What a request was answered with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Zero when the connection was dropped instead.
    pub status: u16,
    /// `Request-Id`, `Date` and the like.
    pub headers: Vec<(String, String)>,
    /// The JSON body.
    pub body: Value,
}

impl Answer {
    /// The id of the object that was answered; empty if there is none.
    pub fn id(&self) -> &str {
        self.body["id"].as_str().unwrap_or_default()
    }

    /// A header, by its name as it is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl std::ops::Index<&str> for Answer {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        &self.body[key]
    }
}

/// A request that has been let in.
#[derive(Debug)]
pub(crate) struct Begun {
    ask: Ask,
    request_id: String,
    /// Its place in the record.
    index: usize,
    version: Version,
    /// The answer, when it is known without executing anything.
    early: Option<(u16, String)>,
    replayed: Option<String>,
    /// Whether the key is ours to finish.
    admitted: bool,
    pub(crate) effect: Option<Effect>,
}

/// Lets a request in: records it, and finds out whether it is to be executed.
pub(crate) fn begin(world: &mut World, ask: Ask) -> Begun {
    let request_id = world.ids.next("req");
    let index = world.calls.len();
    world.calls.push(Call {
        request_id: request_id.clone(),
        method: ask.method.to_string(),
        path: ask.path.clone(),
        form: ask.form.clone(),
        idempotency_key: ask.key.clone(),
        version: ask.version.clone(),
        at: world.clock.now(),
        status: 0,
        replayed: false,
    });
    let mut begun = Begun {
        ask,
        request_id,
        index,
        version: world.version.clone(),
        early: None,
        replayed: None,
        admitted: false,
        effect: None,
    };
    match admit(world, &mut begun) {
        Ok(None) => begun.effect = world.faults.strike(begun.ask.method.as_str(), &begun.ask.path),
        Ok(Some(stored)) => {
            begun.early = Some((stored.status, stored.body));
            begun.replayed = Some(stored.request_id);
        }
        Err(error) => begun.early = Some((error.status, text(&error.body()))),
    }
    begun
}

fn admit(world: &mut World, begun: &mut Begun) -> ApiResult<Option<Stored>> {
    let ask = &begun.ask;
    let key = ask.api_key.as_deref().unwrap_or_default();
    if key.is_empty() {
        return Err(ApiError::unauthenticated("You did not provide an API key."));
    }
    let known =
        ["sk_test_", "sk_live_", "rk_test_", "rk_live_"].iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix));
    if !known {
        return Err(ApiError::unauthenticated("Invalid API Key provided."));
    }
    world.livemode = key[3..].starts_with("live_");
    if let Some(version) = &ask.version {
        let invalid = || ApiError::invalid(format!("Invalid Stripe API version: {version}"));
        begun.version = Version::parse(version).ok_or_else(invalid)?;
    }
    let Some(key) = ask.key.as_deref().filter(|_| ask.method == Method::POST) else { return Ok(None) };
    let fingerprint = format!("{} {} {}", ask.method, ask.path, ask.form);
    match world.keys.admit(key, &fingerprint, world.clock.now())? {
        Admission::Run => {
            begun.admitted = true;
            Ok(None)
        }
        Admission::Replay(stored) => Ok(Some(stored)),
    }
}

/// Does what the request asks for, unless its answer is known already.
pub(crate) fn execute(world: &mut World, begun: &mut Begun) {
    if begun.early.is_some() {
        return;
    }
    world.cause = Cause { request: Some(begun.request_id.clone()), key: begun.ask.key.clone() };
    let (status, body) = match run(world, begun) {
        Ok(body) => (200, body),
        Err(error) => (error.status, error.body()),
    };
    world.cause = Cause::default();
    begun.early = Some((status, text(&body)));
}

fn run(world: &mut World, begun: &Begun) -> ApiResult<Value> {
    let mut form = Form::parse(begun.ask.form.as_bytes())?;
    let wanted = form.texts("expand")?;
    let context = Context { shape: begun.version.shape() };
    let mut body = dispatch(world, begun.ask.method.as_str(), &begun.ask.path, form, context)?;
    for path in wanted {
        expand::expand(world, &mut body, &path, context.shape)?;
    }
    Ok(body)
}

/// Stores the answer where it is to be stored, and renders it. `instead`: the error that a fault answers, and whether it is stored.
pub(crate) fn finish(world: &mut World, begun: Begun, instead: Option<(u16, Option<bool>, bool)>) -> Answer {
    let (mut status, mut body) = begun.early.clone().unwrap_or((500, String::new()));
    let mut headers = Vec::new();
    let mut kept = is_kept(status);
    if let Some((injected, should_retry, stored)) = instead {
        (status, body) = (injected, text(&ApiError::injected(injected).body()));
        kept = stored;
        if let Some(should_retry) = should_retry {
            headers.push(("Stripe-Should-Retry".to_owned(), should_retry.to_string()));
        }
    }
    if let Some(key) = begun.ask.key.as_deref().filter(|_| begun.admitted) {
        let stored = Stored { status, body: body.clone(), request_id: begun.request_id.clone() };
        world.keys.finish(key, kept.then_some(stored));
    }
    if let Some(call) = world.calls.get_mut(begun.index) {
        call.status = status;
        call.replayed = begun.replayed.is_some();
    }
    headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    headers.push(("Date".to_owned(), http_date(world.clock.now())));
    headers.push(("Request-Id".to_owned(), begun.request_id));
    headers.push(("Stripe-Version".to_owned(), begun.version.to_string()));
    if let Some(key) = begun.ask.key {
        headers.push(("Idempotency-Key".to_owned(), key));
    }
    if let Some(original) = begun.replayed {
        headers.push(("Idempotent-Replayed".to_owned(), "true".to_owned()));
        headers.push(("Original-Request".to_owned(), original));
    }
    Answer { status, headers, body: serde_json::from_str(&body).unwrap_or(Value::Null) }
}

/// Ends a request that nobody hears the answer of.
pub(crate) fn finish_unheard(world: &mut World, begun: Begun) {
    let index = begun.index;
    finish(world, begun, None);
    if let Some(call) = world.calls.get_mut(index) {
        call.status = 0;
    }
}

/// Ends a request as if it had never come.
pub(crate) fn forget(world: &mut World, begun: &Begun) {
    if let Some(key) = begun.ask.key.as_deref().filter(|_| begun.admitted) {
        world.keys.finish(key, None);
    }
}

fn text(body: &Value) -> String {
    format!("{body:#}")
}
