//! The recorded exchanges of the original server, replayed against ours.
//!
//! Every answer must be what was recorded, apart from what [`mask`] hides and [`additions`] adds everywhere, or differ exactly as the
//! table in `tests/data/differences.json` says, which names the reason in `docs/COMPATIBILITY.md`.

#![expect(clippy::unwrap_used, reason = "a broken promise is a panic here")]

mod additions;
mod callers;
mod deviation;
mod difference;
mod mailbox;
mod mask;
mod recording;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use self::callers::Callers;
use self::deviation::{Deviations, STATUS};
use self::difference::{Differences, Step};
use self::mailbox::Mailbox;
use self::recording::{Backend, Exchange, Recording};
use crate::server::{Launch, Server};

/// The headers that are compared: what clients and browsers go by. Not caching, which differs everywhere. The recordings keep those of
/// security on their first exchanges only.
const HEADERS: &[&str] = &[
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-max-age",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "origin-agent-cluster",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-download-options",
    "x-frame-options",
    "x-permitted-cross-domain-policies",
    "x-xss-protection",
];

#[tokio::test]
async fn answers_are_those_recorded_over_dynamodb_or_differ_as_listed() {
    replay(Backend::Dynamodb).await;
}

#[tokio::test]
async fn answers_are_those_recorded_over_sql_or_differ_as_listed() {
    replay(Backend::Sql).await;
}

#[test]
fn every_listed_difference_is_about_a_recorded_exchange() {
    let recordings = [Recording::read(Backend::Dynamodb), Recording::read(Backend::Sql)];
    for difference in Differences::read().0 {
        assert!(difference.says_something(), "the entry about {:?} says how we differ", difference.ids);
        for id in &difference.ids {
            let about =
                recordings.iter().any(|recording| difference.is_about(recording.backend, id) && recording.find(id).is_some());
            assert!(about, "{id} is in the table of differences and was not recorded");
        }
    }
}

#[test]
fn every_reason_for_a_difference_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/COMPATIBILITY.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let documented: BTreeSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    for difference in Differences::read().0 {
        assert!(!difference.why.is_empty(), "{:?} has a reason", difference.ids);
        for why in &difference.why {
            assert!(
                documented.contains(why.as_str()),
                "{why}, the reason for {:?}, is explained in COMPATIBILITY.md",
                difference.ids
            );
        }
    }
}

/// A day that ends meanwhile would split the figures by day, so the replay is done again then.
async fn replay(backend: Backend) {
    let other = if backend == Backend::Sql { Backend::Dynamodb } else { Backend::Sql };
    let recordings = [Recording::read(backend), Recording::read(other)];
    let differences = Differences::read();
    let unexplained = loop {
        let (days, unexplained) = replay_once(&recordings, &differences).await;
        if days.len() == 1 {
            break unexplained;
        }
    };
    let count = unexplained.len();
    assert!(unexplained.is_empty(), "{count} of {backend} not as listed:\n{}", unexplained.join("\n"));
}

/// Replays the first of `recordings`. Gives the days on which the server answered, and what it answered otherwise than expected.
async fn replay_once(recordings: &[Recording; 2], differences: &Differences) -> (BTreeSet<String>, Vec<String>) {
    let [recording, _] = recordings;
    let backend = recording.backend;
    let mut play = Play::start(recording).await;
    let (mut days, mut unexplained) = (BTreeSet::new(), Vec::new());
    for exchange in &recording.exchanges {
        play.serve_as(&exchange.server).await;
        let answer = play.repeat(exchange).await;
        days.insert(answer.headers["date"][..16].to_owned());
        let like = differences.about(backend, &exchange.id).find_map(|difference| difference.like);
        let against = recordings.iter().find(|recording| recording.backend == like.unwrap_or(backend)).unwrap();
        let theirs = against.find(&exchange.id).unwrap();
        let (found, expected) = (differs(theirs, &answer), differences.expected(against.backend, &exchange.id));
        if found != expected {
            unexplained.push(describe(exchange, &expected, &found));
        } else if like.is_some() && differs(exchange, &answer).is_empty() {
            unexplained.push(format!("{}: listed to be like {}, and is like {backend} itself", exchange.id, against.backend));
        }
        for step in differences.about(backend, &exchange.id).flat_map(|difference| &difference.then) {
            play.take(step).await;
        }
    }
    (days, unexplained)
}

fn differs(theirs: &Exchange, answer: &Answer) -> Deviations {
    let (recorded, mut ours) = (mask::mask(&theirs.response.body), mask::mask(&answer.body));
    additions::take(answer.status, &recorded, &mut ours);
    let mut found = deviation::between(&recorded, &ours);
    if answer.status != theirs.response.status {
        found.insert(STATUS.to_owned(), Some(answer.status.into()));
    }
    for name in HEADERS {
        let (recorded, ours) = (theirs.response.headers.get(*name), answer.headers.get(*name));
        if recorded != ours && (recorded.is_some() || *name == "content-type") {
            found.insert(format!("{name}:"), ours.map(|text| Value::from(text.clone())));
        }
    }
    found
}

