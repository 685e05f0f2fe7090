//! An actix app with a page of its own that has the flags beside it, in its own process: `cargo run -p togglebox-http --example mount`, and
//! then
//!
//! ```sh
//! curl -s localhost:3005/hello
//! curl -s localhost:3005/health
//! curl -s localhost:3005/api/v1/auth/login -H 'Content-Type: application/json' \
//!   -d '{"email":"ann@example.com","password":"Correct-Horse-1"}'
//! ```

#![expect(clippy::print_stderr, reason = "an example has no log")]

mod accounts;

use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web};
use serde_json::json;
use togglebox_auth::input::NewUser;
use togglebox_core::{Actor, ChangeBus, Clock, Entropy, EntropyExt as _, LocalBus, OsEntropy, SystemClock, TenantId};
use togglebox_http::{Api, ApiConfig, ApiPorts, ApiServices, PageTokens};
use togglebox_storage::Sqlite;
use togglebox_toggles::statistics::{Flusher, Recorder, RecorderLimits};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `Sqlite::open` keeps it; so does any other store of `togglebox-storage`, or one that implements the ports.
    let store = Sqlite::in_memory().await?;
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(OsEntropy));
    let changes: Arc<dyn ChangeBus> = Arc::new(LocalBus::default());
    let (authenticator, people) = accounts::open(&store, &clock, &changes, &entropy)?;
    let ann = json!({ "name": "Ann", "email": "ann@example.com", "password": "Correct-Horse-1", "role": "admin" });
    let ann = NewUser::read(Some(&ann)).map_err(|issues| format!("{issues:?}"))?;
    people.create_user(TenantId::DEFAULT, Actor::system(), ann).await?;

    let port = || Arc::new(store.clone());
    let recorder = Arc::new(Recorder::new(RecorderLimits::default()));
    let flusher = Arc::new(Flusher::new(Arc::clone(&recorder), port(), Arc::clone(&clock), Arc::clone(&entropy)));
    let ports = ApiPorts {
        directories: port(),
        environments: port(),
        parameters: port(),
        flags: port(),
        experiments: port(),
        statistics: port(),
        audit: port(),
        changes,
        clock,
        entropy: Arc::clone(&entropy),
    };
    // Nodes that share a store share this, too.
    let page_tokens = PageTokens::new(entropy.bytes());
    let flushing = Arc::clone(&flusher);
    let services = ApiServices { authenticator, accounts: people, recorder, flusher, page_tokens, limits: None };
    let api = Api::new(ApiConfig::default(), ports, services);

    // What was counted is written every second, and once more at the end. Nodes that share a store also poll `api.memory()`.
    let counting = Arc::clone(&flushing);
    rt::spawn(async move {
        loop {
            rt::time::sleep(Duration::from_secs(1)).await;
            if let Err(error) = counting.flush().await {
                eprintln!("what was counted waits: {error}");
            }
        }
    });
    let hello = || async { "the app's own\n" };
    // Ours take what no route of the app's takes.
    let app = move || App::new().route("/hello", web::get().to(hello)).configure(api.routes());
    HttpServer::new(app).bind("127.0.0.1:3005")?.run().await?;
    flushing.flush().await?;
    Ok(())
}
