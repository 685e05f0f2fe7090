//! The simulator as a program, for tests with real processes.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use togglebox_stripe_sim::{DEFAULT_NOW, Sim};

/// A simulator of Stripe for tests; prints its address and serves until it is killed.
#[derive(Debug, Parser)]
#[command(name = "stripe-sim")]
struct Cli {
    /// The port on the loopback address; 0 chooses a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Unix seconds where its own clock begins, or `real`
    #[arg(long, default_value_t = DEFAULT_NOW.to_string())]
    clock: String,
    /// Ids differ by seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where events are delivered; with a secret each
    #[arg(long, value_name = "URL")]
    webhook_url: Vec<String>,
    /// The signing secret of the URL in the same place
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Vec<String>,
    /// The account's API version
    #[arg(long)]
    api_version: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut builder = Sim::builder().port(cli.port).seed(cli.seed);
    builder = if cli.clock == "real" {
        builder.real_clock()
    } else {
        builder.now(cli.clock.parse().context("the clock is unix seconds or `real`")?)
    };
    if let Some(version) = &cli.api_version {
        builder = builder.api_version(version);
    }
    if cli.webhook_url.len() != cli.webhook_secret.len() {
        bail!("every --webhook-url has a --webhook-secret");
    }
    for (url, secret) in cli.webhook_url.iter().zip(&cli.webhook_secret) {
        builder = builder.endpoint(url, secret);
    }
    let sim = builder.start().await?;
    writeln!(io::stdout(), "{}", sim.base_url())?;
    io::stdout().flush()?;
    std::future::pending().await
}
