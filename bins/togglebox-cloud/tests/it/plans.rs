//! What a plan allows.

use serde_json::json;

use crate::client::{Client, INTERNAL, PUBLIC, flag, make_environment, make_key};
use crate::people::{sign_up, start_with_operator};
use crate::server::{Launch, Server, eventually};

/// How many requests are tried before it counts that none was refused.
const TRIES: u32 = 2_000;

/// Starts a server with these plans, and one of the operator's people.
async fn start_with(plans: &str) -> (Server, Client) {
    let launch = Launch::new();
    let file = launch.folder().join("plans.toml");
    std::fs::write(&file, plans).unwrap();
    start_with_operator(&launch.set("PLANS_FILE", file).set("PLAN_RATES", "enforce")).await
}

async fn move_to(operator: &Client, workspace: &str, plan: &str) {
    operator.post(&format!("/api/v1/admin/workspaces/{workspace}/plan"), json!({ "plan": plan })).await.expect(200);
}

#[tokio::test]
async fn a_workspace_is_as_fast_as_its_plan_and_takes_nothing_from_others() {
    let (server, operator) = start_with(
        "[[plan]]\nname = \"slow\"\ntitle = \"Slow\"\nlimits = { requests_per_second = 1, burst = 20 }\n\
         [[plan]]\nname = \"fast\"\ntitle = \"Fast\"\n",
    )
    .await;
    let (acme, globex) = (sign_up(&server, "acme").await, sign_up(&server, "globex").await);
    move_to(&operator, &globex.workspace, "fast").await;
    let mut keys = Vec::new();
    for client in [&acme.client, &globex.client] {
        make_environment(client).await;
        client.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
        keys.push(make_key(client, &["config:read"]).await.0);
    }
    let evaluate = format!("{PUBLIC}/flags/dark/evaluate?userId=u-1");
    let mut refused = None;
    for _ in 0..TRIES {
        let reply = keys[0].get(&evaluate).await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        reply.expect(200);
        keys[1].get(&evaluate).await.expect(200);
    }
    let refused = refused.expect("a request of a workspace on the slow plan is refused");
    assert!(refused.header("retry-after").is_some());
    let body = refused.json();
    assert_eq!((&body["code"], &body["meta"]["policy"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!("plan")));
    // Another plan counts from the next look-up on, and what was used up does not.
    move_to(&operator, &acme.workspace, "fast").await;
    eventually("the faster plan counts", async || keys[0].get(&evaluate).await.status == 200).await;
    for _ in 0..100 {
        keys[0].get(&evaluate).await.expect(200);
    }
}

#[tokio::test]
async fn of_many_who_make_the_last_flag_of_a_plan_one_does() {
    let (server, _) = start_with("[[plan]]\nname = \"few\"\ntitle = \"Few\"\nlimits = { flags = 3 }\n").await;
    let acme = sign_up(&server, "acme").await.client;
    make_environment(&acme).await;
    acme.post("/api/v1/internal/platforms/web/environments", json!({ "environment": "staging" })).await.expect(201);
    let made = (0..12).map(|n| {
        let acme = acme.clone();
        let environment = if n % 2 == 0 { "prod" } else { "staging" };
        tokio::spawn(async move {
            let path = format!("/api/v1/internal/platforms/web/environments/{environment}/flags");
            let reply = acme.post(&path, flag(&format!("f{n}"))).await;
            (reply.status, reply.json())
        })
    });
    let mut answers = Vec::new();
    for answer in made.collect::<Vec<_>>() {
        answers.push(answer.await.unwrap());
    }
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 201);
    assert_eq!((made.len(), refused.len()), (3, 9));
    for (status, body) in refused {
        assert_eq!((status, &body["code"]), (409, &json!("PLAN_LIMIT_REACHED")), "{body}");
        assert_eq!((&body["meta"]["usage"], &body["meta"]["limit"]), (&json!(3), &json!(3)));
    }
}
