//! Counting for services of `tower`, and so for axum, hyper and tonic.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Charge, Misses, Recorder, is_usage};

/// Counts answers, each before it goes out: what a client was told is counted, however the process ends.
///
/// What a request counts as is for a function over its head to say, and whether it does is for the answer's status ([`is_usage`]). An answer
/// that cannot be counted goes out all the same; see [`misses`](Self::misses).
pub struct MeterLayer<F> {
    recorder: Arc<Recorder>,
    charge: Arc<F>,
    misses: Arc<Misses>,
}

impl<F> MeterLayer<F>
where
    F: Fn(&Parts) -> Option<Charge>,
{
    /// Counts with `recorder` what `charge` says; `None` counts nothing.
    pub fn new(recorder: Arc<Recorder>, charge: F) -> Self {
        Self { recorder, charge: Arc::new(charge), misses: Arc::default() }
    }
}

impl<F> MeterLayer<F> {
    /// Answers that went out uncounted.
    pub fn misses(&self) -> &Arc<Misses> {
        &self.misses
    }
}

/// Whatever the function is: it is shared.
impl<F> Clone for MeterLayer<F> {
    fn clone(&self) -> Self {
        let Self { recorder, charge, misses } = self;
        Self { recorder: Arc::clone(recorder), charge: Arc::clone(charge), misses: Arc::clone(misses) }
    }
}

impl<F> fmt::Debug for MeterLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorder, misses, .. } = self;
        f.debug_struct("MeterLayer").field("recorder", recorder).field("misses", misses).finish_non_exhaustive()
    }
}

impl<S, F> Layer<S> for MeterLayer<F> {
    type Service = Metered<S, F>;

    fn layer(&self, service: S) -> Self::Service {
        Metered { service, meter: self.clone() }
    }
}

/// A service whose answers are counted.
#[derive(Debug)]
pub struct Metered<S, F> {
    service: S,
    meter: MeterLayer<F>,
}

impl<S: Clone, F> Clone for Metered<S, F> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), meter: self.meter.clone() }
    }
}

impl<S, F, B, R> Service<Request<B>> for Metered<S, F>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    F: Fn(&Parts) -> Option<Charge>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let charge = (self.meter.charge)(&parts);
        let answer = self.service.call(Request::from_parts(parts, body));
        let (recorder, misses) = (Arc::clone(&self.meter.recorder), Arc::clone(&self.meter.misses));
        Box::pin(async move {
            let response = answer.await?;
            if let Some(charge) = charge.filter(|_| is_usage(response.status().as_u16()))
                && let Err(error) = charge.record(&recorder)
            {
                misses.note(&error);
            }
            Ok(response)
        })
    }
}
