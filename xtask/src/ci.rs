//! Everything that CI runs, stage by stage; the first failure ends it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::project::Project;
use crate::{checks, deploy, schemathesis, test};

/// Downloading every dependency.
const FETCH: Duration = Duration::from_mins(10);

type Stage = (&'static str, fn(&Project) -> Result<()>);

/// Cheap ones first.
const STAGES: &[Stage] = &[
    ("dependencies", |project| project.run_cargo(&["fetch", "--locked"], FETCH)),
    ("format", |project| checks::fmt(project, true)),
    ("layers", checks::layers),
    ("infrastructure", |project| deploy::check(project, false)),
    ("lints", checks::lint),
    ("documentation", checks::doc),
    ("tests", |project| test::run(project, &[])),
    ("generated requests", |project| schemathesis::run(project, &schemathesis::Effort::default())),
];

/// Runs all stages and prints what each took.
pub(crate) fn run(project: &Project) -> Result<()> {
    let start = Instant::now();
    let mut taken = Vec::new();
    for (number, (name, stage)) in (1..).zip(STAGES) {
        eprintln!("\n==> {number}/{} {name}", STAGES.len());
        let stage_start = Instant::now();
        stage(project).with_context(|| format!("stage \"{name}\" failed after {}", seconds(stage_start)))?;
        taken.push((name, seconds(stage_start)));
    }
    eprintln!("\n==> all passed in {}", seconds(start));
    for (name, time) in taken {
        eprintln!("{time:>9}  {name}");
    }
    Ok(())
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}
