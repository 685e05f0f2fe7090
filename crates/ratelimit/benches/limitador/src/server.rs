//! A Redis for this run, and what it says about itself.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

const READY: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const LOG: &str = "redis.log";

/// A server in memory only, with a folder of its own. It is stopped on drop.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    url: String,
}

/// A connection over which the server is asked what it has done.
pub(crate) struct Figures(MultiplexedConnection);

impl Server {
    /// One that answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--logfile", LOG, "--dir"]).arg(folder.path());
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).stdin(Stdio::null());
        let child = command.spawn().expect("redis-server is in the path");
        let mut server = Self { child, folder, url: format!("redis://127.0.0.1:{port}") };
        server.wait();
        server
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn figures(&self) -> Figures {
        Figures(redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap())
    }

    fn wait(&mut self) {
        let began = Instant::now();
        let client = redis::Client::open(self.url()).unwrap();
        loop {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > READY {
                let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
                panic!("redis-server does not answer; its log:\n{log}");
            }
            if client.get_connection().is_ok() {
                return;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is nothing in it to be kept.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("redis-server at {} is not stopped: {error}", self.url);
        }
    }
}

impl Figures {
    /// How long the server's main thread has worked so far.
    pub(crate) async fn seconds(&mut self) -> f64 {
        let info = self.info("cpu").await;
        number(&info, "used_cpu_user_main_thread") + number(&info, "used_cpu_sys_main_thread")
    }

    /// How often it has read what somebody sent, without this time.
    pub(crate) async fn reads(&mut self) -> f64 {
        number(&self.info("stats").await, "total_reads_processed") - 1.0
    }

    /// How many scripts it has run, and how many commands altogether, those in scripts included, but none that asked for figures.
    pub(crate) async fn calls(&mut self) -> (f64, f64) {
        let info = self.info("commandstats").await;
        let (mut scripts, mut commands) = (0.0, 0.0);
        for (name, line) in info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls=")) {
            let calls: f64 = line.split(',').next().unwrap().parse().unwrap();
            match name {
                "info" => continue,
                "evalsha" => scripts += calls,
                _ => {}
            }
            commands += calls;
        }
        (scripts, commands)
    }

    pub(crate) async fn text(&mut self, name: &str) -> String {
        value(&self.info("server").await, name).to_owned()
    }

    async fn info(&mut self, section: &str) -> String {
        redis::cmd("INFO").arg(section).query_async(&mut self.0).await.unwrap()
    }
}

fn value<'i>(info: &'i str, name: &str) -> &'i str {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().trim()
}

fn number(info: &str, name: &str) -> f64 {
    value(info, name).parse().unwrap()
}
