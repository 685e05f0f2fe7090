use togglebox_core::{ManualClock, Timestamp};
use togglebox_multitenancy::{PlanName, TenantStatus};
use uuid::Uuid;

use super::super::super::testing::{OWNER, Place};
use super::*;

fn workspaces(place: &Place) -> Workspaces {
    Workspaces::new(Arc::clone(&place.tenancy), Arc::<ManualClock>::clone(&place.clock))
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

fn reservation(number: u128, subdomain: &str) -> Reservation {
    Reservation {
        tenant: tenant(number),
        name: "Acme".into(),
        subdomain: subdomain.into(),
        plan: "pro".into(),
        owner: OWNER,
        email: "ann@example.com".into(),
    }
}

fn entitlement(plan: Option<&str>, mode: Mode) -> Entitlement {
    Entitlement {
        plan: plan.map(Into::into),
        mode,
        past_due_since: None,
        restricted_since: None,
        customer: Some("cus_1".into()),
        subscription: Some("sub_1".into()),
        period_end: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        usage: Some(UsagePeriod {
            from: "2026-05-01T00:00:00Z".parse().unwrap(),
            until: "2026-06-01T00:00:00Z".parse().unwrap(),
            plans: vec!["pro".into(), "free".into()],
        }),
    }
}

#[tokio::test]
async fn a_name_is_kept_for_who_pays_and_for_nobody_else() {
    let place = Place::new().await;
    let workspaces = workspaces(&place);
    for _ in 0..2 {
        assert_eq!(workspaces.reserve(&reservation(10, "acme")).await.unwrap(), Reserved::Kept);
    }
    assert_eq!(workspaces.reserve(&reservation(11, "acme")).await.unwrap(), Reserved::Taken);
    let made = place.tenancy.tenant(tenant(10)).await.unwrap();
    assert!(made.standing.is_reserved() && made.plan.as_str() == "pro" && made.owner == OWNER);
    let profile = workspaces.profile(tenant(10)).await.unwrap().unwrap();
    assert_eq!((&*profile.name, &*profile.subdomain, &*profile.plan), ("Acme", "acme", "pro"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let place = Place::new().await;
    let workspaces = workspaces(&place);
    for bad in [
        reservation(10, "www"),
        reservation(10, "-"),
        Reservation { name: "".into(), ..reservation(10, "acme") },
        Reservation { plan: "gold".into(), ..reservation(10, "acme") },
        Reservation { plan: "Go ld".into(), ..reservation(10, "acme") },
        Reservation { email: "ann".into(), ..reservation(10, "acme") },
    ] {
        let refused = workspaces.reserve(&bad).await.unwrap();
        assert!(matches!(&refused, Reserved::Refused(why) if !why.is_empty()), "{bad:?}: {refused:?}");
    }
    assert_eq!(workspaces.profile(tenant(10)).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_paid_for_is_given_and_taken() {
    let place = Place::new().await;
    let workspaces = workspaces(&place);
    workspaces.reserve(&reservation(10, "acme")).await.unwrap();
    let since: Timestamp = "2026-04-30T00:00:00Z".parse().unwrap();
    let give = async |entitlement: &Entitlement| {
        for _ in 0..2 {
            assert!(workspaces.entitle(tenant(10), entitlement).await.unwrap());
        }
        place.tenancy.tenant(tenant(10)).await.unwrap()
    };
    let waiting = give(&entitlement(Some("enterprise"), Mode::NotYet)).await;
    assert!(waiting.standing.is_reserved() && waiting.plan.as_str() == "enterprise");
    let paid = give(&entitlement(Some("pro"), Mode::Full)).await;
    assert_eq!((paid.status(), paid.plan.as_str(), paid.standing.unpaid), (TenantStatus::Active, "pro", None));
    assert_eq!((paid.billing.customer.as_deref(), paid.billing.subscription.as_deref()), (Some("cus_1"), Some("sub_1")));
    let usage = paid.billing.usage.unwrap();
    let plans: Vec<&str> = usage.plans.iter().map(PlanName::as_str).collect();
    assert_eq!((usage.from.day().as_str(), usage.until.day().as_str(), plans), ("2026-05-01", "2026-06-01", vec!["pro", "free"]));
    let overdue = give(&Entitlement { past_due_since: Some(since), ..entitlement(Some("pro"), Mode::Overdue) }).await;
    assert_eq!((overdue.standing.past_due_since, overdue.standing.unpaid), (Some(since), None));
    let restricted = Entitlement { restricted_since: Some(since), ..entitlement(Some("pro"), Mode::ReadOnly) };
    assert_eq!(give(&restricted).await.standing.unpaid, Some(Unpaid::ReadOnly(since)));
    let closed = give(&entitlement(None, Mode::Closed)).await;
    assert_eq!((closed.standing.unpaid, closed.plan.as_str()), (Some(Unpaid::Closed(place.clock.now())), "free"));
    let free = give(&entitlement(None, Mode::Full)).await;
    assert_eq!((free.status(), free.plan.as_str()), (TenantStatus::Active, "free"));
    // A plan that the operator has taken out of the catalogue is for somebody to see to.
    let unknown = workspaces.entitle(tenant(10), &entitlement(Some("gold"), Mode::Full)).await;
    assert!(matches!(unknown, Err(PortError::Refused(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_name_that_was_never_paid_for_is_free_again_and_no_other() {
    let place = Place::new().await;
    let workspaces = workspaces(&place);
    workspaces.reserve(&reservation(10, "acme")).await.unwrap();
    for _ in 0..2 {
        workspaces.discard(tenant(10)).await.unwrap();
    }
    assert_eq!(workspaces.profile(tenant(10)).await.unwrap(), None);
    assert!(!workspaces.entitle(tenant(10), &entitlement(Some("pro"), Mode::Full)).await.unwrap(), "it is gone");
    assert_eq!(workspaces.reserve(&reservation(10, "acme")).await.unwrap(), Reserved::Taken, "its sign-up is over");
    assert_eq!(workspaces.reserve(&reservation(11, "acme")).await.unwrap(), Reserved::Kept);
    workspaces.entitle(tenant(11), &entitlement(Some("pro"), Mode::Full)).await.unwrap();
    workspaces.discard(tenant(11)).await.unwrap();
    assert_eq!(place.tenancy.tenant(tenant(11)).await.unwrap().status(), TenantStatus::Active, "it is paid for");
    workspaces.discard(tenant(12)).await.unwrap();
    assert!(!workspaces.entitle(tenant(12), &entitlement(None, Mode::Full)).await.unwrap());
}
