//! How often requests may come: what is known of each, and what is said to those that come too often.
//!
//! A request with a valid credential is told by its tenant, its key or its user. One without, or with one that is not valid, is told by
//! the network address that it comes from, so that guessing is limited as well. Which of this is limited is up to the
//! [policies](togglebox_ratelimit::Policy).

mod middleware;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};
use smallvec::SmallVec;
use togglebox_auth::Principal;
use togglebox_core::{Entropy, EntropyExt as _, TenantId};
use togglebox_ratelimit::headers::{self, Dialect, Told};
use togglebox_ratelimit::{Decision, LimitReport, Limiter, Outcome, Pass, PolicyName, Quota, RouteLimiter, Subject, address};

pub use self::middleware::RateLimit;
use crate::error::{ApiError, Code, Result};
use crate::route::RouteClass;

/// What an answer tells of limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum LimitHeaders {
    /// Nothing.
    #[default]
    None,
    /// Of one limit, as the draft has it. Nearly every answer carries it.
    Draft {
        /// What may pass.
        policy: HeaderValue,
        /// How it stands.
        standing: HeaderValue,
    },
    /// Whatever else there is to tell.
    Other(Vec<(HeaderName, HeaderValue)>),
}

impl LimitHeaders {
    /// Adds them to the headers of an answer.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        match self {
            Self::None => {}
            Self::Draft { policy, standing } => {
                headers.insert(HEADERS[0].clone(), policy);
                headers.insert(HEADERS[1].clone(), standing);
            }
            Self::Other(others) => others.into_iter().for_each(|(name, value)| drop(headers.insert(name, value))),
        }
    }
}

/// Below which part of its burst a policy that warns does so.
const WARN_BELOW: f64 = 0.2;

/// How often requests may come.
#[derive(Clone, Debug)]
pub struct ApiLimits {
    /// Decides.
    pub limiter: Limiter,
    /// How many proxies of ours stand in front: so many entries at the end of `X-Forwarded-For` are believed.
    pub proxies: usize,
    /// How clients are told of their limits.
    pub dialect: Dialect,
    /// Of which limits they are told.
    pub told: Told,
    /// Spreads the times at which those who were turned away come again.
    pub entropy: Arc<dyn Entropy>,
}

impl ApiLimits {
    /// A request of nobody in particular.
    #[inline]
    pub(crate) fn anonymous(&self, tenant: TenantId, class: RouteClass, request: &HttpRequest) -> Subject<'static> {
        let subject = Subject::of(class.as_str()).tenant(tenant);
        match self.address(request, class) {
            Some(address) => subject.address(address),
            None => subject,
        }
    }

    /// A request of somebody who is known.
    #[inline]
    pub(crate) fn known(tenant: TenantId, class: RouteClass, principal: &Principal) -> Subject<'_> {
        let subject = Subject::of(class.as_str()).tenant(tenant);
        match principal {
            Principal::ApiKey(holder) => subject.key(holder.key().id.as_bytes()),
            Principal::SignedKey(key) => subject.key(key.id.as_bytes()),
            Principal::User(signed_in) => subject.user(signed_in.user.id.as_bytes()),
            // Another kind of caller is one of the tenant's.
            _ => subject,
        }
    }

    /// Lets a request through, or says why not; and what its client is told of the limits.
    pub(crate) async fn pass(&self, class: RouteClass, subject: &Subject<'_>) -> (Result<()>, LimitHeaders) {
        if let Some(passed) = self.passed_now(class, subject, self.limiter.pass_now(subject)) {
            return passed;
        }
        // Boxed: what waits for the store is large, and every request would carry the room for it.
        let decision = Box::pin(self.limiter.acquire(subject)).await;
        self.said(class, &decision)
    }

    /// The same without waiting, on a route that these limits are for; `None` when the store of limits has to be waited for.
    #[inline]
    pub(crate) fn pass_now(
        &self,
        limits: &RouteLimiter,
        class: RouteClass,
        subject: &Subject<'_>,
    ) -> Option<(Result<()>, LimitHeaders)> {
        self.passed_now(class, subject, limits.pass_now(subject))
    }

    #[inline]
    fn passed_now(&self, class: RouteClass, subject: &Subject<'_>, pass: Option<Pass<'_>>) -> Option<(Result<()>, LimitHeaders)> {
        let Some(pass) = pass else { return self.limiter.acquire_now(subject).map(|decision| self.said(class, &decision)) };
        let told = match self.dialect {
            // How the limit stands is not worked out for nobody.
            Dialect::None => LimitHeaders::None,
            Dialect::Draft => pass.limit().as_ref().and_then(told_at_once).unwrap_or_default(),
            other => as_headers(headers::of_pass(&pass, other)),
        };
        Some((Ok(()), told))
    }

    fn said(&self, class: RouteClass, decision: &Decision) -> (Result<()>, LimitHeaders) {
        let [spread] = if decision.is_allowed() { [0] } else { self.entropy.bytes() };
        let passed = refusal(decision, class == RouteClass::Statistics, spread).map_or(Ok(()), Err);
        (passed, told(decision, self.dialect, self.told))
    }

    fn address(&self, request: &HttpRequest, class: RouteClass) -> Option<IpAddr> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        if self.proxies == 0 {
            if is_sampled(class) && request.headers().contains_key(X_FORWARDED_FOR) {
                warn_of_proxy();
            }
            return peer;
        }
        // A proxy on a Unix socket has no address. Those whom it does not name are one.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Some(address::client(peer, request.headers().get_all(X_FORWARDED_FOR), self.proxies))
    }
}

