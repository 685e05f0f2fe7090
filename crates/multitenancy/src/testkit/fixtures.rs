//! What the promises are tried on.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use serde_json::json;
use togglebox_core::{
    Actor, AuditFilter, AuditRecord, Email, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written,
};
use uuid::Uuid;

use super::TenancyStores;
use crate::{
    Billing, DomainClaim, DomainName, Invitation, Limit, LimitOverrides, Member, MemberRole, Standing, Step, Subdomain, Tenant,
    TenantName, TokenHash, Unpaid,
};

/// How many take part in a race.
pub(super) const CROWD: u8 = 8;

/// The tenant that most promises are about.
pub(super) const A: TenantId = tenant_id(1);
/// Another one.
pub(super) const B: TenantId = tenant_id(2);

/// Until when a name is quarantined, in most tests.
pub(super) fn quarantine() -> Timestamp {
    at(10_000)
}

/// `seconds` into the tests' time.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
}

pub(super) const fn tenant_id(n: u8) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(0xa_0000 + n as u128))
}

pub(super) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// The owner of [`tenant`]`(n)`.
pub(super) fn owner_id(n: u8) -> Uuid {
    id(0x100 + u128::from(n))
}

/// Somebody else; `n` tells them apart.
pub(super) fn user_id(n: u8) -> Uuid {
    id(0x200 + u128::from(n))
}

pub(super) fn email(n: u8) -> Email {
    Email::new(&format!("User{n}@Example.com")).unwrap()
}

pub(super) fn subdomain(text: &str) -> Subdomain {
    text.parse().unwrap()
}

pub(super) fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

pub(super) fn tenant(n: u8) -> Tenant {
    Tenant {
        id: tenant_id(n),
        name: TenantName::new(&format!("Tenant {n}")).unwrap(),
        subdomain: subdomain(&format!("tenant-{n}")),
        renames: Vec::new(),
        domains: Vec::new(),
        owner: owner_id(n),
        standing: Standing::default(),
        plan: "free".parse().unwrap(),
        overrides: LimitOverrides::NONE,
        billing: Billing::default(),
        version: Revision::ZERO,
        created_at: at(1),
        updated_at: at(1),
    }
}

pub(super) fn owner(n: u8) -> Member {
    Member { user: owner_id(n), email: Email::new(&format!("owner{n}@example.com")).unwrap(), ..member(tenant_id(n), 0) }
}

pub(super) fn member(tenant: TenantId, n: u8) -> Member {
    Member { tenant, user: user_id(n), email: email(n), role: MemberRole::Admin, joined_at: at(1), version: Revision::ZERO }
}

/// Open until second 1000; of the owner of tenant `A`.
pub(super) fn invitation(n: u8, role: MemberRole) -> Invitation {
    Invitation {
        id: id(0x300 + u128::from(n)),
        email: email(n),
        role,
        token_hash: TokenHash([n; 32]),
        inviter: owner_id(1),
        invited_by: "owner@example.com".to_owned(),
        created_at: at(u64::from(n)),
        sent_at: at(u64::from(n)),
        expires_at: at(1_000),
    }
}

pub(super) fn claim(text: &str) -> DomainClaim {
    DomainClaim {
        domain: domain(text),
        token: format!("token of {text}"),
        claimed_at: at(5),
        verified_at: None,
        checked_at: None,
        misses: 0,
    }
}

/// A record of second 10; `n` tells apart the writes of one test.
pub(super) fn audit(n: u128) -> AuditRecord {
    audit_at(n, 10)
}

pub(super) fn audit_at(n: u128, seconds: u64) -> AuditRecord {
    AuditRecord {
        id: id(0xaaaa_0000 + n),
        at: at(seconds),
        actor: Actor::user(id(0xfff).to_string(), "root@example.com"),
        action: format!("action.{n}"),
        platform: None,
        environment: None,
        target: "target".to_owned(),
        before: None,
        after: Some(json!({ "n": n.to_string() })),
    }
}

pub(super) fn kind<T: Debug>(result: StoreResult<T>) -> StoreErrorKind {
    result.unwrap_err().kind().clone()
}

