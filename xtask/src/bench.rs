//! The benchmarks: every bench target of the workspace, in one call.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::project::Project;

/// Building the release profile cold takes ten minutes of it.
const LIMIT: Duration = Duration::from_hours(1);

/// Runs the bench targets named in `wanted`, or all of them.
pub(crate) fn run(project: &Project, wanted: &[String]) -> Result<()> {
    let targets = targets(project);
    if let Some(unknown) = wanted.iter().find(|name| !targets.iter().any(|(_, target)| target == *name)) {
        let known: Vec<_> = targets.iter().map(|(_, target)| target.as_str()).collect();
        bail!("no bench target {unknown}; there are: {}", known.join(", "));
    }
    ensure!(!targets.is_empty(), "the workspace has no bench target");
    let mut args = vec!["bench"];
    for (package, target) in targets.iter().filter(|(_, target)| wanted.is_empty() || wanted.contains(target)) {
        args.extend(["--package", package, "--bench", target]);
    }
    project.run_cargo(&args, LIMIT)
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