/// Whether this request is looked at for signs of a proxy: of reads and evaluations one of so many on each thread. A proxy stands before
/// nearly all requests or none, and looking for a header takes a twelfth of what a limit does.
fn is_sampled(class: RouteClass) -> bool {
    const ONE_OF: u8 = 32;
    thread_local! {
        static NUMBER: Cell<u8> = const { Cell::new(0) };
    }
    !matches!(class, RouteClass::Read | RouteClass::Evaluation) || NUMBER.replace((NUMBER.get() + 1) % ONE_OF) == 0
}

/// Says, once, that all clients behind a proxy may be counting as one. Anybody can send the header, so that it proves nothing.
fn warn_of_proxy() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.load(Ordering::Relaxed) && !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "A request came with X-Forwarded-For. If a proxy of yours stands in front, all clients behind it share one limit by \
             address, that of sign-ins included: set TRUSTED_PROXIES to how many there are"
        );
    }
}

/// The error of a request that may not go on. `is_patient`: its client takes a 429 for the last word, and a 503 for a reason to wait.
fn refusal(decision: &Decision, is_patient: bool, spread: u8) -> Option<ApiError> {
    let error = match decision.outcome() {
        Outcome::Denied { policy, retry_after } => {
            let seconds = headers::retry_after_s(retry_after, spread);
            let error = if is_patient {
                ApiError::new(Code::Busy, "Too many reports: send this one again a little later")
            } else {
                ApiError::new(Code::RateLimitExceeded, "Too many requests: try again later")
            };
            error.with_meta("retryAfter", seconds).with_meta("policy", policy.as_str()).retry_after(seconds)
        }
        Outcome::Unavailable { retry_after, .. } => {
            ApiError::unavailable().retry_after(headers::retry_after_s(retry_after, spread))
        }
        _ => return None,
    };
    Some(error)
}

/// What clients are told of limits.
fn told(decision: &Decision, dialect: Dialect, told: Told) -> LimitHeaders {
    as_headers(headers::of(decision, dialect, told, WARN_BELOW))
}

/// The same as the draft has it of a request that passed. What a policy says of itself is put together once on each thread: nearly every
/// answer carries it.
fn told_at_once(limit: &LimitReport) -> Option<LimitHeaders> {
    /// As many as there are plans, and more.
    const KEPT: usize = 16;
    thread_local! {
        static POLICIES: RefCell<Vec<(PolicyName, Quota, HeaderValue)>> = const { RefCell::new(Vec::new()) };
        static STANDING: RefCell<String> = const { RefCell::new(String::new()) };
    }
    let policy = POLICIES.with_borrow_mut(|known| {
        if let Some((.., value)) = known.iter().find(|(policy, quota, _)| *policy == limit.policy && *quota == limit.quota) {
            return Some(value.clone());
        }
        let value = HeaderValue::try_from(headers::policy_of(limit)).ok()?;
        if known.len() == KEPT {
            known.clear();
        }
        known.push((limit.policy, limit.quota, value.clone()));
        Some(value)
    })?;
    let standing = STANDING.with_borrow_mut(|text| {
        text.clear();
        headers::tell_standing(text, limit);
        HeaderValue::from_bytes(text.as_bytes()).ok()
    })?;
    Some(LimitHeaders::Draft { policy, standing })
}

fn as_headers(mut headers: SmallVec<[headers::Header; 3]>) -> LimitHeaders {
    if headers.is_empty() {
        return LimitHeaders::None;
    }
    let value = |(name, value): (&'static str, String)| {
        // Names of policies and numbers are header text.
        Some((named(name)?, HeaderValue::try_from(value).ok()?))
    };
    LimitHeaders::Other(headers.drain(..).filter_map(value).collect())
}

/// [`headers::NAMES`].
static HEADERS: [HeaderName; headers::NAMES.len()] = [
    HeaderName::from_static(headers::NAMES[0]),
    HeaderName::from_static(headers::NAMES[1]),
    HeaderName::from_static(headers::NAMES[2]),
    HeaderName::from_static(headers::NAMES[3]),
    HeaderName::from_static(headers::NAMES[4]),
    HeaderName::from_static(headers::NAMES[5]),
];

/// The header of this name, if it is one of [`headers::NAMES`].
fn named(name: &str) -> Option<HeaderName> {
    HEADERS.iter().find(|header| header.as_str() == name).cloned()
}