/// Runs [`CROWD`] calls at once. Their answers stand in the order of the calls, whichever ends first.
pub(super) async fn race<T, F>(call: impl Fn(u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<_> = (0..CROWD).map(|n| tokio::spawn(call(n))).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// The only call that succeeded, when all others failed with `lost`.
pub(super) fn the_only<T: Debug>(results: Vec<StoreResult<T>>, lost: impl Fn(&StoreErrorKind) -> bool) -> T {
    let (won, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    for error in failed.into_iter().map(kind) {
        assert!(lost(&error), "{error:?}");
    }
    let [won] = <[_; 1]>::try_from(won).unwrap();
    won.unwrap()
}

impl TenancyStores {
    /// Adds [`tenant`]`(n)` with its owner.
    pub(super) async fn with_tenant(&self, n: u8) -> Tenant {
        self.with(tenant(n), n).await
    }

    /// Adds [`tenant`]`(n)` as one that was never paid for, with its owner.
    pub(super) async fn with_reserved(&self, n: u8) -> Tenant {
        let standing = Standing { unpaid: Some(Unpaid::Reserved(at(1))), ..Standing::default() };
        self.with(Tenant { standing, ..tenant(n) }, n).await
    }

    /// Adds a tenant with the owner and under the audit record of number `n`.
    pub(super) async fn with(&self, tenant: Tenant, n: u8) -> Tenant {
        let record = audit(0x1000 + u128::from(n));
        let owner = Member { tenant: tenant.id, ..owner(n) };
        self.tenants.create(tenant.id, &tenant, &owner, &record).await.unwrap().value
    }

    /// Adds [`member`]`(n)` to a tenant, by way of an invitation.
    pub(super) async fn with_member(&self, tenant: TenantId, n: u8, role: MemberRole) -> Member {
        let invitation = self.with_invitation(tenant, n, role).await;
        let (member, record) = (member(tenant, n), audit_at(0x2000 + u128::from(n), u64::from(n)));
        let joined = self.invitations.accept(tenant, &invitation.token_hash, &member, Limit::Unlimited, &record).await;
        joined.unwrap().value
    }

    pub(super) async fn with_invitation(&self, tenant: TenantId, n: u8, role: MemberRole) -> Invitation {
        let record = audit(0x3000 + u128::from(n));
        let inviter = self.tenant(tenant).await.owner;
        self.invitations.issue(tenant, &Invitation { inviter, ..invitation(n, role) }, 1000, &record).await.unwrap()
    }

    /// Lets a domain lead to a tenant.
    pub(super) async fn with_domain(&self, tenant: TenantId, text: &str, n: u128) -> Tenant {
        self.domains.claim(tenant, &claim(text), &audit(0x4000 + n)).await.unwrap();
        self.domains.verify(tenant, &domain(text), &audit(0x5000 + n)).await.unwrap().value
    }

    pub(super) async fn tenant(&self, tenant: TenantId) -> Tenant {
        self.tenants.find(tenant).await.unwrap().unwrap()
    }

    pub(super) async fn member(&self, tenant: TenantId, user: Uuid) -> Option<Member> {
        self.members.find(tenant, user).await.unwrap()
    }

    pub(super) async fn revision(&self) -> Revision {
        self.directory.revision().await.unwrap()
    }

    pub(super) async fn change(&self, next: &Tenant, n: u128) -> StoreResult<Written<Tenant>> {
        self.tenants.change(next.id, next, next.version, quarantine(), &audit(n)).await
    }

    /// Takes a step that is allowed, at second 10.
    pub(super) async fn step(&self, tenant: &Tenant, step: &Step, n: u128) -> Tenant {
        let next = Tenant { standing: tenant.standing.after(step, at(10)).unwrap(), ..tenant.clone() };
        self.change(&next, n).await.unwrap().value
    }

    /// Deletes and purges a tenant.
    pub(super) async fn purged(&self, tenant: &Tenant, n: u128) -> Tenant {
        let deleted = self.step(tenant, &Step::Delete { grace: Duration::ZERO }, 0x6000 + n).await;
        self.tenants.purge(tenant.id, deleted.version, quarantine(), &audit(0x7000 + n)).await.unwrap().value
    }

    pub(super) async fn records(&self, tenant: TenantId) -> Vec<AuditRecord> {
        let page = self.audit.list(tenant, &AuditFilter::default(), &PageRequest::first(1000)).await.unwrap();
        let mut records = page.items;
        records.sort_by_key(|record| record.id);
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promises tell the calls apart by their places.
    #[tokio::test]
    async fn the_answers_of_a_race_stand_in_the_order_of_the_calls() {
        let late_first = |n| async move {
            for _ in n..CROWD {
                tokio::task::yield_now().await;
            }
            n
        };
        assert_eq!(race(late_first).await, (0..CROWD).collect::<Vec<_>>());
    }
}
