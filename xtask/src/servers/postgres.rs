//! PostgreSQL 15 or later, over TCP only, without waiting for the disk: its data does not outlive the run.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, geteuid};

use super::{Start, Starting, free_port};
use crate::packages;
use crate::process::Launch;
use crate::project::Project;

pub(super) const ADDRESS: &str = "TOGGLEBOX_TEST_POSTGRES";
pub(super) const BIN: &str = "TOGGLEBOX_TEST_POSTGRES_BIN";

/// The account that the server runs under when we are root, whom it refuses. Packages make it.
const ACCOUNT: &str = "postgres";
const OLDEST: u32 = 15;
/// What tests that run servers of their own use of the folder.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
/// Where Debian and Ubuntu put each version's programs, which are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// In the file, not on the command line: a benchmark may have the server wait for its disk after all.
const NO_WAITING: &str = "\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n";
const INIT: Duration = Duration::from_mins(2);
const READY: Duration = Duration::from_mins(1);

pub(super) fn prepare(_: &Project, scratch: &Path) -> Result<Start> {
    let bin = programs(scratch)?;
    let home = scratch.join("postgres");
    let data = home.join("data");
    make_home(&home)?;

    let mut initdb = Command::new(bin.join("initdb"));
    initdb.env("HOME", &home).current_dir(&home).arg("--pgdata").arg(&data);
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    run_as_needed(Launch::new("initdb", initdb)).log(scratch.join("initdb.log")).run(INIT)?;
    let settings = data.join("postgresql.conf");
    let mut file =
        OpenOptions::new().append(true).open(&settings).with_context(|| format!("cannot open {}", settings.display()))?;
    file.write_all(NO_WAITING.as_bytes()).with_context(|| format!("cannot write {}", settings.display()))?;

    let log = scratch.join("postgres.log");
    Ok(Box::new(move || {
        let port = free_port()?;
        // Not through pg_ctl, whose server would leave our process group.
        let mut server = Command::new(bin.join("postgres"));
        server.env("HOME", &home).current_dir(&home).arg("-D").arg(&data).arg("-p").arg(port.to_string());
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"] {
            server.args(["-c", setting]);
        }
        // SIGTERM would wait for clients to leave.
        let process = run_as_needed(Launch::new("postgres", server)).stop_with(Signal::INT).log(&log).start()?;
        let variables =
            vec![(ADDRESS, OsString::from(format!("postgres://postgres@127.0.0.1:{port}"))), (BIN, bin.clone().into_os_string())];
        let status = data.join("postmaster.pid");
        Ok(Starting { process, beside: Vec::new(), ready: Box::new(move || is_ready(&status)), limit: READY, variables })
    }))
}

/// The folder with the server's programs: the one that the environment names, the path's, `pg_config`'s, the newest of the system's
/// packages, or a package installed now.
fn programs(scratch: &Path) -> Result<PathBuf> {
    if let Some(bin) = env::var_os(BIN) {
        return fit(bin.into()).with_context(|| format!("{BIN} does not help"));
    }
    if let Some(bin) = newest_installed() {
        return fit(bin);
    }
    packages::install("PostgreSQL", &["postgresql"], scratch)?;
    fit(newest_installed().context("the package postgresql has brought no server")?)
}

fn newest_installed() -> Option<PathBuf> {
    // Where a link on the path leads: other programs of the version are there.
    let on_path = || Some(packages::program("initdb")?.canonicalize().ok()?.parent()?.to_owned());
    let configured = || {
        let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok().map(|text| PathBuf::from(text.trim()))
    };
    let packaged = || newest_version(Path::new(DEBIAN));
    [on_path(), configured(), packaged()].into_iter().flatten().find(|bin| missing(bin).is_none())
}

/// `15/bin` of a folder with `9.6` and `15`.
fn newest_version(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    versions.filter(|(_, bin)| missing(bin).is_none()).max().map(|(_, bin)| bin)
}

fn missing(bin: &Path) -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| !bin.join(program).exists())
}

/// An error unless the folder has what it takes.
fn fit(bin: PathBuf) -> Result<PathBuf> {
    if let Some(program) = missing(&bin) {
        bail!("{} has no {program}", bin.display());
    }
    let output = Command::new(bin.join("postgres")).arg("--version").stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major(&text) {
        Some(version) if version >= OLDEST => Ok(bin),
        _ => bail!("PostgreSQL {OLDEST} or later is needed, {} is \"{}\"", bin.display(), text.trim()),
    }
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; 17 of `postgres (PostgreSQL) 17beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number.find(|c: char| !c.is_ascii_digit()).map_or(number, |end| &number[..end]);
    digits.parse().ok()
}

/// The server's own folder, which belongs to the account that it runs under.
fn make_home(home: &Path) -> Result<()> {
    if !geteuid().is_root() {
        return fs::create_dir(home).with_context(|| format!("cannot make {}", home.display()));
    }
    let mut install = Command::new("install");
    install.args(["-d", "-m", "700", "-o", ACCOUNT, "-g", ACCOUNT]).arg(home);
    let advice = || format!("PostgreSQL refuses root, and there is no account \"{ACCOUNT}\" to run it under");
    Launch::new("install", install).log(home.with_extension("log")).run(INIT).with_context(advice)
}

fn run_as_needed(launch: Launch) -> Launch {
    if geteuid().is_root() { launch.account(ACCOUNT) } else { launch }
}

/// The eighth line of the server's pid file says how it stands; `pg_ctl` waits for the same.
fn is_ready(status: &Path) -> bool {
    fs::read_to_string(status).is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_programs(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for program in PROGRAMS {
            fs::write(folder.join(program), "").unwrap();
        }
    }

    #[test]
    fn the_version_is_read_from_what_the_server_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 17beta1\n"), Some(17));
        assert_eq!(major("postgres (PostgreSQL) 16"), Some(16));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn the_newest_complete_version_wins() {
        let folder = tempfile::tempdir().unwrap();
        with_programs(&folder.path().join("9/bin"));
        with_programs(&folder.path().join("15/bin"));
        fs::create_dir_all(folder.path().join("17/bin")).unwrap();
        assert_eq!(newest_version(folder.path()), Some(folder.path().join("15/bin")));
        assert_eq!(newest_version(&folder.path().join("none")), None);
    }

    #[test]
    fn a_folder_without_a_server_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = fit(folder.path().to_owned()).unwrap_err().to_string();
        assert!(error.ends_with("has no initdb"), "{error}");
    }

    #[test]
    fn only_the_line_of_a_ready_server_counts() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("postmaster.pid");
        assert!(!is_ready(&status));
        fs::write(&status, "1\n/data\n0\n5432\n\n127.0.0.1\n  1  2\nstarting\n").unwrap();
        assert!(!is_ready(&status));
        fs::write(&status, "1\n/data\n0\n5432\n\n127.0.0.1\n  1  2\nready   \n").unwrap();
        assert!(is_ready(&status));
    }
}
