//! Two nodes over one store of limits, and what happens while it is away.

use serde_json::json;

use super::login;
use crate::client::Client;
use crate::engine::{Store, variable_or_skip};
use crate::server::{Launch, Server, eventually};
use crate::service::Redis;

/// Which is not given back while a test runs.
const GENERAL: &str = "20/10h";

/// For a machine that is busy, where counts are what is tested, in milliseconds.
const PATIENT: u32 = 10_000;

/// Two nodes that share their limits, and perhaps nothing else.
async fn pair(launches: [Launch; 2], limits: &str, deadline_ms: u32) -> [(Server, Client); 2] {
    let [one, other] = launches.map(|launch| {
        let launch = launch.unset("RATE_LIMITS").set("RATE_LIMIT_STORE", limits).set("RATE_LIMIT_NODES", "2");
        launch.set("RATE_LIMIT_GENERAL", GENERAL).set("RATE_LIMIT_DEADLINE_MS", deadline_ms.to_string())
    });
    [start(&one).await, start(&other).await]
}

fn apart() -> [Launch; 2] {
    [Launch::over_sqlite(), Launch::over_sqlite()]
}

async fn start(launch: &Launch) -> (Server, Client) {
    let server = launch.start().await;
    let client = Client::new(&server);
    (server, client)
}

async fn passes(client: &Client) -> bool {
    let reply = client.get("/api/v1/platforms").await;
    assert!([200, 429].contains(&reply.status), "{}: {}", reply.status, reply.text());
    reply.status == 200
}

/// How many of as many requests as should all be denied but `GENERAL` get through, by turns.
async fn passed(nodes: &[(Server, Client); 2]) -> usize {
    let mut passed = 0;
    for _ in 0..40 {
        for (_, client) in nodes {
            passed += usize::from(passes(client).await);
        }
    }
    passed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_redis_share_a_limit_exactly() {
    let Some(redis) = Redis::start().await else { return };
    let nodes = pair(apart(), &redis.url(), PATIENT).await;
    assert_eq!(passed(&nodes).await, 20);
    // What the one node counted, the other denies.
    for _ in 0..5 {
        login(&nodes[0].1).await.expect(401);
    }
    login(&nodes[1].1).await.expect(429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_a_redis_cluster_share_a_limit_exactly() {
    let Some(servers) = variable_or_skip("TOGGLEBOX_TEST_REDIS_CLUSTER") else { return };
    let nodes = pair(apart(), &format!("redis-cluster://{servers}"), PATIENT).await;
    assert_eq!(passed(&nodes).await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_dynamodb_share_a_limit() {
    let Some(table) = Store::shared_table() else { return };
    let launch = Launch::over(table);
    let nodes = pair([launch.clone(), launch], "dynamodb", PATIENT).await;
    let (mut all, mut idle) = (0, 0);
    // Units that were taken in advance come back when their time is over, and denials are remembered for up to a second.
    while idle < 3 && all < 20 {
        let now = passed(&nodes).await;
        all += now;
        idle = if now == 0 { idle + 1 } else { 0 };
    }
    all += passed(&nodes).await;
    // One unit more may pass for leases, and one for clocks.
    assert!((19..=22).contains(&all), "{all}");
    for _ in 0..5 {
        login(&nodes[0].1).await.expect(401);
    }
    login(&nodes[1].1).await.expect(429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_costs_sign_ins_and_exactness_and_nothing_else() {
    let Some(mut redis) = Redis::start().await else { return };
    let nodes = pair(apart(), &redis.url(), 500).await;
    for (_, client) in &nodes {
        login(client).await.expect(401);
        for _ in 0..4 {
            assert!(passes(client).await);
        }
    }
    redis.0.freeze();
    // Twelve were left: each node has six of them, and the unit that was under way.
    let passed_meanwhile = passed(&nodes).await;
    assert!((10..=14).contains(&passed_meanwhile), "{passed_meanwhile}");
    for (_, client) in &nodes {
        let refused = login(client).await;
        assert_eq!(refused.code(503), "SERVICE_UNAVAILABLE");
        assert!(refused.header("retry-after").is_some());
    }
    redis.0.thaw();
    for (_, client) in &nodes {
        eventually("sign-ins are counted again", async || login(client).await.status != 503).await;
    }

    redis.0.kill();
    assert_eq!(passed(&nodes).await, 0, "what is used up stays so");
    login(&nodes[0].1).await.expect(503);
    redis.0.start().await;
    eventually("sign-ins are counted again", async || login(&nodes[0].1).await.status != 503).await;
    for (server, _) in nodes {
        let ended = server.stop().await;
        assert!(ended.status.success() && !ended.log.contains(r#""level":"ERROR""#), "{}", ended.log);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_without_its_redis_and_finds_it_later() {
    let Some(mut redis) = Redis::start().await else { return };
    redis.0.kill();
    let launch = Launch::over_sqlite().unset("RATE_LIMITS").set("RATE_LIMIT_STORE", redis.url());
    let (server, client) = start(&launch).await;
    client.get("/ready").await.expect(200);
    client.get("/api/v1/platforms").await.expect(200);
    login(&client).await.expect(503);
    redis.0.start().await;
    eventually("it finds Redis", async || login(&client).await.status == 401).await;
    assert!(server.stop().await.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_is_warned_of() {
    let Some(redis) = Redis::start().await else { return };
    let launch = Launch::over_sqlite().unset("RATE_LIMITS").set("RATE_LIMIT_STORE", redis.url());
    let told = async || String::from_utf8_lossy(&launch.run(&["check"], "").await.stdout).into_owned();
    let text = told().await;
    assert!(text.contains("warning: the store of limits: nothing is persisted"), "{text}");
    assert!(!text.contains("maxmemory-policy"), "{text}");
    redis.told("CONFIG SET maxmemory 100mb");
    redis.told("CONFIG SET maxmemory-policy allkeys-lru");
    redis.told("CONFIG SET save 3600");
    let text = told().await;
    assert!(text.contains("warning: the store of limits: maxmemory-policy is allkeys-lru"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_seen_before_it_is_reached() {
    let Some(redis) = Redis::start().await else { return };
    let nodes = pair(apart(), &redis.url(), PATIENT).await;
    let mut left = Vec::new();
    for n in 0..6 {
        let reply = nodes[n % 2].1.get("/api/v1/platforms").await;
        assert_eq!(reply.header("ratelimit-policy"), Some(r#""general";q=20;w=36000"#));
        let limit = reply.header("ratelimit").unwrap().to_owned();
        left.push(limit.split(';').find_map(|part| part.strip_prefix("r=")?.parse::<u32>().ok()).unwrap());
    }
    assert_eq!(json!(left), json!([19, 18, 17, 16, 15, 14]), "both nodes tell of the same bucket");
}
