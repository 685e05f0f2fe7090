//! The benchmarks: every bench target of the workspace, in one call.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::project::Project;
use crate::test;

/// Building the release profile cold takes ten minutes of it.
const LIMIT: Duration = Duration::from_hours(1);

/// The bench targets that measure servers: those that the tests have, too.
const BESIDE_SERVERS: &[&str] = &["engines", "leases", "nodes", "outage", "redis", "soak", "suspension"];

/// Runs the bench targets named in `wanted`, or all of them.
pub(crate) fn run(project: &Project, wanted: &[String]) -> Result<()> {
    let targets = targets(project);
    if let Some(unknown) = wanted.iter().find(|name| !targets.iter().any(|(_, target)| target == *name)) {
        let known: Vec<_> = targets.iter().map(|(_, target)| target.as_str()).collect();
        bail!("no bench target {unknown}; there are: {}", known.join(", "));
    }
    ensure!(!targets.is_empty(), "the workspace has no bench target");
    let chosen = targets.iter().filter(|(_, target)| wanted.is_empty() || wanted.contains(target));
    let (beside_servers, alone): (Vec<_>, Vec<_>) = chosen.partition(|(_, target)| BESIDE_SERVERS.contains(&target.as_str()));
    if !alone.is_empty() {
        project.run_cargo(&arguments(&alone), LIMIT)?;
    }
    if !beside_servers.is_empty() {
        test::run_cargo_beside_servers(project, &arguments(&beside_servers))?;
    }
    Ok(())
}

/// Asks cargo for these and no others.
fn arguments<'a>(targets: &[&'a (String, String)]) -> Vec<&'a str> {
    let of_target = |(package, target): &'a (String, String)| ["--package", package.as_str(), "--bench", target.as_str()];
    std::iter::once("bench").chain(targets.iter().copied().flat_map(of_target)).collect()
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
