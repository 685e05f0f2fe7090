//! What a caller may rely on when a call or its answer gets lost, for every operation that there is.

use std::fmt::Debug;
use std::sync::Arc;

use togglebox_core::testkit::{At, Fault, Faults, Operation};
use togglebox_core::{AuditRecord, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId};

use super::TenancyStores;
use super::faulty::{DOMAINS, INVITATIONS, MEMBERS, REMAINS, TENANT_DIRECTORY, TENANTS};
use super::fixtures::{at, audit, claim, domain, invitation, member, owner, quarantine, tenant, tenant_id, user_id};
use crate::store::TenantFilter;
use crate::{DomainClaim, DomainName, Invitation, Limit, Member, MemberRole, Reason, Step, Tenant, TenantName, TokenHash};

/// What a call gave, in a form in which all answers can be compared.
type Answer = Result<String, StoreErrorKind>;

/// What the same call again does, when the first was made.
#[derive(Debug, PartialEq, Eq)]
enum Again {
    /// It answers as the first, and changes nothing.
    Same,
    /// It finds nothing left to do.
    NothingLeft,
}

fn promise(operation: &str) -> Again {
    match operation {
        "tenants.sweep" | "tenant_directory.prune_changes" | "remains.clear" => Again::NothingLeft,
        _ => Again::Same,
    }
}

/// How far the register's revision rises.
fn raises(operation: &str) -> u64 {
    const RAISING: [&str; 11] = [
        "tenants.create",
        "tenants.change",
        "tenants.transfer",
        "tenants.purge",
        "tenants.discard",
        "members.replace",
        "members.remove",
        "invitations.accept",
        "domains.verify",
        "domains.lapse",
        "domains.release",
    ];
    u64::from(RAISING.contains(&operation))
}

/// How many audit records it leaves, or removes: those of the purged tenant of a [`Scene`].
fn leaves(operation: &str) -> i64 {
    const OTHERS: [&str; 5] = ["invitations.issue", "invitations.reissue", "invitations.revoke", "domains.claim", "remains.note"];
    if operation == "remains.clear" { -3 } else { i64::from(raises(operation) == 1 || OTHERS.contains(&operation)) }
}

/// A tenant with a member, an invitation and two claims, one of them verified; a deleted, a purged, a swept and a reserved tenant; and the
/// number of one that is not there.
struct Scene {
    stores: TenancyStores,
    tenant: Tenant,
    member: Member,
    invitation: Invitation,
    verified: DomainName,
    claimed: DomainName,
    deleted: Tenant,
    purged: Tenant,
    swept: Tenant,
    reserved: Tenant,
    absent: u8,
    /// Who calls, where that is another tenant than the one that it is about.
    other: Option<TenantId>,
}

/// All that can be seen of a scene.
#[derive(Debug, PartialEq)]
struct View {
    revision: Revision,
    tenants: Vec<Option<Tenant>>,
    members: Vec<Vec<Member>>,
    invitations: Vec<Vec<Invitation>>,
    claims: Vec<Vec<DomainClaim>>,
    led: Vec<Option<Tenant>>,
    records: Vec<Vec<AuditRecord>>,
    changes: String,
}

impl View {
    /// Without what belongs to all tenants together.
    fn of_the_tenants(self) -> Self {
        Self { revision: Revision::ZERO, changes: String::new(), ..self }
    }
}

