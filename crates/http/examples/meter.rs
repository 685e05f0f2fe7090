//! Counts the requests of any actix app: `cargo run -p togglebox-http --features metering --example meter`, then
//! `curl localhost:3002/acme/hello` a few times. Kill it (`kill -9`) and start it again: what it had answered is in the file in `usage/`,
//! and is sent. The store here ends with the process; a real service has one such as those of `togglebox-storage`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::{App, HttpServer, web};
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_http::metered::MeterAnswers;
use togglebox_metering::{Charge, Flusher, FlusherOptions, Meter, Meters, Recorder, RecorderOptions, testkit::MemoryStore};

/// Counts by the first part of the path, for the only tenant.
fn charge(request: &ServiceRequest) -> Option<Charge> {
    let customer = request.path().split('/').nth(1)?;
    Some(Charge::one(TenantId::DEFAULT, "requests".parse().ok()?, [customer]))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all("usage")?;
    let (meters, store) = (Meters::new([Meter::new("requests", ["customer"])?])?, Arc::new(MemoryStore::new()));
    let options = RecorderOptions::in_directory("usage");
    let recorder = Arc::new(Recorder::open(meters, options, Arc::new(SystemClock), Arc::new(OsEntropy))?);
    let flusher = Flusher::new(Arc::clone(&recorder), Arc::<MemoryStore>::clone(&store), FlusherOptions::default());
    println!("{} sent that an earlier process had counted", flusher.recover().await.map(|_| store.total())?);
    let counted = MeterAnswers::new(recorder, charge);
    let app = move || App::new().wrap(counted.clone()).route("/{customer}/hello", web::get().to(|| async { "hello\n" }));
    HttpServer::new(app).bind("127.0.0.1:3002")?.run().await?;
    println!("{} cells sent at the end", flusher.finish().await?.cells);
    Ok(())
}
