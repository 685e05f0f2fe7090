//! What calls cost.

use togglebox_core::{PageRequest, Revision, StoreResult};
use togglebox_multitenancy::store::{InvitationStore, MemberStore, TenantDirectory, TenantFilter, TenantStore};
use togglebox_multitenancy::{PlanName, Tenant};
use togglebox_storage::DynamoDb;

use super::super::on_every_server;
use super::super::server::Server;
use super::fixtures::{guest, invited, joined, late, made, purged, token};
use crate::dynamodb::fixtures::audit;

on_every_server! {
    a_look_costs_what_it_shows_however_many_there_are
    a_write_costs_the_same_however_many_there_are
    a_filter_reads_on_until_its_page_is_full
}

/// Units that `call` reads and writes.
async fn units<T>(store: &DynamoDb, call: impl Future<Output = StoreResult<T>>) -> (f64, f64) {
    let before = store.capacity();
    call.await.unwrap();
    let after = store.capacity();
    (after.read - before.read, after.write - before.write)
}

async fn a_look_costs_what_it_shows_however_many_there_are(server: Server) {
    let store = server.table().await.0;
    let here = made(&store, 1).await;
    let mut costs = Vec::new();
    for round in 0..2 {
        for n in 0..12 {
            joined(&store, here.id, 100 * round + n).await;
            invited(&store, here.id, 100 * round + 50 + n).await;
        }
        let now = TenantDirectory::revision(&store).await.unwrap();
        let page = PageRequest::first(5);
        costs.push([
            units(&store, store.by_subdomain(&here.subdomain)).await,
            units(&store, store.count(here.id)).await,
            units(&store, store.find_by_token(here.id, &token(50))).await,
            units(&store, MemberStore::list(&store, here.id, &page)).await,
            units(&store, store.workspaces(guest(1), &page)).await,
            units(&store, store.changes_since(now, 1000)).await,
            units(&store, store.changes_since(Revision::new(now.get() - 1), 1000)).await,
        ]);
    }
    assert_eq!(costs[0], costs[1]);
    let [subdomain, count, token, list, workspaces, nothing, one] = costs[0].map(|(read, _)| read);
    assert_eq!((subdomain, count, token), (2.0, 1.0, 2.0));
    // One of the servers counts nothing of a batch of reads.
    assert!(list <= 1.0 + 5.0 && workspaces <= 1.0 + 2.0, "{list} {workspaces}");
    assert_eq!((nothing, one), (1.0, 2.0), "nodes ask every second or two");
}

async fn a_write_costs_the_same_however_many_there_are(server: Server) {
    let store = server.table().await.0;
    let mut stands = made(&store, 1).await;
    let mut costs = Vec::new();
    for round in 0..2 {
        for n in 0..12 {
            joined(&store, stands.id, 100 * round + n).await;
        }
        stands = TenantStore::find(&store, stands.id).await.unwrap().unwrap();
        costs.push(units(&store, store.change(stands.id, &stands, stands.version, late(), &audit(round))).await);
        stands = TenantStore::find(&store, stands.id).await.unwrap().unwrap();
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].0 <= 4.0 && costs[0].1 <= 14.0, "{costs:?}");
    purged(&store, &stands, 1).await;
}

async fn a_filter_reads_on_until_its_page_is_full(server: Server) {
    let store = server.table().await.0;
    let rare: PlanName = "pro".parse().unwrap();
    let mut chosen = Vec::new();
    for n in 0..120 {
        let stands = made(&store, n).await;
        // One before the end of the first step of the walk, two behind it.
        if [3, 97, 98].contains(&n) {
            let next = Tenant { plan: rare.clone(), ..stands };
            store.change(next.id, &next, next.version, late(), &audit(1)).await.unwrap();
            chosen.push(next.subdomain.to_string());
        }
    }
    chosen.sort();
    let filter = TenantFilter { plan: Some(rare), ..TenantFilter::default() };
    let mut seen = Vec::new();
    let (mut cursor, mut pages) = (None, 0);
    loop {
        let page = TenantDirectory::list(&store, &filter, &PageRequest::first(2).after(cursor)).await.unwrap();
        seen.extend(page.items.iter().map(|tenant| tenant.subdomain.to_string()));
        assert!(page.items.len() == 2 || page.next.is_none());
        (cursor, pages) = (page.next, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (chosen, 2));
    let all = TenantDirectory::list(&store, &TenantFilter::default(), &PageRequest::first(1000)).await.unwrap();
    assert_eq!((all.items.len(), all.next), (120, None));
}
