use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::ExposeSecret as _;
use serde_json::json;
use togglebox_auth::input::{NewApiKey, Registration};
use togglebox_auth::{CreatedKey, SignedInUser};
use togglebox_core::{Actor, Clock as _, SystemClock, TenantId};
use togglebox_toggles::input::{NewEnvironment, NewFlag, NewPlatform};
use togglebox_toggles::{EnvironmentName, PlatformName, Scope};
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::stores::Stores;

const TENANT: TenantId = TenantId::DEFAULT;

fn settings(database: &str) -> Settings {
    let variables = [("DATABASE_URL", database), ("PORT", "0"), ("WORKERS", "1"), ("AUDIT_RETENTION_DAYS", "1")];
    Settings::read(&variables.into_iter().collect()).unwrap()
}

/// Makes the flag `dark` in `web/prod`, and a key for whoever reads it.
async fn furnish(node: &Node) -> (Scope, CreatedKey) {
    let (services, actor) = (node.services(), Actor::system());
    let scope = Scope::new(PlatformName::new("web").unwrap(), EnvironmentName::new("prod").unwrap());
    let platform = NewPlatform::read(Some(&json!({ "name": "web" }))).unwrap();
    services.directories.create_platform(TENANT, platform, &actor).await.unwrap();
    let environment = NewEnvironment::read(Some(&json!({ "environment": "prod" }))).unwrap();
    services.directories.create_environment(TENANT, &scope.platform, environment, &actor).await.unwrap();
    let flag = NewFlag::read(Some(&json!({ "flagKey": "dark", "name": "Dark", "enabled": true }))).unwrap();
    services.flags.create(TENANT, &scope, flag, &actor).await.unwrap();

    let admin = json!({ "name": "Ann", "email": "ann@example.com", "password": "Parola123!" });
    let user = node.accounts.create_admin(TENANT, Registration::read(Some(&admin)).unwrap()).await.unwrap();
    let key = NewApiKey::read(Some(&json!({ "name": "ci", "permissions": ["config:read"] }))).unwrap();
    let key = node.accounts.create_key(TENANT, &SignedInUser { user, session: None }, key).await.unwrap();
    (scope, key)
}

/// One request on a connection of its own; the status.
fn evaluate(address: SocketAddr, user: u32, key: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let path = format!("/api/v1/platforms/web/environments/prod/flags/dark/evaluate?userId=u{user}");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn when_serving_returns_nothing_goes_on_behind_and_all_that_was_counted_is_stored() {
    const REQUESTS: u32 = 20;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&format!("sqlite:{}", folder.path().join("box.db").display()));
    settings.api.authentication = true;
    crate::runtime().block_on(async move {
        let server = Server::build(&settings).await.unwrap();
        let (address, node) = (server.address(), Arc::clone(&server.node));
        let (scope, key) = furnish(&node).await;
        let (id, key) = (key.key.id, key.secret.expose_secret().to_owned());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let requests = move || (0..REQUESTS).all(|n| evaluate(address, n, &key) == "200");
            let answered = tokio::task::spawn_blocking(requests).await.unwrap();
            stop.send(()).unwrap();
            answered
        });
        server.run(async { stopped.await.unwrap() }).await.unwrap();
        assert!(served.await.unwrap());

        assert_eq!(Arc::strong_count(&node), 1, "a task that still runs holds the node");
        assert!(node.stores.users.revision(TENANT).await.is_err(), "the store is closed");
        let stores = Stores::open(&settings.database, &settings.bus).await.unwrap();
        let figures = stores.statistics.flag(TENANT, &scope, &"dark".parse().unwrap(), SystemClock.now()).await.unwrap().unwrap();
        assert_eq!(figures.served_a + figures.served_b, u64::from(REQUESTS));
        let key = stores.keys.find(TENANT, id).await.unwrap().unwrap();
        assert!(key.last_used_at.is_some(), "written every half minute, and at the end");
        stores.close().await.unwrap();
    });
}

#[tokio::test]
async fn stopping_lets_a_chore_end_what_it_is_at() {
    let node = Arc::new(Node::open(&settings("sqlite::memory:")).await.unwrap());
    let (stopping, stop) = watch::channel(false);
    let (begun, go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let chore = {
        let (begun, go_on, done) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
        move |_| {
            let (begun, go_on, done) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
            async move {
                begun.notify_one();
                go_on.notified().await;
                assert!(!done.swap(true, Ordering::SeqCst), "it is not begun again");
            }
        }
    };
    let chores = Chores { stopping, tasks: vec![every(Duration::from_hours(1), &node, &stop, chore)] };
    begun.notified().await;
    let stopping = tokio::spawn(chores.stop());
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished() && !done.load(Ordering::SeqCst));
    go_on.notify_one();
    stopping.await.unwrap();
    assert!(done.load(Ordering::SeqCst));
    assert_eq!(Arc::strong_count(&node), 1);
    node.close().await.unwrap();
}
