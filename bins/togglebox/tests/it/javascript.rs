//! The JavaScript SDK, without its cache and its pauses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, INTERNAL, PUBLIC, Reply, config, experiment, flag};

/// How often the JavaScript SDK asks before it gives up.
const ATTEMPTS: usize = 4;

/// What it calls with, which has the key.
pub(crate) struct Sdk {
    pub(crate) client: Client,
}

impl Sdk {
    /// A call as the SDK makes it: a content type on every request, and again on network errors, 5xx and bodies that are not JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Reply> {
        for attempt in 1..=ATTEMPTS {
            // With a body the client names the type itself.
            let headers = [("content-type", "application/json"), ("accept", "*/*")];
            let headers = if body.is_some() { &headers[1..] } else { &headers[..] };
            let reply = match self.client.try_send(method.clone(), path, body, headers).await {
                Ok(reply) => reply,
                Err(error) if attempt == ATTEMPTS => panic!("{method} {path}: {error:?}"),
                Err(_) => continue,
            };
            if reply.status >= 400 && reply.status < 500 {
                return Err(reply);
            }
            match serde_json::from_slice::<Value>(&reply.bytes) {
                Ok(value) if reply.status < 300 => {
                    assert!(value.is_object(), "the PHP SDK fails on anything but an object: {value}");
                    return Ok(value);
                }
                _ if attempt == ATTEMPTS => return Err(reply),
                _ => {}
            }
        }
        unreachable!("the last attempt returns")
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await.unwrap_or_else(|reply| panic!("{path}: {} {}", reply.status, reply.text()))
    }

    pub(crate) async fn flush(&self, events: Vec<Value>) -> Value {
        let body = json!({ "events": events });
        let sent = self.call(Method::POST, &format!("{PUBLIC}/stats/events"), Some(&body)).await;
        sent.unwrap_or_else(|reply| panic!("{} {}", reply.status, reply.text()))
    }

    /// All eight, in an environment that was [furnished](furnish).
    pub(crate) async fn makes_all_calls(&self) {
        let health = self.get("/health").await;
        assert_eq!(health["success"], true);
        assert!(health["message"].is_string() && health["uptime"].is_number() && health.get("data").is_none(), "{health}");
        let health = self.get("/api/v1/health").await;
        assert!(health["status"] == "ok" && health["uptime"].is_number(), "{health}");

        assert_eq!(self.get(&format!("{PUBLIC}/configs")).await["data"], json!({ "title": "Shop" }));
        let flags = self.get(&format!("{PUBLIC}/flags")).await["data"].clone();
        assert_eq!(flags.as_array().map(Vec::len), Some(1));
        assert_eq!(self.get(&format!("{PUBLIC}/flags/dark")).await["data"], flags[0]);
        let experiments = self.get(&format!("{PUBLIC}/experiments")).await["data"].clone();
        assert_eq!(experiments.as_array().map(Vec::len), Some(1));
        assert_eq!(self.get(&format!("{PUBLIC}/experiments/cta")).await["data"], experiments[0]);

        let event = json!({ "type": "config_fetch", "key": "title", "timestamp": "2026-01-02T03:04:05.678Z" });
        assert_eq!(self.flush(vec![event]).await["data"]["processed"], 1);

        let missing = self.call(Method::GET, &format!("{PUBLIC}/flags/none"), None).await.unwrap_err();
        assert_eq!(missing.code(404), "NOT_FOUND");
    }
}

/// Makes one of each thing that the SDKs ask for.
pub(crate) async fn furnish(admin: &Client) {
    admin.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);
}
