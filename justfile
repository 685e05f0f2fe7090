# The chores of this workspace. Each is a thin name for a command that also works without just.

# So that "$@" keeps quoted arguments whole.
set positional-arguments

# Lists the chores
default:
    @just --list

# Everything that a change must pass before it is handed in
verify: fmt-check lint layers deploy-check deny doc test

# Formats the code
fmt:
    cargo xtask fmt

# Says where the code is not formatted
fmt-check:
    cargo xtask fmt --check

# Clippy over every target; a warning is an error
lint:
    cargo xtask lint

# Clippy over one package
check-crate NAME:
    cargo clippy --package {{NAME}} --all-targets -- -D warnings

# All tests, with the servers that they need; arguments go to the test runner
test *ARGS:
    cargo xtask test -- "$@"

# The tests of one package, with the same servers
test-crate NAME *ARGS:
    cargo xtask with cargo test --package {{NAME}} {{ARGS}}

# What the Redis store of limits is tried for, far more often than usual
limits TRIALS="1000":
    TOGGLEBOX_TEST_TRIALS={{TRIALS}} cargo xtask with cargo test --package togglebox-ratelimit --test it -- redis::exact redis::races

# Requests that are counted in a row of PostgreSQL and by a recorder at once: by how much both differ in the end. No commit waits for the
# disk, or it would take half an hour
usage-both REQUESTS="1000000":
    PGOPTIONS="-c synchronous_commit=off" TOGGLEBOX_BENCH_REQUESTS={{REQUESTS}} cargo xtask bench engines -- both

# A process that counts usage, killed far more often than usual, over TOGGLEBOX_TEST_ENGINE
usage-kills KILLS="200" ANSWERS="5000":
    TOGGLEBOX_TEST_KILLS={{KILLS}} TOGGLEBOX_TEST_ANSWERS={{ANSWERS}} cargo xtask with cargo test --release --package togglebox-cloud --test it -- --exact usage::however_often_the_process_is_killed_what_was_answered_is_counted_once --nocapture

# Events in no order, added up on every store and by hand, far more of them than usual
usage-recount EVENTS="1000000":
    TOGGLEBOX_TEST_EVENTS={{EVENTS}} cargo xtask with cargo test --package togglebox-storage --all-features -- events_in_no_order --nocapture

# A shop of two nodes that sells plans, in which one of them is killed far more often than usual
billing-kills KILLS="100":
    TOGGLEBOX_TEST_KILLS={{KILLS}} cargo xtask with cargo test --package togglebox-cloud --test it -- --exact billing::kills::however_often_nodes_are_killed_everybody_has_what_they_pay_for --nocapture

# Billing under random deliveries and crashes, with many more schedules of each story than usual
billing-schedules SCHEDULES="2500":
    TOGGLEBOX_BILLING_SCHEDULES={{SCHEDULES}} cargo test --release --package togglebox-billing --all-features --test it -- schedules::

# Asks Stripe itself, in test mode; STRIPE_SECRET_KEY=sk_test_… is the key
stripe-live *ARGS:
    cargo xtask live "$@"

# What the simulator of Stripe answers, read with the types of async-stripe, which are generated from Stripe's description; builds for minutes
stripe-types:
    CARGO_TARGET_DIR=target/async-stripe cargo run --manifest-path crates/stripe-sim/tests/async-stripe/Cargo.toml

# The arithmetic of limits and what is told of them, with many more cases than usual
limit-properties CASES="100000":
    PROPTEST_CASES={{CASES}} cargo test --release --package togglebox-ratelimit -- gcra:: span:: headers:: breaker::

# Bytes of all kinds as host names, for ten minutes or as many seconds as are named
fuzz-hosts SECONDS="600":
    TOGGLEBOX_TEST_FUZZ_SECONDS={{SECONDS}} cargo test --release --package togglebox-multitenancy --test it -- host::no_bytes --nocapture

# Generated requests against the program, by its OpenAPI document
schemathesis:
    cargo xtask schemathesis

# The documentation of our crates; a warning is an error
doc:
    cargo xtask doc

# The order of the crates
layers:
    cargo xtask layers

# The table's description as infrastructure
deploy-check *ARGS:
    cargo xtask deploy-check "$@"

# Licences, sources and bans of the dependencies; installs cargo-deny the first time
deny:
    cargo xtask deny --install

# All that CI runs
ci:
    .ci/run

# Starts the server
run *ARGS:
    cargo run --package togglebox -- "$@"

# Loads the demonstration data
demo:
    cargo run --package togglebox -- demo

# The benchmarks, or those named
bench *NAMES:
    cargo xtask bench "$@"