impl Scene {
    /// The scene of this number among those of the store: six tenants each.
    async fn set(stores: &TenancyStores, number: u8) -> Self {
        let first = 6 * number;
        let here = stores.with_tenant(first).await;
        let member = stores.with_member(here.id, 1, MemberRole::Admin).await;
        let invitation = stores.with_invitation(here.id, 2, MemberRole::Viewer).await;
        let (verified, claimed) = (domain(&format!("a{first}.example.com")), domain(&format!("b{first}.example.com")));
        let tenant = stores.with_domain(here.id, verified.as_str(), 1).await;
        stores.domains.claim(here.id, &claim(claimed.as_str()), &audit(0x8000)).await.unwrap();
        stores.domains.note_check(here.id, &checked(&verified, 100, 2)).await.unwrap();
        let mut others = Vec::new();
        for n in 1..=3 {
            let other = stores.with_tenant(first + n).await;
            others.push(stores.step(&other, &Step::Delete { grace: std::time::Duration::ZERO }, 0x9000).await);
        }
        for other in &mut others[1..] {
            *other = stores.tenants.purge(other.id, other.version, quarantine(), &audit(0x9001)).await.unwrap().value;
        }
        stores.tenants.sweep(others[2].id, 100).await.unwrap();
        let [deleted, purged, swept] = <[Tenant; 3]>::try_from(others).unwrap();
        let reserved = stores.with_reserved(first + 4).await;
        let (stores, absent) = (stores.clone(), first + 5);
        Self { stores, tenant, member, invitation, verified, claimed, deleted, purged, swept, reserved, absent, other: None }
    }

    /// The same calls with the same arguments, by this tenant.
    fn asked_by(&self, other: TenantId) -> Self {
        Self {
            stores: self.stores.clone(),
            tenant: self.tenant.clone(),
            member: self.member.clone(),
            invitation: self.invitation.clone(),
            verified: self.verified.clone(),
            claimed: self.claimed.clone(),
            deleted: self.deleted.clone(),
            purged: self.purged.clone(),
            swept: self.swept.clone(),
            reserved: self.reserved.clone(),
            absent: self.absent,
            other: Some(other),
        }
    }

    /// The same calls, about what nobody has.
    fn about_nothing(self) -> Self {
        let (mut tenant, given) = (self.tenant, invitation(90, MemberRole::Viewer));
        tenant.owner = user_id(91);
        let (verified, claimed) = (domain("a.nobody.example.com"), domain("b.nobody.example.com"));
        Self { tenant, member: member(self.member.tenant, 90), invitation: given, verified, claimed, ..self }
    }

    /// Who calls, if not `usual`.
    fn caller(&self, usual: TenantId) -> TenantId {
        self.other.unwrap_or(usual)
    }

    fn ids(&self) -> [TenantId; 6] {
        [self.tenant.id, self.deleted.id, self.purged.id, self.swept.id, self.reserved.id, tenant_id(self.absent)]
    }

    async fn view(&self) -> View {
        let (stores, page) = (&self.stores, PageRequest::first(100));
        let mut view = View {
            revision: stores.revision().await,
            tenants: Vec::new(),
            members: Vec::new(),
            invitations: Vec::new(),
            claims: Vec::new(),
            led: Vec::new(),
            records: Vec::new(),
            changes: format!("{:?}", stores.directory.changes_since(Revision::ZERO, 1000).await.unwrap().changes),
        };
        for tenant in self.ids() {
            view.tenants.push(stores.tenants.find(tenant).await.unwrap());
            view.members.push(stores.members.list(tenant, &page).await.unwrap().items);
            view.invitations.push(stores.invitations.list(tenant, &page).await.unwrap().items);
            view.claims.push(stores.domains.list(tenant).await.unwrap());
            view.records.push(stores.records(tenant).await);
        }
        for domain in [&self.verified, &self.claimed] {
            view.led.push(stores.directory.by_domain(domain).await.unwrap());
        }
        for subdomain in [&self.tenant.subdomain, &self.reserved.subdomain] {
            view.led.push(stores.directory.by_subdomain(subdomain).await.unwrap());
        }
        view
    }

    /// Calls an operation, with the same arguments each time.
    async fn call(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let (port, _) = operation.split_once('.').unwrap();
        match port {
            "tenants" => self.tenants(stores, operation).await,
            "members" => self.members(stores, operation).await,
            "invitations" => self.invitations(stores, operation).await,
            "domains" => self.domains(stores, operation).await,
            "remains" => self.remains(stores, operation).await,
            _ => self.directory(stores, operation).await,
        }
    }

