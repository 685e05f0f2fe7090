//! The benchmarks: every bench target of the workspace, in one call.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::process::Launch;
use crate::project::Project;
use crate::test;

/// Building the release profile cold takes ten minutes of it.
const LIMIT: Duration = Duration::from_hours(1);

/// The bench targets that talk to the servers of the tests.
const BESIDE_SERVERS: [&str; 1] = ["nodes"];

/// Runs the bench targets named in `wanted`, or all of them.
pub(crate) fn run(project: &Project, wanted: &[String]) -> Result<()> {
    let targets = targets(project);
    if let Some(unknown) = wanted.iter().find(|name| !targets.iter().any(|(_, target)| target == *name)) {
        let known: Vec<_> = targets.iter().map(|(_, target)| target.as_str()).collect();
        bail!("no bench target {unknown}; there are: {}", known.join(", "));
    }
    ensure!(!targets.is_empty(), "the workspace has no bench target");
    let chosen = targets.iter().filter(|(_, target)| wanted.is_empty() || wanted.contains(target));
    let (beside, alone): (Vec<_>, Vec<_>) = chosen.partition(|(_, target)| BESIDE_SERVERS.contains(&target.as_str()));
    // Those first that nothing else runs beside.
    if !alone.is_empty() {
        project.run_cargo(&arguments(&alone), LIMIT)?;
    }
    if beside.is_empty() {
        return Ok(());
    }
    let args = arguments(&beside);
    test::with_servers(project, |servers| {
        let mut command = project.cargo(&args);
        command.envs(servers.variables());
        Launch::new(format!("cargo {}", args.join(" ")), command).run(LIMIT)
    })
}

fn arguments<'a>(targets: &[&'a (String, String)]) -> Vec<&'a str> {
    let named = targets.iter().flat_map(|(package, target)| ["--package", package, "--bench", target]);
    ["bench"].into_iter().chain(named).collect()
}

/// `(package, target)` of every `benches/*.rs`.
fn targets(project: &Project) -> Vec<(String, String)> {
    let packages = project.metadata().workspace_packages();
    let of_package = |package: &&cargo_metadata::Package| {
        let package_name = package.name.to_string();
        package
            .targets
            .iter()
            .filter(|target| target.is_bench())
            .map(move |target| (package_name.clone(), target.name.clone()))
            .collect::<Vec<_>>()
    };
    packages.iter().flat_map(of_package).collect()
}
