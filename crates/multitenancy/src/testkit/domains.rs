//! Promises of [`DomainStore`](crate::store::DomainStore).

use std::sync::Arc;

use togglebox_core::StoreErrorKind;

use super::TenancyStores;
use super::fixtures::{A, B, CROWD, at, audit, audit_at, claim, domain, kind, race, tenant_id, the_only};
use crate::store::DOMAIN_TAKEN;
use crate::{DomainClaim, DomainName, Tenant};

const TAKEN: StoreErrorKind = StoreErrorKind::Refused(DOMAIN_TAKEN);

/// Several may claim one domain; the revision stays.
pub async fn a_claimed_domain_reads_back_and_leads_nowhere(stores: &TenancyStores) {
    let (one, two) = (stores.with_tenant(1).await, stores.with_tenant(2).await);
    let given = claim("flags.example.com");
    assert_eq!(stores.domains.claim(A, &given, &audit(1)).await.unwrap(), given);
    stores.domains.claim(A, &claim("a.example.com"), &audit(2)).await.unwrap();
    stores.domains.claim(B, &given, &audit(1)).await.unwrap();
    assert_eq!(kind(stores.domains.claim(A, &given, &audit(3)).await), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.domains.find(A, &given.domain).await.unwrap(), Some(given.clone()));
    assert_eq!(stores.domains.list(A).await.unwrap(), [claim("a.example.com"), given.clone()]);
    assert_eq!(stores.domains.find(A, &domain("other.example.com")).await.unwrap(), None);
    assert_eq!(stores.directory.by_domain(&given.domain).await.unwrap(), None);
    assert_eq!((stores.tenant(A).await, stores.tenant(B).await), (one, two.clone()));
    assert_eq!(stores.revision().await, two.version);
}

/// So that all of them fit into one act.
pub async fn a_tenant_claims_at_most_so_many_domains_even_in_a_race(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let some = DomainName::MAX_PER_TENANT - 3;
    for n in 0..some {
        stores.domains.claim(A, &claim(&format!("early{n}.example.com")), &audit(0x100 + n as u128)).await.unwrap();
    }
    let results = race(|n| {
        let domains = Arc::clone(&stores.domains);
        async move { domains.claim(A, &claim(&format!("late{n}.example.com")), &audit(u128::from(n))).await }
    })
    .await;
    let refused: Vec<_> = results.into_iter().filter(Result::is_err).map(kind).collect();
    let limit = DomainName::MAX_PER_TENANT;
    assert_eq!(refused, vec![StoreErrorKind::LimitReached { limit }; usize::from(CROWD) - 3]);
    assert_eq!(stores.domains.list(A).await.unwrap().len(), limit);
    stores.domains.release(A, &domain("early0.example.com"), &audit(0x200)).await.unwrap();
    stores.domains.claim(A, &claim("last.example.com"), &audit(0x201)).await.unwrap();
}

/// The tenant names its domains, sorted; its version rises.
pub async fn a_verified_domain_leads_to_its_tenant(stores: &TenancyStores) {
    let created = stores.with_tenant(1).await;
    let (b, a) = (domain("b.example.com"), domain("a.example.com"));
    for (n, name) in [(1, &b), (2, &a)] {
        stores.domains.claim(A, &claim(name.as_str()), &audit(n)).await.unwrap();
    }
    let first = stores.domains.verify(A, &b, &audit_at(3, 50)).await.unwrap();
    let expected = Tenant { domains: vec![b.clone()], version: created.version.next(), updated_at: at(50), ..created.clone() };
    assert_eq!((&first.value, first.revision), (&expected, expected.version));
    let second = stores.domains.verify(A, &a, &audit_at(4, 60)).await.unwrap().value;
    assert_eq!(second.domains, [a.clone(), b.clone()]);
    assert_eq!(stores.tenant(A).await, second);
    let held = stores.domains.find(A, &b).await.unwrap().unwrap();
    assert_eq!(held, DomainClaim { verified_at: Some(at(50)), ..claim("b.example.com") });
    assert_eq!(stores.directory.by_domain(&a).await.unwrap(), Some(second.clone()));
    assert_eq!(stores.directory.by_domain(&b).await.unwrap(), Some(second.clone()));

    let again = stores.domains.verify(A, &b, &audit_at(5, 70)).await.unwrap().value;
    assert_eq!((again.domains, again.version), (vec![a, b.clone()], second.version.next()));
    assert_eq!(stores.domains.find(A, &b).await.unwrap(), Some(held), "the first time counts");
    assert_eq!(kind(stores.domains.verify(A, &domain("c.example.com"), &audit(6)).await), StoreErrorKind::NotFound);
}

