use std::time::Duration;

use togglebox_core::{ManualStopwatch, OsEntropy, Timestamp};
use togglebox_multitenancy::{DomainName, Tenant};

use super::super::testing::Place;
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

impl Place {
    /// A node.
    fn rechecks(&self) -> Rechecks {
        Rechecks::new(Arc::clone(&self.tenancy), Arc::new(OsEntropy), Arc::<ManualStopwatch>::clone(&self.zone.stopwatch))
    }

    /// Lets a domain lead to a workspace.
    async fn verified(&self, tenant: &Tenant, domain: &str) -> DomainClaim {
        let claim = self.tenancy.claim_domain(tenant.id, &Actor::system(), name(domain)).await.unwrap();
        self.publish(&claim);
        self.tenancy.verify_domain(tenant.id, &Actor::system(), &claim.domain).await.unwrap();
        claim
    }

    fn publish(&self, claim: &DomainClaim) {
        self.zone.names.lock().unwrap().insert(claim.record_name(), Ok(vec![claim.record_value()]));
    }

    /// The record is gone; or the servers do not say whether it is there.
    fn take_away(&self, claim: &DomainClaim, said: Result<Vec<String>, ()>) {
        self.zone.names.lock().unwrap().insert(claim.record_name(), said);
    }

    async fn stands(&self, tenant: &Tenant, claim: &DomainClaim) -> (Option<Timestamp>, u32) {
        let claims = self.tenancy.domains(tenant.id).await.unwrap();
        let stands = claims.iter().find(|stands| stands.domain == claim.domain).unwrap();
        (stands.checked_at, stands.misses)
    }
}

#[tokio::test]
async fn a_domain_whose_record_is_gone_for_days_is_not_verified_any_more() {
    let place = Place::new().await;
    let (acme, node) = (place.workspace("acme").await, place.rechecks());
    let (gone, kept) = (place.verified(&acme, "gone.example.com").await, place.verified(&acme, "kept.example.com").await);
    place.take_away(&gone, Ok(vec!["v=spf1 -all".to_owned()]));
    assert_eq!(node.round().await.unwrap(), Round::default(), "nothing is due yet");
    for day in 1..=3 {
        place.clock.advance(DAY);
        assert_eq!(node.round().await.unwrap(), Round { shown: 1, missing: 1, ..Round::default() }, "day {day}");
        assert_eq!(node.round().await.unwrap(), Round::default(), "once a day");
        assert!(place.tenancy.serves(&gone.domain).await.unwrap(), "day {day}");
        assert_eq!(place.stands(&acme, &gone).await.1, day);
    }
    place.clock.advance(DAY);
    assert_eq!(node.round().await.unwrap(), Round { shown: 1, lapsed: 1, ..Round::default() });
    assert!(!place.tenancy.serves(&gone.domain).await.unwrap());
    assert!(place.tenancy.serves(&kept.domain).await.unwrap());
    assert_eq!(place.actions(acme.id).await[0], "domain.lapse");
    place.clock.advance(DAY);
    assert_eq!(node.round().await.unwrap(), Round { shown: 1, ..Round::default() });
    // It is for its tenant to show it again.
    place.publish(&gone);
    place.tenancy.verify_domain(acme.id, &Actor::system(), &gone.domain).await.unwrap();
    assert!(place.tenancy.serves(&gone.domain).await.unwrap());
}

#[tokio::test]
async fn a_record_that_is_back_in_time_has_never_been_gone() {
    let place = Place::new().await;
    let (acme, node) = (place.workspace("acme").await, place.rechecks());
    let claim = place.verified(&acme, "flags.example.com").await;
    for _ in 0..3 {
        place.take_away(&claim, Ok(Vec::new()));
        for _ in 0..3 {
            place.clock.advance(DAY);
            node.round().await.unwrap();
        }
        assert_eq!(place.stands(&acme, &claim).await.1, 3);
        place.publish(&claim);
        place.clock.advance(DAY);
        node.round().await.unwrap();
        assert_eq!(place.stands(&acme, &claim).await.1, 0);
    }
    assert!(place.tenancy.serves(&claim.domain).await.unwrap());
}

