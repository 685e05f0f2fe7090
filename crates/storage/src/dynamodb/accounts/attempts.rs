//! Failed sign-ins.

use async_trait::async_trait;
use togglebox_auth::store::AttemptStore;
use togglebox_auth::{AttemptPolicy, AttemptState};
use togglebox_core::{StoreResult, TenantId, Timestamp};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::super::table::EXPIRES_AT;
use super::{expiry, key};

/// What is stored of a subject, whether its time is over or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    failures: u64,
    /// When the first of these failures happened: the window's start.
    opened_at: Timestamp,
    /// In the past where there is no lock.
    locked_until: Timestamp,
}

/// What still counts of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counting {
    failures: u32,
    opened_at: Option<Timestamp>,
    locked_until: Option<Timestamp>,
}

impl Stored {
    fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        Ok(Self {
            failures: attributes.get("failures")?,
            opened_at: attributes.get("opened_at")?,
            locked_until: attributes.get("locked_until")?,
        })
    }

    fn at(self, policy: &AttemptPolicy, now: Timestamp) -> Counting {
        let locked_until = Some(self.locked_until).filter(|until| now < *until);
        if self.failures > 0 && now < self.opened_at.plus(policy.window) {
            let failures = u32::try_from(self.failures).unwrap_or(u32::MAX);
            Counting { failures, opened_at: Some(self.opened_at), locked_until }
        } else {
            Counting { failures: 0, opened_at: None, locked_until }
        }
    }

    /// What puts this in the place of what was read: of two failures at once the second finds that the first has moved it.
    fn put(self, operation: &'static str, key: &Key, stood: Option<Self>, over: Timestamp) -> StoreResult<Action> {
        let item = Draft::new(key)
            .with("failures", self.failures)
            .with("opened_at", self.opened_at)
            .with("locked_until", self.locked_until)
            .with(EXPIRES_AT, expiry(over))
            .finish(operation)?;
        let when = stood.map_or_else(Condition::absent, |stood| {
            let when = Condition::is("failures", stood.failures).and("opened_at", stood.opened_at);
            when.and("locked_until", stood.locked_until)
        });
        Ok(Action::Put { item, when })
    }
}

impl Counting {
    /// After another failure.
    fn failed(self, policy: &AttemptPolicy, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let opened_at = Some(self.opened_at.unwrap_or(now));
        if failures >= policy.failures {
            Self { failures: 0, opened_at, locked_until: self.locked_until.max(Some(now.plus(policy.lock))) }
        } else {
            Self { failures, opened_at, ..self }
        }
    }

    const fn state(self) -> AttemptState {
        AttemptState { failures: self.failures, locked_until: self.locked_until }
    }
}

#[async_trait]
impl AttemptStore for DynamoDb {
    async fn state(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState> {
        const OPERATION: &str = "attempts.state";
        let item = self.get(OPERATION, &mut self.patience(), &key::attempts(tenant, subject)).await?;
        let stands = item.map(|item| Stored::read(&item, OPERATION)).transpose()?;
        Ok(stands.map(|stands| stands.at(policy, now)).unwrap_or_default().state())
    }

    async fn fail(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState> {
        const OPERATION: &str = "attempts.fail";
        let key = key::attempts(tenant, subject);
        let mut patience = self.patience();
        // An attempt whose answer got lost may be counted twice: that errs on the side of the lock.
        loop {
            let item = self.get(OPERATION, &mut patience, &key).await?;
            let stood = item.map(|item| Stored::read(&item, OPERATION)).transpose()?;
            let after = stood.map(|stood| stood.at(policy, now)).unwrap_or_default().failed(policy, now);
            let opened_at = after.opened_at.unwrap_or(now);
            let locked_until = after.locked_until.unwrap_or(Timestamp::EPOCH);
            let stands = Stored { failures: after.failures.into(), opened_at, locked_until };
            let over = locked_until.max(opened_at.plus(policy.window));
            if self.commit(OPERATION, &mut patience, vec![stands.put(OPERATION, &key, stood, over)?]).await? {
                return Ok(after.state());
            }
        }
    }

    async fn clear(&self, tenant: TenantId, subject: &str) -> StoreResult<()> {
        const OPERATION: &str = "attempts.clear";
        let (key, mut patience) = (key::attempts(tenant, subject), self.patience());
        // Most who sign in never failed: a read costs less than a deletion.
        if self.get(OPERATION, &mut patience, &key).await?.is_none() {
            return Ok(());
        }
        self.remove(OPERATION, &mut patience, [key]).await
    }
}
