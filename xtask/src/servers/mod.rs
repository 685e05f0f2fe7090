//! The real servers that tests talk to.
//!
//! Each is one file with a `prepare` function and one line in [`ALL`]. A server gets free loopback ports and folders of its own inside
//! the run's scratch folder, and tells its address to the tests through environment variables:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `TOGGLEBOX_TEST_SMTP` | `127.0.0.1:port` of a mail server that accepts everything |
//! | `TOGGLEBOX_TEST_SMTP_MAILDIR` | the maildir that it delivers to: one file a mail in `new/` |
//! | `TOGGLEBOX_TEST_POSTGRES` | `postgres://postgres@127.0.0.1:port`: a superuser, no database named |
//! | `TOGGLEBOX_TEST_POSTGRES_BIN` | the folder of `initdb`, `pg_ctl` and `postgres`, for tests that run servers of their own |
//! | `TOGGLEBOX_TEST_REDIS` | `redis://127.0.0.1:port` |
//! | `TOGGLEBOX_TEST_REDIS_SERVER` | the program `redis-server` |
//! | `TOGGLEBOX_TEST_REDIS_CLUSTER` | `127.0.0.1:port,…` of the nodes of a cluster: three masters, three replicas |
//! | `TOGGLEBOX_TEST_DYNAMODB` | `http://127.0.0.1:port` of a dynoxide |
//! | `TOGGLEBOX_TEST_DYNOXIDE` | the program `dynoxide` |
//! | `TOGGLEBOX_TEST_MINISTACK` | `http://127.0.0.1:port` of a ministack: another server of DynamoDB's protocol, and one of SQS's |
//! | `TOGGLEBOX_TEST_KNOT` | the program `knotd`, a name server that only tests start |
//! | `TOGGLEBOX_TEST_STRIPE_PYTHON` | a Python that has Stripe's own client |
//!
//! A server whose variables are all set already is not started: whoever set them brings it. Those that name a program may be set
//! alone: then that program is started.

mod dynamodb;
mod dynoxide;
mod knot;
mod ministack;
mod postgres;
mod redis;
mod redis_cluster;
mod smtp;
mod stripe;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::process::Process;
use crate::project::Project;

/// A kind of server.
struct Kind {
    name: &'static str,
    /// What it tells the tests. All of them set from outside means: do not start it.
    variables: &'static [&'static str],
    /// Sees to its program and its data folder. May take minutes; all kinds do it at the same time.
    prepare: fn(&Project, &Path) -> Result<Start>,
}

/// Starts a prepared server on a free port, without waiting for it.
type Start = Box<dyn Fn() -> Result<Starting> + Send>;

/// A server that has been started.
struct Starting {
    process: Process,
    /// Others that it is nothing without.
    beside: Vec<Process>,
    /// Whether it answers.
    ready: Box<dyn Fn() -> bool>,
    /// How long that may take.
    limit: Duration,
    variables: Vec<(&'static str, OsString)>,
}

const ALL: &[Kind] = &[
    Kind { name: "SMTP sink", variables: &[smtp::ADDRESS, smtp::MAILDIR], prepare: smtp::prepare },
    Kind { name: "PostgreSQL", variables: &[postgres::ADDRESS, postgres::BIN], prepare: postgres::prepare },
    Kind { name: "Redis", variables: &[redis::ADDRESS, redis::SERVER], prepare: redis::prepare },
    Kind { name: "Redis cluster", variables: &[redis_cluster::ADDRESSES], prepare: redis_cluster::prepare },
    Kind { name: "dynoxide", variables: &[dynoxide::ADDRESS, dynoxide::PROGRAM], prepare: dynoxide::prepare },
    Kind { name: "ministack", variables: &[ministack::ADDRESS], prepare: ministack::prepare },
];

/// A program that is not started here: tests do it themselves, with files of their own.
struct Program {
    name: &'static str,
    /// What tells the tests where it is.
    variable: &'static str,
    /// Finds or installs it.
    find: fn(&Project, &Path) -> Result<PathBuf>,
}

const PROGRAMS: &[Program] = &[
    Program { name: "Knot DNS", variable: knot::PROGRAM, find: |_, scratch| knot::program(scratch) },
    Program { name: "Stripe's client", variable: stripe::PYTHON, find: |project, _| stripe::python(project) },
];

/// How often a server is started anew when another program took its port first.
const ATTEMPTS: usize = 3;

/// One running server, or a program that tests start.
#[derive(Debug)]
struct Server {
    processes: Vec<Process>,
    variables: Vec<(&'static str, OsString)>,
}

/// All that run for the tests; stopped on drop.
#[derive(Debug)]
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    /// Starts every kind, with its folders inside `scratch`.
    pub(crate) fn start(project: &Project, scratch: &Path) -> Result<Self> {
        let (brought, wanted): (Vec<_>, Vec<_>) =
            ALL.iter().partition(|kind| kind.variables.iter().all(|name| env::var_os(name).is_some()));
        for kind in brought {
            eprintln!("{}: using the one that the environment names", kind.name);
        }
        let prepared = prepare(&wanted, project, scratch)?;

        // From this thread, since a child ends with the thread that started it; all are under way before the first is waited for.
        let mut started = Vec::new();
        for (kind, start) in prepared {
            let starting = start().with_context(|| no_server(kind.name))?;
            started.push((kind, start, starting));
        }
        let mut servers = Vec::new();
        for (kind, start, starting) in started {
            let server = until_ready(&start, starting).with_context(|| no_server(kind.name))?;
            servers.push((kind.name, server));
        }
        for program in PROGRAMS {
            let found = (program.find)(project, scratch).with_context(|| no_server(program.name))?;
            let variables = vec![(program.variable, found.into_os_string())];
            servers.push((program.name, Server { processes: Vec::new(), variables }));
        }
        for (name, server) in &servers {
            let told: Vec<_> = server.variables.iter().map(|(name, value)| format!("{name}={}", value.display())).collect();
            eprintln!("{name}: {}", told.join(" "));
        }
        Ok(Self(servers.into_iter().map(|(_, server)| server).collect()))
    }

