//! Stored data that cannot be understood.

use std::error::Error;

use aws_sdk_dynamodb::types::AttributeValue;
use togglebox_core::{Limit, StoreError, StoreErrorKind, TenantId};
use togglebox_storage::DynamoDb;
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, ExperimentStore, FlagStore, ParameterStore};

use super::fixtures::{audit, environment, experiment, flag, parameter, place, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;

on_every_server! {
    what_cannot_be_read_is_told_with_item_and_attribute
}

async fn failure(store: &DynamoDb, sk: &str) -> StoreError {
    let place = place(1);
    match &sk[..1] {
        "E" => store.load(TENANT, &place).await.map(|_| ()),
        "F" => FlagStore::find(store, TENANT, &place, &flag("f").key).await.map(|_| ()),
        "P" => ParameterStore::find(store, TENANT, &place, &parameter("p").key).await.map(|_| ()),
        _ => store.directory(TENANT).await.map(|_| ()),
    }
    .unwrap_err()
}

async fn what_cannot_be_read_is_told_with_item_and_attribute(server: Server) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let cases = [
        ("P#p", "document", text("{")),
        ("P#p", "schema", number("99")),
        ("F#f", "document", text("[]")),
        ("F#f", "created_at", text("yesterday")),
        ("E#x", "status", text("dancing")),
        ("E#x", "winner", text("Not A Key")),
        ("E#x", "rev", number("-1")),
        ("META", "rev", text("1")),
    ];
    let (store, options) = server.table().await;
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    store.create_environment(TENANT, &environment(&place(1)), Limit::Unlimited, &audit(2)).await.unwrap();
    ParameterStore::create(&store, TENANT, &place(1), &parameter("p"), 10, Limit::Unlimited, &audit(3)).await.unwrap();
    FlagStore::create(&store, TENANT, &place(1), &flag("f"), Limit::Unlimited, &audit(4)).await.unwrap();
    ExperimentStore::create(&store, TENANT, &place(1), &experiment("x"), Limit::Unlimited, &audit(5)).await.unwrap();
    let client = server.client();
    for (sk, attribute, value) in cases {
        let pk = if sk == "META" { format!("T#{TENANT}#DIR") } else { format!("T#{TENANT}#ENV#{}", audit(2).id) };
        let get = client.get_item().table_name(options.table()).key("PK", text(&pk)).key("SK", text(sk));
        let whole = get.send().await.unwrap().item.unwrap();
        let mut damaged = whole.clone();
        damaged.insert(attribute.to_owned(), value);
        client.put_item().table_name(options.table()).set_item(Some(damaged)).send().await.unwrap();
        let error = failure(&store, sk).await;
        assert_eq!(*error.kind(), StoreErrorKind::Corrupt, "{error}");
        let source = error.source().unwrap();
        assert_eq!(source.to_string(), format!("attribute {attribute} of item {pk} / {sk} cannot be read"));
        assert!(source.source().is_some(), "the cause behind it is kept");
        client.put_item().table_name(options.table()).set_item(Some(whole)).send().await.unwrap();
    }
    assert!(store.load(TENANT, &place(1)).await.unwrap().is_some());
}
