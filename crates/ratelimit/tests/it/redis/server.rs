//! Redis servers: those that all tests share, and those that a test stops and kills.

use std::env;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Instant;

use tempfile::TempDir;
use togglebox_core::testkit::PATIENCE;

/// What the tests were told under this name; `None` means that the test is to be skipped. In CI nothing is.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was left out")]
pub(super) fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name).map(|value| value.into_string().expect("text"));
    if value.is_none() {
        assert!(env::var_os("CI").is_none(), "{name} is not set: run the tests with `cargo xtask test`");
        eprintln!("skipped: {name} is not set; run the tests with `cargo xtask test`");
    }
    value
}

/// How often something is tried: so many times, unless whoever runs the tests has more time.
pub(super) fn trials(usual: u32) -> u32 {
    let told = env::var_os("TOGGLEBOX_TEST_TRIALS");
    told.map_or(usual, |trials| trials.into_string().unwrap().parse().expect("a number"))
}

/// The address of the shared server.
pub(super) fn shared() -> Option<String> {
    variable("TOGGLEBOX_TEST_REDIS")
}

/// A prefix that no other test uses, of this run or another.
pub(super) fn prefix() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// A server of the test's own, on a port that stays the same.
#[derive(Debug)]
pub(super) struct Server {
    program: String,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// One that does not run yet.
    pub(super) fn stopped() -> Option<Self> {
        let program = variable("TOGGLEBOX_TEST_REDIS_SERVER")?;
        Some(Self { program, port: port(), arguments: Vec::new(), folder: tempfile::tempdir().unwrap(), child: None })
    }

    pub(super) fn running() -> Option<Self> {
        let mut server = Self::stopped()?;
        server.start();
        Some(server)
    }

    /// With these arguments from its next start on.
    pub(super) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments(arguments);
        self
    }

    pub(super) fn arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
    }

    /// Puts a file into its folder.
    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(super) fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(self.folder.path());
        command.args(&self.arguments);
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        self.child = Some(command.stdin(Stdio::null()).stdout(log).spawn().unwrap());
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it in the middle of whatever it does: connections stay open, and nothing answers.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Shows whoever looks for the reason of a failure what the server said last.
    #[expect(clippy::print_stderr, reason = "a test that has failed says why")]
    fn tell(&self) {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("redis-server at {}:\n{}\n", self.address(), lines[lines.len().saturating_sub(20)..].join("\n"));
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Also one that is frozen ends by this.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            self.tell();
        }
    }
}

/// A free port, of those that only this test takes: below those that the system gives to whoever connects or asks for any. A node of a
/// cluster has its second one 10,000 above.
fn port() -> u16 {
    const FIRST: u16 = 11_000;
    const EACH: u16 = 100;
    const TESTS: u32 = 90;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests that run at the same time have different numbers.
    let told = env::var_os("NEXTEST_TEST_GLOBAL_SLOT").and_then(|slot| slot.to_str()?.parse().ok());
    let test = told.unwrap_or_else(std::process::id);
    let own = FIRST + u16::try_from(test % TESTS).unwrap() * EACH;
    let mut ports = (0..EACH).map(|_| own + NEXT.fetch_add(1, Ordering::Relaxed) % EACH);
    let is_free = |port: &u16| [*port, port + 10_000].into_iter().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    ports.find(is_free).expect("a free port")
}

/// What a test says to a server past the store.
pub(super) struct Raw(redis::aio::MultiplexedConnection);

impl Raw {
    /// Waits until the server answers.
    pub(super) async fn to(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let began = Instant::now();
        loop {
            match client.get_multiplexed_async_connection_with_config(&config).await {
                Ok(connection) => return Self(connection),
                Err(error) => assert!(began.elapsed() < PATIENCE, "{url}: {error}"),
            }
            // Until it listens, the refusal comes at once.
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        self.try_ask(words).await.unwrap()
    }

    /// Puts a value that is no text.
    pub(super) async fn set(&mut self, key: &str, value: &[u8]) {
        let () = redis::cmd("SET").arg(key).arg(value).query_async(&mut self.0).await.unwrap();
    }

    /// Asks until the answer is as wanted.
    pub(super) async fn until(&mut self, words: &[&str], wanted: impl Fn(&str) -> bool) {
        let began = Instant::now();
        loop {
            let answer = self.try_ask::<redis::Value>(words).await.map(|answer| match answer {
                redis::Value::BulkString(text) => String::from_utf8(text).unwrap(),
                other => format!("{other:?}"),
            });
            if answer.as_ref().is_ok_and(|answer| wanted(answer)) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{answer:?}");
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn try_ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.0).await
    }
}
