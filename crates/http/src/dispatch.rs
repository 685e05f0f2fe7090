//! From a request to its answer: id, preflight, route, gate, body, handler, headers.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::Poll;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderMap, HeaderValue, IF_NONE_MATCH, PRAGMA,
    RETRY_AFTER,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::{Either, LocalBoxFuture};
use smallvec::SmallVec;
use togglebox_auth::Principal;
use togglebox_core::{TenantId, Timestamp};
use tracing::Instrument as _;

use crate::api::Api;
use crate::call::{Call, Read};
#[cfg(feature = "cloud")]
use crate::cloud::metering::{Named, note};
use crate::coding::{Coding, WORTH_BYTES};
use crate::error::{ApiError, Code, Result};
use crate::gate;
use crate::headers::{REQUEST_ID, STALE, StandingHeaders, Variation};
use crate::limiting::{ApiLimits, LimitHeaders};
use crate::panic::{caught, caught_while_waiting};
use crate::query::{Query, decode};
use crate::reply::{Caching, Content, Reply};
#[cfg(feature = "cloud")]
use crate::route::Reading;
use crate::route::{Handler, RouteClass};
use crate::serving::{Fresh, INLINE_BYTES, Rendered};
use crate::visit::{Known, Visit};
use crate::{body, request_id};

pub(crate) type Served = std::result::Result<ServiceResponse, actix_web::Error>;

/// An answer that is there, or will be.
pub(crate) type Serving = Either<Ready<Served>, LocalBoxFuture<'static, Served>>;

/// What came of a request, and who may keep it.
type Outcome = (Result<Reply>, Caching);

/// What came of a request, or was settled before it has to wait.
enum AtOnce {
    /// An answer, and what it tells of limits.
    Answered(Outcome, LimitHeaders),
    /// It may go on, as its limits are concerned.
    Passed(LimitHeaders),
    /// Nothing.
    Open,
}

/// Answers a request, whatever it is: at once where nothing needs to be waited for, which spares the state of a task.
pub(crate) fn serve(api: &Arc<Api>, mut visit: Visit, request: ServiceRequest) -> Serving {
    let now = api.clock.now();
    let (request, payload) = request.into_parts();
    let id = request_id::of(request.headers(), now);
    let wanted = wanted(api, &request);
    let at_once = caught(&mut visit, |visit| span(&id, visit.label()), |visit| answer_at_once(api, visit, &request, now));
    let at_once = at_once.unwrap_or_else(|error| AtOnce::Answered(failed(error), LimitHeaders::None));
    let at_once = match at_once {
        AtOnce::Answered(outcome, limits) if !is_to_be_encoded(&outcome, wanted) => {
            let response = respond(api, &request, (outcome, limits), &id, wanted, now);
            log_in_span(&request, response.status(), &id, visit.label());
            #[cfg(feature = "cloud")]
            crate::cloud::metering::count(api, &mut visit, &request, &response, now);
            return Either::Left(ready(Ok(ServiceResponse::new(request, response))));
        }
        other => other,
    };
    let (api, span) = (Arc::clone(api), span(&id, visit.label()));
    let answer = async move {
        let mut limits = LimitHeaders::None;
        let outcome = match at_once {
            AtOnce::Answered(outcome, told) => {
                limits = told;
                outcome
            }
            AtOnce::Passed(told) => {
                limits = told;
                caught_while_waiting(answer(&api, &mut visit, &request, payload, now, None)).await.unwrap_or_else(failed)
            }
            AtOnce::Open => {
                let answer = answer(&api, &mut visit, &request, payload, now, Some(&mut limits));
                caught_while_waiting(answer).await.unwrap_or_else(failed)
            }
        };
        let outcome = encoded(outcome, wanted).await;
        let response = respond(&api, &request, (outcome, limits), &id, wanted, now);
        // The request may have taken its time: it counts when it is answered.
        #[cfg(feature = "cloud")]
        crate::cloud::metering::count(&api, &mut visit, &request, &response, api.clock.now());
        log(&request, response.status());
        Ok(ServiceResponse::new(request, response))
    };
    Either::Right(Box::pin(answer.instrument(span)))
}

/// Whether a request is turned away for what is known of the workspace's standing.
#[cfg(feature = "cloud")]
pub(crate) fn is_closed(api: &Api, visit: &Visit, request: &ServiceRequest) -> bool {
    let found = api.router.find(routed_as(request.method()), visit.path(request.uri().path()));
    found.is_some_and(|(index, _)| visit.expect_open(&api.routes[index], api.clock.now()).is_err())
}

