//! Every route, called by everyone: one table says what each needs, and a route that is not in it fails the test.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::client::{Client, PASSWORD, make_key, make_user, sign_in, start_with_admin};
use crate::server::Launch;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Nothing.
    Nothing,
    /// Any valid credential when authentication is on, else nothing.
    ACredentialWhenOn,
    /// A signed-in user.
    AUser,
    /// This permission, by a token or a key.
    Permission(&'static str),
    /// This permission, and the caller to be a signed-in admin.
    AnAdmin(&'static str),
}

use Needs::{ACredentialWhenOn, AUser, AnAdmin, Nothing, Permission};

const READ: Needs = Permission("config:read");
const WRITE: Needs = Permission("config:write");
const DELETE: Needs = Permission("config:delete");
const PURGE: Needs = Permission("cache:invalidate");
const USERS: Needs = Permission("user:manage");
const KEYS: Needs = Permission("apikey:manage");

/// The table. Signing out comes last, because nothing works after it.
const TABLE: &[(&str, &str, Needs)] = &[
    ("GET", "/", Nothing),
    ("GET", "/health", Nothing),
    ("GET", "/ready", Nothing),
    ("GET", "/docs", Nothing),
    ("GET", "/openapi.json", Nothing),
    ("GET", "/api/v1/health", Nothing),
    ("POST", "/api/v1/auth/register", Nothing),
    ("POST", "/api/v1/auth/login", Nothing),
    ("POST", "/api/v1/auth/password-reset/request", Nothing),
    ("POST", "/api/v1/auth/password-reset/verify", Nothing),
    ("POST", "/api/v1/auth/password-reset/complete", Nothing),
    ("GET", "/api/v1/users/me", AUser),
    ("PATCH", "/api/v1/users/me", AUser),
    ("POST", "/api/v1/users/me/password", AUser),
    ("GET", "/api/v1/users", USERS),
    ("GET", "/api/v1/users/{id}", USERS),
    ("DELETE", "/api/v1/users/{id}", USERS),
    ("PATCH", "/api/v1/users/{id}/role", USERS),
    ("GET", "/api/v1/internal/users", USERS),
    ("POST", "/api/v1/internal/users", USERS),
    ("GET", "/api/v1/internal/users/{id}", USERS),
    ("DELETE", "/api/v1/internal/users/{id}", USERS),
    ("PATCH", "/api/v1/internal/users/{id}/role", USERS),
    ("GET", "/api/v1/internal/audit", USERS),
    ("GET", "/api/v1/api-keys", AUser),
    ("POST", "/api/v1/api-keys", AUser),
    ("GET", "/api/v1/api-keys/{id}", AUser),
    ("DELETE", "/api/v1/api-keys/{id}", AUser),
    ("GET", "/api/v1/internal/api-keys", KEYS),
    ("POST", "/api/v1/internal/api-keys", KEYS),
    ("GET", "/api/v1/internal/api-keys/{id}", KEYS),
    ("DELETE", "/api/v1/internal/api-keys/{id}", KEYS),
    ("GET", "/api/v1/platforms", ACredentialWhenOn),
    ("GET", "/api/v1/platforms/{platform}", ACredentialWhenOn),
    ("POST", "/api/v1/internal/platforms", WRITE),
    ("PATCH", "/api/v1/internal/platforms/{platform}", WRITE),
    ("DELETE", "/api/v1/internal/platforms/{platform}", AnAdmin("config:delete")),
    ("GET", "/api/v1/platforms/{platform}/environments", ACredentialWhenOn),
    ("GET", "/api/v1/platforms/{platform}/environments/{environment}", ACredentialWhenOn),
    ("POST", "/api/v1/internal/platforms/{platform}/environments", WRITE),
    ("PATCH", "/api/v1/internal/platforms/{platform}/environments/{environment}", WRITE),
    ("DELETE", "/api/v1/internal/platforms/{platform}/environments/{environment}", AnAdmin("config:delete")),
    ("GET", "PUBLIC/configs", ACredentialWhenOn),
    ("GET", "PUBLIC/configs/list", ACredentialWhenOn),
    ("GET", "PUBLIC/configs/count", ACredentialWhenOn),
    ("GET", "PUBLIC/configs/{key}", ACredentialWhenOn),
    ("GET", "PUBLIC/configs/{key}/versions", ACredentialWhenOn),
    ("GET", "INTERNAL/configs/list", READ),
    ("GET", "INTERNAL/configs/count", READ),
    ("GET", "INTERNAL/configs/{key}/versions", READ),
    ("GET", "INTERNAL/configs/{key}/stats", READ),
    ("POST", "INTERNAL/configs", WRITE),
    ("PATCH", "INTERNAL/configs/{key}", WRITE),
    ("DELETE", "INTERNAL/configs/{key}", DELETE),
    ("POST", "INTERNAL/configs/{key}/rollback", WRITE),
    ("GET", "PUBLIC/flags", ACredentialWhenOn),
    ("GET", "PUBLIC/flags/{key}", ACredentialWhenOn),
    ("GET", "PUBLIC/flags/{key}/evaluate", ACredentialWhenOn),
    ("POST", "INTERNAL/flags", WRITE),
    ("PUT", "INTERNAL/flags/{key}", WRITE),
    ("PATCH", "INTERNAL/flags/{key}/toggle", WRITE),
    ("PATCH", "INTERNAL/flags/{key}/rollout", WRITE),
    ("POST", "INTERNAL/flags/{key}/rollback", WRITE),
    ("GET", "INTERNAL/flags/{key}/versions", READ),
    ("GET", "INTERNAL/flags/{key}/versions/{version}", READ),
    ("DELETE", "INTERNAL/flags/{key}", DELETE),
    ("POST", "INTERNAL/flags/{key}/evaluate", READ),
    ("GET", "INTERNAL/flags/{key}/stats", READ),
    ("GET", "INTERNAL/flags/{key}/stats/by-country", READ),
    ("GET", "INTERNAL/flags/{key}/stats/daily", READ),
    ("GET", "PUBLIC/experiments", ACredentialWhenOn),
    ("GET", "PUBLIC/experiments/{key}", ACredentialWhenOn),
    ("GET", "PUBLIC/experiments/{key}/assign", ACredentialWhenOn),
    ("POST", "INTERNAL/experiments", WRITE),
    ("PUT", "INTERNAL/experiments/{key}", WRITE),
    ("PATCH", "INTERNAL/experiments/{key}/traffic", WRITE),
    ("POST", "INTERNAL/experiments/{key}/start", WRITE),
    ("POST", "INTERNAL/experiments/{key}/pause", WRITE),
    ("POST", "INTERNAL/experiments/{key}/resume", WRITE),
    ("POST", "INTERNAL/experiments/{key}/complete", WRITE),
    ("POST", "INTERNAL/experiments/{key}/archive", WRITE),
    ("DELETE", "INTERNAL/experiments/{key}", DELETE),
    ("POST", "INTERNAL/experiments/{key}/assign", READ),
    ("GET", "INTERNAL/experiments/{key}/results", READ),
    ("GET", "INTERNAL/experiments/{key}/stats", READ),
    ("POST", "INTERNAL/experiments/{key}/conversions", WRITE),
    ("POST", "PUBLIC/stats/events", ACredentialWhenOn),
    ("POST", "/api/v1/internal/cache/invalidate", PURGE),
    ("POST", "/api/v1/internal/cache/invalidate-all", PURGE),
    ("GET", "/api/v1/internal/webhook/cache/invalidate", PURGE),
    ("POST", "/api/v1/internal/webhook/cache/invalidate", PURGE),
    ("GET", "/api/v1/internal/webhook/cache/invalidations", READ),
    ("GET", "/api/v1/internal/webhook/cache/invalidations/{id}", READ),
    ("POST", "/api/v1/auth/refresh", AUser),
    ("POST", "/api/v1/auth/logout", AUser),
];

const ENVIRONMENT: &str = "/platforms/{platform}/environments/{environment}";

fn path(short: &str) -> String {
    let public = format!("/api/v1{ENVIRONMENT}");
    let internal = format!("/api/v1/internal{ENVIRONMENT}");
    short.replacen("PUBLIC", &public, 1).replacen("INTERNAL", &internal, 1)
}

/// Who calls.
struct Persona {
    name: &'static str,
    client: Client,
    /// What the credential is good for; `None` when it is not valid.
    identity: Option<Identity>,
}

struct Identity {
    user: bool,
    admin: bool,
    permissions: &'static [&'static str],
}

