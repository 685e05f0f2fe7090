//! Stripe's own client for Python, which the simulator of Stripe and the check of signatures are compared with.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::project::Project;
use crate::python::{self, Requirements};

pub(super) const PYTHON: &str = "TOGGLEBOX_TEST_STRIPE_PYTHON";

const REQUIREMENTS: Requirements = Requirements { name: "stripe", text: include_str!("../../python/stripe.txt") };

/// An interpreter that has the client: the one that the environment names, or one of ours.
pub(super) fn python(project: &Project) -> Result<PathBuf> {
    if let Some(python) = env::var_os(PYTHON) {
        return Ok(python.into());
    }
    Ok(python::environment(project, REQUIREMENTS)?.join("python"))
}