    async fn tenants(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let (store, stands, record) = (&stores.tenants, &self.tenant, audit(1));
        match operation {
            "tenants.create" => {
                let new = tenant(self.absent);
                told(store.create(self.caller(new.id), &new, &owner(self.absent), &record).await)
            }
            "tenants.find" => told(store.find(self.caller(stands.id)).await),
            "tenants.change" => {
                let reason = Step::Suspend(Reason::new("abuse").unwrap());
                let next = Tenant {
                    name: TenantName::new("Other").unwrap(),
                    subdomain: format!("renamed-{}", self.absent).parse().unwrap(),
                    standing: stands.standing.after(&reason, at(10)).unwrap(),
                    ..stands.clone()
                };
                told(store.change(self.caller(stands.id), &next, stands.version, quarantine(), &record).await)
            }
            "tenants.transfer" => told(store.transfer(self.caller(stands.id), stands.owner, self.member.user, &record).await),
            "tenants.purge" => told(store.purge(self.caller(self.deleted.id), self.deleted.version, quarantine(), &record).await),
            "tenants.discard" => told(store.discard(self.caller(self.reserved.id), self.reserved.version, &record).await),
            "tenants.sweep" => told(store.sweep(self.caller(self.purged.id), 100).await),
            "tenants.forget" => told(store.forget(self.caller(self.swept.id)).await),
            other => untried(other),
        }
    }

    async fn members(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let (store, tenant, given, record) = (&stores.members, self.caller(self.tenant.id), &self.member, audit(1));
        match operation {
            "members.find" => told(store.find(tenant, given.user).await),
            "members.list" => told(store.list(tenant, &PageRequest::first(10)).await),
            "members.count" => told(store.count(tenant).await),
            "members.replace" => {
                let next = Member { role: MemberRole::Viewer, ..given.clone() };
                told(store.replace(tenant, &next, given.version, &record).await)
            }
            "members.remove" => told(store.remove(tenant, given.user, given.version, &record).await),
            other => untried(other),
        }
    }

    async fn invitations(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let (store, tenant, given, record) = (&stores.invitations, self.caller(self.tenant.id), &self.invitation, audit(1));
        match operation {
            // A repeat does not run into the limit that the first call filled.
            "invitations.issue" => told(store.issue(tenant, &invitation(3, MemberRole::Viewer), 2, &record).await),
            "invitations.find" => told(store.find(tenant, given.id).await),
            "invitations.find_by_token" => told(store.find_by_token(tenant, &given.token_hash).await),
            "invitations.list" => told(store.list(tenant, &PageRequest::first(10)).await),
            "invitations.reissue" => {
                let next = Invitation { token_hash: TokenHash([77; 32]), ..given.clone() };
                told(store.reissue(tenant, &next, &given.token_hash, &record).await)
            }
            "invitations.revoke" => told(store.revoke(tenant, given.id, &record).await),
            "invitations.accept" => {
                let limit = Limit::of(3).unwrap();
                told(store.accept(tenant, &given.token_hash, &member(tenant, 2), limit, &record).await)
            }
            other => untried(other),
        }
    }

    async fn domains(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let (store, tenant, record) = (&stores.domains, self.caller(self.tenant.id), audit(1));
        match operation {
            "domains.claim" => told(store.claim(tenant, &claim("c.example.com"), &record).await),
            "domains.find" => told(store.find(tenant, &self.claimed).await),
            "domains.list" => told(store.list(tenant).await),
            "domains.verify" => told(store.verify(tenant, &self.claimed, &record).await),
            "domains.note_check" => told(store.note_check(tenant, &checked(&self.verified, 200, 3)).await),
            "domains.lapse" => told(store.lapse(tenant, &checked(&self.verified, 100, 2), &record).await),
            "domains.release" => told(store.release(tenant, &self.verified, &record).await),
            other => untried(other),
        }
    }

