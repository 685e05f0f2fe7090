//! What users do with their API keys.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use togglebox_core::{EntropyExt, StoreErrorKind, TenantId};
use uuid::Uuid;

use super::{AccountError, Accounts, Result};
use crate::input::NewApiKey;
use crate::pepper::{generate, shown as shown_parts};
use crate::{ApiKey, Permission, SignedInUser};

/// A new key.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// The key itself: shown now, and never again.
    pub secret: SecretString,
}

impl Accounts {
    /// The caller's keys, newest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn keys(&self, tenant: TenantId, caller: &SignedInUser) -> Result<Vec<ApiKey>> {
        Ok(self.ports.keys.list(tenant, caller.user.id).await?)
    }

    /// Makes a key that may do a part of what the caller may.
    ///
    /// # Errors
    /// `MissingPermissions`, `TooManyKeys`, `UserNotFound`, `Store`.
    pub async fn create_key(&self, tenant: TenantId, caller: &SignedInUser, form: NewApiKey) -> Result<CreatedKey> {
        // The role may have changed since the caller was remembered.
        let owner = self.find(tenant, caller.user.id).await?;
        let allowed = owner.role.permissions();
        let may_not = |word: &&String| !Permission::parse(word).is_some_and(|permission| allowed.contains(permission));
        let missing: Vec<String> = form.permissions.iter().filter(may_not).cloned().collect();
        if !missing.is_empty() {
            return Err(AccountError::MissingPermissions(missing));
        }
        let secret = generate(self.ports.entropy.as_ref());
        let (prefix, last4) = shown_parts(&secret);
        let key = ApiKey {
            id: self.ports.entropy.uuid(),
            user: owner.id,
            name: form.name,
            hash: self.settings.pepper.hash(secret.expose_secret()),
            prefix,
            last4,
            permissions: form.permissions,
            expires_at: form.expires_at,
            last_used_at: None,
            created_at: self.now(),
        };
        let record = self.record(caller.actor(), "api_key.create", key.id, None, Some(shown(&key)));
        let limit = self.settings.keys_per_user;
        let written = self.ports.keys.create(tenant, &key, limit, &record).await.map_err(|error| match error.kind() {
            StoreErrorKind::NotFound => AccountError::UserNotFound,
            StoreErrorKind::LimitReached { limit } => AccountError::TooManyKeys { limit: *limit },
            _ => AccountError::Store(error),
        })?;
        Ok(CreatedKey { key: written.value, secret })
    }

    /// A key of the caller.
    ///
    /// # Errors
    /// `KeyNotFound`, `Store`.
    pub async fn key(&self, tenant: TenantId, caller: &SignedInUser, id: Uuid) -> Result<ApiKey> {
        let found = self.ports.keys.find(tenant, id).await?;
        found.filter(|key| key.user == caller.user.id).ok_or(AccountError::KeyNotFound)
    }

    /// Revokes a key of the caller, at once on every node.
    ///
    /// # Errors
    /// `KeyNotFound`, `NotYourKey`, `Store`.
    pub async fn revoke_key(&self, tenant: TenantId, caller: &SignedInUser, id: Uuid) -> Result<()> {
        let key = self.ports.keys.find(tenant, id).await?.ok_or(AccountError::KeyNotFound)?;
        if key.user != caller.user.id {
            return Err(AccountError::NotYourKey);
        }
        let record = self.record(caller.actor(), "api_key.revoke", id, Some(shown(&key)), None);
        let written = self.ports.keys.delete(tenant, key.user, id, &record).await.map_err(|error| match error.kind() {
            StoreErrorKind::NotFound => AccountError::KeyNotFound,
            _ => AccountError::Store(error),
        })?;
        self.announce(tenant, written.revision).await;
        Ok(())
    }
}

/// A key as audit records show it: never its hash.
fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "user": key.user,
        "name": key.name,
        "last4": key.last4,
        "permissions": key.permissions,
        "expiresAt": key.expires_at,
    })
}
