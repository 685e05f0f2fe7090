//! The real servers that tests talk to.
//!
//! Each is one file with a `start` function and one line in [`ALL`]. A server gets free loopback ports and folders of its own inside
//! the run's scratch folder, and tells its address to the tests through environment variables:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `TOGGLEBOX_TEST_SMTP` | `127.0.0.1:port` of a mail server that accepts everything |
//! | `TOGGLEBOX_TEST_SMTP_MAILDIR` | the maildir that it delivers to: one file a mail in `new/` |
//!
//! A variable that is set already is left alone and its server is not started: whoever set it brings the server.

mod smtp;

use std::env;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result};

use crate::process::Process;
use crate::project::Project;

/// A kind of server.
struct Kind {
    name: &'static str,
    /// What it tells the tests. All of them set from outside means: do not start it.
    variables: &'static [&'static str],
    start: fn(&Project, &Path) -> Result<Server>,
}

const ALL: &[Kind] = &[Kind { name: "SMTP sink", variables: &[smtp::ADDRESS, smtp::MAILDIR], start: smtp::start }];

/// How often a server is started anew when another program took its port first.
const ATTEMPTS: usize = 3;

/// One running server.
#[derive(Debug)]
struct Server {
    process: Process,
    variables: Vec<(&'static str, OsString)>,
}

/// All that run for the tests; stopped on drop.
#[derive(Debug)]
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    /// Starts every kind, with its folders inside `scratch`.
    pub(crate) fn start(project: &Project, scratch: &Path) -> Result<Self> {
        let mut servers = Vec::new();
        for kind in ALL {
            if kind.variables.iter().all(|name| env::var_os(name).is_some()) {
                eprintln!("{}: using the one that the environment names", kind.name);
                continue;
            }
            let server = start_one(kind, project, scratch).with_context(|| format!("no {} for the tests", kind.name))?;
            let told: Vec<_> = server.variables.iter().map(|(name, value)| format!("{name}={}", value.display())).collect();
            eprintln!("{}: {}", kind.name, told.join(" "));
            servers.push(server);
        }
        Ok(Self(servers))
    }

    /// What the tests are told.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        self.0.iter().flat_map(|server| server.variables.iter().map(|(name, value)| (*name, value)))
    }

    /// An error when one of them has ended meanwhile.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|server| server.process.ensure_running())
    }
}

fn start_one(kind: &Kind, project: &Project, scratch: &Path) -> Result<Server> {
    let mut attempt = 1;
    loop {
        match (kind.start)(project, scratch) {
            Err(error) if attempt < ATTEMPTS && lost_its_port(&error) => attempt += 1,
            other => return other,
        }
    }
}

/// Whether a server's log says that its port was taken between our choice and its start.
fn lost_its_port(error: &anyhow::Error) -> bool {
    format!("{error:#}").to_lowercase().contains("address already in use")
}

/// A loopback port that nobody listens on now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
