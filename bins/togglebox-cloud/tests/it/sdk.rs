//! The official SDKs at the addresses of workspaces, on two nodes with Redis between them.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, INTERNAL, PUBLIC, make_environment, make_key};
use crate::engine::Store;
use crate::javascript::{Sdk, furnish};
use crate::people::{Owner, host, sign_up};
use crate::server::{Launch, Server, eventually};
use crate::service::Redis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_eight_calls_are_answered_by_both_nodes_over_postgres() {
    let Some(store) = Store::shared(true) else { return };
    both_nodes_answer(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_eight_calls_are_answered_by_both_nodes_over_dynamodb() {
    let Some(store) = Store::shared_table() else { return };
    both_nodes_answer(store).await;
}

/// Somebody's workspace with one of each thing that the SDKs ask for.
struct Shop {
    owner: Client,
    key: Client,
    name: &'static str,
}

impl Shop {
    async fn open(server: &Server, name: &'static str) -> Self {
        let Owner { client, .. } = sign_up(server, name).await;
        make_environment(&client).await;
        furnish(&client).await;
        let (key, ..) = make_key(&client, &["config:read"]).await;
        Self { owner: client, key, name }
    }

    /// An SDK that calls `http://name.localtest:port`.
    fn sdk(&self, server: &Server) -> Sdk {
        Sdk { client: self.key.by_name(&host(self.name), server) }
    }
}

async fn both_nodes_answer(store: fn(&Path) -> Store) {
    let Some(redis) = Redis::start().await else { return };
    let (url, launch) = (redis.url(), Launch::over(store).unset("RATE_LIMITS").set("RATE_LIMIT_NODES", "2"));
    let launch = launch.set_all(&[("REDIS_URL", &url), ("RATE_LIMIT_STORE", &url), ("PLAN_RATES", "enforce")]);
    let nodes = [launch.start().await, launch.start().await];
    redis.has_listeners(2).await;
    // Both were asked for it, and know that there is none.
    for node in &nodes {
        let nobody = Client::new(node).by_name(&host("acme"), node).get("/api/v1/platforms").await;
        assert_eq!(nobody.code(404), "WORKSPACE_NOT_FOUND");
    }
    let shops = [Shop::open(&nodes[0], "acme").await, Shop::open(&nodes[1], "globex").await];
    for (shop, node) in shops.iter().flat_map(|shop| nodes.iter().map(move |node| (shop, node))) {
        let sdk = shop.sdk(node);
        let knows = async || match sdk.call(Method::GET, &format!("{PUBLIC}/experiments/cta"), None).await {
            Ok(_) => true,
            Err(reply) => {
                assert!(matches!(reply.status, 401 | 404), "{} {}", reply.status, reply.text());
                false
            }
        };
        eventually("the node knows the workspace, the key and what was made", knows).await;
        sdk.makes_all_calls().await;
    }
    // Neither key opens the other's door.
    for (own, other) in [(&shops[0], &shops[1]), (&shops[1], &shops[0])] {
        for node in &nodes {
            let sdk = Sdk { client: own.key.by_name(&host(other.name), node) };
            for path in ["configs", "flags", "flags/dark", "experiments", "experiments/cta"] {
                let refused = sdk.call(Method::GET, &format!("{PUBLIC}/{path}"), None).await.unwrap_err();
                assert_eq!(refused.code(401), "UNAUTHORIZED", "{path}");
            }
            let event = json!({ "events": [{ "type": "config_fetch", "key": "title" }] });
            let refused = sdk.call(Method::POST, &format!("{PUBLIC}/stats/events"), Some(&event)).await.unwrap_err();
            assert_eq!(refused.code(401), "UNAUTHORIZED");
        }
    }
    changes_are_seen_by_both(&shops[0], &nodes).await;
    // What both nodes were told of is counted together, and for nobody else.
    for shop in &shops {
        let counted = async || fetches(&shop.owner).await == 2;
        eventually(format!("both events of {} are counted", shop.name), counted).await;
    }
    for node in nodes {
        let ended = node.stop().await;
        assert!(ended.status.success() && !ended.log.contains(r#""level":"ERROR""#), "{}", ended.log);
    }
}

async fn changes_are_seen_by_both(shop: &Shop, nodes: &[Server; 2]) {
    shop.owner.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "Sale" })).await.expect(200);
    for node in nodes {
        let sdk = shop.sdk(node);
        let sees = async || sdk.get(&format!("{PUBLIC}/configs")).await["data"] == json!({ "title": "Sale" });
        eventually("an SDK sees the change", sees).await;
    }
}

/// How often SDKs said that they read the parameter.
async fn fetches(owner: &Client) -> Value {
    owner.get(&format!("{INTERNAL}/configs/title/stats")).await.data(200)["fetchCount"].clone()
}
