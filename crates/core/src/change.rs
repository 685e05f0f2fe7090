//! Notices that something changed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Revision, StoreResult, TenantId};

/// Something changed, and is now at this revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Change {
    /// Something inside an environment.
    Environment {
        /// Whose.
        tenant: TenantId,
        /// The platform's name.
        platform: String,
        /// The environment's name.
        environment: String,
        /// The environment's revision now.
        revision: Revision,
    },
    /// The list of platforms and environments.
    Directory {
        /// Whose.
        tenant: TenantId,
        /// The directory's revision now.
        revision: Revision,
    },
    /// Users, sessions or keys, in a way that may withdraw a right.
    Accounts {
        /// Whose.
        tenant: TenantId,
        /// The accounts' revision now.
        revision: Revision,
    },
    /// A tenant itself: its standing, its plan, or a name that leads to it.
    Tenant {
        /// Which.
        tenant: TenantId,
        /// The tenant's version now: the revision that this write gave to the register of all tenants. What is remembered under one of
        /// the names below with a lower version, of whichever tenant, is out of date.
        version: Revision,
        /// The subdomains that lead to it, or led to it until now: one, or two when it was renamed.
        subdomains: Vec<String>,
        /// The custom domains that lead to it, or led to it until now: at most eleven.
        domains: Vec<String>,
    },
    /// Who belongs to a tenant, or in which role.
    Members {
        /// Whose.
        tenant: TenantId,
        /// The revision that this write gave to the register of all tenants.
        revision: Revision,
    },
}

/// Takes notices in. Called on the publisher's task: be quick, never block.
pub trait ChangeListener: Send + Sync + 'static {
    /// A notice arrived. It may be late, repeated or out of order.
    fn changed(&self, change: &Change);
}

/// Carries notices between the parts of a node, and between nodes.
///
/// Every bus may lose notices, so listeners also poll revisions; a bus makes news fast, not certain. Only the listeners of the
/// publisher's own node are certain to hear, before `publish` returns and once, whatever becomes of the way to the other nodes.
///
/// The promises are tests in `testkit` (feature `testkit`): every bus runs `change_bus_suite!`.
#[async_trait]
pub trait ChangeBus: Send + Sync + fmt::Debug + 'static {
    /// Tells every listener.
    ///
    /// # Errors
    /// [`Unavailable`](crate::StoreErrorKind::Unavailable) when the notice could not be handed over to the other nodes within a short
    /// time. The change itself stands.
    async fn publish(&self, change: Change) -> StoreResult<()>;

    /// Adds a listener for as long as the bus lives.
    fn subscribe(&self, listener: Arc<dyn ChangeListener>);
}

/// The bus inside one process.
#[derive(Default)]
pub struct LocalBus {
    listeners: Mutex<Vec<Arc<dyn ChangeListener>>>,
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBus").finish_non_exhaustive()
    }
}

#[async_trait]
impl ChangeBus for LocalBus {
    async fn publish(&self, change: Change) -> StoreResult<()> {
        // Cloned so that a listener may publish or subscribe itself.
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners {
            listener.changed(&change);
        }
        Ok(())
    }

    fn subscribe(&self, listener: Arc<dyn ChangeListener>) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}
