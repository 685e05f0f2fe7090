//! Limits in Redis 6.2 or later, or what speaks its protocol (feature `redis`): one server, or a cluster.
//!
//! Each call is one run of one script on the server that has the batch's tag, by that server's clock. A limit is one key,
//! `rl:2:{tag}:policy:slot`, whose value is the [`Tat`](crate::Tat), as two doubles (`us`, `part`), and when the key expires, as a third:
//! twice as far off as its bucket takes to be full when that is set, and at least a second after it is full. So most writes leave it as it
//! is, which spares the server a fifth of its work.
//!
//! # What a broken Redis costs
//!
//! - It need not be there at the start: connections are made in the background, and again whenever they are lost, with a growing pause
//!   of up to half a second and jitter between attempts. While there is none, calls fail at once.
//! - A call takes no longer than [the options](RedisOptions::with_timeout) say, 20 ms unless told otherwise, whatever it waits for.
//! - A call that was not answered fails, and is never sent again: it may have been carried out, or be carried out later. A call whose
//!   answer says that nothing was done is sent again within its time: where the script is not known, where a slot has moved, where the
//!   server is loading, or has become a replica.
//! - Each server has two connections, which take turns: what is stuck on one holds up only half of the calls. A connection on which an
//!   answer is overdue is tried, takes no calls while the other one does, and is made anew when it does not answer within half a second.
//!
//! # Clusters
//!
//! All limits of a tag are in one slot, so that a batch is one atomic act there, too. Who serves a slot is read from the cluster in the
//! background. A part of the cluster that is gone fails only the calls that need it; [`shard`](LimitStore::shard) tells parts apart.
//! While a slot moves from one node to another, calls follow. Set `cluster-require-full-coverage no`: otherwise Redis refuses all calls
//! from the failure of one master until another one has taken its place.
//!
//! The user needs `+eval +evalsha +time +mget +set +ping +info +config|get +hello`, in a cluster also
//! `+cluster|slots +cluster|info +asking`, and the keys `~rl:2:*` (with the prefix before it, if there is one).

mod attempts;
mod cluster;
mod health;
mod map;
mod node;
mod options;
mod script;
mod socket;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use togglebox_core::{Clock, Entropy, StoreError, StoreErrorKind, StoreResult};
use tokio::time::timeout;

use self::attempts::Servers;
use self::cluster::Cluster;
use self::health::Said;
use self::map::slot_of;
use self::node::Node;
pub use self::options::{RedisOptions, RedisOptionsError};
use self::script::{Call, Mode, Time};
use self::socket::CHECK_TIMEOUT;
use crate::batch::{Batch, Grant, Receipt, Reply};
use crate::key::Tag;
use crate::store::{Health, LimitStore, MOST_UNITS};

const HEALTH: &str = "limits.health";

/// Limits in Redis. It is connected for as long as it lives.
pub struct RedisStore {
    options: RedisOptions,
    servers: Servers,
    clock: Arc<dyn Clock>,
    #[cfg(feature = "testkit")]
    stopwatch: Option<Arc<dyn crate::Stopwatch>>,
}

impl RedisStore {
    /// A store that connects in the background. Limits go by the server's clock; `clock` is what [`health`](LimitStore::health) compares
    /// it with. Needs a tokio run time.
    pub fn new(options: RedisOptions, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let servers = if options.is_cluster() {
            Servers::Cluster(Cluster::start(options.clone(), entropy))
        } else {
            Servers::One(Arc::new(Node::start(options.first(), &entropy)))
        };
        Self {
            options,
            servers,
            clock,
            #[cfg(feature = "testkit")]
            stopwatch: None,
        }
    }

    /// A store that goes by a stopwatch instead of the server's clock. For tests: the script is the same, and is told the time.
    #[cfg(feature = "testkit")]
    #[must_use]
    pub fn with_stopwatch(mut self, stopwatch: Arc<dyn crate::Stopwatch>) -> Self {
        self.stopwatch = Some(stopwatch);
        self
    }

    /// Waits until the server, or every master of the cluster, is connected, for as long as that takes.
    pub async fn connected(&self) {
        match &self.servers {
            Servers::One(node) => node.connected().await,
            Servers::Cluster(cluster) => cluster.connected().await,
        }
    }

    #[cfg(feature = "testkit")]
    fn time(&self) -> Time {
        self.stopwatch.as_ref().map_or(Time::Server, |stopwatch| Time::Test(stopwatch.now_us()))
    }

