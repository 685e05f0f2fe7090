//! What can only be tried from within: plans of statements, the shape of the schema, a full disk, calls that are dropped.

mod cancellation;
mod full_disk;
mod pages;
mod plans;
mod schema;
#[cfg(feature = "tenancy")]
mod tenancy;

use std::path::Path;

use togglebox_core::{Actor, AuditRecord, Revision, TenantId, Timestamp};
use togglebox_toggles::Platform;
use uuid::Uuid;

use super::{Sqlite, SqliteOptions};

const TENANT: TenantId = TenantId::DEFAULT;

async fn open(folder: &Path) -> Sqlite {
    Sqlite::open(&SqliteOptions::new(folder.join("togglebox.db"))).await.unwrap()
}

fn audit(n: u128) -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(n),
        at: Timestamp::EPOCH,
        actor: Actor::system(),
        action: "platform.create".to_owned(),
        platform: None,
        environment: None,
        target: n.to_string(),
        before: None,
        after: None,
    }
}

fn platform(n: u128) -> Platform {
    Platform {
        id: Uuid::from_u128(n),
        name: format!("p{n}").parse().unwrap(),
        description: Some("d".repeat(500)),
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}
