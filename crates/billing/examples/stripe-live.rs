//! Asks Stripe itself, in test mode, and says what was found: `cargo xtask live`.
//!
//! `STRIPE_SECRET_KEY` is a key of test mode, `STRIPE_API_BASE` another place than Stripe, and the one argument a folder that
//! `exchanges.json` is written into: what was exchanged, without what is private.

#![expect(clippy::print_stdout, reason = "it is run by hand")]

#[path = "../tests/it/live/mod.rs"]
mod live;

use std::path::Path;

use anyhow::{Context as _, Result};
use togglebox_billing::stripe::StripeOptions;
use togglebox_core::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let key = setting("STRIPE_SECRET_KEY").context("STRIPE_SECRET_KEY is not set")?;
    let base = setting("STRIPE_API_BASE").unwrap_or_else(|| StripeOptions::API_BASE.to_owned());
    let target = live::Target::new(&base, &key)?;
    let folder = std::env::args_os().nth(1);
    let live::Report { requests, previewed, billed, usage: (told, known), events, .. } =
        live::run(&target, &SystemClock, folder.as_deref().map(Path::new)).await?;
    println!("{requests} requests of {} to {base}, API version {}", live::BUDGET, StripeOptions::API_VERSION);
    println!("a change of plan was to cost {} {}, and cost {}", previewed.minor, previewed.currency.as_str(), billed.minor);
    println!("of usage {told} were told, and {known} are known some requests later");
    println!("events: {}", events.join(", "));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it is told of keys through the environment")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
