//! Every route of a workspace, asked by another workspace's people about things that are not theirs. The routes are those that the host
//! describes, so none can be forgotten; a parameter that this does not know how to fill fails it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, PASSWORD, Reply, make_key};
use crate::people::{Owner, host, join, sign_up};
use crate::server::Launch;

/// Stands in everything that nobody else may see, and in no request.
const MARK: &str = "OnlyForAcme";

/// What nobody calls anything.
const NOWHERE: &str = "nowhere";

const INTERNAL: &str = "/api/v1/internal/platforms/acme-web/environments/acme-prod";

/// What ends the workspace, the session or the membership of whoever calls: asked last, in this order.
const LAST: [&str; 4] = ["logout", "changePassword", "leaveWorkspace", "deleteWorkspace"];

/// One route, as it is described.
#[derive(Clone, Debug)]
struct Operation {
    id: String,
    method: Method,
    path: String,
    open: bool,
}

fn operations(description: &Value) -> Vec<Operation> {
    let paths = description["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| Operation {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
            open: operation["security"].as_array().is_none_or(Vec::is_empty),
        })
    });
    each.collect()
}

/// A workspace in which there is one of everything, each with the mark; and what the parameters of paths are called there.
async fn furnish(owner: &Client) -> BTreeMap<&'static str, String> {
    let post = async |path: &str, body: Value| owner.post(path, body).await.data(201);
    post("/api/v1/internal/platforms", json!({ "name": "acme-web", "description": MARK })).await;
    let environments = "/api/v1/internal/platforms/acme-web/environments";
    post(environments, json!({ "environment": "acme-prod", "description": MARK })).await;
    let config = json!({ "parameterKey": "acmeTitle", "valueType": "string", "defaultValue": MARK });
    post(&format!("{INTERNAL}/configs"), config).await;
    let flag = json!({ "flagKey": "acme-flag", "name": MARK, "enabled": true, "defaultValue": "A", "flagType": "string",
        "valueA": MARK, "valueB": "b" });
    post(&format!("{INTERNAL}/flags"), flag).await;
    let mut experiment = crate::client::experiment("acme-experiment");
    experiment["hypothesis"] = MARK.into();
    post(&format!("{INTERNAL}/experiments"), experiment).await;
    let (_, key, _) = make_key(owner, &["config:read"]).await;
    let invited = post("/api/v1/workspace/invitations", json!({ "email": format!("{MARK}@example.com") })).await;
    post("/api/v1/workspace/domains", json!({ "domain": "flags.acme.test" })).await;
    let (_, user) = join(owner, "acme", &format!("{MARK}2"), "developer").await;
    [
        ("platform", "acme-web".to_owned()),
        ("environment", "acme-prod".to_owned()),
        ("parameterKey", "acmeTitle".to_owned()),
        ("flagKey", "acme-flag".to_owned()),
        ("experimentKey", "acme-experiment".to_owned()),
        ("version", "1".to_owned()),
        ("key-id", key),
        ("invitation-id", invited["id"].as_str().unwrap().to_owned()),
        ("user-id", user),
        ("domain", "flags.acme.test".to_owned()),
    ]
    .into()
}

/// The path with its parameters filled in, and whether there are any.
fn filled(operation: &Operation, values: &BTreeMap<&'static str, String>) -> (String, bool) {
    let mut path = String::new();
    let mut any = false;
    for segment in operation.path.split('/').skip(1) {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        path.push('/');
        let Some(name) = name else {
            path.push_str(segment);
            continue;
        };
        any = true;
        let name = match name {
            "id" if operation.path.contains("api-keys") => "key-id",
            "id" if operation.path.contains("invitations") => "invitation-id",
            "id" | "userId" => "user-id",
            "key" if operation.path.contains("configs") => "parameterKey",
            "key" if operation.path.contains("flags") => "flagKey",
            "key" if operation.path.contains("experiments") => "experimentKey",
            name => name,
        };
        let value = values.get(name);
        path.push_str(value.unwrap_or_else(|| panic!("{}: what is {name} in {}?", operation.id, operation.path)));
    }
    (path, any)
}