/// The race that one site shown to two is made of.
pub async fn of_many_tenants_who_verify_one_domain_exactly_one_has_it(stores: &TenancyStores) {
    for n in 0..CROWD {
        stores.with_tenant(n).await;
        stores.domains.claim(tenant_id(n), &claim("flags.example.com"), &audit(1)).await.unwrap();
    }
    let results = race(|n| {
        let domains = Arc::clone(&stores.domains);
        async move { domains.verify(tenant_id(n), &domain("flags.example.com"), &audit(2)).await }
    })
    .await;
    let won = the_only(results, |lost| *lost == TAKEN).value;
    assert_eq!(stores.directory.by_domain(&domain("flags.example.com")).await.unwrap(), Some(won.clone()));
    for n in 0..CROWD {
        let verified = stores.domains.list(tenant_id(n)).await.unwrap()[0].verified_at;
        assert_eq!(verified.is_some(), tenant_id(n) == won.id);
        assert_eq!(stores.tenant(tenant_id(n)).await.domains.len(), usize::from(tenant_id(n) == won.id));
    }
}

/// One that is not verified can be released too, and does not take another tenant's domain with it.
pub async fn a_released_domain_leads_nowhere_and_can_be_had_by_another(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let name = domain("flags.example.com");
    let held = stores.with_domain(A, name.as_str(), 1).await;
    stores.domains.claim(B, &claim(name.as_str()), &audit(1)).await.unwrap();
    assert_eq!(kind(stores.domains.verify(B, &name, &audit(2)).await), TAKEN);
    let unverified = stores.domains.release(B, &name, &audit(3)).await.unwrap();
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), Some(held.clone()));
    assert_eq!(unverified.revision, held.version.next());

    let released = stores.domains.release(A, &name, &audit(4)).await.unwrap();
    assert_eq!((released.value.domains.len(), released.value.version), (0, released.revision));
    assert_eq!(stores.tenant(A).await, released.value);
    assert_eq!(stores.domains.list(A).await.unwrap(), []);
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), None);
    assert_eq!(kind(stores.domains.release(A, &name, &audit(5)).await), StoreErrorKind::NotFound);

    let other = stores.with_domain(B, name.as_str(), 2).await;
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), Some(other));
}

/// What is not verified is not looked for; nobody's act is recorded.
pub async fn a_check_is_noted_unless_a_later_one_was(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let name = domain("flags.example.com");
    stores.domains.claim(A, &claim("b.example.com"), &audit(1)).await.unwrap();
    let stands = stores.with_domain(A, name.as_str(), 1).await;
    let verified = stores.domains.find(A, &name).await.unwrap().unwrap();
    assert_eq!((verified.checked_at, verified.misses), (None, 0));
    let noted = |second, misses| DomainClaim { checked_at: Some(at(second)), misses, ..verified.clone() };
    let find = async || stores.domains.find(A, &name).await.unwrap().unwrap();
    for (second, misses) in [(100, 1), (200, 2), (300, 0), (400, 1)] {
        let check = noted(second, misses);
        // Moments of others are not its business.
        let given = DomainClaim { claimed_at: at(0), verified_at: Some(at(0)), ..check.clone() };
        stores.domains.note_check(A, &given).await.unwrap();
        assert_eq!(find().await, check);
    }
    for late in [noted(399, 7), noted(400, 7)] {
        stores.domains.note_check(A, &late).await.unwrap();
        assert_eq!(find().await, noted(400, 1));
    }
    assert_eq!(stores.domains.list(A).await.unwrap(), [claim("b.example.com"), noted(400, 1)]);
    for gone in [claim("b.example.com"), claim("c.example.com"), DomainClaim { token: "another".to_owned(), ..noted(500, 1) }] {
        let gone = DomainClaim { checked_at: Some(at(500)), ..gone };
        assert_eq!(kind(stores.domains.note_check(A, &gone).await), StoreErrorKind::NotFound, "{gone:?}");
    }
    assert_eq!(stores.tenant(A).await, stands);
    assert_eq!((stores.revision().await, stores.records(A).await.len()), (stands.version, 4));
}

