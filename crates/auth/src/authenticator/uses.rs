//! When API keys were used: gathered here, written now and then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use togglebox_core::{TenantId, Timestamp};
use uuid::Uuid;

/// The most keys whose use waits to be written. Uses of further keys are not noted until the next flush.
const MAX_WAITING: usize = 100_000;

/// The latest use of each key since the last flush.
#[derive(Debug, Default)]
pub(super) struct KeyUses(Mutex<HashMap<(TenantId, Uuid), Timestamp>>);

impl KeyUses {
    pub(super) fn note(&self, tenant: TenantId, key: Uuid, at: Timestamp) {
        let mut waiting = self.lock();
        if waiting.len() < MAX_WAITING || waiting.contains_key(&(tenant, key)) {
            let latest = waiting.entry((tenant, key)).or_insert(at);
            *latest = at.max(*latest);
        }
    }

    /// Takes all that waits, by tenant.
    pub(super) fn take(&self) -> HashMap<TenantId, Vec<(Uuid, Timestamp)>> {
        let mut by_tenant: HashMap<_, Vec<_>> = HashMap::new();
        for ((tenant, key), at) in std::mem::take(&mut *self.lock()) {
            by_tenant.entry(tenant).or_default().push((key, at));
        }
        by_tenant
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, Uuid), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_use_of_each_key_waits_until_it_is_taken() {
        let uses = KeyUses::default();
        let key = Uuid::from_u128(1);
        for ms in [10, 30, 20] {
            uses.note(TenantId::DEFAULT, key, Timestamp::from_ms(ms));
        }
        assert_eq!(uses.take()[&TenantId::DEFAULT], [(key, Timestamp::from_ms(30))]);
        assert!(uses.take().is_empty());
    }

    #[test]
    fn no_more_keys_wait_than_fit() {
        let uses = KeyUses::default();
        for n in 0..=u128::try_from(MAX_WAITING).unwrap() {
            uses.note(TenantId::DEFAULT, Uuid::from_u128(n), Timestamp::EPOCH);
        }
        uses.note(TenantId::DEFAULT, Uuid::nil(), Timestamp::from_ms(5));
        let taken = &uses.take()[&TenantId::DEFAULT];
        assert_eq!(taken.len(), MAX_WAITING);
        assert!(taken.contains(&(Uuid::nil(), Timestamp::from_ms(5))));
    }
}
