//! A store of two tenants, as somebody else's service may have them.

use std::sync::Arc;

use async_trait::async_trait;
use togglebox_core::{StoreResult, SystemStopwatch, TenantId};
use togglebox_multitenancy::{HostKey, HostRef, ResolveOptions, Resolver, TenantSource, Versioned};
use uuid::Uuid;

/// What the service wants to know of a tenant.
#[derive(Debug)]
pub(crate) struct Workspace {
    id: TenantId,
    /// How it wants to be called.
    pub(crate) name: &'static str,
}

impl Versioned for Workspace {
    fn tenant(&self) -> TenantId {
        self.id
    }

    fn version(&self) -> u64 {
        1
    }

    fn outlasts_outage(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Workspaces;

#[async_trait]
impl TenantSource for Workspaces {
    type Entry = Workspace;

    async fn load(&self, key: &HostKey) -> StoreResult<Option<Arc<Workspace>>> {
        Ok(match key.as_ref() {
            HostRef::Subdomain("acme") | HostRef::Domain("flags.acme.test") => Some((1, "Acme")),
            HostRef::Subdomain("globex") => Some((2, "Globex")),
            _ => None,
        }
        .map(|(id, name)| Arc::new(Workspace { id: TenantId::from_uuid(Uuid::from_u128(id)), name })))
    }
}

/// Finds the two.
pub(crate) fn resolver() -> Resolver<Workspace> {
    Resolver::new(Arc::new(Workspaces), Arc::new(SystemStopwatch::start()), ResolveOptions::default())
}
