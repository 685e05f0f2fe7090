//! A cluster of Redis, in memory only: three masters, and a replica of each.
//!
//! Each node begins with the file in which nodes keep what they know of each other, so that nobody has to introduce them. They are of
//! one mind after two seconds, which is as long as a node of a cluster waits after its start in any case.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Start, Starting, free_port, redis};
use crate::process::{Launch, Process};
use crate::project::Project;

pub(super) const ADDRESSES: &str = "TOGGLEBOX_TEST_REDIS_CLUSTER";

const MASTERS: usize = 3;
const NODES: usize = 2 * MASTERS;

/// Of 16,384 slots, which each master serves.
const SLOTS: [&str; MASTERS] = ["0-5460", "5461-10922", "10923-16383"];

/// Nodes talk to each other on a port that is higher by so much.
const BUS: u16 = 10_000;

const READY: Duration = Duration::from_secs(30);

pub(super) fn prepare(_: &Project, scratch: &Path) -> Result<Start> {
    let program = redis::program(scratch)?;
    let home = scratch.join("redis-cluster");
    fs::create_dir(&home)?;
    Ok(Box::new(move || {
        let ports = (0..NODES).map(|_| low_port()).collect::<Result<Vec<_>>>()?;
        let mut processes = (0..NODES).map(|number| node(&program, &home, &ports, number)).collect::<Result<Vec<_>>>()?;
        let addresses: Vec<_> = ports.into_iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).collect();
        let told = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        Ok(Starting {
            process: processes.pop().context("there are nodes")?,
            beside: processes,
            ready: Box::new(move || addresses.iter().all(|address| is_whole(*address))),
            limit: READY,
            variables: vec![(ADDRESSES, told.into())],
        })
    }))
}

fn node(program: &Path, home: &Path, ports: &[u16], number: usize) -> Result<Process> {
    // Another attempt has other ports, and so another folder.
    let folder: PathBuf = home.join(ports[number].to_string());
    fs::create_dir(&folder)?;
    fs::write(folder.join("nodes.conf"), knowledge(ports, number))?;
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--port"]).arg(ports[number].to_string());
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(&folder);
    command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"]);
    Launch::new("redis-server", command).log(folder.join("log")).start()
}

/// What the node with this number knows of all.
fn knowledge(ports: &[u16], number: usize) -> String {
    let name = |node: usize| format!("{:040x}", node + 1);
    let mut text = String::new();
    for (node, port) in ports.iter().enumerate() {
        let myself = if node == number { "myself," } else { "" };
        let (role, master, slots) = match SLOTS.get(node) {
            Some(slots) => ("master", "-".to_owned(), *slots),
            None => ("slave", name(node - MASTERS), ""),
        };
        let (id, epoch) = (name(node), node % MASTERS + 1);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{id} 127.0.0.1:{port}@{} {myself}{role} {master} 0 0 {epoch} connected {slots}", port + BUS);
    }
    text + "vars currentEpoch 3 lastVoteEpoch 0\n"
}

/// A free port that has another one [`BUS`] above it.
fn low_port() -> Result<u16> {
    loop {
        let port = free_port()?;
        if port <= u16::MAX - BUS && TcpListener::bind((Ipv4Addr::LOCALHOST, port + BUS)).is_ok() {
            return Ok(port);
        }
    }
}

/// Whether the node sees the whole cluster working.
fn is_whole(node: SocketAddr) -> bool {
    redis::answer(node, "CLUSTER INFO", 512).is_some_and(|answer| answer.contains("cluster_state:ok"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_knows_all_and_itself() {
        let text = knowledge(&[7001, 7002, 7003, 7004, 7005, 7006], 4);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), NODES + 1);
        assert_eq!(lines[1], "0000000000000000000000000000000000000002 127.0.0.1:7002@17002 master - 0 0 2 connected 5461-10922");
        let replica = "0000000000000000000000000000000000000005 127.0.0.1:7005@17005 myself,slave \
                       0000000000000000000000000000000000000002 0 0 2 connected";
        assert_eq!(lines[4].trim_end(), replica);
        assert_eq!(lines.iter().filter(|line| line.contains("myself")).count(), 1);
    }
}