    /// What the tests are told.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        self.0.iter().flat_map(|server| server.variables.iter().map(|(name, value)| (*name, value)))
    }

    /// An error when one of them has ended meanwhile.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        self.0.iter_mut().flat_map(|server| &mut server.processes).try_for_each(Process::ensure_running)
    }
}

/// Prepares all kinds at once: they compile, download and lay out data folders.
fn prepare<'a>(wanted: &[&'a Kind], project: &Project, scratch: &Path) -> Result<Vec<(&'a Kind, Start)>> {
    thread::scope(|scope| {
        let running: Vec<_> = wanted.iter().map(|&kind| (kind, scope.spawn(move || (kind.prepare)(project, scratch)))).collect();
        let finished = running.into_iter().map(|(kind, thread)| {
            let outcome = thread.join().unwrap_or_else(|_| Err(anyhow!("its preparation panicked")));
            Ok((kind, outcome.with_context(|| no_server(kind.name))?))
        });
        finished.collect()
    })
}

fn no_server(name: &str) -> String {
    format!("no {name} for the tests")
}

/// Waits for a server, and starts it anew when another program took its port first.
fn until_ready(start: &Start, mut starting: Starting) -> Result<Server> {
    let mut attempt = 1;
    loop {
        match wait_for(&mut starting) {
            Ok(()) => {
                let processes = starting.beside.into_iter().chain([starting.process]).collect();
                return Ok(Server { processes, variables: starting.variables });
            }
            Err(error) if attempt < ATTEMPTS && lost_its_port(&error) => attempt += 1,
            Err(error) => return Err(error),
        }
        starting = start()?;
    }
}

/// Waits for a server, and for those that it is nothing without: that one of them has ended is known at once.
fn wait_for(starting: &mut Starting) -> Result<()> {
    let Starting { process, beside, ready, limit, .. } = starting;
    let mut ended = Ok(());
    process.wait_until(*limit, || {
        ended = beside.iter_mut().try_for_each(Process::ensure_running);
        ended.is_err() || ready()
    })?;
    ended
}

/// Whether a server's log says that its port was taken between our choice and its start.
fn lost_its_port(error: &anyhow::Error) -> bool {
    format!("{error:#}").to_lowercase().contains("already in use")
}

/// A loopback port that nobody listens on now, and that this run has not given to anybody.
pub(crate) fn free_port() -> io::Result<u16> {
    // The system may give a port again that was let go a moment ago, and its server has not taken yet.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::process::Command;
    use std::sync::Mutex;

    use super::*;
    use crate::process::Launch;

    /// Starts shells that run these scripts, one after the other; each is ready once it has written `ready`.
    fn shells(folder: &Path, scripts: &'static [&'static str]) -> Start {
        let next = Mutex::new(Cell::new(0));
        let (ready, log) = (folder.join("ready"), folder.join("log"));
        Box::new(move || {
            let next = next.lock().unwrap();
            let mut command = Command::new("sh");
            command.arg("-c").arg(scripts[next.replace(next.get() + 1)]).current_dir(ready.parent().unwrap());
            let ready = ready.clone();
            let process = Launch::new("shell", command).log(&log).start()?;
            Ok(Starting {
                process,
                beside: Vec::new(),
                ready: Box::new(move || ready.exists()),
                limit: Duration::from_secs(20),
                variables: Vec::new(),
            })
        })
    }

    #[test]
    fn a_server_that_lost_its_port_is_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let start = shells(folder.path(), &["echo Address already in use; exit 1", "touch ready; sleep 600"]);
        until_ready(&start, start().unwrap()).unwrap();
    }

    #[test]
    fn a_port_is_lost_only_so_often_and_other_ends_are_final() {
        let folder = tempfile::tempdir().unwrap();
        let start = shells(folder.path(), &["echo address already in use; exit 1"; ATTEMPTS]);
        let error = until_ready(&start, start().unwrap()).unwrap_err().to_string();
        assert!(error.contains("ended by itself"), "{error}");

        let start = shells(folder.path(), &["echo no space left; exit 1"]);
        let error = until_ready(&start, start().unwrap()).unwrap_err().to_string();
        assert!(error.contains("no space left"), "{error}");
    }
}
