//! Signing up, and what whoever does so can see of it.

use serde::Serialize;
use togglebox_core::{EntropyExt as _, TenantId, Timestamp};
use uuid::Uuid;

use super::{Billing, BillingError, Result, TRIES};
use crate::price::Interval;
use crate::provider::ProviderError;
use crate::records::{ClaimRecord, Held, SignUpRecord, SignUpState as State, SubscriptionRecord, lists};
use crate::store::Write;

/// A sign-up for a tenant that is to be made, and paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignUp {
    /// What people call the tenant.
    pub name: Box<str>,
    /// Where it is to be reached.
    pub subdomain: Box<str>,
    /// Whose it is.
    pub owner: Uuid,
    /// Where that one reads mail.
    pub email: Box<str>,
    /// Which plan.
    pub plan: Box<str>,
    /// How it is billed.
    pub interval: Interval,
}

/// Who subscribes for a tenant that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Who asks for it.
    pub user: Uuid,
    /// Where that one reads mail.
    pub email: Box<str>,
}

/// A page to pay on.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    /// The sign-up.
    pub id: Uuid,
    /// The tenant that it is for.
    pub tenant: TenantId,
    /// Where it is paid. Not to be shown in logs.
    pub url: Box<str>,
    /// Until when.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.id).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Where a sign-up stands, in words for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUpState {
    /// It is being made ready.
    Preparing,
    /// It can be paid.
    Open,
    /// The payment is on its way.
    Processing,
    /// All is there.
    Active,
    /// It was not paid in time.
    Expired,
    /// The payment did not come.
    Failed,
    /// It was paid, and somebody of the operator's looks at it.
    Conflict,
}

/// Where a sign-up stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUpStatus {
    /// Which.
    pub id: Uuid,
    /// Where it stands.
    pub state: SignUpState,
    /// The tenant that it is for.
    pub tenant: TenantId,
    /// Where the tenant is, or will be, reached.
    pub subdomain: Box<str>,
    /// Which plan.
    pub plan: Box<str>,
    /// How it is billed.
    pub interval: Interval,
}

impl Billing {
    /// Keeps a name for a tenant and makes a page on which it is paid for. Repeating it makes another sign-up, for which the name is taken
    /// then; the first one ends when its page does.
    ///
    /// # Errors
    /// `NotSold`, `SubdomainTaken`, `SignUpRefused`, `Provider`, `Store`, `Port`.
    pub async fn sign_up(&self, new: NewSignUp) -> Result<Pending> {
        let price = self.settings.prices.sold(&new.plan, new.interval).ok_or(BillingError::NotSold)?.price.clone();
        let record = SignUpRecord {
            tenant: TenantId::from_uuid(self.ports.entropy.uuid()),
            is_new: true,
            name: new.name,
            subdomain: new.subdomain,
            plan: new.plan,
            interval: new.interval,
            price,
            owner: new.owner,
            email: new.email,
            customer: None,
            round: 1,
            created: self.now(),
            state: State::Begun,
            attempts: 0,
        };
        self.begin(record, None).await
    }

    /// Makes a page on which a plan is paid for, for a tenant that is there and has none that it pays for. A page that it has open already
    /// for the same is given again; one for something else is closed first.
    ///
    /// # Errors
    /// `NotSold`, `AlreadySubscribed`, `NotFound`, `Provider`, `Store`, `Port`.
    pub async fn subscribe(&self, tenant: TenantId, by: Subscriber, plan: &str, interval: Interval) -> Result<Pending> {
        let price = self.settings.prices.sold(plan, interval).ok_or(BillingError::NotSold)?.price.clone();
        // Only one at a time makes a page: whoever comes second has to look again.
        let turn = self.held::<ClaimRecord>(&subscribing(tenant)).await?;
        if let Some(pending) = self.close_other_pages(tenant, &price).await? {
            return Ok(pending);
        }
        let account = self.account(tenant).await?;
        if let Some(account) = &account {
            let known = self.held::<SubscriptionRecord>(&account.value.subscription).await?;
            if known.is_some_and(|known| !known.value.state.status.is_final()) {
                return Err(BillingError::AlreadySubscribed);
            }
        }
        let profile = self.ports.tenants.profile(tenant).await?.ok_or(BillingError::NotFound)?;
        let record = SignUpRecord {
            tenant,
            is_new: false,
            name: profile.name,
            subdomain: profile.subdomain,
            plan: plan.into(),
            interval,
            price,
            owner: by.user,
            email: by.email,
            customer: account.map(|account| account.value.customer),
            round: 1,
            created: self.now(),
            state: State::Reserved,
            attempts: 0,
        };
        let turn = turn
            .unwrap_or_else(|| Held::new(&subscribing(tenant), lists::OPEN, self.now(), ClaimRecord { tenant }).of(Some(tenant)));
        self.begin(record, Some(turn.put()?)).await
    }

