//! From a request to its answer: id, preflight, route, gate, body, handler, headers.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::Poll;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderMap, HeaderValue, IF_NONE_MATCH, PRAGMA,
    RETRY_AFTER, VARY,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::{Either, LocalBoxFuture};
use togglebox_core::{TenantId, Timestamp};
use tracing::Instrument as _;

use crate::api::Api;
use crate::call::Call;
use crate::coding::{Coding, WORTH_BYTES};
use crate::error::{ApiError, Code, Result};
use crate::gate;
use crate::headers::{REQUEST_ID, STALE, StandingHeaders};
use crate::panic::{caught, caught_while_waiting};
use crate::query::{Query, decode};
use crate::reply::{Caching, Content, Reply};
use crate::route::Handler;
use crate::serving::{INLINE_BYTES, Rendered};
use crate::{body, request_id};

/// The open-source server has one tenant.
const TENANT: TenantId = TenantId::DEFAULT;

type Served = std::result::Result<ServiceResponse, actix_web::Error>;

/// What came of a request, and who may keep it.
type Outcome = (Result<Reply>, Caching);

/// Answers a request, whatever it is: at once where nothing needs to be waited for, which spares the state of a task.
pub(crate) fn serve(api: &Arc<Api>, request: ServiceRequest) -> Either<Ready<Served>, LocalBoxFuture<'static, Served>> {
    let now = api.clock.now();
    let (request, payload) = request.into_parts();
    let id = request_id::of(request.headers(), now);
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or(""));
    let outcome = span.in_scope(|| caught(|| answer_at_once(api, &request, now)).unwrap_or_else(|error| Some(failed(error))));
    let outcome = match outcome {
        Some(outcome) if !is_to_be_encoded(&outcome, wanted(api, &request)) => {
            let response = span.in_scope(|| respond(api, &request, outcome, &id, now));
            return Either::Left(ready(Ok(ServiceResponse::new(request, response))));
        }
        outcome => outcome,
    };
    let api = Arc::clone(api);
    let answer = async move {
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => caught_while_waiting(answer(&api, &request, payload, now)).await.unwrap_or_else(failed),
        };
        let outcome = encoded(outcome, wanted(&api, &request)).await;
        let response = respond(&api, &request, outcome, &id, now);
        Ok(ServiceResponse::new(request, response))
    };
    Either::Right(Box::pin(answer.instrument(span)))
}

/// The answer to a read, if it is in memory and for everybody.
fn answer_at_once(api: &Arc<Api>, request: &HttpRequest, now: Timestamp) -> Option<Outcome> {
    let (index, raw) = api.router.find(routed_as(request.method()), request.uri().path())?;
    let route = &api.routes[index];
    let Handler::Reads(read) = route.handler else { return None };
    if !gate::is_open(api, route.access) {
        return None;
    }
    let call = match call(api, request, &raw, now) {
        Ok(call) => call,
        Err(error) => return Some((Err(error), route.caching)),
    };
    let Poll::Ready(environment) = api.memory.at_hand(call.tenant, call.param(0), call.param(1)) else { return None };
    Some((read(&call, environment.as_ref()), route.caching))
}

const fn failed(error: ApiError) -> Outcome {
    (Err(error), Caching::Never)
}

fn respond(api: &Api, request: &HttpRequest, (outcome, caching): Outcome, id: &HeaderValue, now: Timestamp) -> HttpResponse {
    let mut response = match outcome {
        Ok(_) if request.method() == Method::OPTIONS => preflight(),
        Ok(reply) => success(api, request, reply, caching),
        Err(error) => failure(&error, id, now),
    };
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    if api.standing.share(request.headers(), headers) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if response.status() != StatusCode::NOT_MODIFIED {
        api.standing.secure(response.headers_mut());
    }
    if api.is_ending() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    log(request, response.status());
    response
}

/// The path as it is logged: without the query, which may hold ids of users.
fn log(request: &HttpRequest, status: StatusCode) {
    let (method, path, status) = (request.method().as_str(), request.path(), status.as_u16());
    // A read from memory is not worth a line of everybody's log; a write or a refusal is.
    if status < 400 && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        tracing::debug!(method, path, status, "Answered {method} {path} with {status}");
    } else {
        tracing::info!(method, path, status, "Answered {method} {path} with {status}");
    }
}

fn preflight() -> HttpResponse {
    let mut response = HttpResponse::with_body(StatusCode::NO_CONTENT, BoxBody::new(()));
    StandingHeaders::permit(response.headers_mut());
    response
}

async fn answer(api: &Arc<Api>, request: &HttpRequest, mut payload: Payload, now: Timestamp) -> Outcome {
    // Every path may be asked about before a call from a web page, without a credential.
    if request.method() == Method::OPTIONS {
        return (Ok(Reply::no_content()), Caching::Silent);
    }
    let path = request.uri().path();
    let Some((index, raw)) = api.router.find(routed_as(request.method()), path) else {
        return (Err(gate::unrouted(api, TENANT, request, path).await), Caching::Never);
    };
    let route = &api.routes[index];
    let outcome = async {
        let principal = gate::admit(api, TENANT, request, path, route.access).await?;
        let mut call = call(api, request, &raw, now)?;
        call.principal = principal;
        if let Some(limit) = route.body_limit {
            call.body = body::read(request.headers(), &mut payload, limit, &api.bodies).await?;
        }
        match route.handler {
            Handler::Waits(answer) => answer(call).await,
            Handler::Reads(read) => call.environment().await.and_then(|environment| read(&call, environment.as_ref())),
        }
    };
    (outcome.await, route.caching)
}

