//! What the end of a tenant leaves in the table.

use std::error::Error as _;

use aws_sdk_dynamodb::types::AttributeValue;
use togglebox_core::{PageRequest, Revision, StoreError, StoreErrorKind};
use togglebox_multitenancy::store::{DomainStore, InvitationStore, MemberStore, TenantDirectory, TenantFilter, TenantStore};
use togglebox_storage::DynamoDb;

use super::super::fixtures::audit;
use super::super::on_every_server;
use super::super::server::Server;
use super::fixtures::{claim, guest, id, invited, joined, late, made, purged, tenant, token};

on_every_server! {
    a_forgotten_tenant_leaves_its_name_and_its_changes
    more_than_a_transaction_holds_is_swept
    what_cannot_be_read_is_told_with_item_and_attribute
}

async fn a_forgotten_tenant_leaves_its_name_and_its_changes(server: Server) {
    let (store, options) = server.table().await;
    let here = made(&store, 1).await;
    joined(&store, here.id, 1).await;
    invited(&store, here.id, 2).await;
    for name in ["a.example.com", "b.example.com"] {
        store.claim(here.id, &claim(name), &audit(if name.starts_with('a') { 1 } else { 2 })).await.unwrap();
    }
    let here = store.verify(here.id, &claim("a.example.com").domain, &audit(3)).await.unwrap().value;
    purged(&store, &here, 1).await;
    assert_eq!(TenantStore::sweep(&store, here.id, 10).await.unwrap(), 3);
    store.forget(here.id).await.unwrap();
    // The counter, five changes, the quarantined name.
    assert_eq!(server.count(options.table()).await, 1 + 5 + 1);
    assert_eq!(store.prune_changes(late(), 100).await.unwrap(), 5);
    // And how far was pruned, instead of the changes.
    assert_eq!(server.count(options.table()).await, 3);
}

async fn more_than_a_transaction_holds_is_swept(server: Server) {
    let store = server.table().await.0;
    let here = made(&store, 1).await;
    for n in 0..30 {
        joined(&store, here.id, n).await;
        invited(&store, here.id, 100 + n).await;
    }
    purged(&store, &here, 1).await;
    assert_eq!(TenantStore::sweep(&store, here.id, 28).await.unwrap(), 28);
    assert_eq!(store.count(here.id).await.unwrap(), 3);
    let page = PageRequest::first(100);
    assert_eq!(MemberStore::list(&store, here.id, &page).await.unwrap().items.len(), 3);
    assert_eq!(TenantStore::sweep(&store, here.id, 1000).await.unwrap(), 33);
    assert_eq!(InvitationStore::list(&store, here.id, &page).await.unwrap().items, []);
    store.forget(here.id).await.unwrap();
}

async fn failure(store: &DynamoDb, pk: &str) -> StoreError {
    let outcome = match pk.split('#').collect::<Vec<_>>()[..] {
        ["REG"] => TenantDirectory::revision(store).await.map(drop),
        ["REG", "CHANGES"] => store.changes_since(Revision::ZERO, 10).await.map(drop),
        ["REG", "SUBDOMAIN", _] => store.by_subdomain(&tenant(1).subdomain).await.map(drop),
        ["T", _, "TENANT"] => TenantDirectory::list(store, &TenantFilter::default(), &PageRequest::first(1)).await.map(drop),
        ["T", _, "MEMBER", _] => MemberStore::find(store, id(1), tenant(1).owner).await.map(drop),
        ["T", _, "INVITATION", _] => store.find_by_token(id(1), &token(1)).await.map(drop),
        _ => DomainStore::list(store, id(1)).await.map(drop),
    };
    outcome.unwrap_err()
}

async fn what_cannot_be_read_is_told_with_item_and_attribute(server: Server) {
    let (store, options) = server.table().await;
    let here = made(&store, 1).await;
    let waiting = invited(&store, here.id, 1).await;
    store.claim(here.id, &claim("a.example.com"), &audit(1)).await.unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let t = here.id;
    let cases = [
        ("REG".to_owned(), "META", "rev", text("1")),
        ("REG#CHANGES".to_owned(), "00000000000000000001", "what", text("dancing")),
        ("REG#CHANGES".to_owned(), "00000000000000000001", "subdomains", text("[\"-\"]")),
        ("REG#SUBDOMAIN#tenant-1".to_owned(), "META", "tenant", text("nobody")),
        (format!("T#{t}#TENANT"), "META", "plan", text("-")),
        (format!("T#{t}#TENANT"), "META", "overrides", text("{\"dreams\":1}")),
        (format!("T#{t}#TENANT"), "META", "overrides", text("{\"flags\":0}")),
        (format!("T#{t}#TENANT"), "META", "members", number("-1")),
        (format!("T#{t}#MEMBER#{}", here.owner), "META", "role", text("owner")),
        (format!("T#{t}#INVITATION#{}", waiting.id), "META", "token", text("short")),
        (format!("T#{t}#DOMAINS"), "a.example.com", "domain", text("localhost")),
    ];
    let client = server.client();
    for (pk, sk, attribute, value) in cases {
        let get = client.get_item().table_name(options.table()).key("PK", text(&pk)).key("SK", text(sk));
        let whole = get.send().await.unwrap().item.unwrap();
        let mut damaged = whole.clone();
        damaged.insert(attribute.to_owned(), value);
        client.put_item().table_name(options.table()).set_item(Some(damaged)).send().await.unwrap();
        let error = failure(&store, &pk).await;
        assert_eq!(*error.kind(), StoreErrorKind::Corrupt, "{error}");
        let source = error.source().unwrap();
        assert_eq!(source.to_string(), format!("attribute {attribute} of item {pk} / {sk} cannot be read"));
        client.put_item().table_name(options.table()).set_item(Some(whole)).send().await.unwrap();
    }
    assert_eq!(store.by_subdomain(&here.subdomain).await.unwrap(), Some(here));
    assert_eq!(MemberStore::find(&store, t, guest(1)).await.unwrap(), None);
}
