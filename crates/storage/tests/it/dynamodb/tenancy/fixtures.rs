//! What is stored in these tests.

use togglebox_core::{AuditRecord, Email, Revision, TenantId, Timestamp};
use togglebox_multitenancy::store::{InvitationStore, TenantStore};
use togglebox_multitenancy::{
    Billing, DomainClaim, Invitation, Limit, LimitOverrides, Member, MemberRole, Standing, Step, Tenant, TenantName, TokenHash,
};
use togglebox_storage::DynamoDb;
use uuid::Uuid;

use super::super::fixtures::audit;

/// Long after everything else.
pub(super) fn late() -> Timestamp {
    Timestamp::from_ms(1_000_000)
}

pub(super) fn id(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(0xa_0000 + n))
}

pub(super) fn tenant(n: u128) -> Tenant {
    Tenant {
        id: id(n),
        name: TenantName::new(&format!("Tenant {n}")).unwrap(),
        subdomain: format!("tenant-{n}").parse().unwrap(),
        renames: Vec::new(),
        domains: Vec::new(),
        owner: Uuid::from_u128(0xb_0000 + n),
        standing: Standing::default(),
        plan: "free".parse().unwrap(),
        overrides: LimitOverrides::NONE,
        billing: Billing::default(),
        version: Revision::ZERO,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    }
}

pub(super) fn member(tenant: TenantId, user: Uuid) -> Member {
    let email = Email::new(&format!("{user}@example.com")).unwrap();
    Member { tenant, user, email, role: MemberRole::Admin, joined_at: Timestamp::EPOCH, version: Revision::ZERO }
}

/// The account of guest `n`.
pub(super) fn guest(n: u128) -> Uuid {
    Uuid::from_u128(0xc_0000 + n)
}

/// Of tenant 1.
pub(super) fn invitation(n: u128) -> Invitation {
    Invitation {
        id: Uuid::from_u128(0xd_0000 + n),
        email: Email::new(&format!("guest{n}@example.com")).unwrap(),
        role: MemberRole::Viewer,
        token_hash: token(n),
        inviter: tenant(1).owner,
        invited_by: "ann@example.com".to_owned(),
        created_at: Timestamp::EPOCH,
        sent_at: Timestamp::EPOCH,
        expires_at: late(),
    }
}

pub(super) fn token(n: u128) -> TokenHash {
    let mut token = [7; 32];
    token[..16].copy_from_slice(&n.to_be_bytes());
    TokenHash(token)
}

pub(super) fn claim(text: &str) -> DomainClaim {
    let domain = text.parse().unwrap();
    DomainClaim { domain, token: "any".to_owned(), claimed_at: Timestamp::EPOCH, verified_at: None, checked_at: None, misses: 0 }
}

/// Adds tenant `n` with its owner.
pub(super) async fn made(store: &DynamoDb, n: u128) -> Tenant {
    let new = tenant(n);
    TenantStore::create(store, new.id, &new, &member(new.id, new.owner), &audit(0x1000 + n)).await.unwrap().value
}

/// Invites guest `n`.
pub(super) async fn invited(store: &DynamoDb, tenant: TenantId, n: u128) -> Invitation {
    let inviter = TenantStore::find(store, tenant).await.unwrap().unwrap().owner;
    store.issue(tenant, &Invitation { inviter, ..invitation(n) }, 10_000, &audit(0x2_0000 + n)).await.unwrap()
}

/// Lets guest `n` in.
pub(super) async fn joined(store: &DynamoDb, tenant: TenantId, n: u128) -> Member {
    let waiting = invited(store, tenant, n).await;
    let (person, record) = (member(tenant, guest(n)), audit(0x3_0000 + n));
    store.accept(tenant, &waiting.token_hash, &person, Limit::Unlimited, &record).await.unwrap().value
}

/// Deletes and purges a tenant.
pub(super) async fn purged(store: &DynamoDb, stands: &Tenant, n: u128) -> Tenant {
    let delete = Step::Delete { grace: std::time::Duration::ZERO };
    let standing = stands.standing.after(&delete, Timestamp::EPOCH).unwrap();
    let next = Tenant { standing, ..stands.clone() };
    let (until, record): (_, AuditRecord) = (late(), audit(0x4_0000 + n));
    let deleted = store.change(stands.id, &next, stands.version, until, &record).await.unwrap();
    store.purge(stands.id, deleted.revision, until, &audit(0x5_0000 + n)).await.unwrap().value
}
