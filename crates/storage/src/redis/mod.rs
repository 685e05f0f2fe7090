//! Redis as change bus (feature `redis`): pub/sub between the nodes.
//!
//! [`RedisBus`] tells its own node's listeners at once, and the other nodes by a `PUBLISH` on one channel, `{prefix}:changes`. The
//! payload is JSON: the [`Change`], and which bus it is from, so that nobody hears its own notice twice. Nothing is kept in Redis;
//! notices sent while a node is not connected are lost to it, and the nodes' poll of revisions makes up for that.
//!
//! # What a broken Redis costs
//!
//! - It need not be there at start: the bus goes on looking for it, with a growing pause and jitter between attempts.
//! - A write waits at most [`PUBLISH_TIMEOUT`] for Redis, and not at all while the connection is known to be down. Then `publish` says
//!   `Unavailable`; the change stands.
//! - A Redis that hangs, or a network that swallows everything, is noticed by a ping: at the latest after [`HEARTBEAT`] and
//!   [`CHECK_TIMEOUT`] together, and at once when a notice could not be sent.
//! - Payloads that cannot be read are skipped, and told in the log at most every ten seconds.
//!
//! # Addresses
//!
//! `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS, checked against the system's certificates (`SSL_CERT_FILE`
//! names others). Redis sends a message on to every node of a cluster, so the address of any one of them will do there; likewise the
//! address that stands for the primary of a replicated set. A database number does not divide channels: give each installation that
//! shares a Redis a prefix of its own. The user needs `+publish +subscribe +unsubscribe +ping` and the channel (`&prefix:*`).

mod link;
mod options;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{
    Change, ChangeBus, ChangeListener, Entropy, EntropyExt as _, LocalBus, StoreError, StoreErrorKind, StoreResult,
};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use self::link::{Link, State};
pub use self::options::{RedisBusOptions, RedisUrlError};
use crate::notice::Notice;

/// How long a write waits for Redis to take its notice, unless [told otherwise](RedisBusOptions::with_publish_timeout).
pub const PUBLISH_TIMEOUT: Duration = Duration::from_millis(250);

/// How often a connection without news is tried.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long Redis may take to answer when it is tried.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

const PUBLISH: &str = "changes.publish";

/// A change bus over Redis. It is connected for as long as it lives.
pub struct RedisBus {
    link: Arc<Link>,
    local: Arc<LocalBus>,
    task: AbortHandle,
}

impl RedisBus {
    /// A bus that connects in the background, and again whenever the connection is lost. Needs a tokio run time.
    pub fn start(options: RedisBusOptions, entropy: Arc<dyn Entropy>) -> Self {
        let local = Arc::new(LocalBus::default());
        let link = Arc::new(Link::new(options, entropy.uuid()));
        let task = tokio::spawn(link::keep(Arc::clone(&link), Arc::clone(&local), entropy)).abort_handle();
        Self { link, local, task }
    }

    /// Waits until the bus is connected, for as long as that takes: from then on it hears the others.
    pub async fn connected(&self) {
        self.link.until(|state| matches!(state, State::Up(_))).await;
    }

    async fn send(&self, change: Change) -> StoreResult<()> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::new(StoreErrorKind::Unavailable, PUBLISH).caused_by(source)
        };
        // Only the first attempt to connect is waited for: a program that writes as it starts is heard.
        let State::Up(mut publisher) = self.link.until(|state| !matches!(state, State::Starting)).await else {
            return Err(failed("there is no connection to Redis".into()));
        };
        let payload = Notice::new(self.link.origin(), change).to_payload().map_err(|error| failed(error.into()))?;
        let mut publish = ::redis::cmd("PUBLISH");
        publish.arg(self.link.channel()).arg(payload);
        publish.query_async::<i64>(&mut publisher).await.map(drop).map_err(|error| failed(error.into()))
    }
}

#[async_trait]
impl ChangeBus for RedisBus {
    async fn publish(&self, change: Change) -> StoreResult<()> {
        self.local.publish(change.clone()).await?;
        let late = |late| StoreError::new(StoreErrorKind::Unavailable, PUBLISH).caused_by(late);
        let outcome = timeout(self.link.options().publish_timeout(), self.send(change)).await;
        let outcome = outcome.unwrap_or_else(|elapsed| Err(late(elapsed)));
        if outcome.is_err() {
            self.link.suspect();
        }
        outcome
    }

    fn subscribe(&self, listener: Arc<dyn ChangeListener>) {
        self.local.subscribe(listener);
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("link", &self.link).finish_non_exhaustive()
    }
}
