//! What a deleted user leaves behind.

use togglebox_auth::store::{ApiKeyStore, UserStore};
use togglebox_auth::{ApiKey, Email, KeyHash, PasswordHash, Role, User};
use togglebox_core::{Revision, TenantId, Timestamp};
use togglebox_storage::DynamoDb;
use uuid::Uuid;

use super::fixtures::audit;
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;

on_every_server! {
    keys_of_a_deleted_user_are_swept_away_and_those_of_others_stay
    a_user_made_anew_under_an_id_gets_nothing_of_the_old_one
}

fn user(n: u128) -> User {
    User {
        id: Uuid::from_u128(n),
        name: None,
        email: Email::new(&format!("user{n}@example.com")).unwrap(),
        password: PasswordHash::new("$argon2id$"),
        role: Role::Viewer,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        tokens_valid_from: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn key(n: u8, owner: u128) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(0x100 + u128::from(n)),
        user: Uuid::from_u128(owner),
        name: format!("key {n}"),
        hash: KeyHash([n; 32]),
        prefix: "tbx".to_owned(),
        last4: "0000".to_owned(),
        permissions: Vec::new(),
        expires_at: None,
        last_used_at: None,
        created_at: Timestamp::EPOCH,
    }
}

async fn make(store: &DynamoDb, n: u128, number: u128) -> User {
    UserStore::create(store, TENANT, &user(n), &audit(number)).await.unwrap().value
}

async fn give(store: &DynamoDb, key: &ApiKey, number: u128) {
    ApiKeyStore::create(store, TENANT, key, 100, &audit(number)).await.unwrap();
}

async fn keys_of_a_deleted_user_are_swept_away_and_those_of_others_stay(server: Server) {
    let (store, options) = server.table().await;
    let ann = make(&store, 1, 1).await;
    make(&store, 2, 2).await;
    for n in 0..5 {
        give(&store, &key(n, 1), 10 + u128::from(n)).await;
    }
    give(&store, &key(7, 2), 20).await;
    UserStore::delete(&store, TENANT, ann.id, ann.revision, &audit(30)).await.unwrap();
    // Taken over from the one who is gone, before anything was swept away.
    give(&store, &key(0, 2), 31).await;
    while store.sweep(Timestamp::from_ms(4_000_000_000_000), 2).await.unwrap().removed > 0 {}
    let names: Vec<_> =
        ApiKeyStore::list(&store, TENANT, Uuid::from_u128(2)).await.unwrap().into_iter().map(|key| key.name).collect();
    assert_eq!(names, ["key 0", "key 7"]);
    assert!(store.find_by_hash(TENANT, &[KeyHash([0; 32])]).await.unwrap().is_some());
    // The head; the user, the address, two lists; three items for each of two keys.
    assert_eq!(server.count(options.table()).await, 1 + 4 + 6);
}

async fn a_user_made_anew_under_an_id_gets_nothing_of_the_old_one(server: Server) {
    let (store, _) = server.table().await;
    let ann = make(&store, 1, 1).await;
    give(&store, &key(1, 1), 2).await;
    UserStore::delete(&store, TENANT, ann.id, ann.revision, &audit(3)).await.unwrap();
    make(&store, 1, 4).await;
    assert_eq!(ApiKeyStore::list(&store, TENANT, ann.id).await.unwrap(), []);
    assert_eq!(ApiKeyStore::find(&store, TENANT, key(1, 1).id).await.unwrap(), None);
    assert_eq!(store.find_by_hash(TENANT, &[KeyHash([1; 32])]).await.unwrap(), None);
}
