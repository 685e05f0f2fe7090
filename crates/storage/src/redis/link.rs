//! The connections to Redis, and how they are kept.
//!
//! One task owns the subscription. It lends a second connection for publishing, tries both when nothing was heard for a while or when
//! somebody suspects them, and makes both anew when one of them is gone.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{self, Either};
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, Msg, RedisError};
use togglebox_core::{Entropy, EntropyExt as _, LocalBus};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, error::Elapsed, sleep, timeout, timeout_at};
use uuid::Uuid;

use super::options::RedisBusOptions;
use super::{CHECK_TIMEOUT, HEARTBEAT};
use crate::notice::{Complaints, Notice};

/// How long it may take to connect, to sign in and to subscribe.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after the first attempt that fails; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause. A connection that held for as long begins anew with the first.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a publisher finds.
#[derive(Clone)]
pub(super) enum State {
    /// The first attempt to connect is under way.
    Starting,
    /// Connected and subscribed.
    Up(MultiplexedConnection),
    /// Not connected; the next attempt will come.
    Down,
}

/// What the bus and its task share.
pub(super) struct Link {
    options: RedisBusOptions,
    channel: String,
    origin: Uuid,
    state: watch::Sender<State>,
    suspicion: Notify,
}

#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("Redis cannot be reached")]
    Redis(#[from] RedisError),
    #[error("Redis does not answer")]
    Silent(#[from] Elapsed),
    #[error("Redis closed the connection")]
    Closed,
}

enum Event {
    Message(Msg),
    Closed,
    Check,
}

impl Link {
    pub(super) fn new(options: RedisBusOptions, origin: Uuid) -> Self {
        let channel = options.channel();
        Self { options, channel, origin, state: watch::Sender::new(State::Starting), suspicion: Notify::new() }
    }

    pub(super) const fn options(&self) -> &RedisBusOptions {
        &self.options
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) const fn origin(&self) -> Uuid {
        self.origin
    }

    /// Lets the connections be tried now.
    pub(super) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Waits for a state.
    pub(super) async fn until(&self, wanted: impl FnMut(&State) -> bool) -> State {
        let mut states = self.state.subscribe();
        let state = states.wait_for(wanted).await;
        // The sender lives in `self`: there is always a state to wait for.
        state.map_or(State::Down, |state| state.clone())
    }

    async fn connect(&self) -> Result<Connections, Lost> {
        let connect = async {
            let client = self.options.client();
            let (mut sink, stream) = client.get_async_pubsub().await?.split();
            sink.subscribe(&self.channel).await?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                .set_response_timeout(Some(CHECK_TIMEOUT));
            let publisher = client.get_multiplexed_async_connection_with_config(&config).await?;
            Ok(Connections { sink, stream, publisher })
        };
        timeout(CONNECT_TIMEOUT, connect).await?
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.state.borrow() {
            State::Starting => "starting",
            State::Up(_) => "up",
            State::Down => "down",
        };
        f.debug_struct("Link").field("options", &self.options).field("state", &state).finish_non_exhaustive()
    }
}

struct Connections {
    sink: PubSubSink,
    stream: PubSubStream,
    publisher: MultiplexedConnection,
}

impl Connections {
    async fn next(&mut self, suspicion: &Notify, due: Instant) -> Event {
        let (message, suspected) = (pin!(self.stream.next()), pin!(suspicion.notified()));
        match timeout_at(due, future::select(message, suspected)).await {
            Ok(Either::Left((Some(message), _))) => Event::Message(message),
            Ok(Either::Left((None, _))) => Event::Closed,
            Ok(Either::Right(_)) | Err(_) => Event::Check,
        }
    }

    /// Whether both connections still carry something there and back.
    async fn check(&mut self) -> Result<(), Lost> {
        let ping = ::redis::cmd("PING");
        let (subscriber, publisher) =
            (self.sink.ping::<::redis::Value>(), ping.query_async::<::redis::Value>(&mut self.publisher));
        let both = future::try_join(subscriber, publisher);
        timeout(CHECK_TIMEOUT, both).await??;
        Ok(())
    }
}

/// Connects, listens, and connects again, for ever.
pub(super) async fn keep(link: Arc<Link>, local: Arc<LocalBus>, entropy: Arc<dyn Entropy>) {
    let (mut pause, mut complaints, mut was_told) = (FIRST_PAUSE, Complaints::about("Redis"), false);
    loop {
        let lost = match link.connect().await {
            Ok(connections) => {
                tracing::info!("Change notices go over Redis at {}", link.options.server());
                let began = Instant::now();
                let lost = listen(&link, &local, connections, &mut complaints).await;
                link.state.send_replace(State::Down);
                was_told = false;
                if began.elapsed() >= LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                lost
            }
            Err(lost) => {
                link.state.send_replace(State::Down);
                lost
            }
        };
        // Once for each time that it is gone: an attempt that fails like the one before is no news.
        if !was_told {
            tracing::warn!(
                error = &lost as &dyn std::error::Error,
                "No change notices over Redis at {}; nodes learn of changes by polling until it is back",
                link.options.server()
            );
            was_told = true;
        }
        sleep(entropy.jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn listen(link: &Link, local: &LocalBus, mut connections: Connections, complaints: &mut Complaints) -> Lost {
    link.state.send_replace(State::Up(connections.publisher.clone()));
    let mut due = Instant::now() + HEARTBEAT;
    loop {
        match connections.next(&link.suspicion, due).await {
            Event::Message(message) => match Notice::of_payload(message.get_payload_bytes()) {
                Ok(notice) if notice.origin == link.origin => {}
                Ok(notice) => notice.deliver(local).await,
                Err(why) => complaints.tell(&why, message.get_payload_bytes().len()),
            },
            Event::Closed => return Lost::Closed,
            Event::Check => {
                if let Err(lost) = connections.check().await {
                    return lost;
                }
                due = Instant::now() + HEARTBEAT;
            }
        }
    }
}
