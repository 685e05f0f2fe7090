//! One server, over two connections: an answer that is long in coming, or lost, keeps only half of the calls waiting behind it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redis::Client;
use redis::aio::MultiplexedConnection;
use togglebox_core::Entropy;

use super::socket::{Socket, State};

/// A server to which connections are kept.
pub(super) struct Node {
    server: String,
    sockets: [Socket; 2],
    turn: AtomicUsize,
    /// Whether a redirection has led here since it was last asked.
    pub(super) led_to: AtomicBool,
}

/// A connection that a call may use.
pub(super) struct Lent<'n> {
    pub(super) connection: MultiplexedConnection,
    socket: &'n Socket,
}

impl Node {
    /// Begins to connect. Needs a tokio run time.
    pub(super) fn start(client: &Client, entropy: &Arc<dyn Entropy>) -> Self {
        let socket = |loud| Socket::start(client.clone(), loud, Arc::clone(entropy));
        Self {
            server: client.get_connection_info().addr().to_string(),
            sockets: [socket(true), socket(false)],
            turn: AtomicUsize::new(0),
            led_to: AtomicBool::new(false),
        }
    }

    /// Where it is, without credentials.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// A connection, by turns. While the first attempt to connect is under way it is waited for; `None` when the server is away.
    pub(super) async fn lend(&self) -> Option<Lent<'_>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % 2;
        loop {
            if let Some(lent) = self.lent(turn) {
                return Some(lent);
            }
            let starting = self.sockets.iter().find(|socket| socket.is_starting())?;
            starting.until(|state| !matches!(state, State::Starting)).await;
        }
    }

    /// A connection that there is now.
    pub(super) fn lend_now(&self) -> Option<Lent<'_>> {
        self.lent(self.turn.fetch_add(1, Ordering::Relaxed) % 2)
    }

    fn lent(&self, turn: usize) -> Option<Lent<'_>> {
        let (first, second) = (&self.sockets[turn], &self.sockets[1 - turn]);
        let order = if first.is_doubted() { [second, first] } else { [first, second] };
        order.into_iter().find_map(|socket| Some(Lent { connection: socket.connection()?, socket }))
    }

    /// Whether there is a connection that nobody doubts.
    pub(super) fn seems_well(&self) -> bool {
        self.sockets.iter().any(|socket| !socket.is_doubted() && socket.connection().is_some())
    }

    /// Lets both connections be made anew.
    pub(super) fn renew(&self) {
        self.sockets.iter().for_each(Socket::renew);
    }

    /// Waits until there are both connections.
    pub(super) async fn connected(&self) {
        for socket in &self.sockets {
            socket.until(|state| matches!(state, State::Up(_))).await;
        }
    }
}

impl Lent<'_> {
    /// Says that an answer is overdue, or was no answer.
    pub(super) fn doubt(&self) {
        self.socket.doubt();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = self.sockets.iter().filter(|socket| socket.connection().is_some()).count();
        f.debug_struct("Node").field("server", &self.server).field("connections", &up).finish_non_exhaustive()
    }
}
