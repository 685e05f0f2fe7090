//! A process, and what it has started itself.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

/// A process and its children. All are killed when it is dropped.
#[derive(Debug)]
pub(super) struct Daemon(Child);

impl Daemon {
    /// Starts `command`, whose output is added to `log`.
    pub(super) fn start(command: Command, log: &Path) -> Self {
        let mut command = tied_to_us(command);
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a file for the log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("one more handle")).stderr(log);
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    pub(super) fn freeze(&self) {
        // Itself first, so that it starts no more children.
        signal(Pid::from_child(&self.0), Signal::STOP);
        self.children().into_iter().for_each(|child| signal(child, Signal::STOP));
    }

    pub(super) fn thaw(&self) {
        self.children().into_iter().for_each(|child| signal(child, Signal::CONT));
        signal(Pid::from_child(&self.0), Signal::CONT);
    }

    /// Found by asking who has which parent: a child of PostgreSQL's leads a process group of its own.
    fn children(&self) -> Vec<Pid> {
        let output = Command::new("ps").args(["-A", "-o", "ppid=", "-o", "pid="]).output().expect("ps");
        let (text, parent) = (String::from_utf8(output.stdout).expect("text"), self.id().to_string());
        let pairs = text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
        let own = pairs.filter(|(of, _)| *of == parent);
        own.filter_map(|(_, id)| Pid::from_raw(id.trim().parse().ok()?)).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.freeze();
            self.children().into_iter().for_each(|child| signal(child, Signal::KILL));
            signal(Pid::from_child(&self.0), Signal::KILL);
        }
        // Already waited for, or killed: nothing is left to be told.
        let _ = self.0.wait();
    }
}

/// One that has ended by itself meanwhile needs no signal.
fn signal(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// The same command, killed by the kernel if the thread of this test ends without doing so: where `setpriv` can arrange that.
fn tied_to_us(command: Command) -> Command {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    let available = *AVAILABLE.get_or_init(|| {
        let mut probe = Command::new("setpriv");
        probe.args(["--pdeathsig", "KILL", "--", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    });
    if !available {
        return command;
    }
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}
