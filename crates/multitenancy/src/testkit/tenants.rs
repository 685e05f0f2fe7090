//! Promises of [`TenantStore`](crate::store::TenantStore) about records.

use std::time::Duration;

use togglebox_core::{AuditRecord, Revision, StoreErrorKind, Written};

use super::TenancyStores;
use super::fixtures::{A, B, at, audit, audit_at, kind, owner, quarantine, race, subdomain, tenant, the_only};
use crate::{
    Billing, Limit, LimitOverrides, Limited, Member, MemberRole, Reason, Standing, Step, Tenant, TenantName, TenantStatus,
    Unpaid, UsagePeriod,
};

/// What was written is what is read; the record and the owner carry the revision of the write.
pub async fn a_created_tenant_reads_back_with_its_owner(stores: &TenancyStores) {
    let mut given = tenant(1);
    given.overrides = LimitOverrides::NONE.with(Limited::Flags, Limit::of(7));
    given.billing.customer = Some("cus_1".to_owned());
    let written = stores.tenants.create(A, &given, &owner(1), &audit(1)).await.unwrap();
    assert_eq!(written.value.version, written.revision);
    // The moment of a write is its audit record's.
    assert_eq!(written.value, Tenant { version: written.revision, updated_at: at(10), ..given });
    assert_eq!(stores.tenants.find(A).await.unwrap(), Some(written.value.clone()));
    assert_eq!(stores.directory.by_subdomain(&subdomain("tenant-1")).await.unwrap(), Some(written.value));
    let member = stores.member(A, owner(1).user).await.unwrap();
    assert_eq!(member, Member { version: written.revision, ..owner(1) });
    assert_eq!(stores.members.count(A).await.unwrap(), 1);
    assert_eq!(stores.tenants.find(B).await.unwrap(), None);
    assert_eq!(stores.directory.by_subdomain(&subdomain("tenant-2")).await.unwrap(), None);
}

/// Names may hold every character but control characters.
pub async fn every_character_of_a_name_is_stored(stores: &TenancyStores) {
    let mut given = tenant(1);
    given.name = TenantName::new("O'Brien \"& Söhne\" %_\\ 監視 \u{1f6a6}\u{200d}\u{10fffd}").unwrap();
    given.billing.subscription = Some("sub_\u{0}'1".to_owned());
    let stored = stores.with(given.clone(), 1).await;
    assert_eq!((&stored.name, &stored.billing), (&given.name, &given.billing));
    assert_eq!(stores.tenants.find(A).await.unwrap(), Some(stored));
}

/// `AlreadyExists`, and nothing is written: the subdomain stays free.
pub async fn an_id_is_taken_once(stores: &TenancyStores) {
    let first = stores.with_tenant(1).await;
    let mut second = tenant(2);
    second.id = A;
    let refused = stores.tenants.create(A, &second, &owner(2), &audit(2)).await;
    assert_eq!(kind(refused), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.tenants.find(A).await.unwrap(), Some(first.clone()));
    assert_eq!(stores.member(A, owner(2).user).await, None);
    assert_eq!(stores.directory.by_subdomain(&second.subdomain).await.unwrap(), None);
    assert_eq!(stores.revision().await, first.version);
    stores.with_tenant(2).await;
}

/// Owner, domains and the moment of creation are not changed by a change.
pub async fn a_change_keeps_what_it_is_not_about(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let stands = stores.with_domain(A, "flags.example.com", 1).await;
    let mut next = tenant(9);
    next.id = A;
    next.subdomain = stands.subdomain.clone();
    next.version = stands.version;
    next.created_at = at(99);
    let written = stores.tenants.change(A, &next, stands.version, quarantine(), &audit_at(1, 77)).await.unwrap().value;
    let expected = Tenant { name: next.name, version: written.version, updated_at: at(77), ..stands };
    assert_eq!(written, expected);
    assert_eq!(stores.tenants.find(A).await.unwrap(), Some(expected));
}

