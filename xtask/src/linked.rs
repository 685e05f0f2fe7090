//! What the open-source program contains: nothing that is meant for the cloud only.
//!
//! Asked of `cargo tree -p togglebox`, since the resolved graph of the whole workspace joins the features of both programs and
//! would show the open-source one with the cloud's. All its own features are on, so that none of them can be the way in.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::layers;
use crate::project::Project;

const PROGRAM: &str = "togglebox";

/// The cloud-only packages that the open-source program would link.
pub(crate) fn cloud_only(project: &Project) -> Result<Vec<String>> {
    let mut command: Command = project.cargo(&[
        "tree",
        "--package",
        PROGRAM,
        "--all-features",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = command.output().context("cannot start cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).context("cargo tree wrote no text")?;
    let packages = packages(&tree);
    ensure!(packages.contains(&PROGRAM), "cargo tree says nothing about {PROGRAM}: {tree:?}");
    Ok(packages.into_iter().filter(|package| layers::is_cloud_only(package)).map(str::to_owned).collect())
}

/// The names in the lines `name vX.Y.Z …`, sorted, each once.
fn packages(tree: &str) -> Vec<&str> {
    let mut packages: Vec<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once_without_version_and_path() {
        let tree = "togglebox v0.1.0 (/somewhere/bins/togglebox)\nserde v1.0.229\nserde_derive v1.0.229 (proc-macro)\nserde v1.0.229 (*)\n\n";
        assert_eq!(packages(tree), ["serde", "serde_derive", "togglebox"]);
    }
}
