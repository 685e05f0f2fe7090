//! One connection to one server, and how it is kept.
//!
//! A task owns it: it connects, tries the connection when nothing was asked for a while or when somebody doubts it, and makes it anew
//! when it is gone. Calls take what there is and never wait for a server that is known to be away.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, Value};
use togglebox_core::{Entropy, EntropyExt as _};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};

/// How long it may take to connect and to sign in.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a server may take to answer when it is tried.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// How often a connection is tried without anybody doubting it.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The pause after the first attempt that fails; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// The longest pause: short, since limits are to hold again as soon as the server is back. A connection that held for as long begins
/// anew with the first.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a caller finds.
#[derive(Clone)]
pub(super) enum State {
    /// An attempt to connect is under way that may well succeed.
    Starting,
    Up(MultiplexedConnection),
    /// Not connected; the next attempt will come.
    Down,
}

/// A connection that is kept for as long as this lives.
pub(super) struct Socket {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    client: Client,
    state: watch::Sender<State>,
    /// Whether an answer is overdue.
    doubted: AtomicBool,
    doubt: Notify,
    /// Told to connect anew.
    renewal: Notify,
    /// Tells of it in the log at the level that operators see.
    loud: bool,
}

#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("Redis cannot be reached")]
    Redis(#[from] RedisError),
    #[error("Redis does not answer")]
    Silent(#[from] Elapsed),
    #[error("Redis closed the connection")]
    Closed,
    #[error("this server takes no writes any more")]
    Demoted,
}

impl Socket {
    /// Begins to connect. Needs a tokio run time.
    pub(super) fn start(client: Client, loud: bool, entropy: Arc<dyn Entropy>) -> Self {
        let shared = Arc::new(Shared {
            client,
            state: watch::Sender::new(State::Starting),
            doubted: AtomicBool::new(false),
            doubt: Notify::new(),
            renewal: Notify::new(),
            loud,
        });
        let task = tokio::spawn(keep(Arc::clone(&shared), entropy)).abort_handle();
        Self { shared, task }
    }

    /// The connection, if there is one.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        match &*self.shared.state.borrow() {
            State::Up(connection) => Some(connection.clone()),
            State::Starting | State::Down => None,
        }
    }

    pub(super) fn is_starting(&self) -> bool {
        matches!(*self.shared.state.borrow(), State::Starting)
    }

    /// Waits for a state.
    pub(super) async fn until(&self, wanted: impl FnMut(&State) -> bool) {
        // The sender lives in `self`: there is always a state to wait for.
        let _ = self.shared.state.subscribe().wait_for(wanted).await;
    }

    /// Whether an answer is overdue, so that another connection is the better choice.
    pub(super) fn is_doubted(&self) -> bool {
        self.shared.doubted.load(Ordering::Relaxed)
    }

    /// Lets it be tried now.
    pub(super) fn doubt(&self) {
        if !self.shared.doubted.swap(true, Ordering::Relaxed) {
            self.shared.doubt.notify_one();
        }
    }

    /// Lets it be made anew: its name may lead to another server now.
    pub(super) fn renew(&self) {
        self.shared.renewal.notify_one();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects once.
pub(super) async fn connect(client: &Client) -> Result<MultiplexedConnection, Box<dyn Error + Send + Sync>> {
    Ok(timeout(CONNECT_TIMEOUT, client.get_multiplexed_async_connection_with_config(&config())).await??)
}

/// For calls that have a time limit of their own.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None)
}

/// Connects, and connects again, for ever.
async fn keep(shared: Arc<Shared>, entropy: Arc<dyn Entropy>) {
    let (mut pause, mut was_told) = (FIRST_PAUSE, false);
    loop {
        let began = Instant::now();
        let lost = match shared.connect().await {
            Ok((connection, ends)) => {
                shared.tell_found();
                let lost = shared.hold(connection, ends).await;
                was_told = false;
                if began.elapsed() >= LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                lost
            }
            Err(lost) => lost,
        };
        // Where a server only was the wrong one, calls wait for the right one.
        shared.state.send_replace(if matches!(lost, Lost::Demoted) { State::Starting } else { State::Down });
        // Once for each time that it is gone: an attempt that fails like the one before is no news.
        if !was_told {
            shared.tell_lost(&lost);
            was_told = true;
        }
        sleep(entropy.jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Shared {
    async fn connect(&self) -> Result<(MultiplexedConnection, mpsc::UnboundedReceiver<PushInfo>), Lost> {
        let (pushes, ends) = mpsc::unbounded_channel();
        let config = config().set_push_sender(pushes);
        let connection = timeout(CONNECT_TIMEOUT, self.client.get_multiplexed_async_connection_with_config(&config)).await??;
        Ok((connection, ends))
    }

    /// Lends the connection until it is lost.
    async fn hold(&self, mut connection: MultiplexedConnection, mut ends: mpsc::UnboundedReceiver<PushInfo>) -> Lost {
        self.doubted.store(false, Ordering::Relaxed);
        self.state.send_replace(State::Up(connection.clone()));
        loop {
            tokio::select! {
                push = ends.recv() => match push {
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => return Lost::Closed,
                    Some(_) => continue,
                },
                () = self.renewal.notified() => return Lost::Demoted,
                () = self.doubt.notified() => {}
                () = sleep(HEARTBEAT) => {}
            }
            match timeout(CHECK_TIMEOUT, redis::cmd("PING").query_async::<Value>(&mut connection)).await {
                Ok(Ok(_)) => self.doubted.store(false, Ordering::Relaxed),
                Ok(Err(error)) => return error.into(),
                Err(elapsed) => return elapsed.into(),
            }
        }
    }

    fn server(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    fn tell_found(&self) {
        if self.loud {
            tracing::info!("Limits are kept in Redis at {}", self.server());
        } else {
            tracing::debug!("A second connection to Redis at {}", self.server());
        }
    }

    fn tell_lost(&self, lost: &Lost) {
        let error = lost as &dyn Error;
        if self.loud {
            tracing::warn!(error, "Redis at {} is lost to limits until it can be reached again", self.server());
        } else {
            tracing::debug!(error, "The second connection to Redis at {} is lost", self.server());
        }
    }
}