/// `Conflict` names the version that stands; nothing is written.
pub async fn a_change_needs_the_version_that_stands(stores: &TenancyStores) {
    let old = stores.with_tenant(1).await;
    let named = |text| Tenant { name: TenantName::new(text).unwrap(), ..old.clone() };
    let new = stores.change(&named("New"), 1).await.unwrap();
    assert_eq!(new.value.version, new.revision);
    let conflict = StoreErrorKind::Conflict { current: new.revision };
    let renamed = Tenant { subdomain: subdomain("elsewhere"), ..named("Newer") };
    assert_eq!(kind(stores.change(&renamed, 2).await), conflict);
    assert_eq!(kind(stores.tenants.purge(A, old.version, quarantine(), &audit(3)).await), conflict);
    assert_eq!(stores.tenant(A).await, new.value);
    assert_eq!(stores.directory.by_subdomain(&renamed.subdomain).await.unwrap(), None);
    assert_eq!(stores.revision().await, new.revision);
    assert_eq!(stores.records(A).await.len(), 2, "what was refused is not recorded");
    assert_eq!(
        kind(stores.tenants.change(B, &tenant(2), Revision::ZERO, quarantine(), &audit(4)).await),
        StoreErrorKind::NotFound
    );
    assert_eq!(kind(stores.tenants.purge(B, Revision::ZERO, quarantine(), &audit(5)).await), StoreErrorKind::NotFound);
}

/// The losers learn of it.
pub async fn of_many_changes_of_one_version_exactly_one_wins(stores: &TenancyStores) {
    let old = stores.with_tenant(1).await;
    let results = race(|n| {
        let stores = stores.clone();
        let next = Tenant { name: TenantName::new(&format!("Name {n}")).unwrap(), ..old.clone() };
        async move { stores.change(&next, u128::from(n)).await }
    })
    .await;
    let won = the_only(results, |lost| matches!(lost, StoreErrorKind::Conflict { .. }));
    assert_eq!(stores.tenant(A).await, won.value);
    assert_eq!(stores.revision().await, old.version.next());
    assert_eq!(stores.records(A).await.len(), 2);
}

/// In every part.
pub async fn every_standing_plan_and_override_reads_back(stores: &TenancyStores) {
    let mut stands = stores.with_tenant(1).await;
    let reason = Reason::new("unpaid, \"since\" März").unwrap();
    let steps = [
        Step::MarkPastDue,
        Step::Suspend(reason),
        Step::Delete { grace: Duration::from_secs(100) },
        Step::Restore,
        Step::Resume,
        Step::Settle,
    ];
    for (n, step) in steps.iter().enumerate() {
        let expected = stands.standing.after(step, at(10)).unwrap();
        stands = stores.step(&stands, step, n as u128).await;
        assert_eq!(stands.standing, expected);
        assert_eq!(stores.tenant(A).await, stands, "{step:?}");
    }
    assert_eq!(stands.status(), TenantStatus::Active);
    for (n, (word, unpaid)) in (0_u8..).zip(Unpaid::WORDS) {
        let standing = Standing { unpaid: Some(unpaid(at(20 + u64::from(n)))), ..stands.standing.clone() };
        stands = stores.change(&Tenant { standing, ..stands.clone() }, 0x70 + u128::from(n)).await.unwrap().value;
        let read = stores.tenant(A).await;
        assert_eq!((read.standing.unpaid, read.status()), (Some(unpaid(at(20 + u64::from(n)))), TenantStatus::PastDue), "{word}");
    }
    let standing = Standing { unpaid: None, ..stands.standing.clone() };
    stands = stores.change(&Tenant { standing, ..stands }, 0x80).await.unwrap().value;
    assert_eq!(stores.tenant(A).await.standing, Standing::default());
    let overrides = Limited::ALL.into_iter().enumerate().map(|(n, limited)| {
        (limited, if n % 2 == 0 { Limit::Unlimited } else { Limit::of(u64::try_from(n).unwrap() << 50).unwrap() })
    });
    let next = Tenant {
        plan: "pro".parse().unwrap(),
        renames: vec![at(3), at(7)],
        overrides: overrides.collect(),
        billing: Billing {
            customer: Some("cus_1".to_owned()),
            subscription: Some("sub_1".to_owned()),
            current_period_end: Some(at(5_000)),
            usage: Some(UsagePeriod {
                from: at(1_000),
                until: at(4_000),
                plans: vec!["pro".parse().unwrap(), "free".parse().unwrap()],
            }),
        },
        ..stands
    };
    let written = stores.change(&next, 50).await.unwrap().value;
    assert_eq!((&written.plan, &written.overrides, &written.billing), (&next.plan, &next.overrides, &next.billing));
    assert_eq!(written.renames, next.renames);
    assert_eq!(stores.tenant(A).await, written);
    let cleared = Tenant { renames: Vec::new(), overrides: LimitOverrides::NONE, billing: Billing::default(), ..written };
    let cleared = stores.change(&cleared, 51).await.unwrap().value;
    assert_eq!((cleared.overrides, &cleared.billing), (LimitOverrides::NONE, &Billing::default()));
    assert_eq!(cleared.renames, []);
    assert_eq!(stores.tenant(A).await, cleared);
}

