//! A cluster: who serves what, and connections to all who serve something.
//!
//! The map of slots is read in the background: at every sign that it has changed, every ten seconds, and every second while a master is
//! not connected. A call goes by the map that there is; where that is wrong, a server says so, and the call follows.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, Value};
use togglebox_core::{Entropy, EntropyExt as _};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::map::{Address, Map};
use super::node::Node;
use super::options::RedisOptions;
use super::socket::{self, CHECK_TIMEOUT};

/// How often the map is read without a sign that it has changed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often while a master is not connected: another one may take its place.
const VIGIL: Duration = Duration::from_secs(1);

/// Between two readings of the map, however many signs there are.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The connections to a cluster, kept for as long as this lives.
pub(super) struct Cluster {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    options: RedisOptions,
    entropy: Arc<dyn Entropy>,
    view: watch::Sender<View>,
    /// Those that serve something, and those that redirections have led to.
    nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
    signs: Notify,
    /// Who is said to know of the change.
    knows: Mutex<Option<Address>>,
}

struct View {
    /// Whether the map was tried to be read at all.
    tried: bool,
    map: Map,
}

impl Cluster {
    /// Begins to read the map and to connect. Needs a tokio run time.
    pub(super) fn start(options: RedisOptions, entropy: Arc<dyn Entropy>) -> Self {
        let shared = Arc::new(Shared {
            options,
            entropy,
            view: watch::Sender::new(View { tried: false, map: Map::unknown() }),
            nodes: Mutex::default(),
            signs: Notify::new(),
            knows: Mutex::default(),
        });
        let task = tokio::spawn(keep(Arc::clone(&shared))).abort_handle();
        Self { shared, task }
    }

    /// Who serves a slot, as far as is known. Waits only while the map is read for the first time.
    pub(super) async fn master(&self, slot: u16) -> Option<(Address, Arc<Node>)> {
        let mut view = self.shared.view.subscribe();
        // The sender lives in `self`.
        let address = view.wait_for(|view| view.tried).await.ok()?.map.master(slot)?.clone();
        let node = self.node(&address)?;
        Some((address, node))
    }

    /// The node that a redirection leads to.
    pub(super) fn led_to(&self, address: &Address) -> Option<Arc<Node>> {
        let node = self.node(address)?;
        node.led_to.store(true, Ordering::Relaxed);
        Some(node)
    }

    fn node(&self, address: &Address) -> Option<Arc<Node>> {
        self.shared.node(&mut self.shared.nodes(), address)
    }

    /// Which number the slot's master has.
    pub(super) fn shard(&self, slot: u16) -> usize {
        self.shared.view.borrow().map.shard(slot)
    }

    /// Lets the map be read soon; from this node first, if one is known to know better.
    pub(super) fn has_changed(&self, knows: Option<&Address>) {
        if let Some(address) = knows {
            *self.shared.knows.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
        }
        self.shared.signs.notify_one();
    }

    /// Who serves something.
    pub(super) fn masters(&self) -> Vec<Arc<Node>> {
        let masters: Vec<Address> = self.shared.view.borrow().map.masters().cloned().collect();
        masters.iter().filter_map(|address| self.node(address)).collect()
    }

    /// Waits until the map is known and all of its masters are connected. A master whose place another one takes is not waited for.
    pub(super) async fn connected(&self) {
        let mut view = self.shared.view.subscribe();
        loop {
            // The sender lives in `self`.
            let _ = view.wait_for(|view| view.map.masters().next().is_some()).await;
            let all = async {
                for node in self.masters() {
                    node.connected().await;
                }
            };
            tokio::select! {
                () = all => return,
                _ = view.changed() => {}
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(shared: Arc<Shared>) {
    let mut was_told = false;
    loop {
        match shared.read().await {
            Ok(map) => {
                shared.install(map);
                was_told = false;
                let pause = if shared.is_whole() { HEARTBEAT } else { VIGIL };
                // What has changed before this reading began was seen by it or will be by the next one.
                tokio::select! {
                    () = shared.signs.notified() => {}
                    () = sleep(pause) => {}
                }
            }
            Err(error) => {
                shared.view.send_modify(|view| view.tried = true);
                if !was_told {
                    tracing::warn!(error = &*error as &dyn Error, "No node of the Redis cluster of limits says who serves what");
                    was_told = true;
                }
            }
        }
        sleep(shared.entropy.jittered(SHORTEST_PAUSE)).await;
    }
}

impl Shared {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<Address, Arc<Node>>> {
        // A panic while it is held leaves a whole map.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, nodes: &mut BTreeMap<Address, Arc<Node>>, address: &Address) -> Option<Arc<Node>> {
        if let Some(node) = nodes.get(address) {
            return Some(Arc::clone(node));
        }
        match self.options.client(&address.0, address.1) {
            Ok(client) => Some(Arc::clone(nodes.entry(address.clone()).or_insert(Arc::new(Node::start(&client, &self.entropy))))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "A node of the Redis cluster has an address that is none");
                None
            }
        }
    }

    /// Whether there is a good connection to each master.
    fn is_whole(&self) -> bool {
        let nodes = self.nodes();
        self.view.borrow().map.masters().all(|master| nodes.get(master).is_some_and(|node| node.seems_well()))
    }

    fn install(&self, map: Map) {
        let mut nodes = self.nodes();
        for address in map.masters() {
            self.node(&mut nodes, address);
        }
        // Where redirections lead is kept until none has for the time between two readings.
        nodes.retain(|address, node| node.led_to.swap(false, Ordering::Relaxed) || map.masters().any(|master| master == address));
        drop(nodes);
        self.view.send_if_modified(|view| {
            let changed = !view.tried || view.map != map;
            (view.tried, view.map) = (true, map);
            changed
        });
    }

    /// The map as some node knows it: one that is said to know, or one to which there is a connection, or one that was named at the start.
    async fn read(&self) -> Result<Map, Box<dyn Error + Send + Sync>> {
        let before = self.view.borrow().map.clone();
        for (address, node) in self.by_promise() {
            let Some(lent) = node.lend_now() else { continue };
            match slots(lent.connection.clone(), &address.0, &before).await {
                Ok(map) => return Ok(map),
                Err(error) => {
                    tracing::debug!(error = &*error as &dyn Error, "{} does not say who serves what", node.server());
                    lent.doubt();
                }
            }
        }
        let mut why: Box<dyn Error + Send + Sync> = "no address was given".into();
        for seed in self.options.seeds() {
            let (ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) = seed.get_connection_info().addr() else {
                continue;
            };
            let asked = async { slots(socket::connect(seed).await?, host, &before).await };
            match asked.await {
                Ok(map) => return Ok(map),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// All nodes: the one that is said to know first, then those that seem well, each group from a place that chance chooses.
    fn by_promise(&self) -> Vec<(Address, Arc<Node>)> {
        let knows = self.knows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut nodes: Vec<_> = self.nodes().iter().map(|(address, node)| (address.clone(), Arc::clone(node))).collect();
        let mut chance = [0];
        self.entropy.fill(&mut chance);
        let many = nodes.len().max(1);
        nodes.rotate_left(usize::from(chance[0]) % many);
        nodes.sort_by_key(|(address, node)| (Some(address) != knows.as_ref(), !node.seems_well()));
        nodes
    }
}

async fn slots(mut connection: MultiplexedConnection, asked: &str, before: &Map) -> Result<Map, Box<dyn Error + Send + Sync>> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let answer = timeout(CHECK_TIMEOUT, command.query_async::<Value>(&mut connection)).await??;
    Map::of_answer(&answer, asked, before).ok_or_else(|| "nobody is said to serve anything".into())
}
