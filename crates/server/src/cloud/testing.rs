//! A store with its register, for tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{Actor, Email, LocalBus, ManualClock, OsEntropy, Timestamp};
use togglebox_multitenancy::manage::{NewTenant, Tenancy, TenancyPorts, TenancySettings};
use togglebox_multitenancy::{LookUpError, Person, Tenant, TenantName, TxtResolver};
use togglebox_storage::Sqlite;
use uuid::Uuid;

pub(super) const GRACE: Duration = Duration::from_hours(24);

/// Whose workspaces are.
pub(super) const OWNER: Uuid = Uuid::from_u128(1);

/// Nobody has a domain here.
#[derive(Debug)]
struct NoDns;

#[async_trait]
impl TxtResolver for NoDns {
    async fn txt(&self, _name: &str) -> std::result::Result<Vec<String>, LookUpError> {
        Ok(Vec::new())
    }
}

/// A store, and the time.
pub(super) struct Place {
    pub(super) store: Arc<Sqlite>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) tenancy: Arc<Tenancy>,
}

impl Place {
    pub(super) async fn new() -> Self {
        let store = Arc::new(Sqlite::in_memory().await.unwrap());
        let clock = Arc::new(ManualClock::new("2026-05-01T00:00:00Z".parse::<Timestamp>().unwrap()));
        let ports = TenancyPorts {
            tenants: Arc::<Sqlite>::clone(&store),
            members: Arc::<Sqlite>::clone(&store),
            invitations: Arc::<Sqlite>::clone(&store),
            domains: Arc::<Sqlite>::clone(&store),
            directory: Arc::<Sqlite>::clone(&store),
            remains: Arc::<Sqlite>::clone(&store),
            bus: Arc::new(LocalBus::default()),
            resolver: Arc::new(NoDns),
            mailer: None,
            clock: Arc::<ManualClock>::clone(&clock),
            entropy: Arc::new(OsEntropy),
        };
        let settings = TenancySettings { grace: GRACE, ..TenancySettings::default() };
        Self { store, clock, tenancy: Arc::new(Tenancy::new(ports, settings)) }
    }

    /// A workspace of [`OWNER`].
    pub(super) async fn workspace(&self, subdomain: &str) -> Tenant {
        let owner = Person { user: OWNER, email: Email::new("ann@example.com").unwrap() };
        let name = TenantName::new("Acme").unwrap();
        let new = NewTenant { name, subdomain: subdomain.parse().unwrap(), plan: None, owner };
        self.tenancy.create(&Actor::system(), new).await.unwrap()
    }
}