/// A caller whose answer was lost may ask again, also later.
pub async fn writes_of_tenants_repeated_with_their_audit_id_are_done_once(stores: &TenancyStores) {
    let create = audit(1);
    let first = stores.tenants.create(A, &tenant(1), &owner(1), &create).await.unwrap();
    assert_eq!(stores.tenants.create(A, &tenant(1), &owner(1), &create).await.unwrap(), first);

    let next = Tenant { subdomain: subdomain("renamed"), ..first.value.clone() };
    let second = stores.change(&next, 2).await.unwrap();
    assert_eq!(stores.change(&next, 2).await.unwrap(), second);
    let again = stores.tenants.create(A, &tenant(1), &owner(1), &create).await.unwrap();
    assert_eq!(
        again,
        Written { value: second.value.clone(), revision: first.revision },
        "what still stands, and the revision of then"
    );

    let heir = stores.with_member(A, 1, MemberRole::Admin).await;
    let third = stores.tenants.transfer(A, owner(1).user, heir.user, &audit(3)).await.unwrap();
    assert_eq!(stores.tenants.transfer(A, owner(1).user, heir.user, &audit(3)).await.unwrap(), third);

    let deleted = stores.step(&third.value, &Step::Delete { grace: Duration::ZERO }, 4).await;
    let purged = stores.tenants.purge(A, deleted.version, quarantine(), &audit(5)).await.unwrap();
    assert_eq!(stores.tenants.purge(A, deleted.version, quarantine(), &audit(5)).await.unwrap(), purged);
    assert_eq!(stores.revision().await, purged.revision);
    assert_eq!(stores.records(A).await.len(), 7, "five of the tenant, and two of the heir");
}

/// The record is stored as given, in the act that it is about; what is refused leaves none.
pub async fn every_write_of_a_tenant_is_recorded(stores: &TenancyStores) {
    let (create, change) = (audit_at(1, 1), audit_at(2, 2));
    let odd = AuditRecord { before: change.after.clone(), after: None, target: "a\0b".to_owned(), ..change };
    let created = stores.tenants.create(A, &tenant(1), &owner(1), &create).await.unwrap().value;
    stores.tenants.change(A, &created, created.version, quarantine(), &odd).await.unwrap();
    let refused = stores.tenants.transfer(A, created.owner, *B.as_uuid(), &audit(3)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    assert_eq!(stores.records(A).await, [create, odd]);
    assert_eq!(stores.records(B).await, []);
}
