//! Tokens of transactions: the service keeps them for ten minutes, for all tables together.

use togglebox_core::{Limit, TenantId};
use togglebox_storage::DynamoDb;
use togglebox_toggles::store::DirectoryStore;

use super::fixtures::{audit, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;

on_every_server! {
    the_same_write_to_two_tables_is_made_in_both
    a_write_of_the_same_name_that_says_something_else_gets_through
}

async fn the_same_write_to_two_tables_is_made_in_both(server: Server) {
    for _ in 0..2 {
        let (store, _) = server.table().await;
        let made = store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
        assert_eq!(store.directory(TENANT).await.unwrap().platforms[&platform(1).name], made.value);
    }
}

/// As after a restore of the table: neither the record nor its audit record is there, but the service knows the token.
async fn a_write_of_the_same_name_that_says_something_else_gets_through(server: Server) {
    let (store, options) = server.table().await;
    for n in 1..4 {
        let made = store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(1)).await.unwrap();
        assert_eq!(made.revision.get(), 1);
        server.empty(options.table()).await;
    }
    assert!(DynamoDb::open(&options).await.unwrap().directory(TENANT).await.unwrap().platforms.is_empty());
}
