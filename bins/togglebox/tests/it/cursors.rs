//! Tokens of pages that somebody cut off, altered, or took elsewhere.

use serde_json::{Value, json};

use crate::client::{Client, INTERNAL, PUBLIC, config, experiment, flag, make_environment, start_with_admin};
use crate::server::Launch;

/// Lists that go on by token, also with filters. The first three go on in the store, the others in memory.
fn lists() -> Vec<String> {
    let audit = "/api/v1/internal/audit";
    let platforms = "/api/v1/platforms";
    vec![
        format!("{audit}?limit=1"),
        format!("{audit}?limit=1&platform=web"),
        format!("{audit}?limit=1&platform=web&environment=prod&target=a"),
        format!("{PUBLIC}/flags?limit=1"),
        format!("{PUBLIC}/experiments?limit=1"),
        format!("{PUBLIC}/experiments?limit=1&status=draft"),
        format!("{PUBLIC}/configs/list?limit=1"),
        format!("{platforms}?limit=1"),
        format!("{platforms}/web/environments?limit=1"),
    ]
}

async fn furnish(admin: &Client) {
    make_environment(admin).await;
    admin.post("/api/v1/internal/platforms", json!({ "name": "ios" })).await.expect(201);
    admin.post("/api/v1/internal/platforms/web/environments", json!({ "environment": "dev" })).await.expect(201);
    for key in ["a", "b"] {
        admin.post(&format!("{INTERNAL}/flags"), flag(key)).await.expect(201);
        admin.post(&format!("{INTERNAL}/configs"), config(key, "x")).await.expect(201);
        admin.post(&format!("{INTERNAL}/experiments"), experiment(key)).await.expect(201);
    }
}

/// The token of the second page.
async fn token(client: &Client, list: &str) -> String {
    let page = client.get(&format!("{list}&nextToken=")).await.expect(200).json();
    let meta = &page["meta"];
    let next = meta["nextToken"].as_str().or_else(|| meta["nextCursor"].as_str());
    next.unwrap_or_else(|| panic!("{list} has one page: {page}")).to_owned()
}

/// A 400 that says what is wrong with which parameter, and what to do.
async fn refused(client: &Client, path: &str) {
    let reply = client.get(path).await;
    assert_eq!(reply.status, 400, "{path}: {}", reply.text());
    let body = reply.json();
    assert_eq!((&body["success"], &body["code"]), (&json!(false), &json!("INVALID_PAGE_TOKEN")), "{path}");
    let told = body["details"].as_array().and_then(|lines| lines[0].as_str()).expect("a line that says why");
    assert!(told.starts_with("nextToken: ") && told.contains("leave it out"), "{path}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_this_list_did_not_make_is_refused_and_says_so() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    furnish(&admin).await;
    let other = Launch::new().set("JWT_SECRET", "Another3secret8of2another5installation");
    let (_other, stranger) = start_with_admin(other).await;
    furnish(&stranger).await;

    let mut tokens = Vec::new();
    for list in lists() {
        tokens.push((token(&admin, &list).await, token(&stranger, &list).await));
    }
    for (n, list) in lists().iter().enumerate() {
        for (m, (token, theirs)) in tokens.iter().enumerate() {
            if n == m {
                let second: Value = admin.get(&format!("{list}&nextToken={token}")).await.data(200);
                assert_eq!(second.as_array().unwrap().len(), 1, "{list}");
            } else {
                refused(&admin, &format!("{list}&nextToken={token}")).await;
            }
            refused(&admin, &format!("{list}&nextToken={theirs}")).await;
        }
        let token = &tokens[n].0;
        for length in (1..token.len()).step_by(7).chain([token.len() - 1]) {
            refused(&admin, &format!("{list}&nextToken={}", &token[..length])).await;
        }
        let (kept, last) = token.split_at(token.len() - 1);
        let altered = if last == "0" { "1" } else { "0" };
        for text in [format!("{kept}{altered}"), format!("{token}00"), format!("00{token}"), "%00".to_owned(), "x".repeat(2_000)]
        {
            refused(&admin, &format!("{list}&nextToken={text}")).await;
        }
    }
}