/// Answers with an error before it is known for whom the request is.
#[cfg(feature = "cloud")]
pub(crate) fn refuse(api: &Api, request: ServiceRequest, error: ApiError) -> ServiceResponse {
    let now = api.clock.now();
    let (request, _) = request.into_parts();
    let id = request_id::of(request.headers(), now);
    let response = respond(api, &request, (failed(error), LimitHeaders::None), &id, Coding::Identity, now);
    log_in_span(&request, response.status(), &id, None);
    ServiceResponse::new(request, response)
}

/// The answer to a read, if it is in memory, and so is whoever asks. Nothing on the way to the handler takes a share in something that
/// another core uses, but for the caller; and nothing logs. Whoever is to be turned away is so elsewhere.
fn answer_at_once(api: &Api, visit: &mut Visit, request: &HttpRequest, now: Timestamp) -> AtOnce {
    let path = visit.path(request.uri().path());
    let Some((index, raw)) = api.router.find(routed_as(request.method()), path) else { return AtOnce::Open };
    let route = &api.routes[index];
    let Handler::Reads(read) = route.handler else { return AtOnce::Open };
    if visit.closed.is_some() {
        return AtOnce::Open;
    }
    let tenant = visit.tenant;
    let principal = if gate::is_open(api, route.access) {
        None
    } else {
        match gate::admitted_at_once(api, tenant, request, route.access) {
            Some(principal) => Some(principal),
            None => return AtOnce::Open,
        }
    };
    let mut limits = LimitHeaders::None;
    if let (Some(each), Some(of_route)) = (&api.limits, &api.limited[index]) {
        let subject = match &principal {
            Some(principal) => ApiLimits::known(tenant, route.class, principal),
            None => each.anonymous(tenant, route.class, request),
        };
        let Some((passed, told)) = each.pass_now(of_route, route.class, &subject) else { return AtOnce::Open };
        limits = told;
        if let Err(error) = passed {
            return AtOnce::Answered((Err(error), route.caching), limits);
        }
    }
    #[cfg(feature = "cloud")]
    if principal.is_some() {
        match crate::cloud::allowance::expect_room_now(api, visit, route, now) {
            Some(Ok(())) => {}
            Some(Err(error)) => return AtOnce::Answered((Err(error), route.caching), limits),
            None => return AtOnce::Passed(limits),
        }
    }
    let asked = params(&raw).and_then(|params| Ok((params, Query::parse(request.uri().query().unwrap_or(""))?)));
    let (params, query) = match asked {
        Ok(asked) => asked,
        Err(error) => return AtOnce::Answered((Err(error), route.caching), limits),
    };
    let call = Read { api, tenant, now, method: request.method(), params: &params, query: &query };
    let home = visit.known.as_deref().map(Known::home);
    let looked = api.memory.look((tenant, home), call.param(0), call.param(1), |environment| {
        #[cfg(feature = "cloud")]
        note(
            (api, tenant),
            &mut visit.tab,
            index,
            principal.as_deref(),
            (&params, Named::Known(environment.map(|environment| environment.value))),
        );
        read(&call, environment)
    });
    match looked {
        Poll::Ready(outcome) => AtOnce::Answered((outcome, route.caching), limits),
        Poll::Pending => AtOnce::Passed(limits),
    }
}

const fn failed(error: ApiError) -> Outcome {
    (Err(error), Caching::Never)
}

