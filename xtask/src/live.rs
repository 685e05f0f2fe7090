//! The suite that asks Stripe itself, in test mode: only where there is a key, and never with one for real money.

use std::env;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::project::Project;

const KEY: &str = "STRIPE_SECRET_KEY";
/// Forty requests, some minutes of waiting for a test clock, and compiling it.
const LIMIT: Duration = Duration::from_mins(30);

/// Whether there is a key.
///
/// # Errors
/// When it is not one of test mode.
pub(crate) fn has_key() -> Result<bool> {
    let Some(key) = env::var_os(KEY).filter(|key| !key.is_empty()) else { return Ok(false) };
    let is_for_tests = key.to_str().is_some_and(|key| key.starts_with("sk_test_"));
    ensure!(is_for_tests, "{KEY} must begin with sk_test_, or not be set: the live Stripe suite runs in test mode only");
    Ok(true)
}

/// Runs it, or says that there is no key. What is exchanged is written into `record`, without what is private.
pub(crate) fn run(project: &Project, record: Option<&Path>) -> Result<()> {
    if !has_key()? {
        eprintln!("live Stripe suite: skipped (no key)");
        return Ok(());
    }
    let folder =
        record.map(|folder| folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))).transpose()?;
    let folder = folder.as_deref().map(|folder| folder.to_str().context("the folder's name is not UTF-8")).transpose()?;
    let example = ["run", "--package", "togglebox-billing", "--example", "stripe-live", "--"];
    project.run_cargo(&example.into_iter().chain(folder).collect::<Vec<_>>(), LIMIT)
}
