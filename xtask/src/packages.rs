//! Programs of the system that tests need: found, or installed where we may.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::process::Launch;

/// For the package lists, and for the packages.
const LIMIT: Duration = Duration::from_mins(10);

/// One apt-get at a time; another program's is waited for.
static APT: Mutex<()> = Mutex::new(());

/// Installs packages of Debian or Ubuntu, as root, or on a CI machine through `sudo`. Elsewhere it says what is missing: nobody's own
/// machine is changed behind their back.
pub(crate) fn install(missing: &str, packages: &[&str], scratch: &Path) -> Result<()> {
    let names = packages.join(" ");
    let advice = || format!("{missing} is missing: install it (Debian and Ubuntu: apt-get install {names})");
    let as_root: &[&str] = match (geteuid().is_root(), env::var_os("CI").is_some()) {
        (true, _) => &[],
        (false, true) => &["sudo", "-n"],
        (false, false) => bail!(advice()),
    };
    if program("apt-get").is_none() {
        bail!(advice());
    }
    let _one_at_a_time = APT.lock().unwrap_or_else(PoisonError::into_inner);
    eprintln!("installing {names}");
    let log = scratch.join("apt-get.log");
    let install = ["install", "-qq", "-y", "--no-install-recommends"];
    for args in [&["update", "-qq"], [&install[..], packages].concat().as_slice()] {
        let frontend = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"];
        let words = [as_root, &frontend, args].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        Launch::new("apt-get", command).log(&log).run(LIMIT).with_context(advice)?;
    }
    Ok(())
}

/// Where the program `name` is on the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    program_in(&env::var_os("PATH")?, name)
}

/// Where the program `name` is in the folders of `path`, which are separated as in `PATH`.
pub(crate) fn program_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(name)).find(|candidate| is_file(candidate))
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_first_folder_that_has_it() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(first.path().join("tool")).unwrap();
        fs::write(second.path().join("tool"), "").unwrap();
        let path = env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(program_in(&path, "tool"), Some(second.path().join("tool")), "a folder is no program");
        assert_eq!(program_in(&path, "other"), None);
    }
}
