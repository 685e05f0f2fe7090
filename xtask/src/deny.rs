//! cargo-deny: licences, sources and bans of every dependency; known holes on demand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::Launch;
use crate::project::Project;

const VERSION: &str = "0.20.2";
const INSTALL: Duration = Duration::from_mins(30);
const CHECK: Duration = Duration::from_mins(10);

pub(crate) fn run(project: &Project, install: bool, advisories: bool) -> Result<()> {
    let home = project.tools().join(format!("cargo-deny-{VERSION}"));
    let program = match find(&home) {
        Some(program) => program,
        None if install => installed(project, &home)?,
        None => bail!("cargo-deny {VERSION} is not there; `cargo xtask deny --install` compiles it (about three minutes)"),
    };
    let mut command = Command::new(program);
    command.current_dir(project.root()).arg("check");
    if advisories {
        command.arg("advisories");
    }
    command.args(["bans", "licenses", "sources"]);
    Launch::new("cargo deny", command).run(CHECK)
}

/// Ours, or one on the path, of exactly the version that `deny.toml` is written for.
fn find(home: &Path) -> Option<PathBuf> {
    [home.join("bin/cargo-deny"), PathBuf::from("cargo-deny")].into_iter().find(|program| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null());
        command
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == VERSION))
    })
}

fn installed(project: &Project, home: &Path) -> Result<PathBuf> {
    let mut command = project.cargo(&["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--root"]);
    // The dev profile without debug information: it compiles in a fraction of the time, and checking takes seconds anyway.
    command.arg(home).env("CARGO_PROFILE_DEV_DEBUG", "0");
    Launch::new("cargo install cargo-deny", command).run(INSTALL)?;
    Ok(home.join("bin/cargo-deny"))
}
