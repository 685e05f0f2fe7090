//! A cluster of a test's own: three masters, and a replica of each.

use std::fmt::Write as _;

use togglebox_core::TenantId;
use togglebox_ratelimit::Tag;
use uuid::Uuid;

use super::in_time;
use super::server::{Raw, Server};

const MASTERS: usize = 3;
const SLOTS: [&str; MASTERS] = ["0-5460", "5461-10922", "10923-16383"];

/// Its nodes: the masters first, then their replicas.
pub(super) struct Nodes(pub(super) Vec<Server>);

impl Nodes {
    /// One that every node sees working, and in which each replica has what its master has. A node that says nothing for two seconds is
    /// taken for dead.
    pub(super) async fn running() -> Option<Self> {
        Self::impatient("2000").await
    }

    /// The same, with another patience, in milliseconds.
    pub(super) async fn impatient(patience: &str) -> Option<Self> {
        let mut servers = (0..2 * MASTERS).map(|_| Server::stopped()).collect::<Option<Vec<_>>>()?;
        let ports: Vec<u16> = servers.iter().map(|server| server.address().port()).collect();
        for (number, server) in servers.iter_mut().enumerate() {
            server.write("nodes.conf", &knowledge(&ports, number));
            server.arguments(&[
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                patience,
                "--repl-diskless-sync-delay",
                "0",
            ]);
            server.start();
        }
        let nodes = Self(servers);
        for number in 0..2 * MASTERS {
            let mut raw = nodes.raw(number).await;
            raw.until(&["CLUSTER", "INFO"], |info| info.contains("cluster_state:ok")).await;
            if number >= MASTERS {
                raw.until(&["INFO", "replication"], |info| info.contains("master_link_status:up")).await;
            }
        }
        Some(nodes)
    }

    /// Two of its addresses: the others are to be found.
    pub(super) fn url(&self) -> String {
        format!("redis-cluster://{},{}", self.0[1].address(), self.0[2].address())
    }

    pub(super) async fn raw(&self, number: usize) -> Raw {
        in_time(Raw::to(&self.0[number].url())).await
    }

    fn id(&self, number: usize) -> String {
        id(self.0[0].address().port(), number)
    }

    /// A tenant that the master with this number has.
    pub(super) async fn tenant_of(&self, number: usize) -> u128 {
        let mut raw = self.raw(number).await;
        for tenant in 1.. {
            let slot = slot(&mut raw, tenant).await;
            if usize::from(slot) / 5462 == number {
                return tenant;
            }
        }
        unreachable!("there are as many tenants as numbers")
    }

    /// Makes the replica of a master take its place.
    pub(super) async fn fail_over(&self, number: usize) {
        let mut replica = self.raw(number + MASTERS).await;
        let () = replica.ask(&["CLUSTER", "FAILOVER"]).await;
        replica.until(&["ROLE"], |role| role.contains("master")).await;
    }

    /// Makes the first node serve the slot until it is told otherwise, by way of the second one.
    pub(super) async fn begin_to_move(&self, slot: &str, from: usize, to: usize) {
        let () = self.raw(to).await.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &self.id(from)]).await;
        let () = self.raw(from).await.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &self.id(to)]).await;
    }

    /// Moves up to so many keys of the slot; how many there were.
    pub(super) async fn move_keys(&self, slot: &str, from: usize, to: usize, most: usize) -> usize {
        let mut raw = self.raw(from).await;
        let keys: Vec<String> = raw.ask(&["CLUSTER", "GETKEYSINSLOT", slot, &most.to_string()]).await;
        let port = self.0[to].address().port().to_string();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        if !keys.is_empty() {
            let _: String = raw.ask(&words).await;
        }
        keys.len()
    }

    /// Tells everybody who serves the slot now.
    pub(super) async fn end_to_move(&self, slot: &str, to: usize) {
        for number in [to].into_iter().chain((0..MASTERS).filter(|number| *number != to)) {
            let () = self.raw(number).await.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &self.id(to)]).await;
        }
    }
}

/// The slot of a tenant, as the server computes it.
pub(super) async fn slot(raw: &mut Raw, tenant: u128) -> u16 {
    let tag = Tag::Tenant(TenantId::from_uuid(Uuid::from_u128(tenant)));
    raw.ask(&["CLUSTER", "KEYSLOT", &format!("{{{tag}}}")]).await
}

/// Of this cluster and no other: nodes that take a stranger for one of their own would believe it.
fn id(first_port: u16, node: usize) -> String {
    format!("{first_port:020x}{:020x}", node + 1)
}

/// What the node with this number knows of all, in the file in which it keeps that.
fn knowledge(ports: &[u16], number: usize) -> String {
    let mut text = String::new();
    for (node, port) in ports.iter().enumerate() {
        let myself = if node == number { "myself," } else { "" };
        let (role, master, slots) = match SLOTS.get(node) {
            Some(slots) => ("master", "-".to_owned(), *slots),
            None => ("slave", id(ports[0], node - MASTERS), ""),
        };
        let epoch = node % MASTERS + 1;
        writeln!(
            text,
            "{} 127.0.0.1:{port}@{} {myself}{role} {master} 0 0 {epoch} connected {slots}",
            id(ports[0], node),
            port + 10_000
        )
        .unwrap();
    }
    text + "vars currentEpoch 3 lastVoteEpoch 0\n"
}
