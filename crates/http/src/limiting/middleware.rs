//! The same for any actix app.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::{Error, HttpResponse};
use togglebox_core::{Clock, Entropy, EntropyExt as _, OsEntropy, SystemClock};
use togglebox_ratelimit::headers::{Dialect, Told};
use togglebox_ratelimit::{Limiter, Subject};

use super::{refusal, told};

/// Middleware that turns away requests that come too often: `App::new().wrap(RateLimit::new(limiter, subject))`.
///
/// What is known of a request is for `subject` to say. It may borrow from the request.
///
/// Those who are turned away get a 429 with `Retry-After`, `Cache-Control: no-store`, and the body
/// `{"success":false,"error":…,"code":"RATE_LIMIT_EXCEEDED","timestamp":…,"meta":{"retryAfter":…,"policy":…}}`; a 503 where a closed policy
/// cannot be asked. All answers tell of the limits, in the dialect of your choice.
pub struct RateLimit<F> {
    limiter: Limiter,
    subject: Arc<F>,
    dialect: Dialect,
    told: Told,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl<F> RateLimit<F>
where
    F: for<'r> Fn(&'r ServiceRequest) -> Subject<'r> + 'static,
{
    /// Limits by what `subject` says.
    pub fn new(limiter: Limiter, subject: F) -> Self {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        Self { limiter, subject: Arc::new(subject), dialect: Dialect::default(), told: Told::default(), clock, entropy }
    }
}

impl<F> RateLimit<F> {
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
}

/// Whatever the function is: it is shared.
impl<F> Clone for RateLimit<F> {
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

impl<F> fmt::Debug for RateLimit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("limiter", &self.limiter).field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl<S, B, F> Transform<S, ServiceRequest> for RateLimit<F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    F: for<'r> Fn(&'r ServiceRequest) -> Subject<'r> + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Transform = RateLimited<S, F>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(RateLimited { service: Rc::new(service), limits: Rc::new(self.clone()) }))
    }
}

/// A service behind limits.
pub struct RateLimited<S, F> {
    service: Rc<S>,
    limits: Rc<RateLimit<F>>,
}

impl<S, F> fmt::Debug for RateLimited<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimited").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<S, B, F> Service<ServiceRequest> for RateLimited<S, F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    F: for<'r> Fn(&'r ServiceRequest) -> Subject<'r> + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, limits) = (Rc::clone(&self.service), Rc::clone(&self.limits));
        Box::pin(async move {
            let decision = limits.limiter.acquire(&(limits.subject)(&request)).await;
            let headers = told(&decision, limits.dialect, limits.told);
            let [spread] = if decision.is_allowed() { [0] } else { limits.entropy.bytes() };
            let mut response = match refusal(&decision, false, spread) {
                None => service.call(request).await?.map_into_left_body(),
                Some(error) => {
                    let body = error.body_without_id(&limits.clock.now().to_string());
                    let mut response = HttpResponse::with_body(error.code().status(), BoxBody::new(body));
                    let headers = response.headers_mut();
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
                    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                    if let Some(seconds) = error.retry_after_s() {
                        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
                    }
                    request.into_response(response).map_into_right_body()
                }
            };
            headers.tell(response.headers_mut());
            Ok(response)
        })
    }
}
