//! From a request to its answer: id, preflight, route, gate, body, handler, headers.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderMap, HeaderValue, IF_NONE_MATCH, PRAGMA,
    RETRY_AFTER, VARY,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use togglebox_core::{TenantId, Timestamp};
use tracing::Instrument as _;

use crate::api::Api;
use crate::call::Call;
use crate::coding::{Coding, WORTH_BYTES};
use crate::error::{ApiError, Code, Result};
use crate::gate;
use crate::headers::{REQUEST_ID, STALE, StandingHeaders};
use crate::query::{Query, decode};
use crate::reply::{Caching, Content, Reply};
use crate::{body, request_id};

/// Answers a request, whatever it is.
pub(crate) async fn serve(api: Arc<Api>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let now = api.clock.now();
    let id = request_id::of(request.headers(), now);
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or(""));
    let answer = async {
        let mut response = if let Some(response) = preflight(&request) {
            response
        } else {
            let (outcome, caching) = answer(&api, &request, payload, now).await;
            match outcome {
                Ok(reply) => success(&api, &request, reply, caching).await,
                Err(error) => failure(&error, &id, now),
            }
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
        log(&request, response.status());
        response
    };
    answer.instrument(span).await
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

/// Every path may be asked about before a call from a web page, without a credential.
fn preflight(request: &HttpRequest) -> Option<HttpResponse> {
    if request.method() != Method::OPTIONS {
        return None;
    }
    let mut response = HttpResponse::with_body(StatusCode::NO_CONTENT, BoxBody::new(()));
    StandingHeaders::permit(response.headers_mut());
    Some(response)
}

async fn answer(api: &Arc<Api>, request: &HttpRequest, mut payload: Payload, now: Timestamp) -> (Result<Reply>, Caching) {
    // HEAD is GET without the body, which the protocol layer leaves out.
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let path = request.uri().path();
    let found = api.router.find(method, path);
    let tenant = TenantId::DEFAULT;
    let Some((index, raw)) = found else { return (Err(gate::unrouted(api, tenant, request, path).await), Caching::Never) };
    let route = &api.routes[index];
    let call = async {
        let principal = gate::admit(api, tenant, request, path, route.access).await?;
        let params = raw.iter().map(|raw| decode(raw).map(std::borrow::Cow::into_owned)).collect::<Result<_>>()?;
        let query = Query::parse(request.uri().query().unwrap_or(""))?;
        let body = match route.body_limit {
            Some(limit) => body::read(request.headers(), &mut payload, limit).await?,
            None => None,
        };
        Ok(Call { api: Arc::clone(api), tenant, now, params, query, body, request: request.clone(), principal })
    };
    let outcome = match call.await {
        Ok(call) => (route.handler)(call).await,
        Err(error) => Err(error),
    };
    (outcome, route.caching)
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

async fn success(api: &Api, request: &HttpRequest, reply: Reply, caching: Caching) -> HttpResponse {
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
            let (bytes, coding) = rendered.body(wanted).await;
            ("application/json; charset=utf-8", bytes, coding)
        }
        Content::Other(content_type, bytes) => {
            let (bytes, coding) = encode(bytes.into(), wanted);
            (content_type, bytes, coding)
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
    cache_control(api, headers, caching);
    response
}

/// 304 when the client has what it would get.
fn not_modified(api: &Api, request: &HttpRequest, reply: &Reply, caching: Caching) -> Option<HttpResponse> {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD) && reply.status == StatusCode::OK;
    let asked = request.headers().get(IF_NONE_MATCH).filter(|_| readable)?.to_str().ok()?;
    let held = match reply.tag {
        Some(tag) => tag.is_in(asked),
        None => asked.trim() == "*",
    };
    if !held {
        return None;
    }
    let mut response = HttpResponse::with_body(StatusCode::NOT_MODIFIED, BoxBody::new(()));
    let headers = response.headers_mut();
    if let Some(tag) = reply.tag {
        headers.insert(ETAG, tag.value(""));
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
