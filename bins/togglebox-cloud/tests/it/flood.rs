//! Hosts that nobody has, asked for as fast as it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::people::{host, sign_up};
use crate::server::{Launch, Server, eventually};

/// Clients that ask for unknown hosts, each time for another, until this is dropped.
struct Flood {
    refused: Arc<AtomicU64>,
    _clients: JoinSet<()>,
}

impl Flood {
    fn at(server: &Server) -> Self {
        const CLIENTS: usize = 8;
        let refused = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (client, refused) = (Client::new(server), Arc::clone(&refused));
            clients.spawn(async move {
                for n in 0_u64.. {
                    match client.host(&host(&format!("stranger-{number}-{n}"))).get("/api/v1/platforms").await.status {
                        404 => {}
                        503 => _ = refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("a stranger gets a {other}"),
                    }
                }
            });
        }
        Self { refused, _clients: clients }
    }

    /// Waits until strangers are refused.
    async fn rises(&self) {
        let before = self.refused.load(Ordering::Relaxed);
        eventually("strangers are refused", || async { self.refused.load(Ordering::Relaxed) > before + 50 }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_in_a_flood_serves_its_workspaces_at_once() {
    const WORKSPACES: usize = 12;
    let server = Launch::new().start().await;
    let mut owners = Vec::new();
    for number in 0..WORKSPACES {
        owners.push(sign_up(&server, &format!("acme-{number}")).await.client);
    }
    let launch = server.launch().clone();
    server.kill().await;
    let server = launch.start().await;
    let flood = Flood::at(&server);
    flood.rises().await;
    for owner in &owners {
        owner.at(&server).get("/api/v1/workspace").await.expect(200);
    }
    // And it was one all the time.
    flood.rises().await;
}
