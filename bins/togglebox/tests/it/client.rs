//! A client of the API, and the few things that most tests make with it first.

use std::time::Instant;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::engine;
use crate::server::{Launch, PATIENCE, PAUSE, Server};

/// The public routes of the environment that [`make_environment`] makes.
pub(crate) const PUBLIC: &str = "/api/v1/platforms/web/environments/prod";
/// Its internal routes.
pub(crate) const INTERNAL: &str = "/api/v1/internal/platforms/web/environments/prod";

/// The first admin's address.
pub(crate) const ADMIN: &str = "admin@example.com";
/// Every account's password, until a test changes it.
pub(crate) const PASSWORD: &str = "Correct-Horse-1";

/// Calls one server, with or without a credential.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    /// The host that is asked for, where it is not the address.
    pub(crate) host: Option<String>,
    credential: Option<(&'static str, String)>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Client {
    /// Without a credential. Answers are taken as they are sent: nothing is decompressed, no redirect is followed.
    pub(crate) fn new(server: &Server) -> Self {
        Self { http: http(), base: server.url(""), host: None, credential: None }
    }

    /// With this token.
    pub(crate) fn token(&self, token: &str) -> Self {
        Self { credential: Some(("authorization", format!("Bearer {token}"))), ..self.clone() }
    }

    /// With this API key.
    pub(crate) fn key(&self, key: &str) -> Self {
        Self { credential: Some(("x-api-key", key.to_owned())), ..self.clone() }
    }

    /// Without a credential.
    pub(crate) fn anonymous(&self) -> Self {
        Self { credential: None, ..self.clone() }
    }

    /// With the same credential, at another server over the same store.
    pub(crate) fn at(&self, server: &Server) -> Self {
        Self { base: server.url(""), ..self.clone() }
    }

    /// With the same credential, at a server by a name that leads there: `http://name:port`.
    pub(crate) fn by_name(&self, name: &str, server: &Server) -> Self {
        let (http, base) = (builder().resolve(name, server.address()), format!("http://{name}:{}", server.address().port()));
        Self { http: http.build().expect("a client"), base, host: None, ..self.clone() }
    }

    /// With the same credential and fresh connections, at whatever listens there.
    pub(crate) fn through(&self, address: std::net::SocketAddr) -> Self {
        Self { http: http(), base: format!("http://{address}"), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None, &[]).await
    }

    /// What a read says after a write, never stale: over a store that [is slow](engine::is_slow) it is asked for until it is not.
    pub(crate) async fn fresh(&self, path: &str) -> Reply {
        let began = Instant::now();
        loop {
            let reply = self.get(path).await;
            if reply.header("x-togglebox-stale").is_none() {
                return reply;
            }
            assert!(engine::is_slow() && began.elapsed() < PATIENCE, "{path} is stale");
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(&body), &[]).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(&body), &[]).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(&body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None, &[]).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Reply {
        self.try_send(method.clone(), path, body, headers).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Like [`send`](Self::send), for a server that may end meanwhile.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Reply> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(host) = &self.host {
            request = request.header("host", host);
        }
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, bytes: response.bytes().await?.into() })
    }
}

impl Reply {
    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("printable"))
    }

    /// The body's `data`, of an answer with this status.
    #[track_caller]
    pub(crate) fn data(&self, status: u16) -> Value {
        self.expect(status);
        self.json()["data"].clone()
    }

    /// The body's `code`, of an answer with this status.
    #[track_caller]
    pub(crate) fn code(&self, status: u16) -> String {
        self.expect(status);
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code in {}", self.text())).to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// What requests are made with.
pub(crate) fn http() -> reqwest::Client {
    builder().build().expect("a client")
}

fn builder() -> reqwest::ClientBuilder {
    // Other crates of the build may have it speak TLS.
    togglebox_server::install_crypto();
    reqwest::Client::builder().no_gzip().no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// A server as `launch` says, with an admin that the command line made before its first start; and a client of that admin.
pub(crate) async fn start_with_admin(launch: Launch) -> (Server, Client) {
    let made = launch.run(&["admin", "create", "--email", ADMIN, "--password-stdin"], PASSWORD).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = launch.start().await;
    let anonymous = Client::new(&server);
    let admin = anonymous.token(&sign_in(&anonymous, ADMIN, PASSWORD).await);
    (server, admin)
}

/// A token of this account.
pub(crate) async fn sign_in(client: &Client, email: &str, password: &str) -> String {
    let body = json!({ "email": email, "password": password });
    let data = client.anonymous().post("/api/v1/auth/login", body).await.data(200);
    data["token"].as_str().expect("a token").to_owned()
}

/// Makes an account in this role; its token and id.
pub(crate) async fn make_user(admin: &Client, email: &str, role: &str) -> (Client, String) {
    let body = json!({ "name": role, "email": email, "password": PASSWORD, "role": role });
    let data = admin.post("/api/v1/internal/users", body).await.data(201);
    let token = sign_in(admin, email, PASSWORD).await;
    (admin.token(&token), data["id"].as_str().expect("an id").to_owned())
}

/// Makes an API key of the client's user; a client with it, its id and its text.
pub(crate) async fn make_key(user: &Client, permissions: &[&str]) -> (Client, String, String) {
    let body = json!({ "name": "key", "permissions": permissions });
    let data = user.post("/api/v1/api-keys", body).await.data(201);
    let key = data["key"].as_str().expect("a key").to_owned();
    (user.key(&key), data["id"].as_str().expect("an id").to_owned(), key)
}

/// Makes the environment of [`PUBLIC`] and [`INTERNAL`].
pub(crate) async fn make_environment(client: &Client) {
    client.post("/api/v1/internal/platforms", json!({ "name": "web" })).await.expect(201);
    client.post("/api/v1/internal/platforms/web/environments", json!({ "environment": "prod" })).await.expect(201);
}

/// What makes a flag that is on and serves A.
pub(crate) fn flag(key: &str) -> Value {
    json!({ "flagKey": key, "name": key, "enabled": true, "defaultValue": "A" })
}

/// What makes a text parameter.
pub(crate) fn config(key: &str, value: &str) -> Value {
    json!({ "parameterKey": key, "valueType": "string", "defaultValue": value })
}

/// What makes an experiment with two variations at half of the traffic each.
pub(crate) fn experiment(key: &str) -> Value {
    json!({
        "experimentKey": key,
        "name": key,
        "hypothesis": "Green wins",
        "variations": [
            { "key": "control", "name": "Blue", "value": "blue", "isControl": true },
            { "key": "green", "name": "Green", "value": { "hex": "#0f0" } },
        ],
        "controlVariation": "control",
        "trafficAllocation": [{ "variationKey": "control", "percentage": 50 }, { "variationKey": "green", "percentage": 50 }],
        "primaryMetric": {
            "id": "click", "name": "Click", "eventName": "click", "metricType": "conversion", "successDirection": "increase",
        },
    })
}

/// Every audit record that `query` selects, oldest first, page by page.
pub(crate) async fn audit(admin: &Client, query: &str) -> Vec<Value> {
    let (mut records, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/internal/audit?limit=100&{query}&nextToken={token}");
        let page = admin.get(&path).await.expect(200).json();
        records.extend(page["data"].as_array().expect("a list").iter().cloned());
        match page["meta"]["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    records.reverse();
    records
}
