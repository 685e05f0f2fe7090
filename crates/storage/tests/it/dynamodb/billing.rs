//! Billing: the promises of the port of `togglebox-billing`, what calls cost, and what is left.

use std::sync::Arc;

use togglebox_billing::store::MOST_WRITES;
use togglebox_billing::testkit::BillingStores;
use togglebox_billing::{Address, BillingStore as _, Committed, Document, Shelf, Write};
use togglebox_core::{PageRequest, TenantId, Timestamp};
use uuid::Uuid;

use super::server::Server;

/// The port over a new table.
async fn stores(server: Server) -> BillingStores {
    BillingStores::over(&Arc::new(server.table().await.0))
}

mod suite_on_dynoxide {
    use togglebox_billing::testkit::BillingStores;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> Option<BillingStores> {
        if DYNOXIDE.is_there() { Some(super::stores(DYNOXIDE).await) } else { None }
    }

    togglebox_billing::billing_store_suite!(maybe fresh);
}

mod suite_on_ministack {
    use togglebox_billing::testkit::BillingStores;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> Option<BillingStores> {
        if MINISTACK.is_there() { Some(super::stores(MINISTACK).await) } else { None }
    }

    togglebox_billing::billing_store_suite!(maybe fresh);
}

super::on_every_server! {
    a_document_costs_itself_and_what_leads_to_it
    what_led_to_a_document_is_removed_at_last
}

const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));

fn document(n: usize) -> Document {
    Document {
        address: Address::new(Shelf::Effect, format!("d-{n:02}")),
        tenant: Some(TENANT),
        version: 0,
        list: "waiting".into(),
        at: Timestamp::EPOCH,
        due: Some(Timestamp::EPOCH),
        body: "{}".into(),
    }
}

/// Two units of writing for each kilobyte of it, and for each entry that comes or goes.
async fn a_document_costs_itself_and_what_leads_to_it(server: Server) {
    let store = server.table().await.0;
    let mut spent = store.capacity().write;
    let mut costs = async |write: Write| {
        assert_eq!(store.commit(&[write]).await.unwrap(), Committed::Done);
        let units = store.capacity().write - spent;
        spent = store.capacity().write;
        units
    };
    let one = document(1);
    let made = costs(Write::Put(one.clone())).await;
    let changed = costs(Write::Put(Document { version: 1, body: "[]".into(), ..one.clone() })).await;
    let done = costs(Write::Put(Document { version: 2, list: "done".into(), due: None, ..one.clone() })).await;
    let removed = costs(Write::Remove(one.address, 3)).await;
    let units = [made, changed, done, removed];
    let expected = [2.0 * 4.0, 2.0, 2.0 * 4.0, 2.0 * 3.0];
    assert!(units.iter().zip(expected).all(|(units, expected)| (units - expected).abs() < 0.1), "{units:?}");
}

/// Also what did not fit into the commit that moved everything: reading its list removes it. In the end nothing is in the table.
async fn what_led_to_a_document_is_removed_at_last(server: Server) {
    let (store, options) = server.table().await;
    let items = async || {
        let scan = server.client().scan().table_name(options.table()).send().await.unwrap();
        scan.items.unwrap_or_default().len()
    };
    let all: Vec<Document> = (0..MOST_WRITES).map(document).collect();
    let put = |documents: &[Document]| documents.iter().cloned().map(Write::Put).collect::<Vec<_>>();
    assert_eq!(store.commit(&put(&all)).await.unwrap(), Committed::Done);
    assert_eq!(items().await, 4 * MOST_WRITES);
    let moved: Vec<Document> = all
        .iter()
        .map(|document| {
            let (list, due, tenant) = ("done".into(), Some(Timestamp::from_ms(1)), Some(TenantId::DEFAULT));
            Document { version: 1, list, due, tenant, ..document.clone() }
        })
        .collect();
    assert_eq!(store.commit(&put(&moved)).await.unwrap(), Committed::Done);
    assert_eq!(items().await, 7 * MOST_WRITES, "no room was left in the transaction");
    let page = PageRequest::first(100);
    for _ in 0..2 {
        assert_eq!(store.list(Shelf::Effect, "waiting", &page).await.unwrap().items, []);
        assert_eq!(store.of(TENANT, Shelf::Effect, &page).await.unwrap().items, []);
        assert_eq!(store.due(Shelf::Effect, Timestamp::EPOCH, 100).await.unwrap(), []);
        assert_eq!(items().await, 4 * MOST_WRITES);
    }
    assert_eq!(store.list(Shelf::Effect, "done", &page).await.unwrap().items.len(), MOST_WRITES);
    assert_eq!(store.prune(Shelf::Effect, "done", Timestamp::from_ms(1), 100).await.unwrap(), MOST_WRITES);
    assert_eq!(items().await, 0);
}
