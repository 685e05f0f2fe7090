//! A service of many workspaces over SQLite in memory, with a clock that stands still.

use std::sync::{Arc, Mutex};

use actix_web::App;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service};
use async_trait::async_trait;
use serde_json::{Value, json};
use togglebox_auth::input::NewUser;
use togglebox_core::testkit::{Faults, Faulty};
use togglebox_core::{Actor, ChangeBus, Clock, Entropy, LocalBus, ManualClock, ManualStopwatch, OsEntropy, Timestamp};
use togglebox_metering::DirectRecorder;
use togglebox_metering::store::{UsageLedger as _, UsageStore as _};
use togglebox_metering::testkit::MemoryStore as UsageMemory;
use togglebox_multitenancy::manage::{Tenancy, TenancyPorts, TenancySettings};
use togglebox_multitenancy::store::TenantDirectory;
use togglebox_multitenancy::testkit::MemoryStore;
use togglebox_multitenancy::{AccessPolicy, HostRules, Locating, LookUpError, PlanCatalogue, ResolveOptions, TxtResolver};
use togglebox_storage::Sqlite;
use togglebox_toggles::statistics::{Flusher, Recorder, RecorderLimits};

use super::export::Script;
use crate::ApiLimits;
use crate::api::{ApiPorts, ApiServices};
use crate::cloud::{BillingDesk, CENTRAL, Cloud, CloudPorts, CloudServices, CloudSettings, Exports, Metering, WorkspaceSource};
use crate::config::ApiConfig;
use crate::paging::PageTokens;
use crate::tests::identity::identity;
use crate::tests::rig::Answer;

pub(super) const PASSWORD: &str = "Parola123!";
/// Some time in 2026.
pub(super) const BEGIN: Timestamp = Timestamp::from_ms(1_780_000_000_000);

/// The central host.
pub(super) const API: &str = "api.localtest";

/// What a DNS says that tests write.
#[derive(Debug, Default)]
pub(super) struct Dns(pub(super) Mutex<Vec<(String, String)>>);

#[async_trait]
impl TxtResolver for Dns {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookUpError> {
        let records = self.0.lock().unwrap();
        Ok(records.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect())
    }
}

/// One node.
pub(super) struct Rig {
    pub(super) cloud: Arc<Cloud>,
    pub(super) clock: Arc<ManualClock>,
    /// Measures how old what the node remembers is.
    pub(super) stopwatch: Arc<ManualStopwatch>,
    pub(super) dns: Arc<Dns>,
    pub(super) register: Arc<MemoryStore>,
    pub(super) script: Arc<Script>,
    pub(super) services: CloudServices,
    store: Arc<Sqlite>,
    /// Where requests are counted.
    usage: Arc<UsageMemory>,
    _usage_folder: tempfile::TempDir,
}

/// What nodes share.
type Stores = (Arc<Sqlite>, Arc<MemoryStore>, Arc<UsageMemory>);

/// What differs between nodes.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) locating: Locating,
    /// What goes wrong when workspaces are looked up.
    pub(super) faults: Arc<Faults>,
    /// What is left of each standing.
    pub(super) access: AccessPolicy,
    pub(super) sleeps: bool,
    /// No disk outlasts the process.
    pub(super) counts_directly: bool,
    /// Makes what workspaces pay at, over these.
    pub(super) billing: Option<BillingMaker>,
    pub(super) limits: Option<ApiLimits>,
    pub(super) plans: PlanCatalogue,
}

/// Makes where workspaces pay.
pub(super) type BillingMaker = Box<dyn FnOnce(&Arc<Tenancy>, &Arc<dyn Clock>) -> BillingDesk>;

