//! What stands in front of the nodes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Leads each connection to one of the nodes that are there, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Front {
    address: SocketAddr,
    nodes: Arc<Mutex<Vec<SocketAddr>>>,
    led: Arc<AtomicUsize>,
}

impl Front {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self { address: listener.local_addr().unwrap(), nodes: Arc::default(), led: Arc::default() };
        let (nodes, led) = (Arc::clone(&front.nodes), Arc::clone(&front.led));
        tokio::spawn(async move {
            while let Ok((mut visitor, _)) = listener.accept().await {
                let (nodes, turn) = (nodes.lock().unwrap().clone(), led.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(async move {
                    for place in 0..nodes.len() {
                        if let Ok(mut node) = TcpStream::connect(nodes[(turn + place) % nodes.len()]).await {
                            // One of the two has ended it, or is gone.
                            let _ = copy_bidirectional(&mut visitor, &mut node).await;
                            return;
                        }
                    }
                });
            }
        });
        front
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Which nodes there are from now on.
    pub(super) fn leads_to(&self, nodes: Vec<SocketAddr>) {
        *self.nodes.lock().unwrap() = nodes;
    }

    /// How many connections there were.
    pub(super) fn led(&self) -> usize {
        self.led.load(Ordering::Relaxed)
    }
}
