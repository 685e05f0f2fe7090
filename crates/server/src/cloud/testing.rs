//! Workspaces over SQLite in memory, with a clock that stands still and a DNS that tests write: what chores are tested over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{
    Actor, AuditFilter, AuditLog as _, Email, LocalBus, ManualClock, ManualStopwatch, OsEntropy, PageRequest, TenantId, Timestamp,
};
use togglebox_multitenancy::manage::{NewTenant, Tenancy, TenancyPorts, TenancySettings};
use togglebox_multitenancy::{LookUpError, Person, Tenant, TenantName, TxtResolver};
use togglebox_storage::Sqlite;
use uuid::Uuid;

pub(super) const GRACE: Duration = Duration::from_hours(24);

/// Whose workspaces are.
pub(super) const OWNER: Uuid = Uuid::from_u128(1);

/// Name servers.
#[derive(Debug, Default)]
pub(super) struct Zone {
    /// What stands under each name; an `Err` where they do not say. Nothing stands under other names.
    pub(super) names: Mutex<BTreeMap<String, Result<Vec<String>, ()>>>,
    /// How long each answer takes.
    pub(super) delay: Mutex<Duration>,
    pub(super) stopwatch: Arc<ManualStopwatch>,
}

#[async_trait]
impl TxtResolver for Zone {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookUpError> {
        self.stopwatch.advance(*self.delay.lock().unwrap());
        let said = self.names.lock().unwrap().get(name).cloned().unwrap_or(Ok(Vec::new()));
        said.map_err(|()| LookUpError::new("nobody answers"))
    }
}

/// A store, a DNS, and the time.
pub(super) struct Place {
    pub(super) store: Arc<Sqlite>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) zone: Arc<Zone>,
    pub(super) tenancy: Arc<Tenancy>,
}

impl Place {
    pub(super) async fn new() -> Self {
        let store = Arc::new(Sqlite::in_memory().await.unwrap());
        let clock = Arc::new(ManualClock::new("2026-05-01T00:00:00Z".parse::<Timestamp>().unwrap()));
        let zone = Arc::new(Zone::default());
        let ports = TenancyPorts {
            tenants: Arc::<Sqlite>::clone(&store),
            members: Arc::<Sqlite>::clone(&store),
            invitations: Arc::<Sqlite>::clone(&store),
            domains: Arc::<Sqlite>::clone(&store),
            directory: Arc::<Sqlite>::clone(&store),
            remains: Arc::<Sqlite>::clone(&store),
            bus: Arc::new(LocalBus::default()),
            resolver: Arc::<Zone>::clone(&zone),
            mailer: None,
            clock: Arc::<ManualClock>::clone(&clock),
            entropy: Arc::new(OsEntropy),
        };
        let settings = TenancySettings { grace: GRACE, ..TenancySettings::default() };
        Self { store, clock, zone, tenancy: Arc::new(Tenancy::new(ports, settings)) }
    }

    /// A workspace of [`OWNER`].
    pub(super) async fn workspace(&self, subdomain: &str) -> Tenant {
        let owner = Person { user: OWNER, email: Email::new("ann@example.com").unwrap() };
        let name = TenantName::new("Acme").unwrap();
        let new = NewTenant { name, subdomain: subdomain.parse().unwrap(), plan: None, owner, id: None, unpaid: false };
        self.tenancy.create(&Actor::system(), new).await.unwrap()
    }

    pub(super) async fn delete(&self, tenant: &Tenant) {
        self.tenancy.delete(tenant.id, &Actor::system(), None).await.unwrap();
    }

    /// The actions that were recorded, the newest first.
    pub(super) async fn actions(&self, tenant: TenantId) -> Vec<String> {
        let page = PageRequest::first(100);
        let told = self.store.list(tenant, &AuditFilter::default(), &page).await.unwrap().items;
        told.into_iter().map(|record| record.action).collect()
    }
}
