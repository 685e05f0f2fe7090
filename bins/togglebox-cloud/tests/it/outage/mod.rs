//! What the nodes depend on is cut off and comes back, and nodes are killed, while many workspaces are served.

mod load;
mod storm;
mod workspace;

use std::net::{Ipv4Addr, SocketAddr};

use togglebox_ratelimit::testkit::{Network, Proxy};

use crate::server::Launch;
use crate::service::{Database, Redis};

/// What two nodes share, and what lies between them and it.
struct Ground {
    launch: Launch,
    redis: Redis,
    to_redis: Proxy,
    to_database: Proxy,
    _database: Database,
}

impl Ground {
    /// Over this database, which nodes reach at the setting that `through` makes of an address; `None` where the test is to be skipped.
    async fn over(database: Option<Database>, through: fn(SocketAddr) -> (&'static str, String)) -> Option<Self> {
        let (database, redis) = (database?, Redis::start().await?);
        let to_database = before(database.service.port()).await;
        let to_redis = before(redis.0.port()).await;
        let (name, value) = through(to_database.address());
        let url = format!("redis://{}", to_redis.address());
        // Sign-ins are counted, so that they need Redis; all visitors come from one address.
        let launch = database.launch().set(name, value).unset("RATE_LIMITS").set("RATE_LIMIT_NODES", "2").set_all(&[
            ("REDIS_URL", &url),
            ("RATE_LIMIT_STORE", &url),
            ("RATE_LIMIT_DEADLINE_MS", "500"),
            ("RATE_LIMIT_LOGIN", "10000/1m"),
            ("RATE_LIMIT_REGISTER", "10000/1m"),
            ("DATABASE_CONNECTION_LIMIT", "10"),
            ("PLANS_FILE", "plans.toml"),
        ]);
        // What plans limit is not what is tested here.
        std::fs::write(launch.folder().join("plans.toml"), "[[plan]]\nname = \"free\"\ntitle = \"Free\"\n").unwrap();
        Some(Self { launch, redis, to_redis, to_database, _database: database })
    }
}

async fn before(port: u16) -> Proxy {
    Proxy::before((Ipv4Addr::LOCALHOST, port).into(), 1).await.unwrap()
}

/// How something is cut off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Connections end, and new ones are refused.
    Refused,
    /// Nothing arrives anywhere, and nobody is told so.
    Dead,
}

impl Cut {
    /// From here on nothing arrives.
    async fn off(self, proxy: &Proxy) {
        match self {
            Self::Refused => {
                proxy.set(Network { refusing: true, ..Network::default() });
                proxy.cut();
                proxy.until(|seen| seen.open == 0).await;
            }
            Self::Dead => proxy.set(Network::DEAD),
        }
    }
}

fn heal(proxy: &Proxy) {
    proxy.set(Network::default());
}
