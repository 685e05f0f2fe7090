//! Notices of changes by LISTEN and NOTIFY.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use togglebox_core::{Change, ChangeBus, ChangeListener, Entropy, EntropyExt, LocalBus, StoreError, StoreErrorKind, StoreResult};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::PostgresOptions;
use crate::home::Home;
use crate::notice::{Complaints, Notice};

const CHANNEL: &str = "togglebox_changes";
/// The server's limit is 8,000 bytes with the closing zero: <https://www.postgresql.org/docs/15/sql-notify.html>
const MAX_PAYLOAD: usize = 7_999;
/// How long publishing may take. News that is later than a poll is none.
const HURRY: Duration = Duration::from_secs(2);
/// After how long a silence the listening connection is asked whether it is still there: a network can lose it without a word.
const SILENCE: Duration = Duration::from_secs(20);
/// The pauses before the connection is made anew, from the first to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Carries notices between the nodes of one database.
///
/// Listeners of this node hear a notice at once, those of other nodes when the server passes it on. Notices are lost while the listening
/// connection is down, and nothing is made up for them afterwards: listeners poll revisions anyway. A notice that comes back to the node
/// that sent it is not delivered again.
///
/// Two connections, outside the limit of the stores': one listens, one publishes. They must reach the server itself, not a pooler that
/// hands connections round.
pub struct NotifyBus {
    local: Arc<LocalBus>,
    pool: PgPool,
    home: Home,
    origin: Uuid,
    listening: watch::Receiver<bool>,
    task: AbortHandle,
}

impl NotifyBus {
    /// Begins to listen, in the background: when the server cannot be reached yet, it is tried again and again. To be called within a
    /// tokio runtime; connections live on that one, whichever publishers come from.
    pub fn start(options: &PostgresOptions, entropy: &dyn Entropy) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(HURRY)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.connect().clone());
        let (local, origin) = (Arc::new(LocalBus::default()), entropy.uuid());
        let (tell, listening) = watch::channel(false);
        let task = tokio::spawn(listen(pool.clone(), Arc::clone(&local), origin, tell)).abort_handle();
        Self { local, pool, home: Home::here(), origin, listening, task }
    }

    /// Waits until the server passes notices on to this node.
    pub async fn listening(&self) {
        // The sender lives as long as the task, which lives as long as this.
        let _ = self.listening.clone().wait_for(|listening| *listening).await;
    }
}

impl fmt::Debug for NotifyBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyBus").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Drop for NotifyBus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl ChangeBus for NotifyBus {
    async fn publish(&self, change: Change) -> StoreResult<()> {
        const OPERATION: &str = "changes.publish";
        let unavailable = || StoreError::new(StoreErrorKind::Unavailable, OPERATION);
        self.local.publish(change.clone()).await?;
        let payload = Notice::new(self.origin, change).to_payload().map_err(|error| unavailable().caused_by(error))?;
        if payload.len() > MAX_PAYLOAD {
            return Err(unavailable().caused_by("the notice is too long for the server"));
        }
        let query = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(payload);
        let pool = self.pool.clone();
        match self.home.run(async move { timeout(HURRY, query.execute(&pool)).await }).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(unavailable().caused_by(error)),
            Ok(Err(late)) => Err(unavailable().caused_by(late)),
            Err(ended) => Err(unavailable().caused_by(ended)),
        }
    }

    fn subscribe(&self, listener: Arc<dyn ChangeListener>) {
        self.local.subscribe(listener);
    }
}

/// Listens for as long as the bus lives.
async fn listen(pool: PgPool, local: Arc<LocalBus>, origin: Uuid, tell: watch::Sender<bool>) {
    let (mut pause, mut complaints) = (PAUSE.0, Complaints::about("PostgreSQL"));
    loop {
        match connected(&pool).await {
            Ok(mut listener) => {
                pause = PAUSE.0;
                tell.send_replace(true);
                let error = deliver(&mut listener, &local, origin, &mut complaints).await;
                tell.send_replace(false);
                tracing::warn!(%error, "Changes of other nodes are not heard at once: the listening connection is lost");
            }
            Err(error) => tracing::warn!(%error, "Changes of other nodes are not heard at once: no connection to listen on"),
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(PAUSE.1);
    }
}

async fn connected(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    // Here, with a pause in between.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Delivers what is heard, until the connection is lost.
async fn deliver(listener: &mut PgListener, local: &LocalBus, origin: Uuid, complaints: &mut Complaints) -> sqlx::Error {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                let payload = notification.payload();
                match Notice::of_payload(payload.as_bytes()) {
                    Ok(notice) if notice.origin == origin => {}
                    Ok(notice) => notice.deliver(local).await,
                    // A newer version may tell of kinds that this one does not know.
                    Err(why) => complaints.tell(&why, payload.len()),
                }
            }
            Ok(Ok(None)) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into()),
            Ok(Err(error)) => return error,
            Err(_) => match timeout(HURRY, (&mut *listener).execute("SELECT 1")).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            },
        }
    }
}