/// In the notation of the table.
fn describe(exchange: &Exchange, expected: &Deviations, found: &Deviations) -> String {
    let values = |of: &Deviations| -> Value {
        let ours: Value =
            of.iter().filter(|(at, _)| *at != STATUS).filter_map(|(at, ours)| Some((at.clone(), ours.clone()?))).collect();
        let gone: Vec<&String> = of.iter().filter(|(_, ours)| ours.is_none()).map(|(at, _)| at).collect();
        json!({ "status": of.get(STATUS), "ours": ours, "gone": gone })
    };
    format!("{}: {}\n    listed: {}", exchange.id, values(found), values(expected))
}

/// A replay under way.
struct Play {
    client: Client,
    mailbox: Mailbox,
    /// Where connections are refused: bound, so that nobody else takes it, and not listened to.
    closed: TcpSocket,
    launch: Launch,
    settings: Value,
    /// `None` only between two servers.
    server: Option<Server>,
    callers: Callers,
}

impl Play {
    async fn start(recording: &Recording) -> Self {
        let mailbox = Mailbox::open().await;
        let launch = stage::launch(&mailbox);
        stage::make_admin(&launch).await;
        let closed = TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let settings = recording.exchanges[0].server.clone();
        let server = stage::configured(&launch, &settings, port_of(&closed)).start().await;
        let mut callers = Callers::default();
        let seeded = recording.find("keys.list.key").unwrap().request.headers["x-api-key"].clone();
        callers.name("seedkey", &seeded, &stage::fill(&server, recording).await);
        Self { client: Client::new(), mailbox, closed, launch, settings, server: Some(server), callers }
    }

    /// Starts the server anew over the same database when its settings change.
    async fn serve_as(&mut self, settings: &Value) {
        if *settings == self.settings {
            return;
        }
        let ended = self.server.take().expect("a server runs").stop().await;
        assert!(ended.status.success(), "{}", ended.log);
        self.server = Some(stage::configured(&self.launch, settings, port_of(&self.closed)).start().await);
        self.settings = settings.clone();
    }

    fn url(&self, path: &str) -> String {
        self.server.as_ref().expect("a server runs").url(&self.callers.translate(path))
    }

    async fn repeat(&mut self, exchange: &Exchange) -> Answer {
        let request = &exchange.request;
        // Where the recording had no text for a name either, it was sent with something else.
        let template = request.path_template.as_ref().filter(|template| !self.callers.translate(template).contains("${"));
        let path = template.unwrap_or(&request.path);
        let mut call = self.client.request(request.method.parse::<Method>().unwrap(), self.url(path));
        let credential =
            request.auth_as.as_deref().filter(|caller| *caller != "none_alg").map(|caller| self.callers.credential(caller));
        for (name, value) in &request.headers {
            let minted = credential.as_ref().filter(|(header, _)| header == name).map(|(_, value)| value.clone());
            call = call.header(name, minted.unwrap_or_else(|| self.callers.translate(value)));
        }
        if let Some(body) = request.body() {
            call = call.body(self.callers.translate(&body));
        }
        let answer = Answer::to(call).await;
        self.callers.learn(exchange, &answer.body);
        if exchange.id == "reset.request.known" {
            self.callers.rename("reset_token", &token_in(&self.mailbox.next().await));
        }
        answer
    }

    async fn take(&mut self, step: &Step) {
        let mut call = self.client.request(step.method.parse::<Method>().unwrap(), self.url(&step.path));
        if let Some(caller) = &step.caller {
            let (header, value) = self.callers.credential(caller);
            call = call.header(header, value);
        }
        if let Some(body) = &step.body {
            call = call.header("content-type", "application/json").body(self.callers.translate(&body.to_string()));
        }
        let Answer { status, body, .. } = Answer::to(call).await;
        assert_eq!(status, step.status, "{} {}: {body}", step.method, step.path);
        for (name, pointer) in &step.saves {
            self.callers.rename(name, body.pointer(pointer).and_then(Value::as_str).unwrap());
        }
    }
}

fn port_of(socket: &TcpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// What a server said.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    /// `null` for none.
    body: Value,
}

impl Answer {
    async fn to(call: reqwest::RequestBuilder) -> Self {
        let response = call.send().await.unwrap();
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = response.text().await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap_or(Value::String(body)) };
        Self { status, headers, body }
    }
}

/// The 64 hexadecimal digits in a mail, which may be wrapped as quoted-printable does it.
fn token_in(mail: &str) -> String {
    let text = mail.replace("=\r\n", "");
    let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.find(|word| word.len() == 64).unwrap_or_else(|| panic!("there is a token in {mail}")).to_owned()
}
