//! A Redis of a benchmark's own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use togglebox_core::{OsEntropy, SystemClock};
use togglebox_ratelimit::{RedisOptions, RedisStore};

/// A server on a free port, in memory only. It ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    pub(crate) child: Child,
    _folder: TempDir,
}

impl Server {
    /// Starts the program that `TOGGLEBOX_TEST_REDIS_SERVER` names, or `redis-server`. `None` where there is none.
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var_os("TOGGLEBOX_TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        Some(Self { address, child: command.spawn().ok()?, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection past the limiters. Waits until the server answers.
    pub(crate) async fn raw(&self) -> MultiplexedConnection {
        let client = redis::Client::open(format!("redis://{}", self.address)).unwrap();
        for _ in 0..500 {
            if let Ok(connection) = client.get_multiplexed_async_connection().await {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server at {} does not answer", self.address);
    }
}

/// Measures beside a server, where there is one.
pub(crate) fn beside_redis(measure: impl AsyncFnOnce(&Server)) {
    let Some(server) = Server::start() else {
        println!("there is no redis-server: nothing is measured");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(&server));
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also one that is frozen ends by this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a call may take where nobody says otherwise.
pub(crate) const USUAL: Duration = Duration::from_millis(20);

/// A connected store with its own connections.
pub(crate) async fn store(address: SocketAddr, deadline: Duration) -> RedisStore {
    let options = RedisOptions::parse(&format!("redis://{address}")).unwrap().with_timeout(deadline);
    let store = RedisStore::new(options, Arc::new(SystemClock), Arc::new(OsEntropy));
    store.connected().await;
    store
}