fn respond(
    api: &Api,
    request: &HttpRequest,
    ((outcome, caching), mut limits): (Outcome, LimitHeaders),
    id: &HeaderValue,
    wanted: Coding,
    now: Timestamp,
) -> HttpResponse {
    let mut response = match outcome {
        Ok(_) if request.method() == Method::OPTIONS => preflight(api),
        Ok(reply) => success(api, request, reply, caching, wanted),
        Err(error) => {
            let error = api.point_up(error);
            if let Some(others) = error.limits() {
                limits.clone_from(others);
            }
            failure(api, &error, id, now)
        }
    };
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    limits.tell(headers);
    api.standing.share(request.headers(), headers);
    if response.status() != StatusCode::NOT_MODIFIED {
        api.standing.secure(response.headers_mut());
    }
    if api.is_ending() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// What every line of a request is in. A host that is nobody's is not named there: whoever asks could write anything into the log.
fn span(id: &HeaderValue, workspace: Option<&str>) -> tracing::Span {
    tracing::info_span!("request", id = id.to_str().unwrap_or(""), workspace)
}

/// Logs an answer that was made outside a span, for making one costs more than most answers.
fn log_in_span(request: &HttpRequest, status: StatusCode, id: &HeaderValue, workspace: Option<&str>) {
    if tracing::enabled!(tracing::Level::DEBUG) || !is_quiet(request, status) {
        span(id, workspace).in_scope(|| log(request, status));
    }
}

/// A read from memory is not worth a line of everybody's log; a write or a refusal is.
fn is_quiet(request: &HttpRequest, status: StatusCode) -> bool {
    status.as_u16() < 400 && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The path as it is logged: without the query, which may hold ids of users.
fn log(request: &HttpRequest, status: StatusCode) {
    let quiet = is_quiet(request, status);
    let (method, path, status) = (request.method().as_str(), request.path(), status.as_u16());
    if quiet {
        tracing::debug!(method, path, status, "Answered {method} {path} with {status}");
    } else {
        tracing::info!(method, path, status, "Answered {method} {path} with {status}");
    }
}

fn preflight(api: &Api) -> HttpResponse {
    let mut response = HttpResponse::with_body(StatusCode::NO_CONTENT, BoxBody::new(()));
    api.standing.vary(Variation::default(), response.headers_mut());
    StandingHeaders::permit(response.headers_mut());
    response
}

/// `limits`: where to tell of limits; `None` when they have been asked already.
async fn answer(
    api: &Arc<Api>,
    visit: &mut Visit,
    request: &HttpRequest,
    mut payload: Payload,
    now: Timestamp,
    mut limits: Option<&mut LimitHeaders>,
) -> Outcome {
    // Every path may be asked about before a call from a web page, without a credential.
    if request.method() == Method::OPTIONS {
        return (Ok(Reply::no_content()), Caching::Silent);
    }
    let (path, tenant) = (visit.path(request.uri().path()), visit.tenant);
    let Some((index, raw)) = api.router.find(routed_as(request.method()), path) else {
        // Whoever looks for paths is counted like whoever reads.
        let passed = pass(api, (tenant, RouteClass::Read), request, None, limits.take()).await;
        let error = match passed {
            Ok(()) => gate::unrouted(api, tenant, request, path).await,
            Err(error) => error,
        };
        return (Err(error), Caching::Never);
    };
    let route = &api.routes[index];
    let outcome = async {
        let principal = if gate::is_open(api, route.access) || visit.expect_begun(route).is_err() {
            pass(api, (tenant, route.class), request, None, limits).await?;
            visit.expect_open(route, now)?;
            None
        } else {
            match gate::authenticate(api, tenant, request, path).await {
                Ok(principal) => {
                    pass(api, (tenant, route.class), request, Some(&principal), limits).await?;
                    // To those who belong there, and to nobody else, it is said why.
                    visit.expect_open(route, now)?;
                    gate::admit(&principal, route.access)?;
                    #[cfg(feature = "cloud")]
                    crate::cloud::allowance::expect_room(api, visit, route, now).await?;
                    Some(principal)
                }
                Err(error) => {
                    // A credential that is guessed counts by where the guesses come from.
                    if error.code() == Code::Unauthorized {
                        pass(api, (tenant, route.class), request, None, limits).await?;
                    }
                    return Err(error);
                }
            }
        };
        let mut call = call(api, tenant, request, &raw, now)?;
        call.principal = principal;
        #[cfg(feature = "cloud")]
        note((api, tenant), &mut visit.tab, index, call.principal.as_deref(), (&call.params, Named::Unknown));
        match route.body_limit {
            #[cfg(feature = "cloud")]
            Some(limit) if route.reading == Reading::Bytes => {
                call.raw = Some(body::raw(request.headers(), &mut payload, limit, &api.bodies).await?);
            }
            Some(limit) => call.body = body::read(request.headers(), &mut payload, limit, &api.bodies).await?,
            None => {}
        }
        match route.handler {
            Handler::Waits(answer) => answer(call).await,
            Handler::Reads(read) => {
                let environment = call.environment().await?;
                #[cfg(feature = "cloud")]
                note(
                    (api, tenant),
                    &mut visit.tab,
                    index,
                    call.principal.as_deref(),
                    (&call.params, Named::Known(environment.as_ref().map(|environment| &*environment.value))),
                );
                read(&call.read(), environment.as_ref().map(Fresh::borrowed))
            }
        }
    };
    (outcome.await, route.caching)
}

/// Lets a request through as its limits are concerned, unless they have been asked already.
async fn pass(
    api: &Api,
    (tenant, class): (TenantId, RouteClass),
    request: &HttpRequest,
    principal: Option<&Principal>,
    told: Option<&mut LimitHeaders>,
) -> Result<()> {
    let (Some(limits), Some(told)) = (&api.limits, told) else { return Ok(()) };
    if class == RouteClass::Service {
        return Ok(());
    }
    // Whether that is to be limited is not known yet.
    #[cfg(feature = "cloud")]
    if class == RouteClass::Webhook {
        return Ok(());
    }
    let subject = match principal {
        Some(principal) => ApiLimits::known(tenant, class, principal),
        None => limits.anonymous(tenant, class, request),
    };
    let (passed, headers) = limits.pass(class, &subject).await;
    *told = headers;
    passed
}

/// Whether encoding the body keeps other requests waiting.
fn is_to_be_encoded((outcome, _): &Outcome, wanted: Coding) -> bool {
    match outcome.as_ref().map(|reply| &reply.content) {
        Ok(Content::Json(bytes)) => wanted != Coding::Identity && bytes.len() > INLINE_BYTES,
        Ok(Content::Rendered(rendered)) => !rendered.is_made(wanted),
        // Nobody knows how much there will be.
        #[cfg(feature = "cloud")]
        Ok(Content::Download(_)) => false,
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
        #[cfg(feature = "cloud")]
        content @ Content::Download(_) => return (Ok(Reply { content, ..reply }), caching),
    };
    rendered.make(wanted).await;
    reply.content = Content::Rendered(rendered);
    (Ok(reply), caching)
}

/// HEAD is GET without the body, which the protocol layer leaves out.
fn routed_as(method: &Method) -> &Method {
    if method == Method::HEAD { &Method::GET } else { method }
}

/// The decoded values of a path's parameters.
fn params<'p>(raw: &[&'p str]) -> Result<SmallVec<[Cow<'p, str>; 5]>> {
    raw.iter().map(|raw| decode(raw)).collect()
}

