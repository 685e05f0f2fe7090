//! What the tests are told of servers.

use std::env;

/// What the tests were told under this name; `None` means that the test is to be skipped. In CI nothing is.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was left out")]
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name).map(|value| value.into_string().expect("text"));
    if value.is_none() {
        assert!(env::var_os("CI").is_none(), "{name} is not set: run the tests with `cargo xtask test`");
        eprintln!("skipped: {name} is not set; run the tests with `cargo xtask test`");
    }
    value
}
