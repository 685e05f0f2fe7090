//! Checks that only read the code: format, lints, documentation, layers.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process::Launch;
use crate::project::Project;
use crate::{layers, linked};

const FORMAT: Duration = Duration::from_mins(2);
const COMPILE: Duration = Duration::from_mins(30);

pub(crate) fn fmt(project: &Project, check: bool) -> Result<()> {
    let args: &[&str] = if check { &["fmt", "--all", "--check"] } else { &["fmt", "--all"] };
    project.run_cargo(args, FORMAT)
}

/// What is built without some of its features: a package, and what is left.
const PARTS: &[(&str, &str)] = &[
    ("togglebox", ""),
    ("togglebox", "postgres"),
    ("togglebox", "dynamodb"),
    ("togglebox", "redis"),
    ("togglebox-cloud", ""),
    ("togglebox-http", "metering"),
    ("togglebox-metering", "queue"),
    ("togglebox-metering", "tower"),
    ("togglebox-ratelimit", "tower"),
    ("togglebox-storage", "sqs"),
    ("togglebox-storage", "sqlite,tenancy"),
    ("togglebox-storage", "sqlite,metering"),
    ("togglebox-storage", "sqlite,billing"),
    ("togglebox-storage", "postgres,dynamodb,billing"),
    ("togglebox-storage", "tenancy"),
];

pub(crate) fn lint(project: &Project) -> Result<()> {
    project.run_cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], COMPILE)?;
    for (package, features) in PARTS {
        let args = ["clippy", "--package", package, "--no-default-features", "--features", features, "--", "-D", "warnings"];
        project.run_cargo(&args, COMPILE)?;
    }
    Ok(())
}

pub(crate) fn doc(project: &Project) -> Result<()> {
    let mut command = project.cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    Launch::new("cargo doc", command).run(COMPILE)
}

pub(crate) fn layers(project: &Project) -> Result<()> {
    let members = layers::members(project.metadata());
    let violations = layers::violations(&members);
    for violation in &violations {
        eprintln!("forbidden: {violation}");
    }
    let linked = linked::cloud_only(project)?;
    for package in &linked {
        eprintln!("forbidden: the open-source program links {package}");
    }
    ensure!(violations.is_empty() && linked.is_empty(), "the order of the crates is broken (docs/ARCHITECTURE.md)");
    eprintln!("{} packages in order", members.len());
    Ok(())
}
