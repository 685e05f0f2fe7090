//! The whole test run: servers up, tests, servers down.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::live;
use crate::process::Launch;
use crate::project::Project;
use crate::servers::Servers;

/// Building and running everything, cold, on a slow machine.
const LIMIT: Duration = Duration::from_hours(1);

/// Runs all tests of the workspace, or those that `filter` (arguments of the test runner) selects.
pub(crate) fn run(project: &Project, filter: &[String]) -> Result<()> {
    // Always the whole workspace: another selection of packages is another set of features, which builds most of the tree again.
    let runner: &[&str] = if has_nextest(project) {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--tests", "--no-fail-fast"]
    };
    let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
    // A key that is none for tests is told of now, and not in an hour.
    live::has_key()?;
    with_servers(project, |servers| {
        cargo(project, servers, &[], &[runner, &filter].concat())?;
        if filter.is_empty() {
            over_other_engines(project, servers, runner)?;
        }
        // nextest does not run documentation tests, so neither runner is asked to: they have a call of their own.
        if filter.is_empty() { cargo(project, servers, &[], &["test", "--workspace", "--doc"]) } else { Ok(()) }
    })?;
    if filter.is_empty() { live::run(project, None) } else { Ok(()) }
}

/// Which store the tests of the binaries are over.
const ENGINE: &str = "TOGGLEBOX_TEST_ENGINE";

/// Runs the tests of the binaries again over the engines that the first run was not over.
fn over_other_engines(project: &Project, servers: &Servers, runner: &[&str]) -> Result<()> {
    // What is about the command line, about files and about engines that the test chooses itself is not about this one.
    const OTHER: [&str; 6] = ["command_line", "limits", "nodes", "outage", "sqlite_file", "transfer"];
    const PROGRAMS: [&str; 2] = ["togglebox", "togglebox-cloud"];
    for engine in ["postgres", "dynamodb"] {
        eprintln!("The tests of {}, over {engine}", PROGRAMS.join(" and "));
        let args = if runner[0] == "nextest" {
            let packages = PROGRAMS.map(|program| format!("package({program})"));
            let chosen = format!("({}) and kind(test) and not test(/^({})::/)", packages.join(" or "), OTHER.join("|"));
            [runner, &["--filterset", &chosen]].concat().into_iter().map(str::to_owned).collect()
        } else {
            let packages = PROGRAMS.iter().flat_map(|program| ["-p".to_owned(), (*program).to_owned()]);
            let skipped = OTHER.iter().flat_map(|module| ["--skip".to_owned(), format!("{module}::")]);
            let kind = ["--test", "it", "--"].map(str::to_owned);
            ["test".to_owned()].into_iter().chain(packages).chain(kind).chain(skipped).collect::<Vec<_>>()
        };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        cargo(project, servers, &[(ENGINE, engine)], &args)?;
    }
    Ok(())
}

/// Runs `program` with `args` in the current folder, with the servers up.
pub(crate) fn run_beside_servers(project: &Project, program: &str, args: &[String]) -> Result<()> {
    with_servers(project, |servers| {
        let mut command = Command::new(program);
        command.args(args).envs(servers.variables());
        Launch::new(program, command).run(LIMIT)
    })
}

/// Runs cargo on the workspace, with the servers up.
pub(crate) fn run_cargo_beside_servers(project: &Project, args: &[&str]) -> Result<()> {
    with_servers(project, |servers| cargo(project, servers, &[], args))
}

fn with_servers(project: &Project, work: impl FnOnce(&Servers) -> Result<()>) -> Result<()> {
    // Servers that run under an account of their own have their folders inside, so that it may be passed through.
    let passable = Permissions::from_mode(0o711);
    let scratch = tempfile::Builder::new().prefix("togglebox-test-").permissions(passable).tempdir();
    let scratch = scratch.context("no folder for the servers' data")?;
    let mut servers = Servers::start(project, scratch.path())?;
    let outcome = work(&servers);
    // A server that died explains a failed test better than the test does.
    servers.ensure_running()?;
    drop(servers);
    scratch.close().context("cannot remove the servers' data")?;
    outcome
}

fn cargo(project: &Project, servers: &Servers, variables: &[(&str, &str)], args: &[&str]) -> Result<()> {
    let mut command = project.cargo(args);
    command.envs(servers.variables()).envs(variables.iter().copied());
    Launch::new(format!("cargo {}", args.join(" ")), command).run(LIMIT)
}

fn has_nextest(project: &Project) -> bool {
    let mut command = project.cargo(&["nextest", "--version"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
