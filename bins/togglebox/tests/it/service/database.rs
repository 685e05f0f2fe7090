//! A database server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use super::Service;
use crate::engine::{Store, variable_or_skip};
use crate::server::{Launch, eventually};

/// The account that PostgreSQL runs under when we are root, whom it refuses. Packages make it.
const ACCOUNT: &str = "postgres";

/// A server with one empty database, and how nodes reach it.
pub(crate) struct Database {
    pub(crate) service: Service,
    pub(super) kind: Kind,
}

/// What kind of server it is, and what only that kind has.
pub(super) enum Kind {
    Postgres {
        url: String,
        bin: PathBuf,
    },
    /// The address that requests go to.
    DynamoDb {
        endpoint: String,
    },
}

impl Database {
    /// What the database's user signs in with. The server trusts everyone, but nobody may show it.
    pub(crate) const PASSWORD: &str = "Zt7-not-to-be-shown-4Qm";

    /// A running PostgreSQL; `None` where the test is to be skipped. What it acknowledges is on the disk.
    pub(crate) async fn postgres() -> Option<Self> {
        let bin = PathBuf::from(variable_or_skip("TOGGLEBOX_TEST_POSTGRES_BIN")?);
        let folder = tempfile::tempdir().expect("a folder for the data");
        let data = folder.path().join("data");
        if geteuid().is_root() {
            succeed(Command::new("chown").arg(ACCOUNT).arg(folder.path()));
        }
        let mut initdb = as_needed(&bin.join("initdb"), folder.path());
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--pgdata"]);
        succeed(initdb.arg(&data));

        let (program, home, status) = (bin.join("postgres"), folder.path().to_owned(), data.join("postmaster.pid"));
        let start = Box::new(move |port: u16| {
            let mut command = as_needed(&program, &home);
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            command
        });
        let mut service = Service::stopped("PostgreSQL", folder, start, Box::new(move |id, _| is_ready(&status, id)));
        service.start().await;
        let url = format!("postgres://postgres:{}@127.0.0.1:{}/postgres", Self::PASSWORD, service.port());
        Some(Self { service, kind: Kind::Postgres { url, bin } })
    }

    /// How to start nodes over it. Over DynamoDB's protocol that makes a table of their own.
    pub(crate) fn launch(&self) -> Launch {
        match &self.kind {
            Kind::Postgres { url, .. } => Launch::over(|_| Store::at(url)),
            Kind::DynamoDb { endpoint } => Launch::over(|folder| Store::table_at(endpoint, folder)),
        }
    }

    /// Waits until so many nodes hear what the others tell, where the database carries that.
    pub(crate) async fn has_listeners(&self, nodes: usize) {
        let Kind::Postgres { url, bin } = &self.kind else { return };
        let query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
        let ask = || {
            let mut psql = Command::new(bin.join("psql"));
            let output = psql.arg(url).args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", query]).output();
            String::from_utf8(output.expect("psql starts").stdout).expect("text").trim() == nodes.to_string()
        };
        eventually(format!("{nodes} nodes listen at PostgreSQL"), async || ask()).await;
    }
}

/// `program`, in `home`, under an account that is not root's.
fn as_needed(program: &Path, home: &Path) -> Command {
    let mut command = if geteuid().is_root() {
        let mut setpriv = Command::new("setpriv");
        // Another account would forget what to do when this test ends, so it is told here.
        setpriv.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--pdeathsig", "KILL", "--"]).arg(program);
        setpriv
    } else {
        Command::new(program)
    };
    command.current_dir(home);
    command
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The first line of the server's pid file is its id, the eighth how it stands. A server that was killed leaves its own behind.
fn is_ready(status: &Path, id: u32) -> bool {
    fs::read_to_string(status).is_ok_and(|text| {
        let line = |number| text.lines().nth(number).map(str::trim);
        line(0) == Some(&*id.to_string()) && line(7) == Some("ready")
    })
}
