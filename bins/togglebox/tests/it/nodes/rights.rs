//! Rights that are withdrawn on one node end on the other.

use reqwest::Method;
use serde_json::json;

use super::with_each_bus;
use crate::client::{PUBLIC, make_key, make_user};
use crate::outage::Pair;
use crate::server::eventually;

with_each_bus!(what_is_withdrawn_on_one_node_ends_on_the_other);

async fn what_is_withdrawn_on_one_node_ends_on_the_other(pair: &Pair) {
    let (admin, users) = (&pair.at_one, "/api/v1/internal/users");
    let (demoted, demoted_id) = make_user(admin, "demoted@example.com", "admin").await;
    let (deleted, deleted_id) = make_user(admin, "deleted@example.com", "developer").await;
    let (leaving, _) = make_user(admin, "leaving@example.com", "developer").await;
    let (key, key_id, _) = make_key(admin, &["config:read"]).await;
    let (orphan, ..) = make_key(&deleted, &["config:read"]).await;
    let flags = format!("{PUBLIC}/flags");
    let ends =
        [(&demoted, users, 403), (&deleted, &flags, 401), (&leaving, &flags, 401), (&key, &flags, 401), (&orphan, &flags, 401)];
    // The other node comes to know them all.
    let known = ends.map(|(client, path, status)| (client.at(&pair.other), path, status));
    for (client, path, _) in &known {
        eventually("the other node lets them in", async || client.get(path).await.status == 200).await;
    }

    for (client, method, path, body) in [
        (admin, Method::PATCH, format!("{users}/{demoted_id}/role"), json!({ "role": "viewer" })),
        (admin, Method::DELETE, format!("{users}/{deleted_id}"), json!({})),
        (admin, Method::DELETE, format!("/api/v1/api-keys/{key_id}"), json!({})),
        (&leaving, Method::POST, "/api/v1/auth/logout".to_owned(), json!({})),
    ] {
        client.send(method, &path, Some(&body), &[]).await.expect(200);
    }
    for (client, path, status) in ends {
        client.get(path).await.expect(status);
    }
    for (client, path, status) in &known {
        eventually(format!("{path} is {status} on the other node"), async || client.get(path).await.status == *status).await;
    }
    assert_eq!(demoted.at(&pair.other).get("/api/v1/users/me").await.data(200)["role"], "viewer");
}