/// A call by nobody in particular, without a body.
fn call(api: &Arc<Api>, tenant: TenantId, request: &HttpRequest, raw: &[&str], now: Timestamp) -> Result<Call> {
    let owned = |param: Cow<'_, str>| Cow::Owned(param.into_owned());
    Ok(Call {
        api: Arc::clone(api),
        tenant,
        now,
        params: params(raw)?.into_iter().map(owned).collect(),
        query: Query::parse(request.uri().query().unwrap_or(""))?.into_owned(),
        body: None,
        #[cfg(feature = "cloud")]
        raw: None,
        request: request.clone(),
        principal: None,
    })
}

fn failure(api: &Api, error: &ApiError, id: &HeaderValue, now: Timestamp) -> HttpResponse {
    let body = error.body(&now.to_string(), id.to_str().unwrap_or(""));
    let mut response = HttpResponse::with_body(error.code().status(), BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    api.standing.vary(Variation::default(), headers);
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code() == Code::Unauthorized {
        headers.insert(actix_web::http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn success(api: &Api, request: &HttpRequest, reply: Reply, caching: Caching, wanted: Coding) -> HttpResponse {
    if let Some(not_modified) = not_modified(api, request, &reply, caching, wanted) {
        return not_modified;
    }
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
        #[cfg(feature = "cloud")]
        Content::Download(file) => {
            let mut response = file.into_response(reply.status);
            cache_control(api, response.headers_mut(), caching, false);
            return response;
        }
    };
    let empty = content_type.is_empty();
    let mut response = HttpResponse::with_body(reply.status, BoxBody::new(body));
    let headers = response.headers_mut();
    if !empty {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
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
    cache_control(api, headers, caching, !empty);
    response
}

/// 304 when the client has what it would get.
fn not_modified(api: &Api, request: &HttpRequest, reply: &Reply, caching: Caching, wanted: Coding) -> Option<HttpResponse> {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD) && reply.status == StatusCode::OK;
    let asked = request.headers().get(IF_NONE_MATCH).filter(|_| readable)?.to_str().ok()?;
    let held = match reply.tag {
        Some(tag) => tag.is_in(asked, wanted)?,
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
    cache_control(api, headers, caching, true);
    Some(response)
}

/// Who may keep an answer, and which requests get another one.
fn cache_control(api: &Api, headers: &mut HeaderMap, caching: Caching, has_body: bool) {
    let is_private = caching == Caching::Revalidate && api.config.authentication;
    api.standing.vary(Variation { coding: has_body && api.config.compression, credential: is_private }, headers);
    match caching {
        Caching::Silent => {}
        Caching::Never => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
            headers.insert(EXPIRES, HeaderValue::from_static("0"));
        }
        Caching::Revalidate if is_private => {
            headers.insert(CACHE_CONTROL, api.standing.revalidate_private.clone());
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
