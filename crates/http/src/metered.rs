//! Counting the answers of any actix app.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use togglebox_metering::{Charge, Misses, Recorder, is_usage};

/// Middleware that counts answers, each before it goes out: `App::new().wrap(MeterAnswers::new(recorder, charge))`.
///
/// What a request counts as is for `charge` to say, and whether it does is for the answer's status ([`is_usage`]). An answer that cannot be
/// counted goes out all the same; see [`misses`](Self::misses).
pub struct MeterAnswers<F> {
    recorder: Arc<Recorder>,
    charge: Arc<F>,
    misses: Arc<Misses>,
}

impl<F> MeterAnswers<F>
where
    F: Fn(&ServiceRequest) -> Option<Charge> + 'static,
{
    /// Counts with `recorder` what `charge` says; `None` counts nothing. Make it once, and clone it for each worker.
    pub fn new(recorder: Arc<Recorder>, charge: F) -> Self {
        Self { recorder, charge: Arc::new(charge), misses: Arc::default() }
    }
}

impl<F> MeterAnswers<F> {
    /// Answers that went out uncounted.
    pub fn misses(&self) -> &Arc<Misses> {
        &self.misses
    }
}

/// Whatever the function is: it is shared.
impl<F> Clone for MeterAnswers<F> {
    fn clone(&self) -> Self {
        let Self { recorder, charge, misses } = self;
        Self { recorder: Arc::clone(recorder), charge: Arc::clone(charge), misses: Arc::clone(misses) }
    }
}

impl<F> fmt::Debug for MeterAnswers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorder, misses, .. } = self;
        f.debug_struct("MeterAnswers").field("recorder", recorder).field("misses", misses).finish_non_exhaustive()
    }
}

impl<S, B, F> Transform<S, ServiceRequest> for MeterAnswers<F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    F: Fn(&ServiceRequest) -> Option<Charge> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Metered<S, F>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Metered { service, meter: self.clone() }))
    }
}

/// A service whose answers are counted.
pub struct Metered<S, F> {
    service: S,
    meter: MeterAnswers<F>,
}

impl<S, F> fmt::Debug for Metered<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("meter", &self.meter).finish_non_exhaustive()
    }
}

impl<S, B, F> Service<ServiceRequest> for Metered<S, F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    F: Fn(&ServiceRequest) -> Option<Charge> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let charge = (self.meter.charge)(&request);
        let answer = self.service.call(request);
        let (recorder, misses) = (Arc::clone(&self.meter.recorder), Arc::clone(&self.meter.misses));
        Box::pin(async move {
            let answer = answer.await;
            let status = match &answer {
                Ok(response) => response.status(),
                // The app makes an answer of it.
                Err(error) => error.as_response_error().status_code(),
            };
            if let Some(charge) = charge.filter(|_| is_usage(status.as_u16()))
                && let Err(error) = charge.record(&recorder)
            {
                misses.note(&error);
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use actix_web::{App, HttpResponse, error, web};
    use togglebox_core::{ManualClock, OsEntropy, TenantId, Timestamp};
    use togglebox_metering::testkit::MemoryStore;
    use togglebox_metering::{Flusher, FlusherOptions, Meter, Meters, RecorderOptions};

    use super::*;

    fn charge(request: &ServiceRequest) -> Option<Charge> {
        let meter = "requests".parse().ok()?;
        request.headers().contains_key("counts").then(|| Charge::one(TenantId::DEFAULT, meter, [request.method().as_str()]))
    }

    async fn answer(status: web::Path<u16>) -> Result<HttpResponse, Error> {
        let status = StatusCode::from_u16(*status).unwrap();
        match status.as_u16() {
            410 => Err(error::ErrorGone("gone")),
            500 => Err(error::ErrorInternalServerError("ours")),
            _ => Ok(HttpResponse::build(status).finish()),
        }
    }

    #[actix_web::test]
    async fn an_answer_is_counted_before_it_goes_out() {
        let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new()));
        let meters = Meters::new([Meter::new("requests", ["method"]).unwrap()]).unwrap();
        let options = RecorderOptions::in_directory(folder.path()).with_slots(64);
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_780_000_000_000)));
        let recorder = Arc::new(Recorder::open(meters, options, clock, Arc::new(OsEntropy)).unwrap());
        let flusher = Flusher::new(Arc::clone(&recorder), Arc::<MemoryStore>::clone(&store), FlusherOptions::default());
        let counted = MeterAnswers::new(recorder, charge);
        let app = init_service(App::new().wrap(counted.clone()).route("/{status}", web::get().to(answer))).await;
        let ask = async |status: u16, counts: bool| {
            let request = TestRequest::with_uri(&format!("/{status}"));
            let request = if counts { request.insert_header(("counts", "yes")) } else { request };
            let answered = try_call_service(&app, request.to_request()).await;
            // An error is one that the app makes an answer of.
            answered.map_or_else(|error| error.as_response_error().status_code().as_u16(), |response| response.status().as_u16())
        };
        for (status, counts, total) in
            [(200, true, 1), (304, true, 2), (429, true, 2), (500, true, 2), (200, false, 2), (404, true, 3), (410, true, 4)]
        {
            assert_eq!(ask(status, counts).await, status);
            flusher.flush().await.unwrap();
            assert_eq!((store.total(), counted.misses().count()), (total, 0), "{status}");
        }
        // What cannot be counted goes out, and is told.
        flusher.finish().await.unwrap();
        assert_eq!((ask(200, true).await, counted.misses().count()), (200, 1));
    }
}
