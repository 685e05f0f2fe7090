//! Charges workspaces by Stripe.

mod notices;
pub(crate) mod prices;
mod tenants;
mod usage;
mod words;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use togglebox_billing::stripe::StripeProvider;
use togglebox_billing::{Billing, BillingPorts, BillingProvider, BillingStore};
use togglebox_core::{Clock, Entropy, Stopwatch, StoreResult, SystemStopwatch};
use togglebox_http::cloud::BillingDesk;
use togglebox_multitenancy::PlanCatalogue;
use togglebox_multitenancy::manage::Tenancy;
use tokio::time::{sleep, timeout};

pub(crate) use self::notices::Post;
use self::notices::{Notices, Wording};
pub(crate) use self::prices::WrongPrices;
use self::tenants::Workspaces;
use self::usage::Figures;
use crate::settings::{BillingSettings, CloudSettings, NamedPrice};
use crate::stores::{RegisterStores, UsageStores};

/// How long there is nothing to do before somebody looks again, unless somebody says so.
const PAUSE: Duration = Duration::from_secs(1);

/// The same, when the store failed.
const TROUBLED: Duration = Duration::from_secs(5);

/// How long what is in hand may take when the node is to stop. What is left then is done by whoever comes next.
const GRACE: Duration = Duration::from_secs(5);

/// How long Stripe may take to tell of prices before the node serves without.
const PATIENCE: Duration = Duration::from_secs(15);

/// What billing is made of.
pub(super) struct Ingredients<'a> {
    pub(super) cloud: &'a CloudSettings,
    pub(super) store: &'a Arc<dyn BillingStore>,
    pub(super) register: &'a RegisterStores,
    pub(super) usage: &'a UsageStores,
    pub(super) tenancy: &'a Arc<Tenancy>,
    pub(super) post: Option<Arc<dyn Post>>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) entropy: &'a Arc<dyn Entropy>,
}

/// Billing, and what a node does for it.
#[derive(Debug)]
pub(crate) struct Till {
    pub(crate) desk: BillingDesk,
    provider: Arc<dyn BillingProvider>,
    prices: Vec<NamedPrice>,
    /// Whether Stripe has said that the prices are right.
    checked: AtomicBool,
}

/// Stripe, by these settings. Nothing is asked yet.
pub(crate) fn provider(settings: &BillingSettings, entropy: &Arc<dyn Entropy>) -> anyhow::Result<StripeProvider> {
    let stopwatch: Arc<dyn Stopwatch> = Arc::new(SystemStopwatch::start());
    StripeProvider::new(&settings.stripe, stopwatch, Arc::clone(entropy)).context("STRIPE_SECRET_KEY")
}

impl Till {
    /// Connects everything; asks nobody.
    ///
    /// # Errors
    /// There can be no client of Stripe.
    pub(super) fn new(settings: &BillingSettings, of: Ingredients<'_>) -> anyhow::Result<Self> {
        let provider: Arc<dyn BillingProvider> = Arc::new(provider(settings, of.entropy)?);
        Self::over(settings, provider, of)
    }

    fn over(settings: &BillingSettings, provider: Arc<dyn BillingProvider>, of: Ingredients<'_>) -> anyhow::Result<Self> {
        let Ingredients { cloud, store, register, usage, tenancy, post, clock, entropy } = of;
        let plans: &Arc<PlanCatalogue> = &cloud.plans;
        let wording = Wording {
            plans: Arc::clone(plans),
            workspace_url: cloud.workspace_url.clone(),
            billing_url: settings.rules.checkout.portal_return_url.to_string(),
            plans_url: cloud.upgrade_url.clone(),
            access: settings.rules.access,
            bills_usage: settings.rules.prices.usage().is_some(),
            base: cloud.rules.base().to_owned(),
        };
        let people = (Arc::clone(&register.tenants), Arc::clone(&register.members));
        let ports = BillingPorts {
            store: Arc::clone(store),
            provider: Arc::clone(&provider),
            tenants: Arc::new(Workspaces::new(Arc::clone(tenancy), Arc::clone(clock))),
            usage: Arc::new(Figures::new(usage.both(), Arc::clone(&register.directory), Arc::clone(plans))?),
            notifier: Arc::new(Notices::new(post, people, wording)),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
        };
        let desk = BillingDesk::new(Arc::new(Billing::new(ports, settings.rules.clone())));
        Ok(Self { desk, provider, prices: settings.prices.clone(), checked: AtomicBool::new(false) })
    }