    async fn remains(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let store = &stores.remains;
        match operation {
            "remains.clear" => told(store.clear(self.caller(self.purged.id), None, 1000).await.map(|cleared| cleared.removed)),
            "remains.left" => told(store.left(self.caller(self.purged.id)).await),
            "remains.note" => told(store.note(self.caller(self.tenant.id), &audit(1)).await),
            other => untried(other),
        }
    }

    async fn directory(&self, stores: &TenancyStores, operation: &str) -> Answer {
        let (store, page) = (&stores.directory, PageRequest::first(10));
        let filter = TenantFilter { holds: Some(self.tenant.subdomain.to_string()), ..TenantFilter::default() };
        match operation {
            "tenant_directory.revision" => told(store.revision().await),
            "tenant_directory.changes_since" => told(store.changes_since(Revision::ZERO, 10).await),
            "tenant_directory.prune_changes" => told(store.prune_changes(at(1_000), 1000).await),
            "tenant_directory.by_subdomain" => told(store.by_subdomain(&self.tenant.subdomain).await),
            "tenant_directory.by_domain" => told(store.by_domain(&self.verified).await),
            "tenant_directory.ended" => told(store.ended(&[self.tenant.id, self.purged.id, tenant_id(253)]).await),
            "tenant_directory.workspaces" => told(store.workspaces(user_id(1), &page).await),
            "tenant_directory.list" => told(store.list(&filter, &page).await),
            other => untried(other),
        }
    }
}

/// A claim whose record was looked for in this second, and was not there so often.
fn checked(domain: &DomainName, second: u64, misses: u32) -> DomainClaim {
    DomainClaim { checked_at: Some(at(second)), misses, ..claim(domain.as_str()) }
}

fn told<T: Debug>(outcome: StoreResult<T>) -> Answer {
    outcome.map(|answer| format!("{answer:?}")).map_err(|error| error.kind().clone())
}

/// A port has got a method that nobody tries yet: a promise that nobody checks.
fn untried(operation: &str) -> Answer {
    panic!("{operation} is not tried: say in the testkit how it is called")
}

/// Whatever another tenant asks for by the id, the name and the version that somebody's thing has, it is answered as if nobody had it; and
/// nothing becomes of that thing. Of every operation of every port that names a tenant: one that is not listed does not compile.
pub async fn no_call_reaches_another_tenant(stores: &TenancyStores) {
    let scene = Scene::set(stores, 0).await;
    let before = scene.view().await.of_the_tenants();
    let ports = [TENANTS, MEMBERS, INVITATIONS, DOMAINS, REMAINS];
    // One that is there, and one that nobody has made.
    for other in [251, 252] {
        if other == 251 {
            stores.with_tenant(other).await;
        }
        for Operation { name, .. } in ports.into_iter().flatten() {
            let other = scene.asked_by(tenant_id(other));
            let answer = other.call(stores, name).await;
            let nothing = other.about_nothing().call(stores, name).await;
            // What it may do to itself is done by the first.
            match promise(name) {
                Again::Same => assert_eq!(answer, nothing, "{name}"),
                Again::NothingLeft => assert_eq!(answer.map(drop), nothing.map(drop), "{name}"),
            }
            assert_eq!(scene.view().await.of_the_tenants(), before, "{name}: what it did to another tenant's");
        }
    }
}

async fn bear_faults(stores: &TenancyStores, operations: &[Operation]) {
    let mut scenes = 0..;
    for operation in operations {
        bears_faults(stores, operation, &mut scenes).await;
    }
}

