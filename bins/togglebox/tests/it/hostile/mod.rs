//! Every route against input that nobody sends by mistake. Whatever comes: a documented answer, never a 5xx, never a dropped
//! connection, nothing in the log that someone would have to look at.

mod bodies;
mod probe;
mod protocol;
mod urls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{ADMIN, Client, INTERNAL, PASSWORD, config, experiment, flag, make_environment, sign_in, start_with_admin};
use crate::server::{Launch, Server};
use probe::{Answer, Request};

/// Requests under way at once.
const AT_ONCE: usize = 8;

/// A route as the served description has it.
#[derive(Clone, Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    /// The statuses that the description tells of.
    statuses: BTreeSet<u16>,
}

impl Operation {
    fn takes_a_body(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH")
    }

    /// Whether its bodies are limited to 64 KiB.
    fn is_about_accounts(&self) -> bool {
        let path = self.path.replacen("/internal", "", 1);
        ["/api/v1/auth/", "/api/v1/users", "/api/v1/api-keys"].iter().any(|area| path.starts_with(area))
    }

    /// Whether it ends or replaces the session that calls it.
    fn ends_sessions(&self) -> bool {
        matches!(self.id.as_str(), "logout" | "refresh")
    }

    /// The path with things that exist in it; with things that do not where calling it would delete them.
    fn target(&self) -> String {
        self.target_with(|_, value| value.to_owned())
    }

    /// The path, each of its parameters replaced by what `change` makes of name and value.
    fn target_with(&self, change: impl Fn(&str, &str) -> String) -> String {
        let key = match self.path.split('/').nth_back(usize::from(!self.path.ends_with("{key}"))) {
            _ if self.method == "DELETE" => "gone",
            _ if self.path.contains("/flags/") => "dark",
            _ if self.path.contains("/configs/") => "title",
            _ => "cta",
        };
        let place = if self.method == "DELETE" && !self.path.contains("{key}") { "gone" } else { "web" };
        let mut path = self.path.clone();
        for (name, value) in [
            ("platform", place),
            ("environment", "prod"),
            ("key", key),
            ("version", "1.0.0"),
            ("id", "00000000-0000-4000-8000-000000000000"),
        ] {
            path = path.replace(&format!("{{{name}}}"), &change(name, value));
        }
        path
    }
}

/// A server with one of each thing, and what is needed to call it.
struct Scene {
    server: Server,
    admin: Client,
    operations: Vec<Operation>,
    /// Sent with most requests.
    credential: Arc<str>,
    /// Sent to the routes that end a session.
    spare: Arc<str>,
}

impl Scene {
    async fn set() -> Self {
        let (server, admin) = start_with_admin(Launch::new()).await;
        make_environment(&admin).await;
        admin.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
        admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
        admin.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);
        let credential = sign_in(&admin, ADMIN, PASSWORD).await.into();
        let spare = sign_in(&admin, ADMIN, PASSWORD).await.into();
        let operations = operations(&admin.get("/openapi.json").await.expect(200).json());
        assert!(operations.len() > 90, "{} operations", operations.len());
        Self { server, admin, operations, credential, spare }
    }

    fn request(&self, operation: &Operation, target: impl Into<Vec<u8>>) -> Request {
        let token = if operation.ends_sessions() { &self.spare } else { &self.credential };
        Request::new(&operation.method, target).header("authorization", format!("Bearer {token}"))
    }

    /// Sends everything, and tells what was answered otherwise than it may be.
    async fn send(&self, requests: Vec<(String, Expected, Request)>) {
        let address = self.server.address();
        let mut waiting = requests.into_iter();
        let (mut tasks, mut complaints, mut count) = (JoinSet::new(), BTreeMap::<String, usize>::new(), 0);
        loop {
            while tasks.len() < AT_ONCE
                && let Some((what, expected, request)) = waiting.next()
            {
                tasks.spawn(async move { (what, expected, request.send(address).await) });
            }
            let Some(done) = tasks.join_next().await else { break };
            let (what, expected, answer) = done.expect("probes do not panic");
            count += 1;
            if let Err(complaint) = answer.and_then(|answer| expected.judge(&answer)) {
                *complaints.entry(format!("{what}: {complaint}")).or_default() += 1;
            }
        }
        println!("{count} requests");
        let lines: Vec<_> = complaints.keys().take(40).map(String::as_str).collect();
        assert!(lines.is_empty(), "{} of {count} were answered wrongly:\n{}", complaints.len(), lines.join("\n"));
    }

    /// The server still works, and has nothing to report.
    async fn close(self) {
        self.admin.get(&format!("{INTERNAL}/flags/dark/versions")).await.expect(200);
        self.admin.get("/health").await.expect(200);
        let ended = self.server.stop().await;
        assert!(ended.status.success(), "{:?}", ended.status);
        let errors: Vec<_> =
            ended.log.lines().filter(|line| line.contains(r#""level":"ERROR""#) || line.contains("panicked")).take(5).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let statuses = operation["responses"].as_object().expect("responses").keys();
            operations.push(Operation {
                id: id.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                statuses: statuses.map(|status| status.parse().expect("a status")).collect(),
            });
        }
    }
    operations
}

/// What an answer may be.
#[derive(Clone, Debug)]
enum Expected {
    /// A status that the route's description tells of.
    Documented(Operation),
    /// One of these.
    Status(&'static [u16]),
    /// One of these, perhaps by the protocol layer, which knows of no JSON: the bytes are hardly a request.
    Hardly(&'static [u16]),
}

impl Expected {
    fn judge(&self, answer: &Answer) -> Result<(), String> {
        let shown =
            || format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>());
        let status = answer.status;
        let fits = match self {
            Self::Documented(operation) => status < 500 && operation.statuses.contains(&status),
            Self::Status(statuses) => statuses.contains(&status),
            Self::Hardly(statuses) => return if statuses.contains(&status) { Ok(()) } else { Err(shown()) },
        };
        if !fits {
            return Err(format!("unexpected status: {}", shown()));
        }
        if (400..500).contains(&status) && !answer.body_is_omitted {
            let body: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("{error} in {}", shown()))?;
            // What the original says to programs at its root.
            let root = body == serde_json::json!({ "success": false, "error": "Not Found" });
            let id = answer.header("x-request-id");
            let sound =
                body["success"] == false && body["code"].is_string() && body["meta"]["requestId"].as_str() == id && id.is_some();
            if !(sound || root) {
                return Err(format!("not an error body: {}", shown()));
            }
        }
        Ok(())
    }
}