#[tokio::test]
async fn name_servers_that_do_not_answer_take_nobodys_domain() {
    let place = Place::new().await;
    let (acme, node) = (place.workspace("acme").await, place.rechecks());
    let claim = place.verified(&acme, "flags.example.com").await;
    place.take_away(&claim, Ok(Vec::new()));
    place.clock.advance(DAY);
    node.round().await.unwrap();
    let noted = place.stands(&acme, &claim).await;
    place.take_away(&claim, Err(()));
    for _ in 0..20 {
        place.clock.advance(DAY);
        assert_eq!(node.round().await.unwrap(), Round { unanswered: 1, ..Round::default() });
    }
    assert_eq!(place.stands(&acme, &claim).await, noted);
    assert!(place.tenancy.serves(&claim.domain).await.unwrap());
}

#[tokio::test]
async fn a_round_ends_soon_where_nobody_answers_and_those_are_in_nobodys_way() {
    let place = Place::new().await;
    let node = place.rechecks();
    let mut last = None;
    for n in 0..6 {
        let workspace = place.workspace(&format!("acme-{n}")).await;
        for d in 0..6 {
            let claim = place.verified(&workspace, &format!("d{d}.acme-{n}.example.com")).await;
            place.take_away(&claim, Err(()));
            last = Some((workspace.clone(), claim));
        }
    }
    place.clock.advance(DAY);
    let round = node.round().await.unwrap();
    // Some more had begun by then.
    assert!((UNANSWERED..UNANSWERED + AT_ONCE).contains(&round.unanswered), "{round:?}");
    let (workspace, claim) = last.unwrap();
    place.publish(&claim);
    let mut rounds = 0;
    while place.stands(&workspace, &claim).await.0.is_none() {
        node.round().await.unwrap();
        rounds += 1;
        assert!(rounds < 200, "one of 36, sixteen at a time");
    }
}

#[tokio::test]
async fn a_round_in_which_answers_take_long_ends_and_the_next_one_goes_on() {
    let place = Place::new().await;
    let (acme, node) = (place.workspace("acme").await, place.rechecks());
    for n in 0..8 {
        place.verified(&acme, &format!("d{n}.example.com")).await;
    }
    place.clock.advance(DAY);
    *place.zone.delay.lock().unwrap() = LONGEST / 5;
    let mut rounds = Vec::new();
    for _ in 0..3 {
        rounds.push(node.round().await.unwrap().shown);
    }
    assert_eq!(rounds, [5, 3, 0]);
}

#[tokio::test]
async fn two_nodes_count_a_missing_record_once() {
    let place = Place::new().await;
    let acme = place.workspace("acme").await;
    let claim = place.verified(&acme, "flags.example.com").await;
    place.take_away(&claim, Ok(Vec::new()));
    for day in 1..=4 {
        place.clock.advance(DAY);
        let (here, there) = (place.rechecks(), place.rechecks());
        let (here, there) = tokio::join!(here.round(), there.round());
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(place.stands(&acme, &claim).await.1, day % 4);
        assert_eq!(here.lapsed + there.lapsed, usize::from(day == 4));
    }
    let lapses = place.actions(acme.id).await.into_iter().filter(|action| action == "domain.lapse");
    assert_eq!(lapses.count(), 1);
}

#[tokio::test]
async fn only_what_is_verified_and_living_is_looked_at() {
    let place = Place::new().await;
    let (acme, gone, node) = (place.workspace("acme").await, place.workspace("gone").await, place.rechecks());
    place.tenancy.claim_domain(acme.id, &Actor::system(), name("claimed.example.com")).await.unwrap();
    let claim = place.verified(&gone, "gone.example.com").await;
    place.take_away(&claim, Ok(Vec::new()));
    place.delete(&gone).await;
    place.clock.advance(DAY);
    assert_eq!(node.round().await.unwrap(), Round::default());
    assert_eq!(place.tenancy.domains(gone.id).await.unwrap()[0].misses, 0);
}

#[test]
fn a_name_server_that_denies_everything_is_told_from_people_who_lose_a_record() {
    let round = |shown, missing, lapsed| Round { shown, missing, lapsed, unanswered: 0 };
    assert!(round(0, 4, 0).is_odd() && round(3, 2, 2).is_odd());
    assert!(!round(0, 3, 0).is_odd() && !round(4, 4, 0).is_odd() && !Round::default().is_odd());
}
