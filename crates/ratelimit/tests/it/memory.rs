//! The promises of the port, in memory.

use std::sync::Arc;

use togglebox_ratelimit::testkit::Limits;
use togglebox_ratelimit::{ManualStopwatch, MemoryStore};

#[expect(clippy::unused_async, reason = "as the suite calls it")]
async fn fresh() -> Limits {
    let clock = Arc::new(ManualStopwatch::new(1_795_000_000_000_000));
    let store = Arc::new(MemoryStore::with(100_000, Arc::<ManualStopwatch>::clone(&clock)));
    Limits { store, clock, exact: true }
}

togglebox_ratelimit::limit_store_suite!(fresh);
