//! Two processes of a program over one `PostgreSQL` database, once for each way in which they tell each other of changes, and how long what
//! one of them has acknowledged takes to count on the other.

use std::future::Future;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How often each case is measured.
pub(crate) const TIMES: usize = 200;

const EMAIL: &str = "admin@example.com";
pub(crate) const PASSWORD: &str = "Correct-Horse-1";

/// A way of telling, and what nodes that tell so share.
pub(crate) struct Case {
    settings: Vec<(&'static str, String)>,
    /// How many things are measured at once: one, unless each takes seconds.
    pub(crate) at_once: usize,
    folder: TempDir,
}

impl Case {
    /// Of each of so many at once, how often it is measured.
    pub(crate) const fn times(&self) -> usize {
        TIMES / self.at_once
    }

    /// Where each may take seconds, whoever waits for it asks less often.
    pub(crate) async fn pause(&self) {
        if self.at_once > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where nodes work, and look for files that settings name.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A node, which an admin can sign in at.
    pub(crate) fn first_node(&self) -> Node {
        let mut command = self.command();
        command.args(["admin", "create", "--email", EMAIL, "--password-stdin"]).stdin(Stdio::piped());
        let mut admin = command.spawn().unwrap();
        admin.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        assert!(admin.wait().unwrap().success());
        self.node()
    }

    /// Another node.
    pub(crate) fn node(&self) -> Node {
        Node::start(self.command())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(crate::BINARY);
        command.env_clear().envs(crate::SETTINGS.iter().copied()).envs(self.settings.iter().cloned());
        command.current_dir(self.folder.path()).stdout(Stdio::piped());
        command.env("HOST", "127.0.0.1").env("PORT", "0").env("WORKERS", "2").env("LOG_LEVEL", "warn").env("RATE_LIMITS", "off");
        command.env("JWT_SECRET", "Yq3sVd8Kf1Lz6Xw0Rb5Tn9Hc2Mj7Gp4U");
        command
    }
}

/// The servers that a chore has started.
pub(crate) struct Servers {
    postgres: String,
    bin: String,
    pub(crate) redis: String,
}

impl Servers {
    /// `None`, and said so, where there are none. `bench` is the benchmark's name.
    #[expect(clippy::disallowed_methods, reason = "it is told of servers through the environment")]
    pub(crate) fn told(bench: &str) -> Option<Self> {
        let told = ["TOGGLEBOX_TEST_POSTGRES", "TOGGLEBOX_TEST_POSTGRES_BIN", "TOGGLEBOX_TEST_REDIS"];
        let [Some(postgres), Some(bin), Some(redis)] = told.map(|name| std::env::var(name).ok()) else {
            println!("This needs PostgreSQL and Redis: run `cargo xtask bench {bench}`");
            return None;
        };
        Some(Self { postgres, bin, redis })
    }

    /// Has the database server do something, as its superuser; what it answers, a line for each row.
    pub(crate) fn tell(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new(format!("{}/psql", self.bin));
        psql.arg(self.url(database)).args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statement]);
        let output = psql.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{statement}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Nodes over a database of their own, which is called `database`.
    pub(crate) fn case(&self, database: &str, settings: impl IntoIterator<Item = (&'static str, String)>) -> Case {
        self.tell("postgres", &format!("CREATE DATABASE {database}"));
        let settings = settings.into_iter().chain([("DATABASE_URL", self.url(database))]).collect();
        Case { settings, at_once: 1, folder: tempfile::tempdir().unwrap() }
    }

    /// Its nodes are gone.
    pub(crate) fn drop_database(&self, database: &str) {
        self.tell("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.postgres)
    }
}

/// Measures each way of telling, and prints a row of each. `name` is the benchmark's. With a bus, and without one, the median is to be
/// less than these.
pub(crate) async fn measure<F>(name: &str, [soon, poll]: [Duration; 2], measured: impl Fn(Case) -> F)
where
    F: Future<Output = Vec<Duration>>,
{
    let Some(servers) = Servers::told(name) else { return };
    let ways = [
        ("NOTIFY", None, 1, soon),
        ("Redis", Some(("REDIS_URL", servers.redis.clone())), 1, soon),
        ("no bus", Some(("CHANGE_BUS", "local".to_owned())), 20, poll),
    ];
    println!("{:<8} {:>7} {:>10} {:>10} {:>10} {:>16}", "bus", "times", "median ms", "p99 ms", "most ms", "aim of median ms");
    for (number, (name, setting, at_once, aim)) in ways.into_iter().enumerate() {
        let database = format!("bench_{}_{number}", std::process::id());
        let case = Case { at_once, ..servers.case(&database, setting) };
        let mut taken = measured(case).await;
        servers.drop_database(&database);
        taken.sort_unstable();
        let at = |percent: usize| taken[(taken.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        let aim = aim.as_secs_f64() * 1e3;
        println!("{name:<8} {:>7} {:>10.1} {:>10.1} {:>10.1} {aim:>16}", taken.len(), at(50), at(99), at(100));
    }
}

/// Spread evenly over 0 to 1, neighbours far apart: multiples of the golden ratio.
pub(crate) fn fraction(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let number = number as f64;
    (number * 0.618_033_988_749_895).fract()
}

/// A process of the program. Killed when dropped.
pub(crate) struct Node {
    process: Child,
    base: String,
    // It would not like it closed.
    _output: BufReader<ChildStdout>,
}

impl Node {
    fn start(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let (mut line, mut output) = (String::new(), BufReader::new(process.stdout.take().unwrap()));
        output.read_line(&mut line).unwrap();
        let base = line.split_once("http://").map(|(_, address)| format!("http://{}", address.trim())).unwrap();
        Self { process, base, _output: output }
    }

    /// Its address, as the beginning of a URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A client without a token, who asks for this host, or for the address.
    pub(crate) fn client(&self, host: Option<&str>) -> Client {
        togglebox_server::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Client { http, base: self.base.clone(), host: host.map(str::to_owned), token: None }
    }

    /// The admin, signed in.
    pub(crate) async fn admin(&self, host: Option<&str>) -> Client {
        let client = self.client(host);
        let signed_in = client.post("/api/v1/auth/login", json!({ "email": EMAIL, "password": PASSWORD })).await;
        client.with(&signed_in["data"]["token"])
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    host: Option<String>,
    token: Option<String>,
}

impl Client {
    /// With a token that was answered with.
    pub(crate) fn with(mut self, token: &Value) -> Self {
        self.token = Some(token.as_str().unwrap().to_owned());
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.done(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Value {
        self.done(Method::PATCH, path, Some(body)).await
    }

    async fn done(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.send(method, path, body).await.error_for_status().unwrap().json().await.unwrap()
    }

    /// Whatever it is answered with.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(host) = &self.host {
            request = request.header("host", host);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }
}