/// Whether encoding the body keeps other requests waiting.
fn is_to_be_encoded((outcome, _): &Outcome, wanted: Coding) -> bool {
    match outcome.as_ref().map(|reply| &reply.content) {
        Ok(Content::Json(bytes)) => wanted != Coding::Identity && bytes.len() > INLINE_BYTES,
        Ok(Content::Rendered(rendered)) => !rendered.is_made(wanted),
        Ok(Content::Empty) | Err(_) => false,
    }
}

/// Encodes a body that takes a while, where that keeps nobody waiting.
async fn encoded(outcome: Outcome, wanted: Coding) -> Outcome {
    if !is_to_be_encoded(&outcome, wanted) {
        return outcome;
    }
    let (Ok(mut reply), caching) = outcome else { return outcome };
    let rendered = match reply.content {
        Content::Json(bytes) => Rendered::new(bytes),
        Content::Rendered(rendered) => rendered,
        content @ Content::Empty => return (Ok(Reply { content, ..reply }), caching),
    };
    rendered.make(wanted).await;
    reply.content = Content::Rendered(rendered);
    (Ok(reply), caching)
}

/// HEAD is GET without the body, which the protocol layer leaves out.
fn routed_as(method: &Method) -> &Method {
    if method == Method::HEAD { &Method::GET } else { method }
}

/// A call by nobody in particular, without a body.
fn call(api: &Arc<Api>, request: &HttpRequest, params: &[&str], now: Timestamp) -> Result<Call> {
    Ok(Call {
        api: Arc::clone(api),
        tenant: TENANT,
        now,
        params: params.iter().map(|raw| decode(raw).map(Cow::into_owned)).collect::<Result<_>>()?,
        query: Query::parse(request.uri().query().unwrap_or(""))?,
        body: None,
        request: request.clone(),
        principal: None,
    })
}

fn failure(error: &ApiError, id: &HeaderValue, now: Timestamp) -> HttpResponse {
    let body = error.body(&now.to_string(), id.to_str().unwrap_or(""));
    let mut response = HttpResponse::with_body(error.code().status(), BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code() == Code::Unauthorized {
        headers.insert(actix_web::http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn success(api: &Api, request: &HttpRequest, reply: Reply, caching: Caching) -> HttpResponse {
    if let Some(not_modified) = not_modified(api, request, &reply, caching) {
        return not_modified;
    }
    let wanted = wanted(api, request);
    let (content_type, body, coding) = match reply.content {
        Content::Empty => ("", Bytes::new(), Coding::Identity),
        Content::Json(bytes) => {
            let (bytes, coding) = encode(bytes, wanted);
            ("application/json; charset=utf-8", bytes, coding)
        }
        Content::Rendered(rendered) => {
            let (bytes, coding) = rendered.body(wanted);
            (rendered.content_type(), bytes, coding)
        }
    };
    let empty = content_type.is_empty();
    let mut response = HttpResponse::with_body(reply.status, BoxBody::new(body));
    let headers = response.headers_mut();
    if !empty {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if api.config.compression {
            headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
    }
    if coding != Coding::Identity {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
    }
    if let Some(tag) = reply.tag {
        headers.insert(ETAG, tag.value(coding.token()));
    }
    if reply.stale {
        headers.insert(STALE, HeaderValue::from_static("true"));
    }
    if let Some(seconds) = reply.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    cache_control(api, headers, caching);
    response
}

/// 304 when the client has what it would get.
fn not_modified(api: &Api, request: &HttpRequest, reply: &Reply, caching: Caching) -> Option<HttpResponse> {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD) && reply.status == StatusCode::OK;
    let asked = request.headers().get(IF_NONE_MATCH).filter(|_| readable)?.to_str().ok()?;
    let held = match reply.tag {
        Some(tag) => tag.is_in(asked, wanted(api, request))?,
        None => (asked.trim() == "*").then_some(Coding::Identity)?,
    };
    let mut response = HttpResponse::with_body(StatusCode::NOT_MODIFIED, BoxBody::new(()));
    let headers = response.headers_mut();
    if let Some(tag) = reply.tag {
        // As the client has it: a cache updates only what has this very tag (RFC 9111 §4.3.4).
        headers.insert(ETAG, tag.value(held.token()));
    }
    if reply.stale {
        headers.insert(STALE, HeaderValue::from_static("true"));
    }
    if api.config.compression {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    cache_control(api, headers, caching);
    Some(response)
}

fn cache_control(api: &Api, headers: &mut HeaderMap, caching: Caching) {
    match caching {
        Caching::Silent => {}
        Caching::Never => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
            headers.insert(EXPIRES, HeaderValue::from_static("0"));
        }
        Caching::Revalidate if api.config.authentication => {
            headers.insert(CACHE_CONTROL, api.standing.revalidate_private.clone());
            headers.append(VARY, HeaderValue::from_static("Authorization, X-API-Key"));
        }
        Caching::Revalidate => {
            headers.insert(CACHE_CONTROL, api.standing.revalidate_public.clone());
        }
    }
}

fn wanted(api: &Api, request: &HttpRequest) -> Coding {
    if !api.config.compression {
        return Coding::Identity;
    }
    Coding::negotiate(request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()))
}

/// Brotli pays for itself only where the result is kept; what is made for one answer gets gzip.
fn encode(bytes: Vec<u8>, wanted: Coding) -> (Bytes, Coding) {
    let wanted = if wanted == Coding::Brotli { Coding::Gzip } else { wanted };
    if wanted == Coding::Identity || bytes.len() < WORTH_BYTES {
        return (bytes.into(), Coding::Identity);
    }
    match wanted.encode(&bytes) {
        Ok(encoded) => (encoded.into(), wanted),
        Err(_) => (bytes.into(), Coding::Identity),
    }
}
