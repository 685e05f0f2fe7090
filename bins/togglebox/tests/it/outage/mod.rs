//! What the nodes depend on stops, dies and comes back while they serve.

mod bus;
mod database;
mod start;
mod storm;

use crate::client::{Client, make_environment, start_with_admin};
use crate::server::{Launch, Server, eventually};

/// Two nodes over one store, and an admin's client of each.
pub(crate) struct Pair {
    pub(crate) one: Server,
    pub(crate) other: Server,
    pub(crate) at_one: Client,
    pub(crate) at_other: Client,
}

impl Pair {
    /// Both as `launch` says, with the environment that tests write to.
    pub(crate) async fn start(launch: Launch) -> Self {
        let (one, at_one) = start_with_admin(launch).await;
        make_environment(&at_one).await;
        let other = one.launch().start().await;
        let at_other = at_one.at(&other);
        Self { one, other, at_one, at_other }
    }

    /// The clients, each with a name for messages.
    pub(crate) fn clients(&self) -> [(&'static str, &Client); 2] {
        [("one", &self.at_one), ("the other", &self.at_other)]
    }

    /// Ends both nodes, which must go well; their log lines.
    pub(crate) async fn stop(self) -> String {
        let mut log = String::new();
        for node in [self.one, self.other] {
            let ended = node.stop().await;
            assert!(ended.status.success(), "{}", ended.log);
            log.push_str(&ended.log);
        }
        log
    }
}

/// Waits until both nodes answer a read with what they know to be the newest.
async fn both_are_fresh(pair: &Pair, path: &str) {
    for (name, client) in pair.clients() {
        let fresh = async || {
            let reply = client.anonymous().get(path).await;
            reply.status == 200 && reply.header("x-togglebox-stale").is_none()
        };
        eventually(format!("{name} is fresh"), fresh).await;
    }
}
