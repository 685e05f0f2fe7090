//! Serving, and stopping without losing anything.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer};
use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::exposure;
use crate::node::Node;
#[cfg(feature = "cloud")]
use crate::settings::CloudSettings;
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
        Self::over(settings, Node::open(settings).await?)
    }

    /// The same, of a service of many workspaces. Asks Stripe for the prices, where anything is charged; when it does not answer, they are
    /// asked for later.
    ///
    /// # Errors
    /// As [`build`](Self::build); the prices are not what they are configured as.
    #[cfg(feature = "cloud")]
    pub async fn build_cloud(settings: &Settings, cloud: &CloudSettings) -> anyhow::Result<Self> {
        report(settings);
        let node = Node::open_cloud(settings, cloud).await?;
        if let Some(till) = node.till()
            && let Err(wrong) = till.check_prices().await
        {
            // What is wrong with the prices is what there is to say.
            drop(node.close().await);
            return Err(wrong.into());
        }
        Self::over(settings, node)
    }

    fn over(settings: &Settings, node: Node) -> anyhow::Result<Self> {
        let node = Arc::new(node);
        let listener = TcpListener::bind(settings.address).with_context(|| format!("cannot listen on {}", settings.address))?;
        let address = listener.local_addr().context("cannot tell the address")?;
        Ok(Self { node, listener, address, workers: settings.workers.get(), grace: settings.shutdown_grace })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` is done; then takes no new ones, answers those under way, writes out everything and closes the store.
    /// A service of many workspaces gets to know them first, for some seconds at the most.
    ///
    /// # Errors
    /// Serving failed, or something could not be written at the end.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let node = Arc::clone(&self.node);
        let server = HttpServer::new(move || App::new().configure(node.mount()))
            .workers(self.workers)
            .client_request_timeout(HEAD_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(self.grace.as_secs())
            .disable_signals()
            .listen(self.listener)
            .context("cannot serve")?;
        tokio::pin!(stop);
        let mut chores = Chores::start(&self.node);
        tokio::select! {
            () = &mut stop => {
                chores.stop().await;
                return self.node.close().await;
            }
            () = chores.begin(&self.node) => {}
        }
        let server = server.run();
        let handle = server.handle();
        let mut serving = tokio::spawn(server);
        tokio::select! {
            () = &mut stop => {}
            ended = &mut serving => {
                chores.stop().await;
                self.node.close().await?;
                return ended.context("serving ended badly")?.context("serving failed");
            }
        }
        tracing::info!("Stopping: no new connections, {}s for requests under way", self.grace.as_secs());
        self.node.end_connections();
        sleep(FAREWELL).await;
        handle.stop(true).await;
        serving.await.context("serving ended badly")?.context("serving failed")?;
        chores.stop().await;
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
struct Chores {
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Chores {
    fn start(node: &Arc<Node>) -> Self {
        let (stopping, stop) = watch::channel(false);
        let tasks = vec![
            #[cfg(feature = "cloud")]
            every(Node::POLL_WORKSPACES, node, &stop, |node| async move { node.poll_workspaces().await }),
            #[cfg(feature = "cloud")]
            every(Node::END_WORKSPACES, node, &stop, |node| async move { node.end_workspaces().await }),
            #[cfg(feature = "cloud")]
            every(Node::RECHECK_DOMAINS, node, &stop, |node| async move { node.recheck_domains().await }),
            #[cfg(feature = "cloud")]
            every(node.flush_usage_every(), node, &stop, |node| async move { node.flush_usage().await }),
            #[cfg(feature = "cloud")]
            every(Node::ADD_USAGE_UP, node, &stop, |node| async move { node.add_usage_up().await }),
            #[cfg(feature = "cloud")]
            every(Node::MAKE_ROOM_FOR_USAGE, node, &stop, |node| async move { node.make_room_for_usage().await }),
            #[cfg(feature = "cloud")]
            consuming(node, &stop),
            #[cfg(feature = "cloud")]
            charging(node, &stop),
            #[cfg(feature = "cloud")]
            every(Node::RECHECK_PRICES, node, &stop, |node| async move { node.recheck_prices().await }),
            #[cfg(feature = "cloud")]
            every(Node::COUNT_DEAD, node, &stop, |node| async move { node.count_dead().await }),
            #[cfg(feature = "cloud")]
            every(Node::PRUNE_USAGE, node, &stop, |node| async move { node.prune_usage().await }),
            every(Node::POLL, node, &stop, |node| async move { node.poll().await }),
            every(Node::FLUSH, node, &stop, |node| async move { node.flush().await }),
            every(Node::FLUSH_USES, node, &stop, |node| async move { node.flush_uses().await }),
            every(Node::PRUNE_AUDIT, node, &stop, |node| async move { node.prune_audit().await }),
            every(Node::TIDY, node, &stop, |node| async move { node.tidy().await }),
        ];
        Self { stopping, tasks }
    }

    /// Done when requests need not wait any longer for what happens at the start.
    async fn begin(&mut self, node: &Arc<Node>) {
        let (node, mut stop, (done, preloaded)) = (Arc::clone(node), self.stopping.subscribe(), oneshot::channel());
        self.tasks.push(tokio::spawn(async move {
            tokio::select! {
                () = node.preload() => {}
                _ = stop.changed() => {}
            }
            // Nobody may wait for it any more.
            let _ = done.send(());
        }));
        // Late, or ended badly: then requests find out by themselves what they need.
        let _ = timeout(Node::PRELOAD, preloaded).await;
    }

    /// Lets each chore end what it is at: what it has taken out of memory to write would be lost with it.
    async fn stop(self) {
        self.stopping.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(error = &error as &dyn std::error::Error, "A chore ended badly");
            }
        }
    }
}

fn every<F>(
    period: Duration,
    node: &Arc<Node>,
    stop: &watch::Receiver<bool>,
    chore: impl Fn(Arc<Node>) -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (node, mut stop) = (Arc::clone(node), stop.clone());
    tokio::spawn(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => chore(Arc::clone(&node)).await,
                _ = stop.changed() => return,
            }
        }
    })
}

/// What waits for something to do by itself.
#[cfg(feature = "cloud")]
fn consuming(node: &Arc<Node>, stop: &watch::Receiver<bool>) -> JoinHandle<()> {
    let (node, mut stop) = (Arc::clone(node), stop.clone());
    tokio::spawn(async move { node.consume_usage(async move { drop(stop.changed().await) }).await })
}

/// What works on billing, and is woken when there is something to do.
#[cfg(feature = "cloud")]
fn charging(node: &Arc<Node>, stop: &watch::Receiver<bool>) -> JoinHandle<()> {
    let (node, mut stop) = (Arc::clone(node), stop.clone());
    tokio::spawn(async move { node.work_on_billing(async move { drop(stop.changed().await) }).await })
}

/// Says what was decided rather than set.
fn report(settings: &Settings) {
    if let Some(file) = &settings.file {
        tracing::info!("Settings come from the environment and from {}", file.display());
        exposure::warn_of("The configuration in", file);
    }
    if !settings.ignored.is_empty() {
        tracing::warn!("These settings of the original have no effect: {}", settings.ignored.join(", "));
    }
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

#[cfg(test)]
mod tests;
