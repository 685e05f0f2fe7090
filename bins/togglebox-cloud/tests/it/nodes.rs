//! Two nodes over one store: what is decided on one holds on the other.

use serde_json::json;

use crate::client::{Client, INTERNAL, flag, make_environment};
use crate::engine::Store;
use crate::people::{Owner, host, join, sign_in, sign_up, start_with_operator};
use crate::server::{Launch, Server, eventually};
use crate::service::Redis;

/// A node, another one, and one of the operator's people at the first.
struct Nodes {
    here: Server,
    there: Server,
    operator: Client,
    _redis: Option<Redis>,
}

impl Nodes {
    /// Over PostgreSQL, whose own notices they hear.
    async fn over_postgres() -> Option<Self> {
        Some(Self::start(&Launch::over(Store::shared(true)?), None).await)
    }

    /// Over PostgreSQL, with Redis for notices.
    async fn over_redis() -> Option<Self> {
        let (store, redis) = (Store::shared(true)?, Redis::start().await?);
        let launch = Launch::over(store).set("REDIS_URL", redis.url());
        Some(Self::start(&launch, Some(redis)).await)
    }

    /// Over PostgreSQL, with nothing that carries notices.
    async fn without_bus() -> Option<Self> {
        Some(Self::start(&Launch::over(Store::shared(true)?).set("CHANGE_BUS", "local"), None).await)
    }

    async fn start(launch: &Launch, redis: Option<Redis>) -> Self {
        let (here, operator) = start_with_operator(launch).await;
        Self { here, there: launch.start().await, operator, _redis: redis }
    }
}

macro_rules! on_all {
    ($($promise:ident)*) => {$(
        mod $promise {
            use super::Nodes;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_of_the_database() {
                if let Some(nodes) = Nodes::over_postgres().await {
                    super::$promise(&nodes).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn by_notices_over_redis() {
                if let Some(nodes) = Nodes::over_redis().await {
                    super::$promise(&nodes).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn without_a_bus() {
                if let Some(nodes) = Nodes::without_bus().await {
                    super::$promise(&nodes).await;
                }
            }
        }
    )*};
}

on_all! {
    a_workspace_made_on_one_node_is_there_on_the_other_that_had_looked_for_it
    a_suspension_counts_on_both
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
