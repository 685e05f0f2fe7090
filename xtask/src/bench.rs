//! The benchmarks: every bench target of the workspace, in one call.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::project::Project;
use crate::test;

/// Building the release profile cold takes ten minutes of it.
const LIMIT: Duration = Duration::from_hours(1);

/// The bench targets that measure servers: those that the tests have, too.
const BESIDE_SERVERS: &[&str] = &["engines", "leases", "nodes", "outage", "redis", "soak", "suspension", "webhooks"];

/// Bench targets that are asked for by another's name, for they belong to it.
const TOGETHER: &[(&str, &str)] = &[("tenants", "resolve")];

/// A `benches/*.rs`.
struct Bench {
    package: String,
    target: String,
    /// What it is built with besides the package's defaults.
    features: Vec<String>,
}

/// Runs the bench targets named in `wanted`, or all of them, and gives each of them `given`.
pub(crate) fn run(project: &Project, wanted: &[String], given: &[String]) -> Result<()> {
    let benches = benches(project);
    if let Some(unknown) = wanted.iter().find(|name| !benches.iter().any(|bench| bench.target == **name)) {
        let known: Vec<_> = benches.iter().map(|bench| bench.target.as_str()).collect();
        bail!("no bench target {unknown}; there are: {}", known.join(", "));
    }
    ensure!(!benches.is_empty(), "the workspace has no bench target");
    let chosen = benches.iter().filter(|bench| wanted.is_empty() || wanted.iter().any(|name| bench.is_of(name)));
    let (beside_servers, alone): (Vec<_>, Vec<_>) = chosen.partition(|bench| BESIDE_SERVERS.contains(&bench.target.as_str()));
    if !alone.is_empty() {
        project.run_cargo(&borrowed(&arguments(&alone, given)), LIMIT)?;
    }
    if !beside_servers.is_empty() {
        test::run_cargo_beside_servers(project, &borrowed(&arguments(&beside_servers, given)))?;
    }
    Ok(())
}

impl Bench {
    fn is_of(&self, name: &str) -> bool {
        self.target == name || TOGETHER.contains(&(name, self.target.as_str()))
    }
}

/// Asks cargo for these and no others.
fn arguments(benches: &[&Bench], given: &[String]) -> Vec<String> {
    let of_bench = |bench: &&Bench| {
        let Bench { package, target, features } = bench;
        let own = ["--package", package, "--bench", target].map(str::to_owned);
        let features = features.iter().flat_map(move |feature| ["--features".to_owned(), format!("{package}/{feature}")]);
        own.into_iter().chain(features).collect::<Vec<_>>()
    };
    // Without any, the runner is told nothing either.
    let border = (!given.is_empty()).then(|| "--".to_owned());
    let benches = benches.iter().flat_map(of_bench);
    std::iter::once("bench".to_owned()).chain(benches).chain(border).chain(given.iter().cloned()).collect()
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Every `benches/*.rs`.
fn benches(project: &Project) -> Vec<Bench> {
    let packages = project.metadata().workspace_packages();
    let of_package = |package: &&cargo_metadata::Package| {
        let name = package.name.to_string();
        let targets = package.targets.iter().filter(|target| target.is_bench());
        let bench = |target: &cargo_metadata::Target| Bench {
            package: name.clone(),
            target: target.name.clone(),
            features: target.required_features.clone(),
        };
        targets.map(bench).collect::<Vec<_>>()
    };
    packages.iter().flat_map(of_package).collect()
}