/// A body that many routes take, and that names what is somebody else's.
fn body(values: &BTreeMap<&'static str, String>) -> Value {
    json!({
        "userId": values["user-id"], "domain": "flags.globex.test", "role": "admin", "email": "somebody@example.com",
        "name": "own", "description": "own", "environment": "own", "platform": values["platform"],
        "parameterKey": "own", "valueType": "string", "defaultValue": "own", "flagKey": "own", "enabled": true,
        "currentPassword": PASSWORD, "newPassword": "Another-Horse-2", "permissions": ["config:read"], "token": "own",
        "events": [], "context": { "userId": "u-1" }, "startedBy": "own@example.com", "version": 1, "rolloutPercentageA": 50,
    })
}

/// All that the owner can read, without what differs from answer to answer.
async fn read_all(
    owner: &Client,
    operations: &[Operation],
    values: &BTreeMap<&'static str, String>,
) -> Vec<(String, u16, Value)> {
    let mut all = Vec::new();
    for operation in operations.iter().filter(|operation| operation.method == Method::GET) {
        let (path, _) = filled(operation, values);
        let reply = owner.fresh(&path).await;
        all.push((operation.id.clone(), reply.status, said(&reply)));
    }
    all
}

/// What an answer says, without what differs from answer to answer.
fn said(reply: &Reply) -> Value {
    let mut said: Value = serde_json::from_slice(&reply.bytes).unwrap_or_default();
    for name in ["timestamp", "uptime", "meta"] {
        said.as_object_mut().and_then(|said| said.remove(name));
    }
    said
}

fn expect_nothing_of_acme(operation: &Operation, path: &str, reply: &Reply) {
    assert!(!reply.text().contains(MARK), "{} {path} shows it: {}", operation.id, reply.text());
    assert!(reply.status < 500, "{} {path}: {} {}", operation.id, reply.status, reply.text());
}

#[tokio::test]
async fn no_route_leads_from_one_workspace_into_another() {
    let server = Launch::new().start().await;
    let Owner { client: acme, .. } = sign_up(&server, "acme").await;
    let Owner { client: globex, .. } = sign_up(&server, "globex").await;
    let values = furnish(&acme).await;
    let nowhere = values.keys().map(|name| (*name, NOWHERE.to_owned())).collect();
    let described = acme.get("/openapi.json").await.expect(200).json();
    let mut operations = operations(&described);
    assert!(operations.len() > 80, "{}", operations.len());
    operations.sort_by_key(|operation| LAST.iter().position(|last| *last == operation.id));
    let before = read_all(&acme, &operations, &values).await;
    assert!(before.iter().filter(|(_, _, said)| said.to_string().contains(MARK)).count() > 15, "there is something to be seen");
    let (key, ..) = make_key(&globex, &["config:read", "config:write"]).await;
    let (foreign_key, foreign_key_id, _) = make_key(&acme, &["config:read", "config:write"]).await;
    for operation in &operations {
        let (path, any) = filled(operation, &values);
        let sent = (operation.method != Method::GET).then(|| body(&values));
        // Who belongs to the other workspace is nobody here.
        for stranger in [acme.host(&host("globex")), foreign_key.host(&host("globex"))] {
            let reply = stranger.send(operation.method.clone(), &path, sent.as_ref(), &[]).await;
            expect_nothing_of_acme(operation, &path, &reply);
            assert!(operation.open || reply.status == 401, "{} {path}: {} {}", operation.id, reply.status, reply.text());
        }
        // Who belongs here finds nothing of the other's.
        for own in [&key, &globex] {
            let reply = own.send(operation.method.clone(), &path, sent.as_ref(), &[]).await;
            expect_nothing_of_acme(operation, &path, &reply);
            if any && !(400..500).contains(&reply.status) {
                // Some say of what is nowhere that there is none of it.
                let (path, _) = filled(operation, &nowhere);
                let of_nowhere = own.send(operation.method.clone(), &path, sent.as_ref(), &[]).await;
                let names = values.values().filter(|value| value.len() > 1);
                let unnamed = names.fold(said(&reply).to_string(), |said, name| said.replace(name.as_str(), NOWHERE));
                assert_eq!(unnamed, said(&of_nowhere).to_string(), "{} {path}", operation.id);
                assert_eq!(operation.method, Method::GET, "{} {path}", operation.id);
            }
        }
    }
    acme.delete(&format!("/api/v1/api-keys/{foreign_key_id}")).await.expect(200);
    let after = read_all(&acme, &operations, &values).await;
    for (was, is) in before.iter().zip(&after) {
        // The audit log has the key that was made and revoked meanwhile, and reading is counted.
        let moves = ["Audit", "Usage"].iter().any(|moving| was.0.contains(moving));
        assert!(was == is || moves, "{was:?} has become {is:?}");
    }
}
