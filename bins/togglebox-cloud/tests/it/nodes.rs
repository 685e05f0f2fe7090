//! Two nodes over one store: what is decided on one holds on the other.

use serde_json::json;

use crate::client::{Client, INTERNAL, flag, make_environment};
use crate::engine::Store;
use crate::people::{Owner, host, join, sign_in, sign_up, start_with_operator};
use crate::server::{Launch, Server, eventually};
use crate::service::Redis;

/// What carries the notices.
#[derive(Clone, Copy, Debug)]
enum Bus {
    /// `NOTIFY` of PostgreSQL.
    Database,
    Redis,
    /// Nothing: each node asks the store each second.
    None,
}

/// What they share.
#[derive(Clone, Copy, Debug)]
enum Over {
    /// What this run is over, or PostgreSQL where that cannot be shared or the bus is of PostgreSQL.
    Database,
    /// A table of DynamoDB.
    DynamoDb,
}

/// A node, another one, and one of the operator's people at the first.
struct Nodes {
    here: Server,
    there: Server,
    operator: Client,
    _redis: Option<Redis>,
}

impl Nodes {
    /// `None` where the test is to be skipped.
    async fn start(over: Over, bus: Bus) -> Option<Self> {
        let store = match over {
            Over::Database => Store::shared(matches!(bus, Bus::Database))?,
            Over::DynamoDb => Store::shared_table()?,
        };
        let launch = Launch::over(store);
        let (launch, redis) = match bus {
            Bus::Database => (launch, None),
            Bus::None => (launch.set("CHANGE_BUS", "local"), None),
            Bus::Redis => {
                let redis = Redis::start().await?;
                (launch.set("REDIS_URL", redis.url()), Some(redis))
            }
        };
        let (here, operator) = start_with_operator(&launch).await;
        Some(Self { here, there: launch.start().await, operator, _redis: redis })
    }
}

/// Makes a test of each `async fn(&Nodes)` for each bus, and over DynamoDB, which carries no notices itself, for both that it can have.
macro_rules! on_all {
    ($($promise:ident)*) => {$(
        mod $promise {
            use super::{Bus, Nodes, Over};

            async fn holds(over: Over, bus: Bus) {
                if let Some(nodes) = Nodes::start(over, bus).await {
                    super::$promise(&nodes).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_of_the_database() {
                holds(Over::Database, Bus::Database).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_over_redis() {
                holds(Over::Database, Bus::Redis).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_asking_the_store() {
                holds(Over::Database, Bus::None).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_over_redis_beside_dynamodb() {
                holds(Over::DynamoDb, Bus::Redis).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_asking_dynamodb() {
                holds(Over::DynamoDb, Bus::None).await;
            }
        }
    )*};
}

on_all! {
    a_workspace_made_on_one_node_is_there_on_the_other_that_had_looked_for_it
    a_suspension_counts_on_both
    whoever_has_seen_a_change_sees_it_on_the_other_at_once
    who_is_removed_on_one_is_out_on_the_other
}

async fn a_workspace_made_on_one_node_is_there_on_the_other_that_had_looked_for_it(nodes: &Nodes) {
    let there = Client::new(&nodes.there).host(&host("acme"));
    assert_eq!(there.get("/api/v1/workspace").await.code(404), "WORKSPACE_NOT_FOUND");
    let Owner { client, .. } = sign_up(&nodes.here, "acme").await;
    let at_there = client.at(&nodes.there);
    eventually("the other node finds it", || async { at_there.get("/api/v1/workspace").await.status == 200 }).await;
    // Renamed: the old name leads nowhere, the new one there.
    client.patch("/api/v1/workspace", json!({ "subdomain": "acme-2" })).await.expect(200);
    eventually("the old name leads nowhere", || async { at_there.get("/api/v1/workspace").await.status == 404 }).await;
    let renamed = at_there.host(&host("acme-2"));
    eventually("the new one leads there", || async { renamed.get("/api/v1/workspace").await.status == 200 }).await;
}

async fn a_suspension_counts_on_both(nodes: &Nodes) {
    let Owner { client, workspace } = sign_up(&nodes.here, "acme").await;
    make_environment(&client).await;
    let there = client.at(&nodes.there);
    there.get("/api/v1/workspace").await.expect(200);
    let path = |what: &str| format!("/api/v1/admin/workspaces/{workspace}/{what}");
    nodes.operator.post(&path("suspend"), json!({ "reason": "unpaid" })).await.expect(200);
    client.get("/api/v1/workspace").await.expect(403);
    eventually("the other node refuses", || async { there.get("/api/v1/workspace").await.status == 403 }).await;
    nodes.operator.post(&path("resume"), json!({})).await.expect(200);
    eventually("the other node goes on", || async { there.get("/api/v1/workspace").await.status == 200 }).await;
    there.post(&format!("{INTERNAL}/flags"), flag("x")).await.expect(201);
}

/// Their token says what they have seen, so that nothing needs to have been heard.
async fn whoever_has_seen_a_change_sees_it_on_the_other_at_once(nodes: &Nodes) {
    let Owner { client, workspace } = sign_up(&nodes.here, "acme").await;
    client.at(&nodes.there).get("/api/v1/workspace").await.expect(200);
    let path = |what: &str| format!("/api/v1/admin/workspaces/{workspace}/{what}");
    let since = async |host: &str| sign_in(&nodes.here, "acme@example.com", host).await.unwrap().at(&nodes.there);
    for round in 0..3 {
        let old = host(&name(round));
        nodes.operator.post(&path("suspend"), json!({ "reason": "unpaid" })).await.expect(200);
        assert_eq!(since(&old).await.get("/api/v1/workspace").await.code(403), "WORKSPACE_CLOSED");
        nodes.operator.post(&path("resume"), json!({})).await.expect(200);
        let resumed = since(&old).await;
        resumed.get("/api/v1/workspace").await.expect(200);
        // Whether a name leads anywhere is remembered too.
        let new = host(&name(round + 1));
        Client::new(&nodes.there).host(&new).get("/api/v1/workspace").await.expect(404);
        resumed.at(&nodes.here).patch("/api/v1/workspace", json!({ "subdomain": name(round + 1) })).await.expect(200);
        since(&new).await.get("/api/v1/workspace").await.expect(200);
    }
}

fn name(round: usize) -> String {
    if round == 0 { "acme".to_owned() } else { format!("acme-{round}") }
}

async fn who_is_removed_on_one_is_out_on_the_other(nodes: &Nodes) {
    let Owner { client, .. } = sign_up(&nodes.here, "acme").await;
    let (cy, id) = join(&client, "acme", "cy", "developer").await;
    let there = cy.at(&nodes.there);
    there.get("/api/v1/platforms").await.expect(200);
    client.delete(&format!("/api/v1/workspace/members/{id}")).await.expect(204);
    cy.get("/api/v1/platforms").await.expect(401);
    eventually("the other node knows", || async { there.get("/api/v1/platforms").await.status == 401 }).await;
    assert!(sign_in(&nodes.there, "cy@example.com", &host("acme")).await.is_none());
}
