//! Tenants of a database of schema 3, and what the next schema makes of them: the same in every engine.
#![expect(clippy::unwrap_used, reason = "a broken promise is a panic here")]

use togglebox_core::{Actor, AuditRecord, Revision, StoreErrorKind, TenantId, Timestamp};
use togglebox_multitenancy::store::{DomainStore, InvitationStore, MemberStore, TenantDirectory, TenantStore};
use togglebox_multitenancy::{DomainClaim, Invitation, Limit, Member, Standing, Tenant, TokenHash, Unpaid};
use uuid::Uuid;

const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
const OWNER: Uuid = Uuid::from_u128(0xb);
const GUEST: Uuid = Uuid::from_u128(0xc);
const INVITATION: Uuid = Uuid::from_u128(0xd);
const TOKEN: TokenHash = TokenHash([7; 32]);

/// What fills the tables of schema 3: a tenant with its owner, a verified domain, and somebody who is invited.
pub(crate) fn rows(uuid: impl Fn(Uuid) -> String, bytes: impl Fn(&[u8]) -> String) -> String {
    let (tenant, owner, invitation, token) = (uuid(*TENANT.as_uuid()), uuid(OWNER), uuid(INVITATION), bytes(&TOKEN.0));
    format!(
        "UPDATE register SET revision = 2;
        INSERT INTO register_changes (tenant, revision, at, subdomains, domains)
            VALUES ({tenant}, 1, 1000, '[\"acme\"]', '[]'), ({tenant}, 2, 2000, '[\"acme\"]', '[\"flags.example.com\"]');
        INSERT INTO tenants
            (tenant, name, name_key, subdomain, domains, owner, status, plan, overrides, member_count, version, created_at, updated_at)
            VALUES ({tenant}, 'Acme', 'acme', 'acme', '[\"flags.example.com\"]', {owner}, 'active', 'free', '{{}}', 1, 2, 1000, 2000);
        INSERT INTO members (tenant, \"user\", email, role, joined_at, version)
            VALUES ({tenant}, {owner}, 'ann@example.com', 'admin', 1000, 1);
        INSERT INTO domain_claims (tenant, domain, token, claimed_at, verified_at)
            VALUES ({tenant}, 'flags.example.com', 'shown', 1000, 2000), ({tenant}, 'next.example.com', 'awaited', 1500, NULL);
        INSERT INTO invitations
            (tenant, id, email, email_key, role, token_hash, invited_by, created_at, sent_at, expires_at)
            VALUES ({tenant}, {invitation}, 'Bob@example.com', 'bob@example.com', 'viewer', {token}, 'ann@example.com', 1000, 1000, 9000)"
    )
}

fn audit(n: u128) -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(n),
        at: Timestamp::from_ms(3000),
        actor: Actor::system(),
        action: "any".to_owned(),
        platform: None,
        environment: None,
        target: "any".to_owned(),
        before: None,
        after: None,
    }
}

/// Everything is as it was, and what is new about it can be used.
pub(crate) async fn is_brought_along<S>(store: &S)
where
    S: TenantStore + MemberStore + DomainStore + InvitationStore + TenantDirectory,
{
    names(store).await;
    domains(store).await;
    people(store).await;
}

async fn names<S: TenantStore + TenantDirectory>(store: &S) {
    let stands = TenantStore::find(store, TENANT).await.unwrap().unwrap();
    assert_eq!(store.by_subdomain(&stands.subdomain).await.unwrap(), Some(stands.clone()));
    assert_eq!((stands.subdomain.as_str(), stands.owner, stands.version.get()), ("acme", OWNER, 2));
    assert_eq!((&stands.renames[..], &stands.standing), (&[][..], &Standing::default()), "nobody owes anything");
    let moment = Timestamp::from_ms(3000);
    let standing = stands.standing.paid(None, Some(Unpaid::ReadOnly(moment)));
    let next = Tenant { subdomain: "acme-2".parse().unwrap(), renames: vec![moment], standing, ..stands };
    store.change(TENANT, &next, Revision::new(2), moment, &audit(1)).await.unwrap();
    let renamed = TenantStore::find(store, TENANT).await.unwrap().unwrap();
    assert_eq!((renamed.subdomain, renamed.renames, renamed.standing), (next.subdomain, next.renames, next.standing));
}

/// One that was verified long ago is looked at again as if it had never been missing.
async fn domains<S: DomainStore + TenantDirectory>(store: &S) {
    let claims = DomainStore::list(store, TENANT).await.unwrap();
    let seen: Vec<_> = claims.iter().map(|claim| (claim.domain.as_str(), claim.checked_at, claim.misses)).collect();
    assert_eq!(seen, [("flags.example.com", None, 0), ("next.example.com", None, 0)]);
    let missing = DomainClaim { checked_at: Some(Timestamp::from_ms(3000)), misses: 1, ..claims[0].clone() };
    store.note_check(TENANT, &missing).await.unwrap();
    assert_eq!(DomainStore::list(store, TENANT).await.unwrap()[0], missing);
    assert!(store.by_domain(&missing.domain).await.unwrap().is_some());
    store.lapse(TENANT, &missing, &audit(2)).await.unwrap();
    assert_eq!(store.by_domain(&missing.domain).await.unwrap(), None);
}

/// Nobody knows any more who has invited: an admin has to send it again.
async fn people<S: MemberStore + InvitationStore>(store: &S) {
    let waiting = InvitationStore::find(store, TENANT, INVITATION).await.unwrap().unwrap();
    assert_eq!(
        (waiting.email.as_str(), waiting.inviter, &*waiting.invited_by),
        ("Bob@example.com", Uuid::nil(), "ann@example.com")
    );
    let owner = MemberStore::find(store, TENANT, OWNER).await.unwrap().unwrap();
    let guest = Member { user: GUEST, email: waiting.email.clone(), ..owner };
    let refused = store.accept(TENANT, &TOKEN, &guest, Limit::Unlimited, &audit(3)).await.unwrap_err();
    assert_eq!(*refused.kind(), StoreErrorKind::NotFound);
    let again = Invitation { inviter: OWNER, token_hash: TokenHash([8; 32]), ..waiting };
    store.reissue(TENANT, &again, &TOKEN, &audit(4)).await.unwrap();
    let joined = store.accept(TENANT, &again.token_hash, &guest, Limit::Unlimited, &audit(5)).await.unwrap().value;
    assert_eq!((joined.user, joined.role), (GUEST, again.role));
}
