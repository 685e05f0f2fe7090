//! How long it takes until a write that one node has acknowledged is served by another.
//!
//! Two processes of the binary over one `PostgreSQL` database, once for each way in which they tell each other of changes. What is
//! measured goes from the end of one node's answer to the write until the end of the first answer of the other that shows it.
//!
//! `cargo xtask bench nodes`

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, ends where it cannot measure, and is told of servers through the environment"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How many writes are measured.
const WRITES: usize = 200;
/// How often a node asks the store.
const POLL: Duration = Duration::from_secs(2);
const EMAIL: &str = "admin@example.com";
const PASSWORD: &str = "Correct-Horse-1";
const PUBLIC: &str = "/api/v1/platforms/web/environments/prod/configs";
const INTERNAL: &str = "/api/v1/internal/platforms";

/// A way of telling.
struct Case {
    name: &'static str,
    settings: Vec<(&'static str, String)>,
    /// How many writes are under way at once, each to a parameter of its own: one, unless each takes seconds.
    writers: usize,
    aim: Duration,
}

#[tokio::main]
async fn main() {
    let told =
        ["TOGGLEBOX_TEST_POSTGRES", "TOGGLEBOX_TEST_POSTGRES_BIN", "TOGGLEBOX_TEST_REDIS"].map(|name| std::env::var(name).ok());
    let [Some(server), Some(bin), Some(redis)] = told else {
        println!("This needs PostgreSQL and Redis: run `cargo xtask bench nodes`");
        return;
    };
    let (soon, poll) = (Duration::from_millis(50), Duration::from_millis(2_500));
    let cases = [
        Case { name: "NOTIFY", settings: Vec::new(), writers: 1, aim: soon },
        Case { name: "Redis", settings: vec![("REDIS_URL", redis)], writers: 1, aim: soon },
        Case { name: "no bus", settings: vec![("CHANGE_BUS", "local".to_owned())], writers: 20, aim: poll },
    ];
    println!("{:<8} {:>7} {:>10} {:>10} {:>10} {:>16}", "bus", "writes", "median ms", "p99 ms", "most ms", "aim of median ms");
    for (number, case) in cases.into_iter().enumerate() {
        let database = format!("bench_{}_{number}", std::process::id());
        let tell = |statement: String| {
            let mut psql = Command::new(format!("{bin}/psql"));
            psql.arg(format!("{server}/postgres")).args(["--no-psqlrc", "--quiet", "--command", &statement]);
            assert!(psql.status().unwrap().success());
        };
        tell(format!("CREATE DATABASE {database}"));
        let mut taken = measure(&case, &format!("{server}/{database}")).await;
        tell(format!("DROP DATABASE {database} WITH (FORCE)"));
        taken.sort_unstable();
        let at = |percent: usize| taken[(taken.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        let (name, aim) = (case.name, case.aim.as_secs_f64() * 1e3);
        println!("{name:<8} {:>7} {:>10.1} {:>10.1} {:>10.1} {aim:>16}", taken.len(), at(50), at(99), at(100));
    }
}

async fn measure(case: &Case, database: &str) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    make_admin(command(&folder, case, database));
    let one = Node::start(command(&folder, case, database));
    let token = one.client(None).post("/api/v1/auth/login", json!({ "email": EMAIL, "password": PASSWORD })).await;
    let writer = one.client(token["data"]["token"].as_str());
    writer.post(INTERNAL, json!({ "name": "web" })).await;
    writer.post(&format!("{INTERNAL}/web/environments"), json!({ "environment": "prod" })).await;
    let other = Node::start(command(&folder, case, database));
    let reader = other.client(None);

    let mut writers = JoinSet::new();
    for number in 0..case.writers {
        let (writer, reader, writes) = (writer.clone(), reader.clone(), WRITES / case.writers);
        let many = case.writers > 1;
        writers.spawn(async move {
            let key = format!("key{number}");
            let made = json!({ "parameterKey": key, "valueType": "string", "defaultValue": "" });
            writer.post(&format!("{INTERNAL}/web/environments/prod/configs"), made).await;
            until(&reader, &key, "", many).await;
            let mut taken = Vec::new();
            for write in 0..writes {
                if many {
                    // Otherwise all would write just after a poll.
                    tokio::time::sleep(POLL.mul_f64(fraction(number * writes + write))).await;
                }
                let value = write.to_string();
                writer.patch(&format!("{INTERNAL}/web/environments/prod/configs/{key}"), json!({ "defaultValue": value })).await;
                let began = Instant::now();
                taken.push(until(&reader, &key, &value, many).await.duration_since(began));
            }
            taken
        });
    }
    writers.join_all().await.concat()
}

/// Spread evenly over 0 to 1, neighbours far apart: multiples of the golden ratio.
fn fraction(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let number = number as f64;
    (number * 0.618_033_988_749_895).fract()
}

/// Waits until the parameter has the value; when that was known.
async fn until(reader: &Client, key: &str, value: &str, relaxed: bool) -> Instant {
    loop {
        if reader.get(PUBLIC).await["data"][key] == value {
            return Instant::now();
        }
        if relaxed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The binary, as a node of this case.
fn command(folder: &TempDir, case: &Case, database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_togglebox"));
    command.env_clear().envs(case.settings.iter().cloned()).current_dir(folder.path()).stdout(Stdio::piped());
    command.env("DATABASE_URL", database).env("HOST", "127.0.0.1").env("PORT", "0").env("WORKERS", "2");
    command.env("JWT_SECRET", "Yq3sVd8Kf1Lz6Xw0Rb5Tn9Hc2Mj7Gp4U").env("LOG_LEVEL", "warn");
    command
}

fn make_admin(mut command: Command) {
    command.args(["admin", "create", "--email", EMAIL, "--password-stdin"]).stdin(Stdio::piped());
    let mut admin = command.spawn().unwrap();
    admin.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(admin.wait().unwrap().success());
}

/// A process of the binary. Killed when dropped.
struct Node {
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

    fn client(&self, token: Option<&str>) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Client { http, base: self.base.clone(), token: token.map(str::to_owned) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(self.http.post(format!("{}{path}", self.base)).json(&body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Value {
        self.send(self.http.patch(format!("{}{path}", self.base)).json(&body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}
