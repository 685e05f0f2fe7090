//! The suite that asks Stripe itself, in test mode: what no simulator can tell. It runs against the simulator in every run of the tests, so
//! that it is known to run; against Stripe it runs by `cargo xtask live`, with a key.
//!
//! It makes a customer on a test clock of its own, and removes both. A meter and three prices are left for the next run, which finds them.

mod relay;
mod scrub;
mod steps;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use secrecy::SecretString;
use togglebox_billing::Money;
use togglebox_billing::stripe::{StripeOptions, StripeProvider};
use togglebox_core::{Clock, OsEntropy, SystemStopwatch};

use self::relay::Relay;

/// The most requests of a run.
pub(crate) const BUDGET: usize = 40;

/// Who is asked, and with which key.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    base: String,
    key: SecretString,
    pauses: bool,
}

impl Target {
    /// Takes keys of test mode only.
    pub(crate) fn new(base: &str, key: &str) -> Result<Self> {
        ensure!(
            key.len() > "sk_test_".len() && key.starts_with("sk_test_"),
            "STRIPE_SECRET_KEY must begin with sk_test_: this suite makes customers and charges them, and runs in test mode only"
        );
        Ok(Self { base: base.to_owned(), key: key.into(), pauses: true })
    }

    /// Asks again at once where an answer is lost.
    #[cfg(test)]
    pub(crate) fn without_pauses(self) -> Self {
        Self { pauses: false, ..self }
    }

    /// Our client, asking at `base`.
    fn provider(&self, base: &str) -> Result<StripeProvider> {
        let mut options = StripeOptions::new(self.key.clone(), steps::METER);
        base.clone_into(&mut options.api_base);
        if !self.pauses {
            options.first_pause = Duration::ZERO;
        }
        Ok(StripeProvider::new(&options, Arc::new(SystemStopwatch::default()), Arc::new(OsEntropy))?)
    }
}

/// What a run found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Requests that were made, repeats included.
    pub(crate) requests: usize,
    /// What the change of plan was to cost.
    pub(crate) previewed: Money,
    /// What it did cost.
    pub(crate) billed: Money,
    /// What was told of usage, and what was known of it some requests later: meters are summed up when nobody waits for it.
    pub(crate) usage: (u64, u64),
    /// The kinds of the customer's events.
    pub(crate) events: Vec<String>,
    /// What was removed afterwards.
    pub(crate) removed: bool,
}

/// Runs all of it, and removes what it made, also where it fails. What was exchanged is written into a folder, without what is private.
pub(crate) async fn run(target: &Target, clock: &dyn Clock, record: Option<&Path>) -> Result<Report> {
    // Another one may be there already, and is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Our client's own TLS, without anything in between.
    let direct = target.provider(&target.base)?;
    steps::is_reached(&direct).await.context("Stripe was not reached")?;
    let relay = Relay::open(target, BUDGET - steps::DIRECT).await?;
    let mut run = steps::Run::new(Arc::clone(&relay), target.provider(&relay.base())?, clock.now());
    let outcome = run.all().await;
    let removed = run.clean_up().await;
    if let Some(folder) = record {
        let file = folder.join("exchanges.json");
        std::fs::write(&file, scrub::exchanges(&relay.exchanges())?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let found = outcome.with_context(|| format!("after {} requests", relay.requests()))?;
    removed.context("what was made is not removed; the test clock goes by itself after a while")?;
    Ok(Report {
        requests: relay.requests() + steps::DIRECT,
        previewed: found.previewed,
        billed: found.billed,
        usage: found.usage,
        events: found.events,
        removed: true,
    })
}
