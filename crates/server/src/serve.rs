//! Serving, and stopping without losing anything.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer};
use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::node::Node;
use crate::settings::Settings;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: longer than common load balancers keep theirs, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long busy connections are given to end with an answer before the idle ones are closed: a few answers' time.
const FAREWELL: Duration = Duration::from_millis(250);

/// A node that listens but does not answer yet.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    listener: TcpListener,
    address: SocketAddr,
    workers: usize,
    grace: Duration,
}

impl Server {
    /// Opens the store and takes the port. Port 0 takes a free one: [`address`](Self::address) tells which.
    ///
    /// # Errors
    /// The store cannot be opened, or the port is taken.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        report(settings);
        let node = Arc::new(Node::open(settings).await?);
        let listener = TcpListener::bind(settings.address).with_context(|| format!("cannot listen on {}", settings.address))?;
        let address = listener.local_addr().context("cannot tell the address")?;
        Ok(Self { node, listener, address, workers: settings.workers.get(), grace: settings.shutdown_grace })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` is done; then takes no new ones, answers those under way, writes out everything and closes the store.
    ///
    /// # Errors
    /// Serving failed, or something could not be written at the end.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let api = Arc::clone(self.node.api());
        let server = HttpServer::new(move || App::new().configure(api.routes()))
            .workers(self.workers)
            .client_request_timeout(HEAD_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(self.grace.as_secs())
            .disable_signals()
            .listen(self.listener)
            .context("cannot serve")?
            .run();
        let handle = server.handle();
        let chores = Chores::start(&self.node);
        let serving = tokio::spawn(server);
        stop.await;
        tracing::info!("Stopping: no new connections, {}s for requests under way", self.grace.as_secs());
        self.node.api().end_connections();
        sleep(FAREWELL).await;
        handle.stop(true).await;
        serving.await.context("serving ended badly")?.context("serving failed")?;
        chores.stop();
        self.node.close().await?;
        tracing::info!("Stopped");
        Ok(())
    }
}

/// Done on SIGTERM and on SIGINT.
///
/// # Errors
/// Signals cannot be listened to.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What happens behind the requests.
struct Chores(Vec<JoinHandle<()>>);

impl Chores {
    fn start(node: &Arc<Node>) -> Self {
        Self(vec![
            every(Node::POLL, node, |node| async move { node.poll().await }),
            every(Node::FLUSH, node, |node| async move { node.flush().await }),
            every(Node::FLUSH_USES, node, |node| async move { node.flush_uses().await }),
        ])
    }

    fn stop(self) {
        for chore in self.0 {
            chore.abort();
        }
    }
}

fn every<F>(period: Duration, node: &Arc<Node>, chore: impl Fn(Arc<Node>) -> F + Send + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            chore(Arc::clone(&node)).await;
        }
    })
}

/// Says what was decided rather than set.
fn report(settings: &Settings) {
    let (headers, compression) = (settings.api.security_headers, settings.api.compression);
    let on = |on: bool| if on { "on" } else { "off" };
    let edge = settings.edge.map_or_else(|| "No edge in front was recognised".to_owned(), |edge| format!("Behind {edge}"));
    tracing::info!("{edge}: security headers {}, compression {}", on(headers), on(compression));
    if !settings.api.authentication {
        tracing::info!(
            "Authentication is off: reads and statistics are open; management needs a sign-in or an API key all the same"
        );
    }
    if settings.mail.is_none() {
        tracing::info!("SMTP_HOST is not set: password resets are not mailed; `togglebox admin set-password` sets one");
    }
}
