//! Limits for services of `tower`, and so for axum, hyper and tonic.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::json;
use togglebox_core::{Clock, Entropy, EntropyExt as _, OsEntropy, SystemClock};
use tower_layer::Layer;
use tower_service::Service;

use crate::headers::{self, Dialect, Told};
use crate::{Decision, Limiter, Outcome, Subject};

/// Below which part of its burst a policy that warns does so.
const WARN_BELOW: f64 = 0.2;

/// Turns requests away that come too often. What is known of a request is for a function over its head to say.
///
/// Those who are turned away get a 429 with `Retry-After`, `Cache-Control: no-store`, and the body
/// `{"success":false,"error":…,"code":"RATE_LIMIT_EXCEEDED","timestamp":…,"meta":{"retryAfter":…,"policy":…}}`; a 503 with the code
/// `SERVICE_UNAVAILABLE` where a closed policy cannot be asked. All answers tell of the limits, in the dialect of your choice.
pub struct RateLimitLayer<F> {
    limiter: Limiter,
    subject: Arc<F>,
    dialect: Dialect,
    told: Told,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl<F> RateLimitLayer<F>
where
    F: for<'r> Fn(&'r Parts) -> Subject<'r>,
{
    /// Limits by what `subject` says.
    pub fn new(limiter: Limiter, subject: F) -> Self {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        Self { limiter, subject: Arc::new(subject), dialect: Dialect::default(), told: Told::default(), clock, entropy }
    }
}

impl<F> RateLimitLayer<F> {
    /// Tells clients of their limits like this.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Tells them of these limits.
    #[must_use]
    pub fn told(mut self, told: Told) -> Self {
        self.told = told;
        self
    }

    fn refusal<B: From<String>>(&self, decision: &Decision) -> Option<Response<B>> {
        let (status, code, message, wait, policy) = match decision.outcome() {
            Outcome::Allowed => return None,
            Outcome::Denied { policy, retry_after } => {
                let message = "Too many requests: try again later";
                (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", message, retry_after, policy)
            }
            Outcome::Unavailable { policy, retry_after } => {
                let message = "The service is temporarily unavailable";
                (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", message, retry_after, policy)
            }
        };
        let [spread] = self.entropy.bytes();
        let seconds = headers::retry_after_s(wait, spread);
        let body = json!({
            "success": false, "error": message, "code": code, "timestamp": self.clock.now(),
            "meta": { "retryAfter": seconds, "policy": policy.as_str() },
        });
        let mut response = Response::new(B::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        Some(response)
    }

    fn tell<B>(&self, decision: &Decision, response: &mut Response<B>) {
        for (name, value) in headers::of(decision, self.dialect, self.told, WARN_BELOW) {
            // Names of policies and numbers are header text.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Whatever the function is: it is shared.
impl<F> Clone for RateLimitLayer<F> {
    fn clone(&self) -> Self {
        let Self { limiter, subject, dialect, told, clock, entropy } = self;
        Self {
            limiter: limiter.clone(),
            subject: Arc::clone(subject),
            dialect: *dialect,
            told: *told,
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
        }
    }
}

impl<F> fmt::Debug for RateLimitLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limiter, dialect) = (&self.limiter, &self.dialect);
        f.debug_struct("RateLimitLayer").field("limiter", limiter).field("dialect", dialect).finish_non_exhaustive()
    }
}

impl<S, F> Layer<S> for RateLimitLayer<F> {
    type Service = RateLimited<S, F>;

    fn layer(&self, service: S) -> Self::Service {
        RateLimited { service, limits: Arc::new(self.clone()) }
    }
}

/// A service behind limits.
#[derive(Debug)]
pub struct RateLimited<S, F> {
    service: S,
    limits: Arc<RateLimitLayer<F>>,
}

impl<S: Clone, F> Clone for RateLimited<S, F> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), limits: Arc::clone(&self.limits) }
    }
}

impl<S, F, B, R> Service<Request<B>> for RateLimited<S, F>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    F: for<'r> Fn(&'r Parts) -> Subject<'r> + Send + Sync + 'static,
    B: Send + 'static,
    R: From<String> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that said that it was ready answers; its clone is asked next time.
        let ready = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, ready);
        let limits = Arc::clone(&self.limits);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let decision = limits.limiter.acquire(&(limits.subject)(&parts)).await;
            let mut response = match limits.refusal(&decision) {
                Some(refusal) => refusal,
                None => service.call(Request::from_parts(parts, body)).await?,
            };
            limits.tell(&decision, &mut response);
            Ok(response)
        })
    }
}