    /// A page that is open for the same price, if there is one. Those for something else are closed.
    async fn close_other_pages(&self, tenant: TenantId, price: &str) -> Result<Option<Pending>> {
        let open = self.of_tenant::<SignUpRecord>(tenant).await?.into_iter().filter(|held| &*held.document.list == lists::OPEN);
        for held in open {
            let mut held = self.advance(held).await?;
            if let State::SessionCreated { url, expires_at, .. } = &held.value.state {
                if *held.value.price == *price && *expires_at > self.now() {
                    return Ok(Some(Pending { id: id_of(&held)?, tenant, url: url.clone(), expires_at: *expires_at }));
                }
                let id = held.id().to_owned();
                self.close_page(held).await?;
                held = self.held::<SignUpRecord>(&id).await?.ok_or(BillingError::NoSignUp)?;
            }
            // It may have been paid in this moment.
            match &held.value.state {
                State::Paying { .. } => return Err(BillingError::ChangeWaits),
                State::Active { .. } => return Err(BillingError::AlreadySubscribed),
                State::SessionCreated { .. } => return Err(BillingError::Busy),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn begin(&self, record: SignUpRecord, turn: Option<Write>) -> Result<Pending> {
        let (id, tenant, now) = (self.ports.entropy.uuid(), record.tenant, self.now());
        // In hand until the page is there; should we stop before, somebody goes on.
        let lease = now.plus(self.settings.lease);
        let held = Held::new(&id.to_string(), lists::OPEN, now, record).of(Some(tenant)).due(Some(lease));
        let writes: Vec<Write> = std::iter::once(held.put()?).chain(turn).collect();
        if !self.commit(&writes).await? && self.held::<SignUpRecord>(&id.to_string()).await?.is_none() {
            return Err(BillingError::Busy);
        }
        let held = self.held::<SignUpRecord>(&id.to_string()).await?.ok_or(BillingError::NoSignUp)?;
        let held = self.advance(held).await?;
        match held.value.state {
            State::SessionCreated { url, expires_at, .. } => Ok(Pending { id, tenant, url, expires_at }),
            State::Refused { taken: true, .. } => Err(BillingError::SubdomainTaken),
            State::Refused { why, .. } => Err(BillingError::SignUpRefused(why)),
            State::Unsold { code } => Err(BillingError::Provider(ProviderError::Refused { code, param: None })),
            _ => Err(BillingError::Busy),
        }
    }

    /// Where a sign-up stands.
    ///
    /// # Errors
    /// `NoSignUp`, `Store`.
    pub async fn sign_up_status(&self, id: Uuid) -> Result<SignUpStatus> {
        let held = self.held::<SignUpRecord>(&id.to_string()).await?.ok_or(BillingError::NoSignUp)?;
        status_of(&held)
    }

    /// Somebody came back from the page: looks at what was paid, at once. The payment service tells the same; whichever is first, all is given
    /// once.
    ///
    /// # Errors
    /// `NoSignUp`, `Provider`, `Store`, `Port`.
    pub async fn complete(&self, session: &str) -> Result<SignUpStatus> {
        let reference = self.look_at(session).await?.ok_or(BillingError::NoSignUp)?;
        self.sign_up_status(reference).await
    }

    /// Does the steps of a sign-up that are left until its page is there.
    pub(super) async fn advance(&self, mut held: Held<SignUpRecord>) -> Result<Held<SignUpRecord>> {
        for _ in 0..TRIES {
            let next = match &held.value.state {
                State::Begun => self.reserve(&held.value).await?,
                State::Reserved => self.open_page(&held).await?,
                _ => return Ok(held),
            };
            let is_refused = matches!(next, State::Refused { .. } | State::Unsold { .. });
            let due = match &next {
                State::SessionCreated { expires_at, .. } => Some(expires_at.plus(super::saga::AFTER_EXPIRY)),
                State::Refused { .. } | State::Unsold { .. } => None,
                _ => Some(self.now().plus(self.settings.lease)),
            };
            let list = if is_refused { lists::CLOSED } else { lists::OPEN };
            let mut moved = held.clone().list(list).due(due);
            moved.value.state = next;
            moved.value.attempts = 0;
            if self.commit(&[moved.put()?]).await? {
                moved.document.version += 1;
                held = moved;
            } else {
                // Somebody else went on with it, or it was done and we were not told.
                let id = held.id().to_owned();
                held = self.held::<SignUpRecord>(&id).await?.ok_or(BillingError::NoSignUp)?;
            }
        }
        Err(BillingError::Busy)
    }
}

pub(super) fn id_of(held: &Held<SignUpRecord>) -> Result<Uuid> {
    held.id().parse().map_err(|_| BillingError::NoSignUp)
}

fn status_of(held: &Held<SignUpRecord>) -> Result<SignUpStatus> {
    let record = &held.value;
    let state = match &record.state {
        State::Begun | State::Reserved => SignUpState::Preparing,
        State::SessionCreated { .. } => SignUpState::Open,
        State::Paying { .. } => SignUpState::Processing,
        State::Active { .. } => SignUpState::Active,
        State::Expired => SignUpState::Expired,
        State::Failed | State::Refused { .. } | State::Unsold { .. } => SignUpState::Failed,
        State::Conflict { .. } => SignUpState::Conflict,
    };
    Ok(SignUpStatus {
        id: id_of(held)?,
        state,
        tenant: record.tenant,
        subdomain: record.subdomain.clone(),
        plan: record.plan.clone(),
        interval: record.interval,
    })
}

/// The claim by which one at a time makes a page for a tenant.
fn subscribing(tenant: TenantId) -> String {
    format!("subscribing:{tenant}")
}
