//! Chores of the workspace: tests with real servers, the layer check, benchmarks and the whole CI run.
//!
//! `cargo xtask --help` lists them. `.ci/run` and the `justfile` call only these.

#![expect(clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod bench;
mod checks;
mod ci;
mod deny;
mod deploy;
mod interrupt;
mod layers;
mod linked;
mod live;
mod packages;
mod process;
mod project;
mod python;
mod schemathesis;
mod servers;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use crate::project::Project;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of the ToggleBox workspace", version)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Formats the code, or only says where it is not formatted
    Fmt {
        /// Change nothing; fail if something would change
        #[arg(long)]
        check: bool,
    },
    /// Runs clippy over every target; a warning is an error
    Lint,
    /// Builds the documentation of our crates; a warning is an error
    Doc,
    /// Fails on a dependency that the order of the crates forbids
    Layers,
    /// Runs every test, with the real servers that they need
    Test {
        /// Run the API tests against the binary afterwards as well (`schemathesis`)
        #[arg(long)]
        all: bool,
        /// Handed to the test runner; documentation tests are left out when given
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Asks Stripe itself, in test mode: forty requests at most, with the key in `STRIPE_SECRET_KEY`; without one it is skipped
    Live {
        /// Write what is exchanged into `exchanges.json` in this folder, without what is private
        #[arg(long, value_name = "FOLDER")]
        record: Option<PathBuf>,
    },
    /// Runs a command with the tests' servers up and their addresses in its environment
    With {
        /// The command and its arguments, e.g. `cargo test -p togglebox-server`
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Throws generated requests at the binary, by its own OpenAPI document
    Schemathesis {
        /// Requests for each operation and phase
        #[arg(long, default_value_t = 25)]
        max_examples: u32,
        /// Seed of the generated requests
        #[arg(long, default_value_t = 20_260_101)]
        seed: u64,
    },
    /// Checks the table's description as infrastructure (docs/deploy): sound, and everywhere the same
    DeployCheck {
        /// Have the installed Terraform validate the module and run its tests too (it needs the AWS provider)
        #[arg(long)]
        terraform: bool,
    },
    /// Runs the benchmarks (release profile)
    Bench {
        /// Only these bench targets, by name; all when empty
        targets: Vec<String>,
        /// What they are given, after `--`: as the part of a name, where they look at that
        #[arg(last = true)]
        given: Vec<String>,
    },
    /// Checks licences, sources and bans of every dependency with cargo-deny
    Deny {
        /// Install cargo-deny into `target/tools` first when it is missing
        #[arg(long)]
        install: bool,
        /// Check against the database of known holes too (fetched from the network)
        #[arg(long)]
        advisories: bool,
    },
    /// Everything that CI runs
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    interrupt::listen()?;
    let project = Project::find()?;
    match chore {
        Chore::Fmt { check } => checks::fmt(&project, check),
        Chore::Lint => checks::lint(&project),
        Chore::Doc => checks::doc(&project),
        Chore::Layers => checks::layers(&project),
        Chore::Test { all, filter } => {
            test::run(&project, &filter)?;
            if all { schemathesis::run(&project, &schemathesis::Effort::default()) } else { Ok(()) }
        }
        Chore::Live { record } => live::run(&project, record.as_deref()),
        Chore::With { command } => {
            // clap has seen to it that there is at least one word.
            let (program, args) = command.split_first().context("no command")?;
            test::run_beside_servers(&project, program, args)
        }
        Chore::Schemathesis { max_examples, seed } => schemathesis::run(&project, &schemathesis::Effort { max_examples, seed }),
        Chore::DeployCheck { terraform } => deploy::check(&project, terraform),
        Chore::Bench { targets, given } => bench::run(&project, &targets, &given),
        Chore::Deny { install, advisories } => deny::run(&project, install, advisories),
        Chore::Ci => ci::run(&project),
    }
}