/// If it was missing as often as the caller thinks. It can be shown again, by whomever it belongs to.
pub async fn a_lapsed_domain_leads_nowhere_and_is_yet_to_be_shown(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    let name = domain("flags.example.com");
    stores.with_domain(A, "b.example.com", 1).await;
    let held = stores.with_domain(A, name.as_str(), 2).await;
    stores.domains.claim(B, &claim(name.as_str()), &audit(1)).await.unwrap();
    let missing = DomainClaim { checked_at: Some(at(100)), misses: 4, ..claim(name.as_str()) };
    stores.domains.note_check(A, &missing).await.unwrap();
    for other in [
        DomainClaim { misses: 3, ..missing.clone() },
        DomainClaim { token: "another".to_owned(), ..missing.clone() },
        DomainClaim { misses: 0, ..claim("c.example.com") },
    ] {
        assert_eq!(kind(stores.domains.lapse(A, &other, &audit(2)).await), StoreErrorKind::NotFound, "{other:?}");
    }
    assert_eq!(kind(stores.domains.lapse(B, &claim(name.as_str()), &audit(3)).await), StoreErrorKind::NotFound, "not verified");
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), Some(held.clone()));

    let lapsed = stores.domains.lapse(A, &missing, &audit_at(4, 100)).await.unwrap();
    let expected =
        Tenant { domains: vec![domain("b.example.com")], version: held.version.next(), updated_at: at(100), ..held.clone() };
    assert_eq!((&lapsed.value, lapsed.revision), (&expected, expected.version));
    assert_eq!(stores.tenant(A).await, expected);
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), None);
    assert_eq!(stores.domains.find(A, &name).await.unwrap(), Some(claim(name.as_str())));
    assert_eq!(kind(stores.domains.lapse(A, &missing, &audit(5)).await), StoreErrorKind::NotFound);
    assert_eq!(stores.domains.lapse(A, &missing, &audit_at(4, 100)).await.unwrap(), lapsed, "a repeated call");

    let other = stores.domains.verify(B, &name, &audit(6)).await.unwrap().value;
    assert_eq!(stores.directory.by_domain(&name).await.unwrap(), Some(other));
    assert_eq!(kind(stores.domains.verify(A, &name, &audit(7)).await), TAKEN);
    stores.domains.release(B, &name, &audit(8)).await.unwrap();
    stores.domains.verify(A, &name, &audit(9)).await.unwrap();
}

/// Whoever finds the record at the last moment, on another node.
pub async fn of_a_lapse_and_a_check_that_finds_the_record_one_comes_first(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let name = domain("flags.example.com");
    stores.with_domain(A, name.as_str(), 1).await;
    let missing = DomainClaim { checked_at: Some(at(100)), misses: 4, ..claim(name.as_str()) };
    stores.domains.note_check(A, &missing).await.unwrap();
    let results = race(|n| {
        let (domains, missing) = (Arc::clone(&stores.domains), missing.clone());
        async move {
            if n % 2 == 0 {
                let found = DomainClaim { checked_at: Some(at(200)), misses: 0, ..missing };
                domains.note_check(A, &found).await.map(|()| false)
            } else {
                domains.lapse(A, &missing, &audit(u128::from(n))).await.map(|_| true)
            }
        }
    })
    .await;
    let (done, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert!(lost.into_iter().all(|lost| kind(lost) == StoreErrorKind::NotFound));
    let lapses = done.into_iter().filter(|done| *done.as_ref().unwrap()).count();
    let leads = stores.directory.by_domain(&name).await.unwrap().is_some();
    assert_eq!((lapses, leads), if leads { (0, true) } else { (1, false) });
    let stands = stores.domains.find(A, &name).await.unwrap().unwrap();
    assert_eq!((stands.verified_at.is_some(), stands.misses), (leads, 0));
}

/// A caller whose answer was lost may ask again.
pub async fn writes_of_domains_repeated_with_their_audit_id_are_done_once(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    let (given, name) = (claim("flags.example.com"), domain("flags.example.com"));
    stores.domains.claim(A, &given, &audit(1)).await.unwrap();
    assert_eq!(stores.domains.claim(A, &given, &audit(1)).await.unwrap(), given);
    let verified = stores.domains.verify(A, &name, &audit(2)).await.unwrap();
    assert_eq!(stores.domains.verify(A, &name, &audit(2)).await.unwrap(), verified);
    let released = stores.domains.release(A, &name, &audit(3)).await.unwrap();
    assert_eq!(stores.domains.release(A, &name, &audit(3)).await.unwrap(), released);
    assert_eq!(stores.revision().await, released.revision);
    assert_eq!(stores.records(A).await.len(), 4);
}
