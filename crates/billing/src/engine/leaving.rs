//! What becomes of a subscription when its tenant is deleted.

use togglebox_core::TenantId;

use super::observe::{Seen, Sight};
use super::{Billing, Result, TRIES};
use crate::BillingError;
use crate::provider::{Ending, ProviderError};
use crate::records::{Effect, Held, SignUpRecord, SubscriptionRecord, lists};
use crate::store::Shelf;

impl Billing {
    /// A tenant is deleted, and can be restored for a while: its subscription ends with the period. Written down here, done soon. For one that
    /// pays nothing there is nothing to do.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn leave(&self, tenant: TenantId) -> Result<()> {
        self.mark(tenant, true).await.map(drop)
    }

    /// A tenant is restored: its subscription goes on, if it has not ended, and if nobody wanted it to end before the tenant was deleted. What
    /// failed may be repeated.
    ///
    /// # Errors
    /// `Provider`, `Busy`, `Store`.
    pub async fn come_back(&self, tenant: TenantId) -> Result<()> {
        if !self.mark(tenant, false).await? {
            return Ok(());
        }
        match self.resume(tenant).await {
            // What is not carried out yet will not be.
            Err(BillingError::NothingToChange | BillingError::NoSubscription) => {}
            outcome => outcome?,
        }
        self.mark_resumed(tenant).await
    }

    /// Says whether the subscription ends, or is to end, because the tenant leaves or left.
    async fn mark(&self, tenant: TenantId, leaving: bool) -> Result<bool> {
        for _ in 0..TRIES {
            let Some(mut account) = self.account(tenant).await? else { return Ok(false) };
            if account.value.leaving == leaving {
                return Ok(account.value.ends_for_leaving);
            }
            let mut writes = Vec::new();
            if leaving {
                let known = self.held::<SubscriptionRecord>(&account.value.subscription).await?;
                if known.is_some_and(|known| !known.value.state.status.is_final() && !known.value.state.ends()) {
                    let subscription = account.value.subscription.clone();
                    // Once for each time that it leaves.
                    let key = format!("leave:{subscription}:{}", account.document.version);
                    account.value.ends_for_leaving = true;
                    writes.extend(self.effect(&key, Some(tenant), Effect::End { subscription, now: false }).await?);
                }
            }
            account.value.leaving = leaving;
            let ends = account.value.ends_for_leaving;
            writes.push(account.put()?);
            if self.commit(&writes).await? {
                return Ok(ends);
            }
        }
        Err(BillingError::Busy)
    }

    /// The subscription goes on.
    async fn mark_resumed(&self, tenant: TenantId) -> Result<()> {
        for _ in 0..TRIES {
            let Some(mut account) = self.account(tenant).await? else { return Ok(()) };
            // Whoever leaves again has that to take back.
            if account.value.leaving || !account.value.ends_for_leaving {
                return Ok(());
            }
            account.value.ends_for_leaving = false;
            if self.commit(&[account.put()?]).await? {
                return Ok(());
            }
        }
        Err(BillingError::Busy)
    }

    /// A deleted tenant is to be forgotten: ends what it pays for now, and closes the pages that it could still pay on. `true` once nothing is
    /// left that anybody could be charged for; until then, ask again.
    ///
    /// # Errors
    /// `Provider`, `Store`.
    pub async fn end_all(&self, tenant: TenantId) -> Result<bool> {
        let mut page = togglebox_core::PageRequest::first(100);
        loop {
            let found = self.ports.store.of(tenant, Shelf::SignUp, &page).await?;
            for document in found.items.into_iter().filter(|document| &*document.list == lists::OPEN) {
                let held = self.advance(Held::<SignUpRecord>::read(document)?).await?;
                self.close_page(held).await?;
            }
            match found.next {
                Some(next) => page = togglebox_core::PageRequest::first(100).after(Some(next)),
                None => break,
            }
        }
        let mut is_over = true;
        let mut page = togglebox_core::PageRequest::first(100);
        loop {
            let found = self.ports.store.of(tenant, Shelf::Subscription, &page).await?;
            for document in found.items {
                let held = Held::<SubscriptionRecord>::read(document)?;
                if !held.value.state.status.is_final() {
                    is_over &= self.end_now(held.id()).await?;
                }
            }
            match found.next {
                Some(next) => page = togglebox_core::PageRequest::first(100).after(Some(next)),
                None => break,
            }
        }
        Ok(is_over)
    }

    async fn end_now(&self, subscription: &str) -> Result<bool> {
        match self.ports.provider.end(&format!("purge:{subscription}"), subscription, Ending::Now).await {
            Ok(_) | Err(ProviderError::Missing(_) | ProviderError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match self.ports.provider.subscription(subscription).await {
            Err(ProviderError::Missing(_)) => return Ok(true),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        self.observe(&Sight::of(subscription), None, &mut Seen::default()).await?;
        let known = self.held::<SubscriptionRecord>(subscription).await?;
        Ok(known.is_none_or(|known| known.value.state.status.is_final()))
    }

    /// Whether a tenant has a subscription that goes on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn pays(&self, tenant: TenantId) -> Result<bool> {
        let Some(account) = self.account(tenant).await? else { return Ok(false) };
        let known = self.held::<SubscriptionRecord>(&account.value.subscription).await?;
        Ok(known.is_some_and(|known| !known.value.state.status.is_final()))
    }
}