    pub(crate) fn billing(&self) -> &Arc<Billing> {
        &self.desk.billing
    }

    /// Asks Stripe whether the prices are what they are configured as. When it does not answer, that is for [later](Self::recheck_prices): our
    /// customers are served without it.
    ///
    /// # Errors
    /// [`WrongPrices`].
    pub(crate) async fn check_prices(&self) -> Result<(), WrongPrices> {
        let Ok(findings) = timeout(PATIENCE, prices::check(&*self.provider, &self.prices)).await else {
            tracing::warn!("Stripe does not answer: whether its prices are as they are configured is asked again later");
            return Ok(());
        };
        if !findings.wrong.is_empty() {
            return Err(WrongPrices(findings.wrong));
        }
        if findings.unanswered.is_empty() {
            self.checked.store(true, Ordering::Relaxed);
            tracing::info!(
                prices = self.prices.len(),
                livemode = self.provider.livemode(),
                "The prices at Stripe are as configured"
            );
        } else {
            let prices = findings.unanswered.join(", ");
            tracing::warn!("Stripe does not say what it has of {prices}: it is asked again later");
        }
        Ok(())
    }

    /// The same, until it has answered once. What is wrong is for somebody to see to.
    pub(crate) async fn recheck_prices(&self) {
        if self.checked.load(Ordering::Relaxed) {
            return;
        }
        if let Err(wrong) = self.check_prices().await {
            tracing::error!("{wrong}");
        }
    }

    /// Does what is due, again and again, until `stop`. Every node does. Regular work, which may take long, goes on beside the rest.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) {
        let stop = stop.shared();
        let scheduled = AtomicBool::new(false);
        let turns = self.again(stop.clone(), true, || Box::pin(self.turn(&scheduled)));
        let chores = self.again(stop, false, || Box::pin(self.chores(&scheduled)));
        tokio::join!(turns, chores);
    }

    /// The same round again and again, until `stop`; with `woken`, at once when somebody says that there is something to do.
    async fn again<'a>(
        &self,
        stop: impl Future<Output = ()>,
        woken: bool,
        // Boxed: so it is plain to the compiler that it may go from thread to thread.
        round: impl Fn() -> Pin<Box<dyn Future<Output = StoreResult<usize>> + Send + 'a>>,
    ) {
        let mut stop = pin!(stop);
        loop {
            let mut work = round();
            let pause = tokio::select! {
                outcome = &mut work => pause(&outcome),
                () = &mut stop => {
                    if timeout(GRACE, work).await.is_err() {
                        tracing::info!("Some work of billing was left to whoever comes next");
                    }
                    return;
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                // What fails is not hurried.
                () = self.desk.wake.notified(), if woken && pause <= PAUSE => {}
                () = &mut stop => return,
            }
        }
    }

    /// One round of what comes in; how much there was.
    async fn turn(&self, scheduled: &AtomicBool) -> StoreResult<usize> {
        if !scheduled.load(Ordering::Relaxed) {
            self.billing().schedule().await?;
            scheduled.store(true, Ordering::Relaxed);
        }
        Ok(self.billing().turn().await?.count())
    }

    /// One round of regular work; how much there was.
    async fn chores(&self, scheduled: &AtomicBool) -> StoreResult<usize> {
        if scheduled.load(Ordering::Relaxed) { self.billing().work_tasks().await } else { Ok(0) }
    }

    /// Tells the metrics how much nobody could do.
    pub(crate) async fn count_dead(&self) {
        match self.billing().dead().await {
            Ok(0) => {}
            Ok(dead) => tracing::error!(dead, "Events and mails of billing were given up: see `togglebox-cloud stripe requeue`"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "What billing has given up could not be counted");
            }
        }
    }
}

/// How long to wait for the next round.
fn pause(outcome: &StoreResult<usize>) -> Duration {
    match outcome {
        Ok(0) => PAUSE,
        Ok(_) => Duration::ZERO,
        Err(error) => {
            tracing::warn!(error = error as &dyn std::error::Error, "Billing waits for the store");
            TROUBLED
        }
    }
}

#[cfg(test)]
mod tests;
