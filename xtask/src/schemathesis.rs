//! Generated requests against the running program, by its own OpenAPI document: no 5xx, no status that the document does not name.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::process::{Launch, Process};
use crate::project::Project;
use crate::python::{self, Requirements};
use crate::servers;

const REQUIREMENTS: Requirements = Requirements { name: "schemathesis", text: include_str!("../python/schemathesis.txt") };

/// Signs in, and makes sure that there is something to find.
const HOOKS: &str = include_str!("../python/schemathesis_hooks.py");

const EMAIL: &str = "admin@example.com";

const BUILD: Duration = Duration::from_mins(30);
const READY: Duration = Duration::from_secs(30);
const COMMAND: Duration = Duration::from_mins(1);
const PROBE: Duration = Duration::from_secs(1);
/// The run stops itself by its number of examples; this is for one that hangs.
const RUN: Duration = Duration::from_mins(15);

/// How hard to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Requests for each operation and phase.
    pub(crate) max_examples: u32,
    /// The same seed makes the same requests.
    pub(crate) seed: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { max_examples: 25, seed: 20_260_101 }
    }
}

/// Starts the program on an empty database, and throws requests at it.
pub(crate) fn run(project: &Project, effort: &Effort) -> Result<()> {
    let bin = python::environment(project, REQUIREMENTS)?;
    // The same selection as the test run: right after it, there is nothing to build.
    project.run_cargo(&["build", "--workspace", "--bins", "--tests"], BUILD)?;
    let scratch = tempfile::Builder::new().prefix("togglebox-schemathesis-").tempdir().context("no folder for the database")?;
    let program = Program::new(project, scratch.path())?;
    program.create_admin()?;
    let mut running = program.serve()?;
    let outcome = attack(&bin, &program, effort);
    // A program that died explains a failed run better than the run does.
    running.ensure_running()?;
    outcome
}

/// The program with a database, a port and secrets of this run's own.
struct Program {
    executable: PathBuf,
    scratch: PathBuf,
    address: SocketAddr,
    jwt_secret: String,
    password: String,
}

impl Program {
    fn new(project: &Project, scratch: &Path) -> Result<Self> {
        Ok(Self {
            executable: project.dev_binary("togglebox"),
            scratch: scratch.to_path_buf(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, servers::free_port()?)),
            jwt_secret: random_text()?,
            // Upper, lower, digit and sign, for any rule about passwords.
            password: format!("{}-Aa1!", random_text()?),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.scratch);
        command.env("HOST", self.address.ip().to_string()).env("PORT", self.address.port().to_string());
        command.env("DATABASE_URL", format!("sqlite:{}", self.scratch.join("togglebox.db").display()));
        // All cases come from one address.
        command.env("RATE_LIMITS", "off");
        command.env("ENABLE_AUTHENTICATION", "true").env("JWT_SECRET", &self.jwt_secret);
        command
    }

    fn create_admin(&self) -> Result<()> {
        let mut command = self.command();
        command.args(["admin", "create", "--email", EMAIL, "--name", "Admin", "--password-stdin"]);
        let log = self.scratch.join("admin.log");
        Launch::new("togglebox admin create", command).input(format!("{}\n", self.password)).log(log).run(COMMAND)
    }

    fn serve(&self) -> Result<Process> {
        let log = self.scratch.join("togglebox.log");
        let mut process = Launch::new("togglebox", self.command()).log(&log).start()?;
        // It says so once it listens, and its word alone is not taken for it.
        let line = format!("http://{}", self.address);
        let says_so = || fs::read(&log).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&line));
        process.wait_until(READY, || says_so() && TcpStream::connect_timeout(&self.address, PROBE).is_ok())?;
        Ok(process)
    }
}

fn attack(bin: &Path, program: &Program, effort: &Effort) -> Result<()> {
    let hooks = program.scratch.join("hooks.py");
    fs::write(&hooks, HOOKS)?;
    let base = format!("http://{}", program.address);
    let mut command = Command::new(bin.join("st"));
    command.current_dir(&program.scratch).arg("run").arg(format!("{base}/openapi.json")).args(["--url", &base]);
    command.args(["--checks", "not_a_server_error,status_code_conformance"]);
    // These end or replace the session that the whole run is signed in with; the end-to-end tests call them.
    for operation in ["logout", "refresh"] {
        command.args(["--exclude-operation-id", operation]);
    }
    command.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"]);
    command.args(["--max-examples", &effort.max_examples.to_string(), "--seed", &effort.seed.to_string()]);
    command.args(["--generation-database", "none", "--workers", "1"]);
    command.args(["--request-timeout", "10", "--suppress-health-check", "all", "--no-color"]);
    command.env("SCHEMATHESIS_HOOKS", &hooks).env("TOGGLEBOX_URL", &base);
    command.env("TOGGLEBOX_EMAIL", EMAIL).env("TOGGLEBOX_PASSWORD", &program.password);
    Launch::new("schemathesis", command).run(RUN)
}

/// 256 random bits as hexadecimal text.
fn random_text() -> Result<String> {
    let word = || getrandom::u64().map_err(|error| anyhow!("no random numbers: {error}"));
    Ok(format!("{:016x}{:016x}{:016x}{:016x}", word()?, word()?, word()?, word()?))
}
