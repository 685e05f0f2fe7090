//! Password resets.

use async_trait::async_trait;
use togglebox_auth::store::PasswordResetStore;
use togglebox_auth::{PasswordHash, PasswordReset, User};
use togglebox_core::{AuditRecord, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::patience::Patience;
use super::super::table::EXPIRES_AT;
use super::head::Head;
use super::owner::Owner;
use super::{expiry, key};

#[async_trait]
impl PasswordResetStore for DynamoDb {
    async fn create(&self, tenant: TenantId, reset: &PasswordReset) -> StoreResult<()> {
        const OPERATION: &str = "password_resets.create";
        let mut patience = self.patience();
        loop {
            let owner = self.owner(OPERATION, &mut patience, tenant, reset.user).await?;
            let owner = owner.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, OPERATION))?;
            // Not conditional on the user, as with sessions.
            let item = Draft::new(&key::reset(tenant, &reset.token_hash))
                .with("user", reset.user)
                .with("owner", owner.incarnation)
                .with("resets", owner.resets)
                .with("ends_at", reset.expires_at)
                .with("created_at", reset.created_at)
                .with(EXPIRES_AT, expiry(reset.expires_at))
                .finish(OPERATION)?;
            if self.commit(OPERATION, &mut patience, vec![Action::Put { item, when: Condition::absent() }]).await? {
                return Ok(());
            }
            match self.reset(OPERATION, &mut patience, tenant, &reset.token_hash).await? {
                Some((_, stands)) if stands == *reset => return Ok(()),
                Some(_) => return Err(StoreError::new(StoreErrorKind::AlreadyExists, OPERATION)),
                None => {}
            }
        }
    }

    async fn find(&self, tenant: TenantId, token_hash: &[u8; 32]) -> StoreResult<Option<(PasswordReset, User)>> {
        let found = self.reset("password_resets.find", &mut self.patience(), tenant, token_hash).await?;
        Ok(found.map(|(owner, reset)| (reset, owner.user)))
    }

    async fn complete(
        &self,
        tenant: TenantId,
        token_hash: &[u8; 32],
        password: &PasswordHash,
        now: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        const OPERATION: &str = "password_resets.complete";
        let mut write = self.write(OPERATION, tenant, key::head(tenant), audit).await?;
        loop {
            let stage = write.read([key::head(tenant)]).await?;
            if let Some(revision) = stage.earlier {
                // The reset is used up; the audit record still tells whose it was.
                let stands = match audit.target.parse::<Uuid>() {
                    Ok(user) => self.owner(OPERATION, write.patience(), tenant, user).await?,
                    Err(_) => None,
                };
                return write.repeated(stands.map(|owner| owner.user), revision);
            }
            let found = self.reset(OPERATION, write.patience(), tenant, token_hash).await?;
            let found = found.filter(|(_, reset)| now < reset.expires_at);
            let (stands, _) = found.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let head = Head::of(&stage.items, tenant, OPERATION)?;
            let next = head.next();
            let (stood, owner) = (stands.user.revision, stands.incarnation);
            let password = password.clone();
            let user = User { password, updated_at: now, tokens_valid_from: now, revision: next.revision, ..stands.user };
            let completed = Owner { user, resets: stands.resets.saturating_add(1), ..stands }.ended(now);
            let actions = vec![
                head.advance(tenant, next),
                completed.replace(tenant, stood),
                Action::Delete { key: key::reset(tenant, token_hash), when: Condition::is("owner", owner) },
            ];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: completed.user, revision: next.revision });
            }
        }
    }
}

impl DynamoDb {
    /// A reset and its user, unless the user is gone or has used another reset since.
    async fn reset(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        token_hash: &[u8; 32],
    ) -> StoreResult<Option<(Owner, PasswordReset)>> {
        let Some(item) = self.get(operation, patience, &key::reset(tenant, token_hash)).await? else { return Ok(None) };
        let Some(owner) = self.owner_of(operation, patience, tenant, &item).await? else { return Ok(None) };
        let resets: u64 = Attributes::new(&item, operation).get("resets")?;
        if resets < owner.resets {
            return Ok(None);
        }
        let reset = read(&item, operation, *token_hash)?;
        Ok(Some((owner, reset)))
    }
}

fn read(item: &Item, operation: &'static str, token_hash: [u8; 32]) -> StoreResult<PasswordReset> {
    let attributes = Attributes::new(item, operation);
    Ok(PasswordReset {
        token_hash,
        user: attributes.get("user")?,
        expires_at: attributes.get("ends_at")?,
        created_at: attributes.get("created_at")?,
    })
}
