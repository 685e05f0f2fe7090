//! Child processes that do not outlive this program.
//!
//! Each child leads a process group of its own. It is stopped as a group when its [`Process`] is dropped: at the end, on a failure,
//! and on ctrl-c (see [`crate::interrupt`]). Where util-linux's `setpriv` is there, the kernel also kills the child if this program
//! is killed itself.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt;

/// Between two looks at something that is waited for.
const POLL: Duration = Duration::from_millis(20);

/// From a polite signal to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// As much of the end of a log as an error shows.
const LOG_TAIL_BYTES: u64 = 4_096;

/// A child about to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    name: String,
    command: Command,
    log: Option<PathBuf>,
    input: Option<String>,
    account: Option<&'static str>,
    stop_signal: Signal,
}

impl Launch {
    /// `command`, called `name` in messages. Its output goes to the terminal, its input is empty.
    pub(crate) fn new(name: impl Into<String>, command: Command) -> Self {
        Self { name: name.into(), command, log: None, input: None, account: None, stop_signal: Signal::TERM }
    }

    /// Sends the output to a file, whose end becomes part of error messages.
    #[must_use]
    pub(crate) fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Gives a short text as input: less than a pipe holds, since nobody keeps writing it.
    #[must_use]
    pub(crate) fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Runs it under this account and its groups: only root can.
    #[must_use]
    pub(crate) fn account(mut self, name: &'static str) -> Self {
        self.account = Some(name);
        self
    }

    /// Asks it to end with this signal instead of SIGTERM.
    #[must_use]
    pub(crate) fn stop_with(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// Starts it.
    pub(crate) fn start(self) -> Result<Process> {
        let mut command = tied_to_us(&self.command, self.account);
        command.process_group(0);
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        if let Some(path) = &self.log {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let child =
            command.spawn().with_context(|| format!("cannot start {} ({})", self.name, self.command.get_program().display()))?;
        let mut process = Process { name: self.name, child, log: self.log, stop_signal: self.stop_signal };
        if let (Some(text), Some(mut pipe)) = (self.input, process.child.stdin.take()) {
            pipe.write_all(text.as_bytes()).with_context(|| format!("{} does not read its input", process.name))?;
        }
        Ok(process)
    }

    /// Runs it to its end; an unsuccessful exit or running past `limit` is an error.
    pub(crate) fn run(self, limit: Duration) -> Result<()> {
        let mut process = self.start()?;
        let status = process.wait(limit)?;
        ensure!(status.success(), "{} failed ({status}){}", process.name, process.log_tail());
        Ok(())
    }
}

/// A started child, stopped on drop.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: Option<PathBuf>,
    stop_signal: Signal,
}

impl Process {
    /// Waits for the end; an error when it takes longer than `limit` or an interrupt comes.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            interrupt::check()?;
            ensure!(start.elapsed() < limit, "{} did not end within {limit:?}{}", self.name, self.log_tail());
            thread::sleep(POLL);
        }
    }

    /// Calls `probe` until it says yes; an error when the process ends first, an interrupt comes, or `limit` passes.
    pub(crate) fn wait_until(&mut self, limit: Duration, mut probe: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            self.ensure_running()?;
            if probe() {
                // Somebody else may have answered on the same port, while ours failed to bind it.
                return self.ensure_running();
            }
            interrupt::check()?;
            ensure!(start.elapsed() < limit, "{} was not ready within {limit:?}{}", self.name, self.log_tail());
            thread::sleep(POLL);
        }
    }

    /// An error, with the end of the log, when the process has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself ({status}){}", self.name, self.log_tail());
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let Some(path) = &self.log else { return String::new() };
        match tail(path) {
            Ok(text) if text.trim().is_empty() => "; its log is empty".to_owned(),
            Ok(text) => format!("; the end of its log:\n{}", text.trim_end()),
            Err(error) => format!("; its log cannot be read: {error}"),
        }
    }

    fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // Not reaped yet, so its id cannot belong to anybody else.
        let group = Pid::from_child(&self.child);
        kill_process_group(group, self.stop_signal)?;
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        kill_process_group(group, Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("cannot stop {}: {error:#}", self.name);
        }
    }
}

/// The same command under `account` if one is given, which the kernel kills when the thread that starts it ends, where `setpriv` can
/// arrange that. (The system calls themselves would need unsafe code between fork and exec.)
fn tied_to_us(command: &Command, account: Option<&str>) -> Command {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    let available = *AVAILABLE.get_or_init(|| {
        let mut probe = Command::new("setpriv");
        probe.args(["--pdeathsig", "KILL", "--", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    });
    let mut tied = if available || account.is_some() {
        let mut setpriv = Command::new("setpriv");
        if let Some(account) = account {
            setpriv.args(["--reuid", account, "--regid", account, "--init-groups"]);
        }
        if available {
            setpriv.args(["--pdeathsig", "KILL"]);
        }
        setpriv.arg("--").arg(command.get_program());
        setpriv
    } else {
        Command::new(command.get_program())
    };
    tied.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::test_kill_process;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failing_command_reports_its_status_and_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let error = Launch::new("thing", shell("echo no such luck; exit 3")).log(&log).run(SOON).unwrap_err().to_string();
        assert!(error.contains("thing failed") && error.contains("exit status: 3") && error.contains("no such luck"), "{error}");
    }

    #[test]
    fn input_reaches_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        Launch::new("cat", shell("cat")).log(&log).input("some text").run(SOON).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "some text");
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = Launch::new("sleeper", shell("sleep 600")).start().unwrap();
        let id = Pid::from_child(&process.child);
        assert!(test_kill_process(id).is_ok());
        drop(process);
        assert!(test_kill_process(id).is_err());
    }

    #[test]
    fn running_past_the_limit_is_an_error() {
        let error = Launch::new("sleeper", shell("sleep 600")).run(Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("did not end within"), "{error}");
    }

    #[test]
    fn waiting_for_a_process_that_ends_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = Launch::new("server", shell("echo port taken >&2; exit 1")).log(&log).start().unwrap();
        let error = process.wait_until(SOON, || false).unwrap_err().to_string();
        assert!(error.contains("ended by itself") && error.contains("port taken"), "{error}");
    }

    #[test]
    fn a_probe_that_never_agrees_runs_into_the_limit() {
        let mut process = Launch::new("server", shell("sleep 600")).start().unwrap();
        let error = process.wait_until(Duration::ZERO, || false).unwrap_err().to_string();
        assert!(error.contains("was not ready"), "{error}");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, format!("first{}last", "x".repeat(10_000))).unwrap();
        let text = tail(&log).unwrap();
        assert_eq!(text.len(), usize::try_from(LOG_TAIL_BYTES).unwrap());
        assert!(text.ends_with("last") && !text.contains("first"));
    }
}
