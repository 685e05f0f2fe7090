//! Stripe's own Python client against the simulator: it must find nothing strange.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use togglebox_stripe_sim::Sim;

/// The interpreter of an environment with the package `stripe`.
const PYTHON: &str = "TOGGLEBOX_TEST_STRIPE_PYTHON";

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the environment says where tools are; whoever runs the tests is to know what was left out"
)]
fn python() -> Option<String> {
    let found = std::env::var(PYTHON).ok().filter(|path| !path.is_empty());
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "{PYTHON} is not set: run the tests through cargo xtask test");
        eprintln!("skipped: {PYTHON} is not set");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_drives_a_whole_life() {
    let sim = Sim::start().await;
    drive(sim.base_url()).await;
}

/// The same with the simulator's own program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_drives_a_whole_life_of_the_program() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_stripe-sim"));
    let mut program = Program(program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let mut base = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut base).unwrap();
    drive(base.trim().to_owned()).await;
}

/// Killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().expect("a child may be killed");
        self.0.wait().expect("its end");
    }
}

async fn drive(base: String) {
    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdk.py");
    let run = move || Command::new(python).arg(script).arg(base).stdin(Stdio::null()).output();
    let output = tokio::task::spawn_blocking(run).await.expect("no panic").expect("the interpreter starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    assert_eq!(said.trim(), "fine", "{complained}");
}
