use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{Actor, AuditFilter, AuditLog, Email, LocalBus, ManualClock, OsEntropy, Timestamp};
use togglebox_multitenancy::manage::{NewTenant, TenancyPorts, TenancySettings};
use togglebox_multitenancy::store::RemainsStore;
use togglebox_multitenancy::{LookUpError, Person, Tenant, TenantName, TxtResolver};
use togglebox_storage::Sqlite;
use uuid::Uuid;

use super::*;

const GRACE: Duration = Duration::from_hours(24);

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
struct Place {
    store: Arc<Sqlite>,
    clock: Arc<ManualClock>,
    tenancy: Arc<Tenancy>,
}

impl Place {
    async fn new() -> Self {
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

    /// A node with nothing in its memory.
    fn node(&self) -> Endings {
        Endings::new(Arc::clone(&self.tenancy))
    }

    async fn workspace(&self, subdomain: &str) -> Tenant {
        let owner = Person { user: Uuid::from_u128(1), email: Email::new("ann@example.com").unwrap() };
        let name = TenantName::new("Acme").unwrap();
        let new = NewTenant { name, subdomain: subdomain.parse().unwrap(), plan: None, owner };
        self.tenancy.create(&Actor::system(), new).await.unwrap()
    }

    async fn delete(&self, tenant: &Tenant) {
        self.tenancy.delete(tenant.id, &Actor::system(), None).await.unwrap();
    }

    /// Gives a workspace so many audit records.
    async fn grow(&self, tenant: &Tenant, records: usize) {
        let page = PageRequest::first(1);
        let list = self.store.list(tenant.id, &AuditFilter::default(), &page).await.unwrap();
        for _ in 0..records {
            let record = togglebox_core::AuditRecord { id: Uuid::from_bytes(bytes()), ..list.items[0].clone() };
            self.store.note(tenant.id, &record).await.unwrap();
        }
    }

    async fn is_there(&self, tenant: &Tenant) -> bool {
        !self.tenancy.left(tenant.id).await.unwrap().is_nothing()
    }
}

fn bytes() -> [u8; 16] {
    use togglebox_core::EntropyExt as _;
    OsEntropy.bytes()
}

#[tokio::test]
async fn workspaces_end_when_their_grace_period_is_over_and_not_before() {
    let place = Place::new().await;
    let (acme, globex, living) =
        (place.workspace("acme").await, place.workspace("globex").await, place.workspace("living").await);
    let node = place.node();
    place.delete(&acme).await;
    place.clock.advance(GRACE.checked_sub(Duration::from_millis(1)).unwrap());
    place.delete(&globex).await;
    assert_eq!(node.round().await.unwrap(), Round::default());
    assert!(place.is_there(&acme).await);
    place.clock.advance(Duration::from_millis(1));
    assert_eq!(node.round().await.unwrap(), Round { ended: 1, parts: 1 });
    assert!(!place.is_there(&acme).await && place.is_there(&globex).await && place.is_there(&living).await);
    place.tenancy.restore(globex.id, &Actor::system(), None).await.unwrap();
    place.clock.advance(GRACE);
    assert_eq!(node.round().await.unwrap(), Round::default());
    assert!(place.is_there(&globex).await);
    let page = PageRequest::first(10);
    let told = place.store.list(CENTRAL, &AuditFilter::default(), &page).await.unwrap().items;
    assert_eq!(told.iter().map(|record| &*record.action).collect::<Vec<_>>(), ["tenant.forget", "tenant.purge"]);
}

#[tokio::test]
async fn a_large_one_goes_on_where_it_was_and_another_node_may_help() {
    let place = Place::new().await;
    let acme = place.workspace("acme").await;
    place.grow(&acme, 2 * BATCH).await;
    place.delete(&acme).await;
    place.clock.advance(GRACE);
    let (here, there) = (place.node(), place.node());
    let mut begun = Round { parts: BATCHES - 1, ended: 0 };
    here.end(acme.id, &mut begun).await.unwrap();
    assert_eq!(begun, Round { parts: BATCHES, ended: 0 });
    assert!(here.places().contains_key(&acme.id) && place.is_there(&acme).await);
    let (one, two) = tokio::join!(here.round(), there.round());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.ended + two.ended >= 1, "{one:?} {two:?}");
    assert!(!place.is_there(&acme).await);
    assert_eq!(here.round().await.unwrap(), Round::default());
    assert!(here.places().is_empty());
}
