//! What the engines hold while they are measured.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use togglebox_auth::{ApiKey, Email, KeyHash, PasswordHash, Role, User};
use togglebox_core::{Actor, AuditRecord, Limit, Revision, TenantId, Timestamp};
use togglebox_toggles::{Environment, Experiment, ExperimentStatus, Flag, FlagVersion, ParameterVersion, Platform, Scope};
use uuid::Uuid;

use super::engine::Engine;

pub(crate) const TENANT: TenantId = TenantId::DEFAULT;
const FLAGS: usize = 100;
const PARAMETERS: usize = 100;
const EXPERIMENTS: usize = 20;

/// One environment with a hundred flags, a hundred parameters and twenty experiments; a user with an API key; an audit record of each.
pub(crate) struct Contents {
    pub(crate) place: Scope,
    pub(crate) flags: Vec<Flag>,
    /// One for each client to write to, by number, beside the hundred.
    pub(crate) own_flags: Vec<Flag>,
    pub(crate) key: KeyHash,
}

impl Contents {
    pub(crate) async fn fill(engine: &Engine, clients: usize) -> Self {
        let stores = &engine.toggles;
        let place = Scope::new("web".parse().unwrap(), "production".parse().unwrap());
        stores
            .directory
            .create_platform(TENANT, &platform(&place), Limit::Unlimited, &audit(None, "platform.create", "web"))
            .await
            .unwrap();
        let record = audit(None, "environment.create", "production");
        stores.directory.create_environment(TENANT, &environment(&place), Limit::Unlimited, &record).await.unwrap();
        // Those to write to have a place of their own, so that what is loaded stays as large as it is.
        let own_place = own_place(&place);
        let record = audit(None, "environment.create", own_place.environment.as_str());
        stores.directory.create_environment(TENANT, &environment(&own_place), Limit::Unlimited, &record).await.unwrap();
        let (mut flags, mut own_flags) = (Vec::new(), Vec::new());
        for n in 0..FLAGS {
            let (flag, record) = (flag(n), audit(Some(&place), "flag.create", &key("flag", n)));
            flags.push(stores.flags.create(TENANT, &place, &flag, Limit::Unlimited, &record).await.unwrap().value);
        }
        for n in 0..clients {
            let (flag, record) = (flag(n), audit(Some(&own_place), "flag.create", &key("flag", n)));
            own_flags.push(stores.flags.create(TENANT, &own_place, &flag, Limit::Unlimited, &record).await.unwrap().value);
        }
        for n in 0..PARAMETERS {
            let record = audit(Some(&place), "parameter.create", &key("parameter", n));
            stores.parameters.create(TENANT, &place, &parameter(n), PARAMETERS, Limit::Unlimited, &record).await.unwrap();
        }
        for n in 0..EXPERIMENTS {
            let record = audit(Some(&place), "experiment.create", &key("experiment", n));
            stores.experiments.create(TENANT, &place, &experiment(n), Limit::Unlimited, &record).await.unwrap();
        }
        let (user, key) = (user(), api_key());
        engine.users.create(TENANT, &user, &audit(None, "user.create", "ann")).await.unwrap();
        engine.keys.create(TENANT, &key, 1, &audit(None, "api_key.create", "key")).await.unwrap();
        Self { place, flags, own_flags, key: key.hash }
    }

    /// Where the clients' own flags are.
    pub(crate) fn own_place(&self) -> Scope {
        own_place(&self.place)
    }
}

fn own_place(place: &Scope) -> Scope {
    Scope::new(place.platform.clone(), "staging".parse().unwrap())
}

/// An id that nothing else in this run has.
pub(crate) fn id() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(LAST.fetch_add(1, Ordering::Relaxed).into())
}

/// A record of a change, as a service writes it.
pub(crate) fn audit(place: Option<&Scope>, action: &str, target: &str) -> AuditRecord {
    AuditRecord {
        id: id(),
        at: Timestamp::from_ms(1_760_000_000_000),
        actor: Actor::user("7", "ann@example.com"),
        action: action.to_owned(),
        platform: place.map(|place| place.platform.to_string()),
        environment: place.map(|place| place.environment.to_string()),
        target: target.to_owned(),
        before: Some(flag_document(0)),
        after: Some(flag_document(1)),
    }
}

fn key(what: &str, n: usize) -> String {
    format!("{what}-{n}")
}

fn platform(place: &Scope) -> Platform {
    Platform {
        id: id(),
        name: place.platform.clone(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn environment(place: &Scope) -> Environment {
    Environment {
        id: id(),
        platform: place.platform.clone(),
        name: place.environment.clone(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn flag_document(n: usize) -> Value {
    json!({ "name": format!("Flag {n}"), "enabled": true, "flagType": "boolean", "valueA": true, "valueB": false, "defaultValue": "A",
        "targeting": { "countries": [{ "country": "CH", "serveValue": "A", "languages": [{ "language": "fr", "serveValue": "B" }] }] },
        "rolloutEnabled": true, "rolloutPercentageA": 50, "rolloutPercentageB": 50 })
}

fn flag(n: usize) -> Flag {
    Flag {
        key: key("flag", n).parse().unwrap(),
        definition: serde_json::from_value(flag_document(n)).unwrap(),
        version: FlagVersion::FIRST,
        active: true,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn parameter(n: usize) -> ParameterVersion {
    let document = json!({ "valueType": "string", "defaultValue": "a value of some length", "description": "What it is for" });
    ParameterVersion {
        key: key("parameter", n).parse().unwrap(),
        version: 1,
        definition: serde_json::from_value(document).unwrap(),
        active: true,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
    }
}

fn experiment(n: usize) -> Experiment {
    let metric =
        json!({ "id": "buy", "name": "Buy", "eventName": "bought", "metricType": "conversion", "successDirection": "increase" });
    let variations =
        ["control", "short"].map(|key| json!({ "key": key, "name": key, "value": key, "isControl": key == "control" }));
    let shares = ["control", "short"].map(|key| json!({ "variationKey": key, "percentage": 50 }));
    let document = json!({ "name": "Checkout", "hypothesis": "Shorter is better", "variations": variations, "controlVariation": "control",
        "trafficAllocation": shares, "targeting": {}, "primaryMetric": metric, "confidenceLevel": 0.95 });
    Experiment {
        key: key("experiment", n).parse().unwrap(),
        definition: serde_json::from_value(document).unwrap(),
        status: ExperimentStatus::Draft,
        started_at: None,
        started_by: None,
        completed_at: None,
        completed_by: None,
        winner: None,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

const USER: Uuid = Uuid::from_u128(u128::MAX);

fn user() -> User {
    User {
        id: USER,
        name: None,
        email: Email::new("ann@example.com").unwrap(),
        password: PasswordHash::new("$argon2id$v=19$none"),
        role: Role::Admin,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        tokens_valid_from: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

fn api_key() -> ApiKey {
    ApiKey {
        id: id(),
        user: USER,
        name: "key".to_owned(),
        hash: KeyHash([7; 32]),
        prefix: "tbx_live".to_owned(),
        last4: "abcd".to_owned(),
        permissions: vec!["config:read".to_owned()],
        expires_at: None,
        last_used_at: None,
        created_at: Timestamp::EPOCH,
    }
}
