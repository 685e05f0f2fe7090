//! What answers count as.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use togglebox_core::TenantId;
use togglebox_metering::tower::MeterLayer;
use togglebox_metering::{Charge, Recorder};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::support::{clock_at, directory, flusher, open, requests, store};

/// Answers with the status that the path names.
async fn answer(request: Request<()>) -> Result<Response<String>, Infallible> {
    let status: u16 = request.uri().path()[1..].parse().unwrap();
    Ok(Response::builder().status(status).body("body".to_owned()).unwrap())
}

fn charge(request: &Parts) -> Option<Charge> {
    let counts = request.headers.contains_key("counts");
    counts.then(|| Charge::one(TenantId::DEFAULT, requests(), ["live", request.method.as_str()]).times(3))
}

async fn ask(recorder: &Arc<Recorder>, status: u16, counts: bool) -> (StatusCode, u64) {
    let layer = MeterLayer::new(Arc::clone(recorder), charge);
    let mut service = layer.layer(service_fn(answer));
    let mut request = Request::get(format!("/{status}")).body(()).unwrap();
    if counts {
        request.headers_mut().insert("counts", http::HeaderValue::from_static("yes"));
    }
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    (response.status(), layer.misses().count())
}

#[tokio::test]
async fn an_answer_is_counted_before_it_goes_out() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, Arc::<togglebox_metering::testkit::MemoryStore>::clone(&store));
    for (status, counts, total) in
        [(200, true, 3), (304, true, 6), (429, true, 6), (503, true, 6), (200, false, 6), (404, true, 9)]
    {
        assert_eq!(ask(&recorder, status, counts).await, (StatusCode::from_u16(status).unwrap(), 0));
        flusher.flush().await.unwrap();
        assert_eq!(store.total(), total, "{status}");
    }
    // What cannot be counted goes out, and is told.
    flusher.finish().await.unwrap();
    assert_eq!(ask(&recorder, 200, true).await, (StatusCode::OK, 1));
}
