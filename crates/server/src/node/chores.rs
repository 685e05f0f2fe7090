//! What a node does again and again beside its requests: each round, and how often it is to be called.

use std::time::Duration;

use togglebox_core::TenantId;

use super::{Front, Node};
use crate::retention;

impl Node {
    /// Asks the store what other processes changed: accounts and environments.
    pub(crate) async fn poll(&self) {
        let memory = self.api().memory();
        let served = memory.turn();
        let mut known = served.clone();
        if !known.contains(&self.home()) {
            known.push(self.home());
        }
        // Both at once: reads say so soon when the store does not answer the second, however long it is silent about the first.
        let (accounts, environments) = tokio::join!(self.authenticator.poll(&known), memory.poll_of(served));
        if let Err(error) = accounts.and(environments) {
            tracing::warn!(error = &error as &dyn std::error::Error, "The store could not be asked for changes");
        }
    }

    /// Asks the store which workspaces other processes changed.
    #[cfg(feature = "cloud")]
    pub(crate) async fn poll_workspaces(&self) {
        if let Front::Cloud(front) = &self.front
            && let Err(error) = front.cloud.poll().await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "The store could not be asked which workspaces have changed"
            );
        }
    }

    /// Brings into memory what requests would otherwise be the first to ask for: the names of workspaces. To be done once, at the start.
    #[cfg_attr(not(feature = "cloud"), expect(clippy::unused_async, reason = "there are no workspaces"))]
    pub(crate) async fn preload(&self) {
        match &self.front {
            Front::Open(_) => {}
            #[cfg(feature = "cloud")]
            Front::Cloud(front) => front.preload().await,
        }
    }

    /// Does a part of the end of those workspaces whose grace period is over, and removes what every node has long heard of.
    #[cfg(feature = "cloud")]
    pub(crate) async fn end_workspaces(&self) {
        if let Front::Cloud(front) = &self.front {
            front.end_workspaces().await;
            front.prune_changes().await;
        }
    }

    /// How often [`Self::flush_usage`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) fn flush_usage_every(&self) -> Duration {
        self.meterage().map_or(Duration::from_hours(1), |meterage| meterage.every)
    }

    /// Brings what was counted of requests to the store.
    #[cfg(feature = "cloud")]
    pub(crate) async fn flush_usage(&self) {
        if let Some(meterage) = self.meterage() {
            meterage.flush().await;
        }
    }

    /// Sees to it that there is room to count in.
    #[cfg(feature = "cloud")]
    pub(crate) async fn make_room_for_usage(&self) {
        if let Some(meterage) = self.meterage() {
            meterage.make_room().await;
        }
    }

    /// Takes usage out of the queue that nodes put it in, if there is one, until `stop`.
    #[cfg(feature = "cloud")]
    pub(crate) async fn consume_usage(&self, stop: impl Future<Output = ()>) {
        if let Some(meterage) = self.meterage() {
            meterage.consume(stop).await;
        }
    }

    /// Brings to the store what processes that are gone have counted, and adds up the hours that are over.
    #[cfg(feature = "cloud")]
    pub(crate) async fn add_usage_up(&self) {
        if let Some(meterage) = self.meterage() {
            meterage.recover().await;
            meterage.roll_up().await;
        }
    }

    /// Removes usage that is old enough.
    #[cfg(feature = "cloud")]
    pub(crate) async fn prune_usage(&self) {
        if let Some(meterage) = self.meterage() {
            meterage.prune().await;
        }
    }

    /// Does the work of billing that is due, until `stop`; ends at once where nothing is charged.
    #[cfg(feature = "cloud")]
    pub(crate) async fn work_on_billing(&self, stop: impl Future<Output = ()>) {
        if let Some(till) = self.till() {
            till.run(stop).await;
        }
    }

    /// Asks Stripe for the prices, if it has not answered since the start.
    #[cfg(feature = "cloud")]
    pub(crate) async fn recheck_prices(&self) {
        if let Some(till) = self.till() {
            till.recheck_prices().await;
        }
    }

    /// Counts what billing has given up.
    #[cfg(feature = "cloud")]
    pub(crate) async fn count_dead(&self) {
        if let Some(till) = self.till() {
            till.count_dead().await;
        }
    }

    /// Looks for the records of workspaces' verified domains again.
    #[cfg(feature = "cloud")]
    pub(crate) async fn recheck_domains(&self) {
        if let Front::Cloud(front) = &self.front {
            front.recheck_domains().await;
        }
    }

    /// Writes out what was counted, or the next part of it.
    pub(crate) async fn flush(&self) {
        /// Figures of as many workspaces, as a rule. What there is of more has its turn the next time: the store has other things to do.
        const BATCHES: usize = 100;
        if let Err(error) = self.flusher.flush_some(BATCHES).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Figures could not be written; they are kept for the next time"
            );
        }
    }

    /// Writes when keys were last used.
    pub(crate) async fn flush_uses(&self) {
        if let Err(error) = self.authenticator.flush_uses().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Last uses of API keys could not be written");
        }
    }

    /// Removes audit records that are older than the settings want them kept.
    pub(crate) async fn prune_audit(&self) {
        let Some(kept) = self.audit_retention else { return };
        self.prune_audit_of(self.home(), kept).await;
        #[cfg(feature = "cloud")]
        if let Front::Cloud(front) = &self.front {
            for tenant in front.tenants().await {
                self.prune_audit_of(tenant, kept).await;
            }
        }
    }

    async fn prune_audit_of(&self, tenant: TenantId, kept: Duration) {
        match retention::prune(&*self.stores.audit, tenant, &*self.clock, kept).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(audit.removed = removed, "Removed {removed} audit records that were old enough"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Old audit records could not be removed");
            }
        }
    }

    /// Lets the store do the housekeeping that it left for later.
    pub(crate) async fn tidy(&self) {
        if let Err(error) = self.stores.tidy(self.clock.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "The store could not be tidied; the next time goes on");
        }
    }

    /// How often [`Self::poll`] is to be called.
    pub(crate) const POLL: Duration = Duration::from_secs(2);
    /// How often [`Self::poll_workspaces`] is to be called: what it hears of counts within two seconds.
    #[cfg(feature = "cloud")]
    pub(crate) const POLL_WORKSPACES: Duration = Duration::from_secs(1);
    /// How long requests wait for [`Self::preload`]; what is left of it goes on behind them.
    pub(crate) const PRELOAD: Duration = Duration::from_secs(3);
    /// How often [`Self::end_workspaces`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) const END_WORKSPACES: Duration = Duration::from_mins(10);
    /// How often [`Self::recheck_domains`] is to be called: each domain's turn comes once a day.
    #[cfg(feature = "cloud")]
    pub(crate) const RECHECK_DOMAINS: Duration = Duration::from_hours(1);
    /// How often [`Self::add_usage_up`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) const ADD_USAGE_UP: Duration = Duration::from_mins(1);
    /// How often [`Self::make_room_for_usage`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) const MAKE_ROOM_FOR_USAGE: Duration = Duration::from_millis(200);
    /// How often [`Self::prune_usage`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) const PRUNE_USAGE: Duration = Duration::from_hours(1);
    /// How often [`Self::recheck_prices`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) const RECHECK_PRICES: Duration = Duration::from_mins(10);
    /// How often [`Self::count_dead`] is to be called.
    #[cfg(feature = "cloud")]
    pub(crate) const COUNT_DEAD: Duration = Duration::from_mins(1);
    /// How often [`Self::flush`] is to be called.
    pub(crate) const FLUSH: Duration = Duration::from_millis(900);
    /// How often [`Self::flush_uses`] is to be called.
    pub(crate) const FLUSH_USES: Duration = Duration::from_secs(30);
    /// How often [`Self::tidy`] is to be called.
    pub(crate) const TIDY: Duration = Duration::from_mins(10);
    /// How often [`Self::prune_audit`] is to be called.
    pub(crate) const PRUNE_AUDIT: Duration = Duration::from_hours(1);
}
