//! Workspaces, each with an environment, a flag and a key, written past the servers: over HTTP it would take an hour.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use togglebox_auth::store::{ApiKeyStore, UserStore};
use togglebox_auth::{ApiKey, KeyHash, PasswordHash, Role, User};
use togglebox_core::{Actor, AuditRecord, Email, EntropyExt as _, Revision, SeededEntropy, TenantId, Timestamp};
use togglebox_multitenancy::store::TenantStore;
use togglebox_multitenancy::{Billing, LimitOverrides, Member, MemberRole, Standing, Tenant, TenantName};
use togglebox_server::{Node, Settings};
use togglebox_storage::{Durability, Sqlite, SqliteOptions};
use uuid::Uuid;

use crate::contents;

/// What workspaces are below.
pub(crate) const BASE: &str = "localtest";

#[derive(Clone)]
pub(crate) struct Workspace {
    pub(crate) tenant: TenantId,
    pub(crate) subdomain: String,
    pub(crate) key: String,
}

impl Workspace {
    /// So many, each different and each time the same.
    pub(crate) fn first(many: usize) -> Vec<Self> {
        let entropy = SeededEntropy::new(7);
        let each = (0..many).map(|number| Self {
            tenant: TenantId::from_uuid(entropy.uuid()),
            subdomain: format!("t{number:05}"),
            key: format!("tbx_live_{}", entropy.hex::<16>()),
        });
        each.collect()
    }

    pub(crate) fn host(&self) -> String {
        format!("{}.{BASE}", self.subdomain)
    }
}

/// Makes a store with these. `registered`: in the register of a service of many, too.
pub(crate) fn fill(file: &Path, workspaces: &[Workspace], registered: bool) {
    togglebox_server::runtime().block_on(async {
        let url = format!("sqlite:{}", file.display());
        let settings = [("DATABASE_URL", url.as_str()), ("SQLITE_DURABILITY", "process-end")].into_iter().collect();
        let node = Node::open(&Settings::read(&settings).unwrap()).await.unwrap();
        let options = SqliteOptions::new(file).with_durability(Durability::ProcessEnd);
        let store = Sqlite::open(&options).await.unwrap();
        let services = node.services();
        for workspace in workspaces {
            if registered {
                register(&store, workspace).await;
            }
            let tenant = workspace.tenant;
            let user = user();
            UserStore::create(&store, tenant, &user, &audit(1, "user.create")).await.unwrap();
            ApiKeyStore::create(&store, tenant, &key(user.id, &workspace.key), 1, &audit(2, "api_key.create")).await.unwrap();
            contents::fill(&services, tenant, 1).await;
        }
        store.close().await.unwrap();
        node.close().await.unwrap();
    });
}

async fn register(store: &Sqlite, workspace: &Workspace) {
    let (tenant, owner) = (workspace.tenant, user());
    let record = Tenant {
        id: tenant,
        name: TenantName::new(&workspace.subdomain).unwrap(),
        subdomain: workspace.subdomain.parse().unwrap(),
        renames: Vec::new(),
        domains: Vec::new(),
        owner: owner.id,
        standing: Standing::default(),
        plan: "free".parse().unwrap(),
        overrides: LimitOverrides::NONE,
        billing: Billing::default(),
        version: Revision::ZERO,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    };
    let member = Member {
        tenant,
        user: owner.id,
        email: owner.email,
        role: MemberRole::Admin,
        joined_at: Timestamp::EPOCH,
        version: Revision::ZERO,
    };
    TenantStore::create(store, tenant, &record, &member, &audit(3, "workspace.create")).await.unwrap();
}

fn user() -> User {
    User {
        id: Uuid::from_u128(7),
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

/// Kept as keys are that were imported, which takes no secret.
fn key(user: Uuid, text: &str) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(8),
        user,
        name: "key".to_owned(),
        hash: KeyHash(Sha256::digest(text).into()),
        prefix: "tbx_live".to_owned(),
        last4: text[text.len() - 4..].to_owned(),
        permissions: vec!["config:read".to_owned()],
        expires_at: None,
        last_used_at: None,
        created_at: Timestamp::EPOCH,
    }
}

fn audit(number: u128, action: &str) -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(number),
        at: Timestamp::EPOCH,
        actor: Actor::system(),
        action: action.to_owned(),
        platform: None,
        environment: None,
        target: action.to_owned(),
        before: None,
        after: None,
    }
}
