//! Workspaces in which everything says whose it is.

use serde_json::json;

use crate::client::{Client, INTERNAL, PASSWORD, config, experiment, make_environment, make_key};
use crate::people::{Owner, sign_up};
use crate::server::Server;

/// A workspace and what its people have.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    /// Its subdomain, which is in no other one's name.
    pub(super) name: &'static str,
    pub(super) id: String,
    pub(super) key: String,
    pub(super) token: String,
}

impl Workspace {
    /// One with a flag, an experiment, and a parameter for each of these.
    pub(super) async fn furnished(server: &Server, name: &'static str, parameters: &[&str]) -> Self {
        let Owner { client, workspace } = sign_up(server, name).await;
        make_environment(&client).await;
        let mark = mark(name);
        let described = json!({ "description": mark });
        client.patch("/api/v1/internal/platforms/web", described).await.expect(200);
        let flag = json!({ "flagKey": "dark", "name": mark, "enabled": true, "flagType": "string", "defaultValue": "A",
            "valueA": mark, "valueB": mark });
        client.post(&format!("{INTERNAL}/flags"), flag).await.expect(201);
        let mut button = experiment("button");
        button["hypothesis"] = mark.clone().into();
        client.post(&format!("{INTERNAL}/experiments"), button).await.expect(201);
        let started = json!({ "startedBy": format!("{name}@example.com") });
        client.post(&format!("{INTERNAL}/experiments/button/start"), started).await.expect(200);
        for parameter in parameters {
            client.post(&format!("{INTERNAL}/configs"), config(parameter, &mark)).await.expect(201);
        }
        let (_, _, key) = make_key(&client, &["config:read"]).await;
        Self { name, id: workspace, key, token: token(&client, name).await }
    }

    /// What is in all that it answers with, and in nothing else.
    pub(super) fn mark(&self) -> String {
        mark(self.name)
    }
}

fn mark(name: &str) -> String {
    format!("{name}@example.com")
}

/// A token of the owner's.
async fn token(owner: &Client, name: &str) -> String {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    let data = owner.anonymous().post("/api/v1/auth/login", body).await.data(200);
    data["token"].as_str().unwrap().to_owned()
}
