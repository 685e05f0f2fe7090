//! Knot DNS, an authoritative name server. Tests start it themselves, each with the zones that it is about.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::packages;

pub(super) const PROGRAM: &str = "TOGGLEBOX_TEST_KNOT";

/// Where packages put programs that are not on everybody's path.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The server's program: the one that the environment names, the path's, or a package's.
pub(super) fn program(scratch: &Path) -> Result<PathBuf> {
    if let Some(program) = env::var_os(PROGRAM) {
        return Ok(program.into());
    }
    if let Some(program) = installed() {
        return Ok(program);
    }
    packages::install("Knot DNS", &["knot"], scratch)?;
    installed().context("the package knot has brought no program knotd")
}

fn installed() -> Option<PathBuf> {
    packages::program("knotd").or_else(|| FOLDERS.iter().find_map(|folder| packages::program_in(folder.as_ref(), "knotd")))
}