const VIEWER: &[&str] = &["config:read"];
const DEVELOPER: &[&str] = &["config:read", "config:write", "config:delete", "cache:invalidate", "apikey:manage"];
const ALL: &[&str] = &["config:read", "config:write", "config:delete", "cache:invalidate", "apikey:manage", "user:manage"];

impl Persona {
    fn nobody(name: &'static str, client: Client) -> Self {
        Self { name, client, identity: None }
    }

    fn user(name: &'static str, client: Client, permissions: &'static [&'static str]) -> Self {
        Self { name, client, identity: Some(Identity { user: true, admin: permissions == ALL, permissions }) }
    }

    fn key(name: &'static str, client: Client, permissions: &'static [&'static str]) -> Self {
        Self { name, client, identity: Some(Identity { user: false, admin: false, permissions }) }
    }

    /// 401, 403, or `None`: let through.
    fn refusal(&self, needs: Needs, authentication: bool) -> Option<u16> {
        let identity = self.identity.as_ref();
        match needs {
            Nothing => None,
            ACredentialWhenOn => (authentication && identity.is_none()).then_some(401),
            AUser => (!identity.is_some_and(|identity| identity.user)).then_some(401),
            Permission(permission) | AnAdmin(permission) => match identity {
                None => Some(401),
                Some(identity) if !identity.permissions.contains(&permission) => Some(403),
                Some(identity) if matches!(needs, AnAdmin(_)) && !identity.admin => Some(403),
                Some(_) => None,
            },
        }
    }
}

async fn personas(admin: &Client) -> Vec<Persona> {
    let (viewer, _) = make_user(admin, "viewer@example.com", "viewer").await;
    let (developer, _) = make_user(admin, "developer@example.com", "developer").await;
    let (reader, ..) = make_key(&developer, &["config:read"]).await;
    let (writer, ..) = make_key(&developer, &["config:write"]).await;
    let (revoked, id, _) = make_key(&developer, &["config:read", "config:write"]).await;
    developer.delete(&format!("/api/v1/api-keys/{id}")).await.expect(200);
    let body = json!({ "name": "old", "permissions": ["config:read"], "expiresAt": "2020-01-01T00:00:00Z" });
    let expired = developer.post("/api/v1/api-keys", body).await.data(201);
    let expired = admin.key(expired["key"].as_str().unwrap());

    let (demoted, id) = make_user(admin, "demoted@example.com", "developer").await;
    let (key_of_demoted, ..) = make_key(&demoted, &["config:read", "config:write"]).await;
    admin.patch(&format!("/api/v1/internal/users/{id}/role"), json!({ "role": "viewer" })).await.expect(200);

    let (deleted, id) = make_user(admin, "deleted@example.com", "admin").await;
    let (key_of_deleted, ..) = make_key(&deleted, &["config:read", "config:write"]).await;
    admin.delete(&format!("/api/v1/internal/users/{id}")).await.expect(200);

    let (before_change, _) = make_user(admin, "changed@example.com", "admin").await;
    let other_session = admin.token(&sign_in(admin, "changed@example.com", PASSWORD).await);
    let body = json!({ "currentPassword": PASSWORD, "newPassword": "Another-Horse-2" });
    other_session.post("/api/v1/users/me/password", body).await.expect(200);

    let anonymous = admin.anonymous();
    vec![
        Persona::nobody("anonymous", anonymous.clone()),
        Persona::nobody("not a token", anonymous.token("eyJhbGciOiJub25lIn0.eyJpZCI6IjEifQ.")),
        Persona::nobody("not a key", anonymous.key("tbx_live_0000000000000000000000000000000000000000000")),
        Persona::nobody("revoked key", revoked),
        Persona::nobody("expired key", expired),
        Persona::nobody("token of a deleted user", deleted),
        Persona::nobody("key of a deleted user", key_of_deleted),
        Persona::nobody("token from before a change of password", before_change),
        Persona::key("key with config:read", reader, &["config:read"]),
        Persona::key("key with config:write", writer, &["config:write"]),
        // A key may do what its owner may today.
        Persona::key("key of a demoted owner", key_of_demoted, VIEWER),
        Persona::user("token of a demoted user", demoted, VIEWER),
        Persona::user("viewer", viewer, VIEWER),
        Persona::user("developer", developer, DEVELOPER),
        Persona::user("admin", admin.clone(), ALL),
    ]
}

#[tokio::test]
async fn everyone_is_let_through_where_the_table_says_and_nowhere_else() {
    let (server, admin) = start_with_admin(Launch::new()).await;
    let personas = personas(&admin).await;
    server_agrees_with_the_table(&admin).await;
    let launch = server.launch().clone();
    let on = launch.clone().set("ENABLE_AUTHENTICATION", "true").start().await;
    let mut wrong = Vec::new();
    for (server, authentication) in [(&on, true), (&server, false)] {
        // What ends a session is left for the end.
        let until = if authentication { TABLE.len() - 2 } else { TABLE.len() };
        for persona in &personas {
            let client = persona.client.at(server);
            for (method, short, needs) in &TABLE[..until] {
                let path = path(short).replace("{id}", "00000000-0000-4000-8000-000000000000").replace(['{', '}'], "");
                let method: Method = method.parse().unwrap();
                let body = json!({});
                let body = (method != Method::GET && method != Method::DELETE).then_some(&body);
                let reply = client.send(method.clone(), &path, body, &[]).await;
                let refusal = matches!(reply.status, 401 | 403).then_some(reply.status);
                let expected = persona.refusal(*needs, authentication);
                if refusal != expected || reply.status >= 500 {
                    wrong.push(format!(
                        "{}, authentication {authentication}: {method} {path}: {} and not {expected:?}: {}",
                        persona.name,
                        reply.status,
                        reply.text()
                    ));
                }
                if refusal.is_some() {
                    assert!(reply.json()["code"].is_string() && reply.json()["success"] == false, "{path}: {}", reply.text());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every route of the served description is in the table, and nothing else is.
async fn server_agrees_with_the_table(client: &Client) {
    let document = client.get("/openapi.json").await.expect(200).json();
    let served: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            let methods =
                item.as_object().expect("operations").iter().filter(|(_, operation)| operation.get("operationId").is_some());
            methods.map(|(method, _)| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let table: BTreeSet<(String, String)> = TABLE.iter().map(|(method, short, _)| (path(short), (*method).to_owned())).collect();
    assert_eq!(table.len(), TABLE.len(), "a route is in the table twice");
    let missing: Vec<_> = served.difference(&table).collect();
    let gone: Vec<_> = table.difference(&served).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in the table: {missing:?}; not served: {gone:?}");
}
