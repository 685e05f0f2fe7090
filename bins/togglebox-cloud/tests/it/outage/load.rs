//! Clients that go on and on, and look at every answer: whatever happens, it is of the workspace that was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::workspace::Workspace;
use crate::client::{Client, INTERNAL, PUBLIC, Reply};
use crate::people::{API, host};
use crate::server::{PATIENCE, PAUSE, Server};

/// What reads from memory may take while something is away.
const READ: Duration = PATIENCE.checked_div(10).unwrap();
/// What anything else may take.
const ANYTHING: Duration = PATIENCE.checked_div(2).unwrap();

/// How things are: where they are calm, nothing is refused.
#[derive(Debug, Default)]
pub(super) struct Weather(AtomicUsize);

impl Weather {
    /// Odd while something is away, or was and has not been seen to work again.
    fn now(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// From now on things may be refused, or no longer.
    pub(super) fn turn(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A node as its clients know it: how to reach it, unless it is being killed, and what it did.
#[derive(Debug)]
pub(super) struct Door {
    name: &'static str,
    way: watch::Sender<Option<Client>>,
    answered: AtomicUsize,
    from_memory: AtomicUsize,
    refused: AtomicUsize,
}

impl Door {
    pub(super) fn of(name: &'static str, server: &Server) -> Arc<Self> {
        let (answered, from_memory, refused) = Default::default();
        Arc::new(Self { name, way: watch::Sender::new(Some(Client::new(server))), answered, from_memory, refused })
    }

    /// Nobody is expected to get through from now on.
    pub(super) fn close(&self) {
        self.way.send_replace(None);
    }

    pub(super) fn lead_to(&self, server: &Server) {
        self.way.send_replace(Some(Client::new(server)));
    }

    async fn client(&self) -> Client {
        let mut way = self.way.subscribe();
        // The sender lives as long as this.
        let open = way.wait_for(Option::is_some).await.unwrap();
        open.clone().unwrap()
    }
}

/// Requests to two nodes for several workspaces, until it is told to stop.
pub(super) struct Load {
    pub(super) weather: Arc<Weather>,
    pub(super) workspaces: Vec<Workspace>,
    over: Arc<AtomicBool>,
    visitors: JoinSet<Option<Written>>,
}

/// What became of the writes of one visitor.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) workspace: &'static str,
    pub(super) parameter: String,
    /// Values that the store may have: the last that was acknowledged, and those after it whose outcome is unknown.
    pub(super) possible: Vec<String>,
}

impl Load {
    /// Two visitors for each workspace at each node: one that reads what is in memory, and one that does everything else, which must not
    /// keep the first one waiting.
    pub(super) fn of(workspaces: &[Workspace], doors: &[Arc<Door>]) -> Self {
        let (weather, over) = (Arc::<Weather>::default(), Arc::<AtomicBool>::default());
        let mut visitors = JoinSet::new();
        for (n, workspace) in workspaces.iter().enumerate() {
            for (door, reads) in doors.iter().flat_map(|door| [(door, true), (door, false)]) {
                let visitor = Visitor {
                    own: workspace.clone(),
                    // Everybody tries everybody else's.
                    others: workspaces.iter().filter(|other| other.name != workspace.name).cloned().collect(),
                    door: Arc::clone(door),
                    weather: Arc::clone(&weather),
                    reads,
                    parameter: format!("at-{}", door.name),
                };
                visitors.spawn(visitor.go(n, Arc::clone(&over)));
            }
        }
        Self { weather, workspaces: workspaces.to_vec(), over, visitors }
    }

    /// Waits until a node has given so many more answers to what needs more than its memory.
    pub(super) async fn answers(&mut self, door: &Door, more: usize) {
        self.until(&format!("{} answers", door.name), &door.answered, more).await;
    }

    /// Waits until a node has given so many more answers out of memory, and has refused so much else.
    pub(super) async fn answers_from_memory_and_refuses(&mut self, door: &Door, more: usize) {
        self.until(&format!("{} answers out of memory", door.name), &door.from_memory, more).await;
        self.until(&format!("{} refuses what needs the store", door.name), &door.refused, 3).await;
    }

    async fn until(&mut self, what: &str, count: &AtomicUsize, more: usize) {
        let (first, mut last, mut since) = (count.load(Ordering::SeqCst), 0, Instant::now());
        loop {
            // Who has seen something wrong has ended: what it was is told now.
            if let Some(ended) = self.visitors.try_join_next() {
                panic!("a visitor goes on until the end: {:?}", ended.unwrap());
            }
            let seen = count.load(Ordering::SeqCst) - first;
            if seen >= more {
                return;
            }
            // However slow the machine: each is waited for anew.
            if seen > last {
                (last, since) = (seen, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "it never came true that {what}: {seen} of {more}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends it; what became of the writes.
    pub(super) async fn end(self) -> Vec<Written> {
        self.over.store(true, Ordering::SeqCst);
        self.visitors.join_all().await.into_iter().flatten().collect()
    }
}

/// What a request must be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Its own, always: out of memory, when it must.
    Memory,
    /// Its own; a 503 while the store is away.
    Store,
    /// That it was done; a 503 while the store is away.
    Write,
    /// That nobody knows who asks, or for whom; a 503 while the store is away.
    Nobody(u16, &'static str),
}

struct Ask {
    method: Method,
    path: String,
    body: Option<Value>,
    client: Client,
    expected: Expected,
}

struct Visitor {
    own: Workspace,
    others: Vec<Workspace>,
    door: Arc<Door>,
    weather: Arc<Weather>,
    /// Whether it only reads what is in memory.
    reads: bool,
    /// What this visitor writes, if it does, and nobody else.
    parameter: String,
}

impl Visitor {
    async fn go(self, first: usize, over: Arc<AtomicBool>) -> Option<Written> {
        let mut possible = vec![self.own.mark()];
        // Not all of them do the same at a time.
        for n in first.. {
            if over.load(Ordering::SeqCst) {
                break;
            }
            let value = format!("{} {n}", self.own.mark());
            let ask = self.ask(n, &value, &self.door.client().await);
            let (before, began) = (self.weather.now(), Instant::now());
            let reply = ask.client.try_send(ask.method.clone(), &ask.path, ask.body.as_ref(), &[]);
            let reply = tokio::time::timeout(PATIENCE, reply).await;
            let reply = reply.unwrap_or_else(|_| panic!("{} says nothing to {} {}", self.door.name, ask.method, ask.path));
            let calm = before.is_multiple_of(2) && self.weather.now() == before;
            if ask.expected == Expected::Write {
                possible.push(value);
            }
            match reply {
                Ok(reply) => {
                    self.check(&ask, &reply, calm, began.elapsed());
                    if ask.expected == Expected::Write && reply.status == 200 {
                        possible.drain(..possible.len() - 1);
                    }
                }
                // Only a node that is killed answers nothing; and then nobody waits for it.
                Err(error) => assert!(!calm, "{} {}: {error:?}", self.door.name, ask.path),
            }
        }
        (!self.reads).then_some(Written { workspace: self.own.name, parameter: self.parameter, possible })
    }

    /// The next request: by turns of all kinds that it makes.
    fn ask(&self, n: usize, value: &str, node: &Client) -> Ask {
        let own = node.host(&host(self.own.name));
        let (key, member) = (own.key(&self.own.key), own.token(&self.own.token));
        let other = &self.others[n % self.others.len()];
        let get = |client: &Client, path: String, expected| {
            let client = client.clone();
            Ask { method: Method::GET, path, body: None, client, expected }
        };
        let unauthorized = Expected::Nobody(401, "UNAUTHORIZED");
        match if self.reads { n % 6 } else { 6 + n % 8 } {
            0 => get(&key, format!("{PUBLIC}/flags"), Expected::Memory),
            1 => get(&key, format!("{PUBLIC}/configs"), Expected::Memory),
            2 => get(&key, format!("{PUBLIC}/flags/dark/evaluate?userId=u-{n}"), Expected::Memory),
            3 => get(&key, format!("{PUBLIC}/experiments"), Expected::Memory),
            4 => get(&member, "/api/v1/platforms".to_owned(), Expected::Memory),
            5 => get(&member, format!("{PUBLIC}/configs/list"), Expected::Memory),
            6 => Ask {
                method: Method::PATCH,
                path: format!("{INTERNAL}/configs/{}", self.parameter),
                body: Some(json!({ "defaultValue": value })),
                client: member,
                expected: Expected::Write,
            },
            7 => get(&member, "/api/v1/workspace/members".to_owned(), Expected::Store),
            8 => get(&member, "/api/v1/internal/audit?limit=5".to_owned(), Expected::Store),
            // Somebody else's key, token and name.
            9 => get(&own.key(&other.key), format!("{PUBLIC}/flags"), unauthorized),
            10 => get(&own.token(&other.token), "/api/v1/platforms".to_owned(), unauthorized),
            11 => get(&key.host(&host(other.name)), format!("{PUBLIC}/configs"), unauthorized),
            12 => get(&member.host(API), "/api/v1/workspaces".to_owned(), unauthorized),
            _ => get(
                &key.host(&host(&format!("nobody-{n}"))),
                format!("{PUBLIC}/flags"),
                Expected::Nobody(404, "WORKSPACE_NOT_FOUND"),
            ),
        }
    }

    fn check(&self, ask: &Ask, reply: &Reply, calm: bool, took: Duration) {
        let about = || {
            let (path, client) = (&ask.path, ask.client.host.as_deref());
            format!("{} for {} at {client:?} {path}: {} {}", self.door.name, self.own.name, reply.status, reply.text())
        };
        let said = format!("{}\n{:?}", reply.text(), reply.headers).to_lowercase();
        for other in &self.others {
            assert!(!said.contains(other.name), "{} is named: {}", other.name, about());
        }
        let memory = ask.expected == Expected::Memory;
        assert!(took < if memory { READ } else { ANYTHING }, "{took:?}: {}", about());
        if !memory {
            self.door.answered.fetch_add(1, Ordering::SeqCst);
        }
        if reply.status == 503 {
            assert!(!memory && !calm, "nothing is refused now: {}", about());
            assert!(reply.json()["code"] == "SERVICE_UNAVAILABLE" && reply.header("retry-after").is_some(), "{}", about());
            self.door.refused.fetch_add(1, Ordering::SeqCst);
            return;
        }
        match ask.expected {
            Expected::Memory | Expected::Store | Expected::Write => {
                assert!(reply.status == 200 && reply.text().contains(&self.own.mark()), "{}", about());
            }
            Expected::Nobody(status, code) => {
                assert!(reply.status == status && reply.json()["code"] == code, "{}", about());
            }
        }
        if memory {
            self.door.from_memory.fetch_add(1, Ordering::SeqCst);
        }
    }
}
