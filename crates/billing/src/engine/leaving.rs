//! What becomes of a subscription when its tenant is deleted.

use togglebox_core::{EntropyExt as _, TenantId};

use super::observe::{Seen, Sight};
use super::{Billing, Result, TRIES};
use crate::BillingError;
use crate::provider::{Ending, ProviderError};
use crate::records::{Effect, Held, SignUpRecord, SignUpState, SubscriptionRecord, lists};

impl Billing {
    /// A tenant is deleted, and can be restored for a while: its subscription ends with the period, and pages on which it could still pay are
    /// closed. That it ends is written down here and done soon.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn leave(&self, tenant: TenantId) -> Result<()> {
        self.mark(tenant, true).await?;
        if let Err(error) = self.close_pages(tenant).await {
            // What is paid on one ends with the tenant.
            let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
            tracing::warn!(tenant.id = %tenant, error, "A page on which a deleted tenant could pay is open still");
        }
        Ok(())
    }

    /// Closes the pages on which a tenant could still pay; whether none is left, and no money on its way.
    async fn close_pages(&self, tenant: TenantId) -> Result<bool> {
        let mut is_over = true;
        let open = self.of_tenant::<SignUpRecord>(tenant).await?.into_iter().filter(|held| &*held.document.list == lists::OPEN);
        for held in open {
            let held = self.advance(held).await?;
            let id = held.id().to_owned();
            match held.value.state.clone() {
                SignUpState::Paying { session } => self.refuse_money(held, &session).await?,
                _ => self.close_page(held).await?,
            }
            let left = self.held::<SignUpRecord>(&id).await?;
            is_over &= left.is_none_or(|left| &*left.document.list != lists::OPEN);
        }
        Ok(is_over)
    }

    /// Money is on its way that nobody wants any more.
    async fn refuse_money(&self, held: Held<SignUpRecord>, session: &str) -> Result<()> {
        let checkout = self.ports.provider.checkout(session).await?;
        if checkout.is_paid() {
            return self.look_at_sign_up(held).await;
        }
        if let Some(subscription) = &checkout.subscription {
            let found = self.ports.provider.subscription(subscription).await?.value;
            self.abandon(&format!("refuse:{}", held.id()), &found).await?;
        }
        self.give_up(held, SignUpState::Failed, session).await
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
        // Who lets it end looks at the mark afterwards: so one of us sees to it that it goes on.
        let Some(account) = self.account(tenant).await? else { return Ok(()) };
        let subscription = account.value.subscription;
        let found = match self.ports.provider.subscription(&subscription).await {
            Ok(found) => found.value,
            Err(ProviderError::Missing(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !found.status.is_final() && found.ends() {
            let key = format!("back:{subscription}:{}", self.ports.entropy.uuid());
            self.ports.provider.end(&key, &subscription, Ending::NotAtAll).await?;
            self.observe(&Sight::of(&subscription), None, &mut Seen::default()).await?;
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
                    writes.extend(self.effect(&key, Some(tenant), Effect::End { tenant, subscription }).await?);
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
        let mut is_over = self.close_pages(tenant).await?;
        for held in self.of_tenant::<SubscriptionRecord>(tenant).await? {
            if !held.value.state.status.is_final() {
                is_over &= self.end_now(tenant, held.id()).await?;
            }
        }
        Ok(is_over)
    }

    async fn end_now(&self, tenant: TenantId, subscription: &str) -> Result<bool> {
        // What was used until now is on the last bill.
        if let Some(account) = self.account(tenant).await?
            && let Err(error) = self.export_one(account, false).await
        {
            let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
            tracing::warn!(tenant.id = %tenant, error, "The last usage of a tenant could not be told");
        }
        // New each time: what went wrong over there is answered the same for a day, and to end something twice does no harm.
        let key = format!("purge:{subscription}:{}", self.ports.entropy.uuid());
        match self.ports.provider.end(&key, subscription, Ending::Now).await {
            Ok(_) | Err(ProviderError::Missing(_) | ProviderError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let sight = match self.ports.provider.subscription(subscription).await {
            Err(ProviderError::Missing(_)) => return Ok(true),
            Err(error) => return Err(error.into()),
            Ok(fetched) => Sight::read(fetched),
        };
        self.observe(&sight, None, &mut Seen::default()).await?;
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
