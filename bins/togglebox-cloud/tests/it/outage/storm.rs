//! Nodes die, Redis and the database are cut off, in turn and under load. Nobody sees what is another workspace's, and all that is left
//! goes on by itself.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::load::{Door, Load};
use super::workspace::Workspace;
use super::{Cut, Ground, heal};
use crate::client::{Client, INTERNAL, PASSWORD, PUBLIC};
use crate::people::{API, host, sign_in, sign_up, start_with_operator};
use crate::server::{PATIENCE, Server, eventually};
use crate::service::Database;

/// Answers of a node in each phase, each kind of request several times.
const ANSWERS: usize = 60;
/// Answers out of memory that a node gives while the database is away.
const FROM_MEMORY: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_anothers_while_nodes_redis_and_postgres_fail_in_turn() {
    let url = |address| ("DATABASE_URL", format!("postgres://postgres:{}@{address}/postgres", Database::PASSWORD));
    let Some(ground) = Ground::over(Database::postgres().await, url).await else { return };
    everything_fails_in_turn(ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_anothers_while_nodes_redis_and_dynamodb_fail_in_turn() {
    let endpoint = |address| ("DYNAMODB_ENDPOINT", format!("http://{address}"));
    let Some(ground) = Ground::over(Database::dynamodb().await, endpoint).await else { return };
    everything_fails_in_turn(ground).await;
}

/// Two nodes under load, and who is asked about them.
struct Storm {
    ground: Ground,
    here: Server,
    there: Option<Server>,
    doors: [Arc<Door>; 2],
    operator: Client,
    /// A workspace that is not under load.
    quiet: Workspace,
    load: Load,
}

async fn everything_fails_in_turn(ground: Ground) {
    let (here, operator) = start_with_operator(&ground.launch).await;
    let there = ground.launch.start().await;
    let parameters = ["at-here", "at-there"];
    let mut workspaces = Vec::new();
    // With a hyphen: random ids, which every answer has, are of letters and digits, and one in a few hundred thousand says "acme".
    for name in ["acme-inc", "globex-inc", "initech-inc"] {
        workspaces.push(Workspace::furnished(&here, name, &parameters).await);
    }
    let quiet = Workspace::furnished(&here, "umbrella", &[]).await;
    ground.redis.has_listeners(2).await;
    // What was made here is known there, so that all may expect it.
    for workspace in &workspaces {
        let member = Client::new(&there).host(&host(workspace.name)).token(&workspace.token);
        let path = format!("{PUBLIC}/experiments");
        eventually("the other node has everything", async || {
            let reply = member.get(&path).await;
            reply.status == 200 && reply.text().contains("running")
        })
        .await;
    }
    let doors = [Door::of("here", &here), Door::of("there", &there)];
    let load = Load::of(&workspaces, &doors);
    let mut storm = Storm { ground, here, there: Some(there), doors, operator, quiet, load };
    storm.both_answer().await;
    storm.a_node_is_killed().await;
    storm.redis_is_cut_off(Cut::Refused).await;
    storm.redis_is_cut_off(Cut::Dead).await;
    storm.half_of_each_connection_is_lost().await;
    storm.the_database_is_cut_off(Cut::Refused).await;
    storm.the_database_is_cut_off(Cut::Dead).await;
    storm.both_answer().await;

    let Storm { here, there, load, .. } = storm;
    let there = there.unwrap();
    for written in load.end().await {
        let workspace = workspaces.iter().find(|workspace| workspace.name == written.workspace).unwrap();
        let stored = Client::new(&here).host(&host(workspace.name)).token(&workspace.token);
        let stored = stored.get(&format!("{PUBLIC}/configs")).await.data(200)[&written.parameter].as_str().unwrap().to_owned();
        assert!(written.possible.contains(&stored), "{stored} is neither acknowledged nor later: {written:?}");
    }
    for workspace in &workspaces {
        let served = async |server| {
            let member = Client::new(server).host(&host(workspace.name)).token(&workspace.token);
            member.get(&format!("{PUBLIC}/configs/list")).await.data(200)
        };
        eventually("both serve the same", async || served(&here).await == served(&there).await).await;
    }
    for node in [here, there] {
        let ended = node.stop().await;
        assert!(ended.status.success() && !ended.log.contains(r#""level":"ERROR""#), "{}", ended.log);
        assert!(!ended.log.contains(Database::PASSWORD), "{}", ended.log);
    }
}

impl Storm {
    fn nodes(&self) -> [(&'static str, &Server); 2] {
        [("here", &self.here), ("there", self.there.as_ref().unwrap())]
    }

    async fn both_answer(&mut self) {
        for door in &self.doors {
            self.load.answers(door, ANSWERS).await;
        }
    }

    /// All that may be asked works at both nodes: from now on nothing may be refused.
    async fn is_over(&mut self) {
        for (name, server) in self.nodes() {
            let central = Client::new(server).host(API);
            let quiet = central.host(&host(self.quiet.name)).token(&self.quiet.token);
            let unknown = Client::new(server).host(&host("nobody"));
            let (toggle, flags) = (format!("{INTERNAL}/flags/dark/toggle"), format!("{PUBLIC}/flags"));
            // At once: each may have to wait for what is lost.
            let works = async || {
                let login = json!({ "email": "umbrella@example.com", "password": PASSWORD });
                let (written, read, login, ready, unknown) = tokio::join!(
                    quiet.patch(&toggle, json!({ "enabled": true })),
                    quiet.get(&flags),
                    central.post("/api/v1/auth/login", login),
                    quiet.get("/ready"),
                    unknown.get("/api/v1/platforms"),
                );
                assert!(matches!(written.status, 200 | 503), "{}", written.text());
                written.status == 200
                    && read.expect(200).header("x-togglebox-stale").is_none()
                    && login.status == 200
                    && unknown.status == 404
                    && ready.expect(200).json()["checks"]["database"] == "connected"
            };
            eventually(format!("everything works {name}"), works).await;
        }
        self.load_is_fresh().await;
        self.load.weather.turn();
        self.both_answer().await;
    }

    /// What visitors see is no longer stale.
    async fn load_is_fresh(&self) {
        // Each environment is looked after by itself.
        for (name, server) in self.nodes() {
            for workspace in &self.load.workspaces {
                let member = Client::new(server).host(&host(workspace.name)).token(&workspace.token);
                for path in [format!("{PUBLIC}/flags"), "/api/v1/platforms".to_owned()] {
                    let fresh = async || member.get(&path).await.expect(200).header("x-togglebox-stale").is_none();
                    eventually(format!("{path} of {} is fresh {name}", workspace.name), fresh).await;
                }
            }
        }
    }

    async fn a_node_is_killed(&mut self) {
        eprintln!("a node is killed");
        self.load.weather.turn();
        self.doors[1].close();
        self.there.take().unwrap().kill().await;
        self.load.answers(&self.doors[0], ANSWERS).await;
        let there = self.ground.launch.start().await;
        self.doors[1].lead_to(&there);
        self.there = Some(there);
        self.ground.redis.has_listeners(2).await;
        self.is_over().await;
    }

    /// Costs notices and sign-ins. What is decided on one node holds on the other when it has asked the store.
    async fn redis_is_cut_off(&mut self, cut: Cut) {
        eprintln!("redis is cut off: {cut:?}");
        let path = |what: &str| format!("/api/v1/admin/workspaces/{}/{what}", self.quiet.id);
        let there = Client::new(self.there.as_ref().unwrap()).host(&host(self.quiet.name)).token(&self.quiet.token);
        there.get("/api/v1/workspace").await.expect(200);
        cut.off(&self.ground.to_redis).await;
        let heard = self.ground.to_redis.seen().to_clients;
        self.operator.post(&path("suspend"), json!({ "reason": "unpaid" })).await.expect(200);
        eventually("the other node refuses", async || there.get("/api/v1/workspace").await.status == 403).await;
        self.operator.post(&path("resume"), json!({})).await.expect(200);
        eventually("the other node goes on", async || there.get("/api/v1/workspace").await.status == 200).await;
        // The load goes on as if nothing were: it is calm for all but who signs in.
        self.both_answer().await;
        for (_, server) in self.nodes() {
            let body = json!({ "email": "acme-inc@example.com", "password": PASSWORD });
            let refused = Client::new(server).host(API).post("/api/v1/auth/login", body).await;
            assert_eq!(refused.code(503), "SERVICE_UNAVAILABLE");
        }
        assert_eq!(self.ground.to_redis.seen().to_clients, heard, "there were no notices");
        heal(&self.ground.to_redis);
        self.redis_is_back().await;
    }

    async fn redis_is_back(&self) {
        self.ground.redis.has_listeners(2).await;
        for (name, server) in self.nodes() {
            let body = json!({ "email": "acme-inc@example.com", "password": PASSWORD });
            let central = Client::new(server).host(API);
            let signs_in = async || central.post("/api/v1/auth/login", body.clone()).await.status == 200;
            eventually(format!("people sign in {name}"), signs_in).await;
        }
    }

    /// The servers have closed all connections, and the nodes were not told.
    async fn half_of_each_connection_is_lost(&mut self) {
        eprintln!("half of each connection is lost");
        self.ground.to_redis.half_open();
        self.redis_is_back().await;
        self.both_answer().await;
        self.load.weather.turn();
        self.ground.to_database.half_open();
        self.is_over().await;
    }

    /// Costs all that needs it; reads and evaluations go on from memory.
    async fn the_database_is_cut_off(&mut self, cut: Cut) {
        eprintln!("the database is cut off: {cut:?}");
        self.load.weather.turn();
        cut.off(&self.ground.to_database).await;
        for door in &self.doors {
            self.load.answers_from_memory_and_refuses(door, FROM_MEMORY).await;
        }
        let [here, there] = self.nodes();
        tokio::join!(serves_what_it_knows(here, &self.quiet), serves_what_it_knows(there, &self.quiet));
        heal(&self.ground.to_database);
        self.is_over().await;
        // New workspaces are made, and found by both.
        let name = match cut {
            Cut::Refused => "hooli",
            Cut::Dead => "vandelay",
        };
        let made = sign_up(&self.here, name).await.client;
        let there = made.at(self.there.as_ref().unwrap());
        eventually("the other node finds it", async || there.get("/api/v1/workspace").await.status == 200).await;
        assert!(sign_in(&self.here, &format!("{name}@example.com"), &host("acme-inc")).await.is_none());
    }
}

/// A node without its database: what it can answer, and what it says of the rest, in time.
async fn serves_what_it_knows((name, server): (&'static str, &Server), workspace: &Workspace) {
    let member = Client::new(server).host(&host(workspace.name)).token(&workspace.token);
    let path = format!("{PUBLIC}/flags");
    let stale = async || member.get(&path).await.expect(200).header("x-togglebox-stale") == Some("true");
    eventually(format!("reads say that they may be stale {name}"), stale).await;
    let began = Instant::now();
    let (central, stranger) = (member.anonymous().host(API), member.anonymous().host(&host("stranger")));
    let toggle = format!("{INTERNAL}/flags/dark/toggle");
    let login = json!({ "email": "acme-inc@example.com", "password": PASSWORD });
    let (write, unknown, login) = tokio::join!(
        member.patch(&toggle, json!({ "enabled": true })),
        // Nobody can say that there is none.
        stranger.get("/api/v1/platforms"),
        central.post("/api/v1/auth/login", login),
    );
    for refused in [write, unknown, login] {
        assert_eq!(refused.code(503), "SERVICE_UNAVAILABLE", "{name}");
        assert!(refused.header("retry-after").is_some(), "{name}");
    }
    assert_eq!(member.get("/health").await.expect(200).json()["status"], "ok");
    let ready = member.get("/ready").await.expect(200).json();
    assert_eq!(ready["checks"]["database"], "disconnected", "{name}: {ready}");
    assert!(began.elapsed() < PATIENCE / 2, "{name}: {:?}", began.elapsed());
}
