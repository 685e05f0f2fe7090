//! An API over SQLite in memory, with a clock that stands still, a store that can be taken away, and an admin.

use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use togglebox_auth::Accounts;
use togglebox_auth::input::{Login, NewUser};
use togglebox_core::{Actor, ChangeBus, Clock, Entropy, LocalBus, ManualClock, OsEntropy, TenantId, Timestamp};
use togglebox_storage::Sqlite;
use togglebox_toggles::statistics::{Flusher, Recorder, RecorderLimits};

use super::identity::identity;
use super::outage::{Interrupted, Outage};
use crate::ApiLimits;
use crate::api::{Api, ApiPorts, ApiServices};
use crate::config::ApiConfig;
use crate::paging::PageTokens;
use crate::route::Route;
use crate::routes;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;

/// The public routes of the environment that [`Rig::furnish`] makes.
pub(crate) const PUBLIC: &str = "/api/v1/platforms/web/environments/prod";
/// Its internal routes.
pub(crate) const INTERNAL: &str = "/api/v1/internal/platforms/web/environments/prod";

const PASSWORD: &str = "Parola123!";
/// Some time in 2026.
const BEGIN: Timestamp = Timestamp::from_ms(1_780_000_000_000);

/// One node, and what tests need to get at behind it.
pub(crate) struct Rig {
    pub(crate) api: Arc<Api>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) outage: Outage,
    token: String,
    store: Sqlite,
}

/// What differs between nodes.
pub(crate) struct Plan {
    pub(crate) config: ApiConfig,
    pub(crate) page_tokens: PageTokens,
    pub(crate) more_routes: Vec<Route>,
    pub(crate) limits: Option<ApiLimits>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { config: ApiConfig::default(), page_tokens: PageTokens::new([7; 32]), more_routes: Vec::new(), limits: None }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(Plan::default()).await
    }

    pub(crate) async fn with(plan: Plan) -> Self {
        Self::over(Sqlite::in_memory().await.unwrap(), plan).await
    }

    /// Another node over the same store, which no bus tells of changes.
    pub(crate) async fn beside(&self, plan: Plan) -> Self {
        Self::over(self.store.clone(), plan).await
    }

    async fn over(store: Sqlite, plan: Plan) -> Self {
        let port = || Arc::new(store.clone());
        let outage = Outage::default();
        let interrupted = || Arc::new(Interrupted::new(store.clone(), outage.clone()));
        let clock = Arc::new(ManualClock::new(BEGIN));
        let time = || Arc::clone(&clock) as Arc<dyn Clock>;
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let bus: Arc<dyn ChangeBus> = Arc::new(LocalBus::default());
        let (authenticator, accounts) = identity(&store, &time(), &bus, &entropy);
        let token = sign_in(&accounts).await;
        let recorder = Arc::new(Recorder::new(RecorderLimits::default()));
        let flusher = Arc::new(Flusher::new(Arc::clone(&recorder), port(), time(), Arc::clone(&entropy)));
        let mut table = routes::table();
        table.extend(plan.more_routes);
        let api = Api::with_routes(
            plan.config,
            ApiPorts {
                directories: interrupted(),
                environments: interrupted(),
                parameters: port(),
                flags: interrupted(),
                experiments: port(),
                statistics: port(),
                audit: port(),
                changes: bus,
                clock: time(),
                entropy,
            },
            ApiServices { authenticator, accounts, recorder, flusher, page_tokens: plan.page_tokens, limits: plan.limits },
            table,
        );
        Self { api, clock, outage, token, store }
    }

    /// Sends one request. Writes are the admin's.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = TestRequest::with_uri(path).method(method).insert_header(("authorization", self.bearer()));
        if let Some(body) = body {
            request = request.set_json(body);
        }
        for header in headers {
            request = request.insert_header(*header);
        }
        let app = init_service(App::new().configure(self.api.routes())).await;
        Answer::of(call_service(&app, request.to_request()).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    /// The admin's `Authorization`.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Three platforms with two environments each, and five of everything in [`PUBLIC`]; nothing of them at the same time.
    pub(crate) async fn furnish(&self) {
        let tick = || self.clock.advance(Duration::from_secs(1));
        for platform in ["web", "ios", "tv"] {
            tick();
            self.post("/api/v1/internal/platforms", json!({ "name": platform })).await.expect(201);
            for environment in ["prod", "dev"] {
                tick();
                let path = format!("/api/v1/internal/platforms/{platform}/environments");
                self.post(&path, json!({ "environment": environment })).await.expect(201);
            }
        }
        for key in ["a", "b", "c", "d", "e"] {
            tick();
            let config = json!({ "parameterKey": key, "valueType": "string", "defaultValue": key });
            self.post(&format!("{INTERNAL}/configs"), config).await.expect(201);
            tick();
            let flag = json!({ "flagKey": key, "name": key, "enabled": true, "defaultValue": "A" });
            self.post(&format!("{INTERNAL}/flags"), flag).await.expect(201);
            tick();
            self.post(&format!("{INTERNAL}/experiments"), experiment(key)).await.expect(201);
        }
    }
}

impl Answer {
    /// Reads an answer to its end.
    pub(crate) async fn of<B: MessageBody>(response: ServiceResponse<B>) -> Self
    where
        B::Error: std::fmt::Debug,
    {
        let header = |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let (status, headers) = (response.status(), response.headers().iter().map(header).collect());
        Self { status, headers, body: read_body(response).await.to_vec() }
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What makes an experiment with two variations.
pub(crate) fn experiment(key: &str) -> Value {
    json!({
        "experimentKey": key, "name": key, "hypothesis": "h", "controlVariation": "x",
        "variations": [{ "key": "x", "name": "X", "isControl": true }, { "key": "y", "name": "Y" }],
        "trafficAllocation": [{ "variationKey": "x", "percentage": 50 }, { "variationKey": "y", "percentage": 50 }],
        "primaryMetric": {
            "id": "m", "name": "M", "eventName": "m", "metricType": "conversion", "successDirection": "increase",
        },
    })
}

async fn sign_in(accounts: &Accounts) -> String {
    let account = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD, "role": "admin" });
    // A node beside another one finds the account made.
    let _ = accounts.create_user(TenantId::DEFAULT, Actor::system(), NewUser::read(Some(&account)).unwrap()).await;
    let login = Login::read(Some(&json!({ "email": "ann@example.com", "password": PASSWORD }))).unwrap();
    accounts.login(TenantId::DEFAULT, login).await.unwrap().token.expose_secret().to_owned()
}
