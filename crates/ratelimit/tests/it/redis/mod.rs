//! The store in Redis, against real servers.

mod server;
mod suite;

use std::sync::Arc;

use togglebox_core::{OsEntropy, SystemClock};
use togglebox_ratelimit::testkit::Limits;
use togglebox_ratelimit::{ManualStopwatch, RedisOptions, RedisStore};

/// A store by the server's own clock.
fn store(options: RedisOptions) -> RedisStore {
    RedisStore::new(options, Arc::new(SystemClock), Arc::new(OsEntropy))
}

/// An empty store at this address by a clock that the test moves.
async fn fresh_at(url: &str) -> Limits {
    let clock = Arc::new(ManualStopwatch::new(1_795_000_000_000_000));
    // What matters here is what is decided; a busy machine may take its time.
    let options = RedisOptions::parse(url).unwrap().with_timeout(std::time::Duration::from_secs(20));
    let store = store(options.with_prefix(&server::prefix()).unwrap()).with_stopwatch(Arc::<ManualStopwatch>::clone(&clock));
    store.connected().await;
    Limits { store: Arc::new(store), clock, exact: true }
}
