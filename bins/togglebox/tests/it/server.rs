//! The real binary, as a process of its own over a real database file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::Store;

/// How long anything that is waited for may take. Far more than it does; a test that gets here fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// How to start the binary: its settings, and the folder and the store that are its own. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    // Before the folder, so that it is dropped first.
    _store: Arc<Store>,
    folder: Arc<TempDir>,
    environment: BTreeMap<String, OsString>,
}

impl Launch {
    /// Over a new store of the kind that this run is over, on a free port.
    pub(crate) fn new() -> Self {
        Self::over(Store::new)
    }

    /// Over a new database file, whatever this run is over.
    pub(crate) fn over_sqlite() -> Self {
        Self::over(Store::sqlite)
    }

    /// Over the store that `store` gives, which may keep files in the folder.
    pub(crate) fn over(store: impl FnOnce(&Path) -> Store) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder for the files"));
        let store = Arc::new(store(folder.path()));
        let fixed = [
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("WORKERS", "2"),
            // All tests come from one address, and sign in more often than one may.
            ("RATE_LIMITS", "off"),
        ];
        let fixed = fixed.iter().chain(crate::SETTINGS).map(|(name, value)| (*name, (*value).to_owned()));
        let settings = fixed.chain(store.settings.clone());
        let environment = settings.map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self { _store: store, folder, environment }
    }

    /// With `name` set to `value`.
    pub(crate) fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// With all of `settings`.
    pub(crate) fn set_all(self, settings: &[(&str, &str)]) -> Self {
        settings.iter().fold(self, |launch, (name, value)| launch.set(name, *value))
    }

    /// Without `name`.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Where the process works, and where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("t.db")
    }

    /// Starts serving, and waits until the address is told.
    pub(crate) async fn start(&self) -> Server {
        let mut child = self.command(&[]).stdin(Stdio::null()).spawn().expect("the binary starts");
        let output = Text::default();
        let log = Text::default();
        let readers = vec![
            output.collect(child.stdout.take().expect("standard output is a pipe")),
            log.collect(child.stderr.take().expect("standard error is a pipe")),
        ];
        let mut server =
            Server { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), output, log, readers, launch: self.clone() };
        server.address = server.told_address().await;
        server
    }

    /// Runs the binary with `arguments` to its end, with `input` on standard input.
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        // A process that ends without reading it closes the pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        timeout(PATIENCE, child.wait_with_output()).await.expect("the command ends").expect("the command's output")
    }

    /// Begins to run the binary with `arguments`. Killed when dropped; what it writes is not read.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::BINARY);
        command.args(arguments).env_clear().envs(&self.environment).current_dir(self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    output: Text,
    log: Text,
    readers: Vec<JoinHandle<()>>,
    launch: Launch,
}

/// What is left of a server that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) log: String,
}

impl Server {
    /// With default settings.
    pub(crate) async fn start() -> Self {
        Launch::new().start().await
    }

    /// With default settings and `settings`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Launch::new().set_all(settings).start().await
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How it was started: starts it again over the same database.
    pub(crate) const fn launch(&self) -> &Launch {
        &self.launch
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.get()
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("the server runs");
        kill_process(pid, Signal::TERM).expect("a child may be signalled");
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn stop(self) -> Ended {
        self.terminate();
        self.ended().await
    }

    /// SIGKILL, and waits for the end.
    pub(crate) async fn kill(mut self) -> Ended {
        self.child.start_kill().expect("a child may be killed");
        self.ended().await
    }

    /// Waits for the end, for as long as requests under way may take.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the server ends").expect("its status");
        for reader in std::mem::take(&mut self.readers) {
            timeout(PATIENCE, reader).await.expect("its output ends").expect("its output is text");
        }
        Ended { status, output: self.output.get(), log: self.log.get() }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    async fn told_address(&mut self) -> SocketAddr {
        let started = Instant::now();
        loop {
            let output = self.output.get();
            let told = output.split("http://").nth(1).and_then(|rest| rest.split_once('\n'));
            if let Some((address, _)) = told {
                return address.trim().parse().expect("an address");
            }
            let running = self.is_running();
            assert!(running && started.elapsed() < PATIENCE, "no address in {output:?}; the log: {}", self.log());
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: impl fmt::Display, mut condition: impl FnMut() -> F) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "it never came true that {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a process writes, as it comes.
#[derive(Clone, Debug, Default)]
struct Text(Arc<Mutex<String>>);

impl Text {
    fn collect(&self, pipe: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let text = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        })
    }

    fn get(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}
