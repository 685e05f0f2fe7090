//! Counts the requests of an axum service: `cargo run -p togglebox-metering --features tower,testkit --example meter_axum`, then
//! `curl localhost:3002/acme/hello` a few times, and `curl localhost:3002/usage`. Kill it (`kill -9`), and what it has answered is still in
//! the file in `usage/`: the next process sends it. A real service has a store such as those of `togglebox-storage`.

use std::sync::Arc;

use axum::{Router, routing::get};
use http::request::Parts;
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_metering::tower::MeterLayer;
use togglebox_metering::{
    Charge, Flusher, FlusherOptions, Meter, MeterId, Meters, Recorder, RecorderOptions, testkit::MemoryStore,
};

/// Counts by the first part of the path, for the only tenant.
fn charge(request: &Parts, meter: MeterId) -> Option<Charge> {
    let customer = request.uri.path().split('/').nth(1).filter(|customer| *customer != "usage")?;
    Some(Charge::one(TenantId::DEFAULT, meter, [customer]))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all("usage")?;
    let (meters, meter) = (Meters::new([Meter::new("requests", ["customer"])?])?, "requests".parse()?);
    let options = RecorderOptions::in_directory("usage");
    let recorder = Arc::new(Recorder::open(meters, options, Arc::new(SystemClock), Arc::new(OsEntropy))?);
    let store = Arc::new(MemoryStore::new());
    let flusher = Arc::new(Flusher::new(Arc::clone(&recorder), Arc::<MemoryStore>::clone(&store), FlusherOptions::default()));
    let usage = get(move || async move {
        let sent = flusher.flush().await;
        format!("{} counted{}\n", store.total(), if sent.is_ok() { "" } else { ", and some to come" })
    });
    let hello = get(|| async { "hello\n" });
    let counted = MeterLayer::new(recorder, move |request: &Parts| charge(request, meter));
    let app = Router::new().route("/{customer}/hello", hello).route("/usage", usage).layer(counted);
    Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3002").await?, app).await?)
}
