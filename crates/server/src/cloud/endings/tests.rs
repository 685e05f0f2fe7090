use std::time::Duration;

use togglebox_core::{Actor, AuditFilter, AuditLog as _, OsEntropy, PageRequest};
use togglebox_multitenancy::Tenant;
use togglebox_multitenancy::store::RemainsStore as _;
use uuid::Uuid;

use super::super::testing::{GRACE, Place};
use super::*;

impl Place {
    /// A node with nothing in its memory.
    fn node(&self) -> Endings {
        Endings::new(Arc::clone(&self.tenancy), None)
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
    assert_eq!(place.actions(CENTRAL).await, ["tenant.forget", "tenant.purge"]);
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
