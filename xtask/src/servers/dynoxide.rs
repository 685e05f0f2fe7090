//! dynoxide: DynamoDB's protocol over SQLite in memory, compiled once into `target/tools`.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Start, Starting, dynamodb, free_port};
use crate::process::Launch;
use crate::project::Project;

pub(super) const ADDRESS: &str = "TOGGLEBOX_TEST_DYNAMODB";
pub(super) const PROGRAM: &str = "TOGGLEBOX_TEST_DYNOXIDE";

/// Of the crate `dynoxide-rs`.
const VERSION: &str = "3.2.0";
const FEATURES: &str = "native-sqlite,http-server,cli";
/// How it is compiled; another number is compiled anew.
const BUILD: u32 = 2;
const INSTALL: Duration = Duration::from_mins(30);
const READY: Duration = Duration::from_secs(30);

pub(super) fn prepare(project: &Project, scratch: &Path) -> Result<Start> {
    let program = match env::var_os(PROGRAM) {
        Some(program) => program.into(),
        None => installed(project)?,
    };
    let log = scratch.join("dynoxide.log");
    Ok(Box::new(move || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new(&program);
        command.args(["serve", "--host", "127.0.0.1", "--port"]).arg(address.port().to_string());
        let process = Launch::new("dynoxide", command).log(&log).start()?;
        let variables = vec![(ADDRESS, format!("http://{address}").into()), (PROGRAM, program.clone().into_os_string())];
        Ok(Starting {
            process,
            beside: Vec::new(),
            ready: Box::new(move || dynamodb::lists_tables(address)),
            limit: READY,
            variables,
        })
    }))
}

/// The program, compiled first when it is not there.
fn installed(project: &Project) -> Result<PathBuf> {
    let home = project.tools().join(format!("dynoxide-{VERSION}-{BUILD}"));
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    // The lock ends with this scope, or with the process.
    let lock = File::create(home.join("install.lock"))?;
    lock.lock()?;
    let program = home.join("bin/dynoxide");
    if program.exists() {
        return Ok(program);
    }
    eprintln!("compiling dynoxide {VERSION} into {} (once; about a minute and a half of two processors)", home.display());
    let mut command = project.cargo(&["install", "dynoxide-rs", "--version", VERSION, "--locked", "--debug", "--quiet"]);
    command.args(["--no-default-features", "--features", FEATURES, "--root"]).arg(&home);
    // Only what a request goes through is optimised: with all of it, compiling takes two minutes of a processor more, and a request half
    // a millisecond less.
    for part in ["dynoxide-rs", "libsqlite3-sys", "serde_json"] {
        command.args(["--config", &format!("profile.dev.package.{part}.opt-level=1")]);
    }
    for setting in ["DEBUG", "DEBUG_ASSERTIONS", "OVERFLOW_CHECKS"] {
        command.env(format!("CARGO_PROFILE_DEV_{setting}"), "false");
    }
    // Of its own: cargo holds a lock on the folder that it builds in.
    let build = home.join("build");
    command.env("CARGO_TARGET_DIR", &build);
    Launch::new("cargo install dynoxide-rs", command).log(home.join("install.log")).run(INSTALL).with_context(|| {
        format!("cannot compile dynoxide: this needs a network once; without one, name a dynoxide of yours in {PROGRAM}")
    })?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
    Ok(program)
}