/// Somebody who is signed in somewhere.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) host: String,
    pub(super) token: String,
    pub(super) user: String,
    pub(super) workspace: Value,
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::with(Locating::by_host()).await
    }

    pub(super) async fn with(locating: Locating) -> Self {
        Self::planned(Plan { locating, ..Plan::default() }).await
    }

    pub(super) async fn planned(plan: Plan) -> Self {
        let store = Arc::new(Sqlite::in_memory().await.unwrap());
        let clock = Arc::new(ManualClock::new(BEGIN));
        let stores = (store, Arc::default(), Arc::new(UsageMemory::new()));
        Self::over(stores, clock, Arc::default(), plan)
    }

    /// Another node over the same store, which no bus tells of changes.
    pub(super) fn beside(&self, plan: Plan) -> Self {
        let stores = (Arc::clone(&self.store), Arc::clone(&self.register), Arc::clone(&self.usage));
        Self::over(stores, Arc::clone(&self.clock), Arc::clone(&self.dns), plan)
    }

    fn over((store, register, usage): Stores, clock: Arc<ManualClock>, dns: Arc<Dns>, plan: Plan) -> Self {
        let time = || Arc::clone(&clock) as Arc<dyn Clock>;
        let stopwatch = Arc::new(ManualStopwatch::new(1_000_000));
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let entropy_of_usage = Arc::clone(&entropy);
        let bus: Arc<dyn ChangeBus> = Arc::new(LocalBus::default());
        macro_rules! port {
            () => {
                Arc::<Sqlite>::clone(&store)
            };
        }
        let (authenticator, accounts) = identity(&store, &time(), &bus, &entropy);
        let listener = Arc::clone(&authenticator);
        bus.subscribe(listener);
        let plans = Arc::new(plan.plans);
        let directory: Arc<dyn TenantDirectory> = Arc::<MemoryStore>::clone(&register);
        let tenancy = Arc::new(Tenancy::new(
            TenancyPorts {
                tenants: Arc::<MemoryStore>::clone(&register),
                members: Arc::<MemoryStore>::clone(&register),
                invitations: Arc::<MemoryStore>::clone(&register),
                domains: Arc::<MemoryStore>::clone(&register),
                remains: Arc::<MemoryStore>::clone(&register),
                directory: Arc::clone(&directory),
                bus: Arc::clone(&bus),
                resolver: Arc::<Dns>::clone(&dns),
                mailer: None,
                clock: time(),
                entropy: Arc::clone(&entropy),
            },
            TenancySettings { plans: Arc::clone(&plans), ..TenancySettings::default() },
        ));
        let script = Arc::new(Script::default());
        let usage_folder = tempfile::tempdir().unwrap();
        let services = CloudServices {
            billing: plan.billing.map(|make| make(&tenancy, &time())),
            tenancy,
            accounts: Arc::clone(&accounts),
            exports: Arc::new(Exports::new(Arc::<Script>::clone(&script))),
            metering: Some(Arc::new(if plan.counts_directly {
                let recorder = DirectRecorder::new(
                    Metering::meters().unwrap(),
                    Arc::<UsageMemory>::clone(&usage),
                    time(),
                    &*entropy_of_usage,
                );
                Metering::direct(recorder, (Arc::<UsageMemory>::clone(&usage), Arc::<UsageMemory>::clone(&usage))).unwrap()
            } else {
                metering(usage_folder.path(), &usage, &time(), &entropy_of_usage)
            })),
            settings: CloudSettings {
                plans,
                workspace_url: "http://{subdomain}.localtest".to_owned(),
                upgrade_url: "http://app.localtest/plans".to_owned(),
                sign_up: true,
            },
        };
        let recorder = Arc::new(Recorder::new(RecorderLimits::default()));
        let flusher = Arc::new(Flusher::new(Arc::clone(&recorder), port!(), time(), Arc::clone(&entropy)));
        let cloud = Cloud::new(
            ApiConfig::default(),
            &ApiPorts {
                directories: port!(),
                environments: port!(),
                parameters: port!(),
                flags: port!(),
                experiments: port!(),
                statistics: port!(),
                audit: port!(),
                changes: bus,
                clock: time(),
                entropy,
            },
            &ApiServices {
                authenticator,
                accounts,
                recorder,
                flusher,
                page_tokens: PageTokens::new([7; 32]),
                limits: plan.limits,
            },
            CloudPorts {
                source: WorkspaceSource::new(
                    Arc::new(Faulty::new(directory, plan.faults)),
                    plan.access,
                    Arc::clone(&services.settings.plans),
                    Arc::default(),
                ),
                stopwatch: Arc::<ManualStopwatch>::clone(&stopwatch),
                rules: HostRules::new("localtest").unwrap().custom_domains(true),
                locating: plan.locating,
                options: ResolveOptions::default(),
                sleeps: plan.sleeps,
            },
            &services,
        );
        Self { cloud, clock, stopwatch, dns, register, script, services, store, usage, _usage_folder: usage_folder }
    }

    /// Sends a request to a host; with a token of somebody's, or without.
    pub(super) async fn send(
        &self,
        (method, host, path): (Method, &str, &str),
        token: Option<&str>,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = TestRequest::with_uri(path).method(method).insert_header(("host", host));
        if let Some(token) = token {
            request = request.insert_header(("authorization", format!("Bearer {token}")));
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        for header in headers {
            request = request.insert_header(*header);
        }
        self.answer(request).await
    }

    /// The answer to any request.
    pub(super) async fn answer(&self, request: TestRequest) -> Answer {
        let app = init_service(App::new().configure(self.cloud.routes())).await;
        Answer::of(call_service(&app, request.to_request()).await).await
    }

    pub(super) async fn get(&self, host: &str, path: &str, token: &str) -> Answer {
        self.send((Method::GET, host, path), Some(token), None, &[]).await
    }

    pub(super) async fn post(&self, host: &str, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.send((Method::POST, host, path), token, Some(body), &[]).await
    }

    /// Signs somebody up with a workspace.
    pub(super) async fn sign_up(&self, name: &str, subdomain: &str) -> Session {
        let body = json!({
            "name": name, "email": format!("{name}@example.com"), "password": PASSWORD,
            "workspace": { "name": subdomain, "subdomain": subdomain },
        });
        let answer = self.post(API, "/api/v1/onboarding/signup", None, body).await;
        let data = answer.expect(201).json()["data"].clone();
        Session::of(format!("{subdomain}.localtest"), &data)
    }

    /// Signs somebody in at a host.
    pub(super) async fn sign_in(&self, name: &str, host: &str) -> Answer {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        self.post(host, "/api/v1/auth/login", None, body).await
    }

    pub(super) async fn signed_in(&self, name: &str, host: &str) -> Session {
        let answer = self.sign_in(name, host).await;
        let data = answer.expect(200).json()["data"].clone();
        Session::of(host.to_owned(), &data)
    }

    /// One of the operator's people, signed in on the central host.
    pub(super) async fn operator(&self) -> Session {
        let account = json!({ "name": "Op", "email": "op@example.com", "password": PASSWORD, "role": "admin" });
        let account = NewUser::read(Some(&account)).unwrap();
        self.services.accounts.create_user(CENTRAL, Actor::system(), account).await.unwrap();
        self.signed_in("op", API).await
    }

    /// Adds up what is over.
    pub(super) async fn roll_up(&self) {
        let until = togglebox_metering::Minute::of(self.clock.now()).unwrap().hour();
        for stale in self.usage.stale_hours(until, 1000).await.unwrap() {
            self.usage.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
        }
    }

    /// Lets an account of this name join a workspace in a role, by an invitation.
    pub(super) async fn join(&self, admin: &Session, name: &str, role: &str) -> Session {
        let body = json!({ "email": format!("{name}@example.com"), "role": role });
        let invited = self.post(&admin.host, "/api/v1/workspace/invitations", Some(&admin.token), body).await;
        let token = invited.expect(201).json()["data"]["token"].clone();
        self.clock.advance(std::time::Duration::from_secs(1));
        let body = json!({ "token": token, "name": name, "password": PASSWORD });
        let joined = self.post(API, "/api/v1/invitations/join", None, body).await;
        let data = joined.expect(201).json()["data"].clone();
        Session::of(admin.host.clone(), &data)
    }
}

impl Session {
    pub(super) fn of(host: String, data: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { host, token: text(&data["token"]), user: text(&data["user"]["id"]), workspace: data["workspace"].clone() }
    }
}

/// Counts in a folder, and keeps in memory.
fn metering(folder: &std::path::Path, store: &Arc<UsageMemory>, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Metering {
    use togglebox_metering::{Flusher, FlusherOptions, Recorder, RecorderOptions};
    let options = RecorderOptions::in_directory(folder).with_slots(4096);
    let recorder = Recorder::open(Metering::meters().unwrap(), options, Arc::clone(clock), Arc::clone(entropy)).unwrap();
    let (recorder, ledger) = (Arc::new(recorder), Arc::<UsageMemory>::clone(store));
    let flusher = Arc::new(Flusher::new(Arc::clone(&recorder), ledger, FlusherOptions::default()));
    Metering::new((recorder, flusher), (Arc::<UsageMemory>::clone(store), Arc::<UsageMemory>::clone(store))).unwrap()
}