    #[cfg(not(feature = "testkit"))]
    #[expect(clippy::unused_self, reason = "called as it is with the testkit")]
    const fn time(&self) -> Time {
        Time::Server
    }

    async fn run(&self, mode: Mode, batch: &Batch, operation: &'static str) -> StoreResult<(u32, Reply)> {
        let call = Call::new(mode, batch, self.options.prefix(), self.time());
        let slot = slot_of(&batch.tag().to_string());
        let value = self.servers.run(&call, slot, self.options.timeout()).await;
        call.answer(value.map_err(|failure| unavailable(operation, failure.boxed()))?, operation)
    }

    async fn ask(&self, node: &Node) -> Result<Said, Box<dyn Error + Send + Sync>> {
        let lent = node.lend().await.ok_or_else(|| format!("there is no connection to Redis at {}", node.server()))?;
        let mut connection = lent.connection.clone();
        let mut config = redis::cmd("CONFIG");
        config.arg("GET").arg("save");
        // Many a provider keeps it to itself.
        let save = config.query_async::<BTreeMap<String, String>>(&mut connection).await.ok();
        let cluster = if self.options.is_cluster() {
            Some(redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?)
        } else {
            None
        };
        let info = redis::cmd("INFO").query_async(&mut connection).await?;
        let before = self.clock.now();
        let (seconds, us): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let between_ms = i64::midpoint(before.as_ms(), self.clock.now().as_ms());
        let ahead_us = seconds.saturating_mul(1_000_000).saturating_add(us).saturating_sub(between_ms.saturating_mul(1000));
        Ok(Said { info, save: save.and_then(|mut save| save.remove("save")), cluster, ahead_us })
    }
}

fn unavailable(operation: &'static str, source: Box<dyn Error + Send + Sync>) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(source)
}

#[async_trait]
impl LimitStore for RedisStore {
    async fn consume(&self, batch: &Batch) -> StoreResult<Reply> {
        Ok(self.run(Mode::Consume, batch, "limits.consume").await?.1)
    }

    async fn peek(&self, batch: &Batch) -> StoreResult<Reply> {
        Ok(self.run(Mode::Peek, batch, "limits.peek").await?.1)
    }

    async fn charge(&self, batch: &Batch) -> StoreResult<Reply> {
        Ok(self.run(Mode::Charge, batch, "limits.charge").await?.1)
    }

    async fn grant(&self, batch: &Batch, asked: u32) -> StoreResult<Grant> {
        let mode = match asked {
            0 => Mode::Peek,
            asked => Mode::Grant(asked.min(MOST_UNITS)),
        };
        let (times, reply) = self.run(mode, batch, "limits.grant").await?;
        let units = if asked == 0 { 0 } else { times };
        Ok(Grant { units, reply: Reply { passed: units > 0, ..reply } })
    }

    async fn refund(&self, receipt: &Receipt) -> StoreResult<()> {
        let mode = Mode::Refund(receipt.charged_at_us());
        self.run(mode, receipt.batch(), "limits.refund").await.map(drop)
    }

    /// Asks the server, or every master of the cluster.
    async fn health(&self) -> StoreResult<Health> {
        let nodes = match &self.servers {
            Servers::One(node) => vec![Arc::clone(node)],
            Servers::Cluster(cluster) => cluster.masters(),
        };
        if nodes.is_empty() {
            return Err(unavailable(HEALTH, "nobody is known to serve anything".into()));
        }
        let mut health = Health::default();
        for node in nodes {
            let said = timeout(CHECK_TIMEOUT, self.ask(&node)).await;
            let said = said.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(|error| unavailable(HEALTH, error))?;
            for warning in health::warnings(&said) {
                if !health.warnings.contains(&warning) {
                    health.warnings.push(warning);
                }
            }
            // Of several, the one that is furthest off.
            if health.clock_ahead_us.is_none_or(|ahead| ahead.unsigned_abs() < said.ahead_us.unsigned_abs()) {
                health.clock_ahead_us = Some(said.ahead_us);
            }
        }
        Ok(health)
    }

    fn shard(&self, tag: Tag) -> usize {
        match &self.servers {
            Servers::One(_) => 0,
            Servers::Cluster(cluster) => cluster.shard(slot_of(&tag.to_string())),
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("options", &self.options).finish_non_exhaustive()
    }
}