/// Each step is compared with what the same call does when nothing goes wrong: what is left, and what is answered.
async fn bears_faults(stores: &TenancyStores, operation: &Operation, scenes: &mut impl Iterator<Item = u8>) {
    let (name, promise) = (operation.name, promise(operation.name));
    let mut number = || scenes.next().unwrap();
    let scene = Scene::set(stores, number()).await;
    let before = scene.view().await;
    let answer = scene.call(stores, name).await;
    let once = scene.view().await;
    assert!(answer.is_ok(), "{name}: {answer:?}");
    assert_eq!(before != once, operation.writes, "{name} changes what it must, and nothing else");
    assert_eq!(once.revision.get() - before.revision.get(), raises(name), "{name}: the revision");
    let count = |view: &View| view.records.iter().map(Vec::len).fold(0, |sum, records| sum + i64::try_from(records).unwrap());
    assert_eq!(count(&once) - count(&before), leaves(name), "{name}: the audit records");
    let again = scene.call(stores, name).await;
    match promise {
        Again::Same => assert_eq!(again, answer, "{name}"),
        Again::NothingLeft => assert_eq!(again, Ok("0".to_owned()), "{name}"),
    }
    assert_eq!(scene.view().await, once, "{name}: the same call again leaves nothing");

    let unavailable = Err(StoreErrorKind::Unavailable);
    for (fault, made) in [(Fault::Before, false), (Fault::Throttled, false), (Fault::After, true)] {
        let (faults, what) = (Arc::new(Faults::none()), format!("{name}, {fault:?}"));
        faults.inject(At::operation(name), fault);
        let (scene, faulty) = (Scene::set(stores, number()).await, stores.with_faults(&faults));
        let before = scene.view().await;
        assert_eq!(scene.call(&faulty, name).await, unavailable, "{what}");
        assert_eq!(faults.counts().injected(), 1, "{what}: tried");
        let left = scene.view().await;
        assert_eq!(left != before, made && operation.writes, "{what}: what it left");
        let retried = scene.call(&faulty, name).await;
        let then = scene.view().await;
        assert_eq!(then != left, !made && operation.writes, "{what}: what the same call again left");
        assert!(retried.is_ok(), "{what}: {retried:?}");
        assert_eq!(retried == Ok("0".to_owned()), made && promise == Again::NothingLeft, "{what}: {retried:?}");
        assert_eq!(then.revision.get() - before.revision.get(), raises(name), "{what}: the revision");
        assert_eq!(count(&then) - count(&before), leaves(name), "{what}: the audit records");
        assert!(scene.call(stores, name).await.is_ok(), "{what}: and again");
        assert_eq!(scene.view().await, then, "{what}: done");
    }
    let faults = Arc::new(Faults::none());
    faults.inject(At::operation(name), Fault::Twice);
    let (scene, faulty) = (Scene::set(stores, number()).await, stores.with_faults(&faults));
    let before = scene.view().await;
    let told = scene.call(&faulty, name).await;
    let after = scene.view().await;
    assert!(told.is_ok(), "{name}, twice: {told:?}");
    assert_eq!(after.revision.get() - before.revision.get(), raises(name), "{name}, twice: the revision");
    assert_eq!(count(&after) - count(&before), leaves(name), "{name}, twice: the audit records");
    assert_eq!(faults.counts().injected(), 1);
}

/// A call that failed before it was made has left nothing; one whose answer was lost has been made. The same call again answers, and
/// everything is as if nothing had gone wrong: one step of the revision, one audit record.
pub async fn tenant_calls_bear_faults(stores: &TenancyStores) {
    bear_faults(stores, TENANTS).await;
}

/// The same of members.
pub async fn member_calls_bear_faults(stores: &TenancyStores) {
    bear_faults(stores, MEMBERS).await;
}

/// The same of invitations: nobody joins twice, and no second link is made.
pub async fn invitation_calls_bear_faults(stores: &TenancyStores) {
    bear_faults(stores, INVITATIONS).await;
}

/// The same of domains.
pub async fn domain_calls_bear_faults(stores: &TenancyStores) {
    bear_faults(stores, DOMAINS).await;
}

/// Reads only; and what was pruned is pruned.
pub async fn directory_calls_bear_faults(stores: &TenancyStores) {
    bear_faults(stores, TENANT_DIRECTORY).await;
}

/// The same of what is left: what was cleared is gone, and a note is there once.
pub async fn remains_calls_bear_faults(stores: &TenancyStores) {
    bear_faults(stores, REMAINS).await;
}
