//! Nodes that sleep between requests hear with requests what has changed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{Stopwatch, StoreResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long after it has asked what has changed a node does not ask again.
pub(super) const AWAKE: Duration = Duration::from_secs(1);

/// How long a request waits for that. Then it goes on with what is remembered, as when the store is away.
const PATIENCE: Duration = Duration::from_millis(500);

/// When a node has asked last.
#[derive(Debug)]
pub(super) struct Waking {
    stopwatch: Arc<dyn Stopwatch>,
    /// Held while a request asks: who comes meanwhile must not go on before that.
    asked_us: Mutex<Option<u64>>,
}

impl Waking {
    /// `stopwatch` goes on while the node sleeps.
    pub(super) fn new(stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { stopwatch, asked_us: Mutex::default() }
    }

    /// Asks, unless that was done a moment ago.
    pub(super) async fn wake<F: Future<Output = StoreResult<()>>>(&self, ask: impl FnOnce() -> F) {
        match timeout(PATIENCE, self.ask(ask)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "What has changed could not be asked for");
            }
            Err(_) => tracing::warn!("The store does not say in time what has changed"),
        }
    }

    async fn ask<F: Future<Output = StoreResult<()>>>(&self, ask: impl FnOnce() -> F) -> StoreResult<()> {
        let mut asked_us = self.asked_us.lock().await;
        let now_us = self.stopwatch.now_us();
        let awake_us = u64::try_from(AWAKE.as_micros()).unwrap_or(u64::MAX);
        if asked_us.is_some_and(|asked_us| now_us < asked_us.saturating_add(awake_us)) {
            return Ok(());
        }
        ask().await?;
        *asked_us = Some(now_us);
        Ok(())
    }
}
