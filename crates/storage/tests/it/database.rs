//! A database per test.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use togglebox_auth::testkit::AuthStores;
use togglebox_auth::{Email, PasswordHash, Role, User};
use togglebox_core::{Actor, AuditRecord, Limit, Revision, TenantId, Timestamp};
use togglebox_storage::{Sqlite, SqliteOptions};
use togglebox_toggles::testkit::ToggleStores;
use togglebox_toggles::{
    Environment, Experiment, ExperimentStatus, Flag, FlagVersion, ParameterVersion, Platform, PlatformName, Scope,
};
use uuid::Uuid;

/// A file of its own, removed at the end of the test.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) store: Sqlite,
    folder: TempDir,
}

impl Database {
    pub(crate) async fn fresh() -> Self {
        Self::fresh_with(|options| options).await
    }

    /// Opened in another way than is usual.
    pub(crate) async fn fresh_with(options: impl FnOnce(SqliteOptions) -> SqliteOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&options(SqliteOptions::new(path(&folder)))).await.unwrap();
        Self { store, folder }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> PathBuf {
        path(&self.folder)
    }

    /// How this file is opened.
    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::new(self.path())
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("togglebox.db")
}

/// Stores, and the file that they are in for as long.
pub(crate) struct Lent<T> {
    stores: T,
    _database: Database,
}

impl<T> Lent<T> {
    /// Stores over a file of their own.
    pub(crate) async fn fresh(stores: impl FnOnce(&Sqlite) -> T) -> Self {
        Self::fresh_with(|options| options, stores).await
    }

    /// Over one that is opened in another way than is usual.
    pub(crate) async fn fresh_with(
        options: impl FnOnce(SqliteOptions) -> SqliteOptions,
        stores: impl FnOnce(&Sqlite) -> T,
    ) -> Self {
        let database = Database::fresh_with(options).await;
        Self { stores: stores(&database.store), _database: database }
    }
}

impl<T> AsRef<T> for Lent<T> {
    fn as_ref(&self) -> &T {
        &self.stores
    }
}

pub(crate) fn auth_stores(store: &Sqlite) -> AuthStores {
    AuthStores::over(&Arc::new(store.clone()))
}

pub(crate) fn toggle_stores(store: &Sqlite) -> ToggleStores {
    ToggleStores::over(&Arc::new(store.clone()))
}

pub(crate) fn audit(n: u128) -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(n),
        at: Timestamp::EPOCH,
        actor: Actor::system(),
        action: if n == 1 { "platform.create" } else { "any" }.to_owned(),
        platform: None,
        environment: None,
        target: n.to_string(),
        before: None,
        after: None,
    }
}

pub(crate) fn platform(n: u128) -> Platform {
    Platform {
        id: Uuid::from_u128(n),
        name: if n == 1 { "web".to_owned() } else { format!("p{n}") }.parse().unwrap(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

pub(crate) fn parameter(key: &str) -> ParameterVersion {
    let document = json!({ "valueType": "string", "defaultValue": "v" });
    ParameterVersion {
        key: key.parse().unwrap(),
        version: 1,
        definition: serde_json::from_value(document).unwrap(),
        active: true,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
    }
}

/// Makes an environment; its name is also its id and that of its audit record.
pub(crate) async fn environment(store: &Sqlite, platform: &PlatformName, name: &str) -> Scope {
    let id = Uuid::from_u128(name.bytes().fold(0, |id, byte| id << 8 | u128::from(byte)));
    let environment = Environment {
        id,
        platform: platform.clone(),
        name: name.parse().unwrap(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    };
    let record = AuditRecord { id, ..audit(2) };
    toggle_stores(store).directory.create_environment(TenantId::DEFAULT, &environment, Limit::Unlimited, &record).await.unwrap();
    environment.scope()
}

/// One of each: the platform `web`, its environment `production`, in it `p`, `f` and `x`; and a user.
pub(crate) async fn filled(store: &Sqlite) -> Scope {
    let (tenant, stores) = (TenantId::DEFAULT, toggle_stores(store));
    let web = stores.directory.create_platform(tenant, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap().value;
    let place = environment(store, &web.name, "production").await;
    stores.parameters.create(tenant, &place, &parameter("p"), 10, Limit::Unlimited, &audit(3)).await.unwrap();
    let document = json!({ "name": "f", "enabled": true, "flagType": "boolean", "valueA": true, "valueB": false,
        "targeting": {}, "defaultValue": "A", "rolloutEnabled": false, "rolloutPercentageA": 100, "rolloutPercentageB": 0 });
    let flag = Flag {
        key: "f".parse().unwrap(),
        definition: serde_json::from_value(document).unwrap(),
        version: FlagVersion::FIRST,
        active: true,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    };
    stores.flags.create(tenant, &place, &flag, Limit::Unlimited, &audit(4)).await.unwrap();
    stores.experiments.create(tenant, &place, &experiment(), Limit::Unlimited, &audit(5)).await.unwrap();
    let user = User {
        id: Uuid::from_u128(9),
        name: None,
        email: Email::new("ann@example.com").unwrap(),
        password: PasswordHash::new("$argon2id$secret"),
        role: Role::Admin,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        tokens_valid_from: Timestamp::EPOCH,
        revision: Revision::ZERO,
    };
    auth_stores(store).users.create(tenant, &user, &audit(6)).await.unwrap();
    place
}

fn experiment() -> Experiment {
    let metric = json!({ "id": "m", "name": "m", "eventName": "e", "metricType": "count", "successDirection": "increase" });
    let document = json!({ "name": "x", "hypothesis": "h", "variations": [], "controlVariation": "a", "trafficAllocation": [],
        "targeting": {}, "primaryMetric": metric, "confidenceLevel": 0.95 });
    Experiment {
        key: "x".parse().unwrap(),
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
