//! Two nodes over one store: what is written on one is served by the other, whatever carries the notices between them, or nothing.

mod changes;
mod rights;
mod storm;

use crate::engine::Store;
use crate::outage::Pair;
use crate::server::Launch;
use crate::service::Redis;

/// What carries the notices.
#[derive(Clone, Copy, Debug)]
enum Bus {
    /// `NOTIFY` of PostgreSQL.
    Database,
    Redis,
    /// Nothing: each node asks the store now and then.
    None,
}

/// What they share.
#[derive(Clone, Copy, Debug)]
enum Over {
    /// What this run is over, or PostgreSQL where that cannot be shared or the bus is of PostgreSQL.
    Database,
    /// A table of DynamoDB.
    DynamoDb,
}

/// Two nodes, and what they share.
struct Nodes {
    pair: Pair,
    _redis: Option<Redis>,
}

impl Nodes {
    /// With authentication on; `None` where the test is to be skipped.
    async fn start(over: Over, bus: Bus) -> Option<Self> {
        let store = match over {
            Over::Database => Store::shared(matches!(bus, Bus::Database))?,
            Over::DynamoDb => Store::shared_table()?,
        };
        let launch = Launch::over(store).set("ENABLE_AUTHENTICATION", "true");
        let (launch, redis) = match bus {
            Bus::Database => (launch, None),
            Bus::None => (launch.set("CHANGE_BUS", "local"), None),
            Bus::Redis => {
                let redis = Redis::start().await?;
                (launch.set("REDIS_URL", redis.url()), Some(redis))
            }
        };
        Some(Self { pair: Pair::start(launch).await, _redis: redis })
    }

    async fn stop(self) {
        let log = self.pair.stop().await;
        assert!(!log.contains(r#""level":"ERROR""#), "{log}");
    }
}

/// Makes a test of an `async fn(&Pair)` for each bus, and over DynamoDB, which carries no notices itself, for both that it can have.
macro_rules! with_each_bus {
    ($promise:ident) => {
        mod $promise {
            use crate::nodes::{Bus, Nodes, Over};

            async fn holds(over: Over, bus: Bus) {
                let Some(nodes) = Nodes::start(over, bus).await else { return };
                super::$promise(&nodes.pair).await;
                nodes.stop().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_of_the_database() {
                holds(Over::Database, Bus::Database).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_over_redis() {
                holds(Over::Database, Bus::Redis).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_asking_the_store() {
                holds(Over::Database, Bus::None).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_over_redis_beside_dynamodb() {
                holds(Over::DynamoDb, Bus::Redis).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_asking_dynamodb() {
                holds(Over::DynamoDb, Bus::None).await;
            }
        }
    };
}
use with_each_bus;
