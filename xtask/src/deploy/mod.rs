//! The table as CloudFormation template, Terraform module and IAM policies (`docs/deploy`): each is sound, and all say the same.

mod cloudformation;
mod facts;
mod terraform;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::Launch;
use crate::project::Project;
use crate::python::{self, Requirements};

const REQUIREMENTS: Requirements = Requirements { name: "deploy", text: include_str!("../../python/deploy.txt") };

/// For one run of a tool.
const LIMIT: Duration = Duration::from_mins(3);

/// Checks everything under `docs/deploy`. With `terraform`, the installed Terraform also validates the module and runs its tests,
/// for which it needs the AWS provider.
pub(crate) fn check(project: &Project, terraform: bool) -> Result<()> {
    let folder = project.root().join("docs/deploy");
    let bin = python::environment(project, REQUIREMENTS)?;
    let template = folder.join("cloudformation.json");
    let mut lint = Command::new(bin.join("cfn-lint"));
    lint.arg("--").arg(&template);
    Launch::new("cfn-lint", lint).run(LIMIT)?;

    let scratch = tempfile::Builder::new().prefix("togglebox-deploy-").tempdir().context("no folder for the module")?;
    let module = folder.join("terraform");
    let template_facts = cloudformation::facts(&json(&template)?).context("docs/deploy/cloudformation.json")?;
    let module_facts = terraform::facts(&hcl(&bin, &module, scratch.path())?).context("docs/deploy/terraform")?;
    let mut differences = template_facts.differences("the CloudFormation template", &module_facts, "the Terraform module");

    let node = cloudformation::policy(&json(&folder.join("iam/node.json"))?).context("docs/deploy/iam/node.json")?;
    // The plain policy is for a table without a key of its owner's.
    for place in ["policy on table", "policy on index"] {
        let (template, node) = (template_facts.clone().about(place), node.clone().about(place));
        differences.extend(template.differences("the CloudFormation template", &node, "iam/node.json"));
    }
    for other in ["iam/cloud.json", "iam/table-create.json"] {
        cloudformation::policy(&json(&folder.join(other))?).with_context(|| format!("docs/deploy/{other}"))?;
    }
    for difference in &differences {
        eprintln!("different: {difference}");
    }
    ensure!(differences.is_empty(), "the descriptions of the table in docs/deploy differ");
    if terraform {
        with_terraform(&module, &scratch.path().join("module"))?;
    }
    eprintln!("docs/deploy: all describe the same table");
    Ok(())
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// The files of a module, as JSON.
fn hcl(bin: &Path, module: &Path, scratch: &Path) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    for file in files(module, "tf")? {
        let name = file.file_name().context("a file without a name")?;
        let output = scratch.join(name).with_extension("json");
        let mut command = Command::new(bin.join("hcl2tojson"));
        command.args(["--quiet", "--no-explicit-blocks", "--strip-string-quotes", "-o"]).arg(&output).arg(&file);
        Launch::new(format!("hcl2tojson {}", name.display()), command).run(LIMIT)?;
        values.push(json(&output)?);
    }
    Ok(values)
}

/// Files with this ending, in the order of their names.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        bail!("{} has no file .{ending}", folder.display());
    }
    Ok(files)
}

/// Lets Terraform judge a copy of the module, since it leaves things beside what it looks at.
fn with_terraform(module: &Path, copy: &Path) -> Result<()> {
    fs::create_dir_all(copy.join("tests"))?;
    let tests = module.join("tests");
    for file in files(module, "tf")?.into_iter().chain(files(&tests, "hcl")?) {
        let inside = file.strip_prefix(module).context("a file outside of the module")?;
        fs::copy(&file, copy.join(inside)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    for args in [
        &["fmt", "-check", "-diff", "-recursive"][..],
        &["init", "-backend=false", "-input=false", "-no-color"],
        &["validate", "-no-color"],
        &["test", "-no-color"],
    ] {
        let mut command = Command::new("terraform");
        // It would ask its maker for news.
        command.current_dir(copy).args(args).env("CHECKPOINT_DISABLE", "1");
        Launch::new(format!("terraform {}", args[0]), command).run(LIMIT)?;
    }
    Ok(())
}
