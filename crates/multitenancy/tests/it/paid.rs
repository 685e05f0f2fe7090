use std::time::Duration;

use togglebox_core::testkit::{At, Fault};
use togglebox_core::{Change, TenantId};
use togglebox_multitenancy::manage::{Ending, Entitled, NewTenant, TenancyError, TenantUpdate};
use togglebox_multitenancy::{
    Allowed, Billing, Limit, LimitOverrides, Limited, MemberRole, Reason, Standing, Tenant, TenantStatus, Unpaid, UsagePeriod,
};
use uuid::Uuid;

use crate::app::{App, actor, label, new_tenant, person};

const GRACE: Duration = Duration::from_hours(720);

fn id(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n))
}

fn reservation(n: u128, subdomain: &str) -> NewTenant {
    NewTenant { id: Some(id(n)), unpaid: true, plan: Some("pro".parse().unwrap()), ..new_tenant(subdomain) }
}

async fn reserved(app: &App) -> Tenant {
    app.tenancy.create(&actor(), reservation(7, "acme")).await.unwrap()
}

fn pro() -> Entitled {
    Entitled {
        plan: Some("pro".parse().unwrap()),
        customer: Some("cus_1".to_owned()),
        subscription: Some("sub_1".to_owned()),
        ..Entitled::default()
    }
}

#[tokio::test]
async fn a_reservation_is_made_once_and_does_nothing() {
    let app = App::start().await;
    let acme = reserved(&app).await;
    assert_eq!((acme.id, acme.plan.as_str(), acme.status()), (id(7), "pro", TenantStatus::PastDue));
    assert_eq!(acme.standing.unpaid, Some(Unpaid::Reserved(acme.created_at)));
    assert_eq!(app.tenancy.allowed(&acme), Allowed::NOTHING);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(reserved(&app).await, acme);
    assert_eq!(app.actions(acme.id).await, ["tenant.create"]);

    let elsewhere = app.tenancy.create(&actor(), reservation(7, "acme-2")).await;
    assert!(matches!(elsewhere, Err(TenancyError::IdTaken)));
    let of_another = app.tenancy.create(&actor(), NewTenant { owner: person(1), ..reservation(7, "acme") }).await;
    assert!(matches!(of_another, Err(TenancyError::IdTaken)));
    let taken = app.tenancy.create(&actor(), reservation(8, "acme")).await;
    assert!(matches!(taken, Err(TenancyError::SubdomainTaken(_))));

    let invited = app.tenancy.invite(acme.id, &actor(), person(0).user, person(1).email, MemberRole::Viewer).await;
    assert!(invited.is_err());
    let update = TenantUpdate { subdomain: Some(label("other")), ..TenantUpdate::default() };
    let renamed = app.tenancy.update(acme.id, &actor(), &update, None).await;
    assert!(matches!(renamed, Err(TenancyError::NotAllowed(TenantStatus::PastDue))));
}

/// Also when the answer of the first was lost, and by any number at once.
#[tokio::test]
async fn a_reservation_is_repeated_whatever_became_of_it() {
    let app = App::start().await;
    for (n, fault) in [(5, Fault::Before), (6, Fault::After), (7, Fault::Twice)] {
        app.faults.inject(At::operation("tenants.create"), fault);
        let subdomain = if n == 7 { "acme".to_owned() } else { format!("acme-{n}") };
        assert_eq!(app.tenancy.create(&actor(), reservation(n, &subdomain)).await.unwrap().id, id(n));
    }
    let entitled = app.tenancy.entitle(id(7), &actor(), &pro()).await.unwrap();
    assert_eq!(reserved(&app).await, entitled, "as it stands by then");
    app.tenancy.delete(id(7), &actor(), None).await.unwrap();
    let deleted = app.tenancy.create(&actor(), reservation(7, "acme")).await;
    assert!(matches!(deleted, Err(TenancyError::IdTaken)));
}

#[tokio::test]
async fn what_is_paid_for_is_one_write_and_told_once() {
    let app = App::start().await;
    let acme = reserved(&app).await;
    let until = acme.created_at.plus(GRACE);
    let usage = UsagePeriod { from: acme.created_at, until, plans: vec!["pro".parse().unwrap()] };
    let entitled = Entitled { period_end: Some(until), usage: Some(usage.clone()), ..pro() };
    let open = app.tenancy.entitle(acme.id, &actor(), &entitled).await.unwrap();
    assert_eq!((open.standing.clone(), open.version), (Standing::default(), acme.version.next()));
    let billing = Billing {
        customer: Some("cus_1".to_owned()),
        subscription: Some("sub_1".to_owned()),
        current_period_end: Some(until),
        usage: Some(usage.clone()),
    };
    assert_eq!((open.plan.as_str(), &open.billing), ("pro", &billing));
    assert!(matches!(app.last_notice(), Change::Tenant { version, .. } if version == open.version));
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(app.tenancy.entitle(acme.id, &actor(), &entitled).await.unwrap(), open);
    let record = app.records(acme.id).await.pop().unwrap();
    assert_eq!((record.action.as_str(), record.before.unwrap()["restriction"].as_str()), ("tenant.entitle", Some("reserved")));

    let since = Some(until);
    let overdue = Entitled { past_due_since: since, ..entitled.clone() };
    let read_only = Entitled { restricted: Some(Unpaid::ReadOnly(until.plus(GRACE))), ..overdue.clone() };
    let closed = Entitled { restricted: Some(Unpaid::Closed(until)), plan: None, past_due_since: None, ..entitled.clone() };
    for (step, status, allowed) in [
        (&overdue, TenantStatus::PastDue, Allowed::EVERYTHING),
        (&read_only, TenantStatus::PastDue, Allowed { management: false, ..Allowed::EVERYTHING }),
        (&entitled, TenantStatus::Active, Allowed::EVERYTHING),
        (&closed, TenantStatus::PastDue, Allowed::EVALUATION),
        (&Entitled { restricted: None, ..closed.clone() }, TenantStatus::Active, Allowed::EVERYTHING),
        (&Entitled { restricted: None, customer: None, ..closed.clone() }, TenantStatus::Active, Allowed::EVERYTHING),
        (&Entitled { customer: None, ..entitled.clone() }, TenantStatus::Active, Allowed::EVERYTHING),
    ] {
        let stands = app.tenancy.entitle(acme.id, &actor(), step).await.unwrap();
        assert_eq!((stands.status(), app.tenancy.allowed(&stands)), (status, allowed), "{step:?}");
        assert_eq!(stands.plan.as_str(), step.plan.as_ref().map_or("free", |plan| plan.as_str()));
        assert_eq!((stands.standing.past_due_since, stands.standing.unpaid), (step.past_due_since, step.restricted));
    }
    let actions = app.actions(acme.id).await;
    assert_eq!(
        actions[2..],
        [
            "tenant.past_due",
            "tenant.restrict",
            "tenant.settle",
            "tenant.restrict",
            "tenant.settle",
            "tenant.billing",
            "tenant.plan",
        ]
    );
}

#[tokio::test]
async fn money_undoes_nothing_that_people_did() {
    let app = App::start().await;
    let acme = reserved(&app).await;
    let own = LimitOverrides::NONE.with(Limited::Flags, Limit::of(7));
    app.tenancy.entitle(acme.id, &actor(), &pro()).await.unwrap();
    let stopped = app.tenancy.suspend(acme.id, &actor(), Reason::new("abuse").unwrap(), None).await.unwrap();
    app.tenancy.change_plan(acme.id, &actor(), "pro".parse().unwrap(), Some(own), None).await.unwrap();
    let deleted = app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    let restricted = Entitled { plan: None, restricted: Some(Unpaid::Closed(acme.created_at)), ..pro() };
    let ended = app.tenancy.entitle(acme.id, &actor(), &restricted).await.unwrap();
    assert_eq!(
        (&ended.standing.deletion, &ended.standing.suspension),
        (&deleted.standing.deletion, &stopped.standing.suspension)
    );
    assert_eq!((ended.status(), ended.plan.as_str(), ended.overrides), (TenantStatus::Deleted, "free", own));
    let back = app.tenancy.restore(acme.id, &actor(), None).await.unwrap();
    assert_eq!((back.status(), back.standing.unpaid), (TenantStatus::Suspended, restricted.restricted));

    let unknown = Entitled { plan: Some("platinum".parse().unwrap()), ..Entitled::default() };
    assert!(matches!(app.tenancy.entitle(acme.id, &actor(), &unknown).await, Err(TenancyError::UnknownPlan(_))));
    let nobody = app.tenancy.entitle(id(9), &actor(), &pro()).await;
    assert!(matches!(nobody, Err(TenancyError::TenantNotFound)));
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    app.clock.advance(GRACE);
    app.tenancy.purge(acme.id, &actor()).await.unwrap();
    let gone = app.tenancy.entitle(acme.id, &actor(), &pro()).await;
    assert!(matches!(gone, Err(TenancyError::TenantNotFound)));
}

/// A second subscription whose first payment waits takes nothing away, and gives nothing yet.
#[tokio::test]
async fn who_has_something_is_not_reserved_again() {
    let app = App::start().await;
    let acme = reserved(&app).await;
    let waiting = Entitled { restricted: Some(Unpaid::Reserved(acme.created_at.plus(GRACE))), ..pro() };
    let still = app.tenancy.entitle(acme.id, &actor(), &waiting).await.unwrap();
    assert_eq!((&still.standing, still.plan.as_str()), (&acme.standing, "pro"), "since the same moment");
    let free = app.tenancy.entitle(acme.id, &actor(), &Entitled::default()).await.unwrap();
    let noted = app.tenancy.entitle(acme.id, &actor(), &waiting).await.unwrap();
    assert_eq!((noted.standing, noted.plan.as_str()), (free.standing, "free"));
    assert_eq!(noted.billing.subscription.as_deref(), Some("sub_1"));
    assert!(matches!(app.tenancy.discard(acme.id, &actor()).await, Err(TenancyError::NotReserved)));
}

#[tokio::test]
async fn a_discarded_tenant_is_gone_and_so_is_all_it_had() {
    let app = App::start().await;
    let acme = reserved(&app).await;
    app.faults.inject(At::operation("tenants.discard"), Fault::After);
    app.tenancy.discard(acme.id, &actor()).await.unwrap();
    assert_eq!(app.actions(acme.id).await, ["tenant.create", "tenant.discard"]);
    assert!(matches!(app.last_notice(), Change::Tenant { version, .. } if version == acme.version.next()));
    app.tenancy.discard(acme.id, &actor()).await.unwrap();
    app.tenancy.discard(id(9), &actor()).await.unwrap();
    assert_eq!(app.actions(acme.id).await.len(), 2);
    let late = app.tenancy.entitle(acme.id, &actor(), &pro()).await;
    assert!(matches!(late, Err(TenancyError::TenantNotFound)));
    assert!(matches!(app.tenancy.restore(acme.id, &actor(), None).await, Err(TenancyError::Step(_))));

    // Somebody else has the name at once, and keeps it while the rest of this one goes.
    let other = app.tenancy.create(&actor(), reservation(8, "acme")).await.unwrap();
    let page = togglebox_core::PageRequest::first(10);
    assert_eq!(app.tenancy.ending(&page).await.unwrap().items, [acme.id]);
    let ended = app.tenancy.end(acme.id, id(99), None, 100).await.unwrap();
    assert_eq!(ended, Ending::Over);
    assert!(app.tenancy.left(acme.id).await.unwrap().is_nothing());
    assert_eq!(app.tenancy.tenant(other.id).await.unwrap(), other);
    assert_eq!(app.tenancy.workspaces(person(0).user, &page).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn what_was_paid_for_is_not_discarded() {
    let app = App::start().await;
    let acme = reserved(&app).await;
    for restricted in [None, Some(Unpaid::ReadOnly(acme.created_at)), Some(Unpaid::Closed(acme.created_at))] {
        let stands = app.tenancy.entitle(acme.id, &actor(), &Entitled { restricted, ..pro() }).await.unwrap();
        assert!(matches!(app.tenancy.discard(acme.id, &actor()).await, Err(TenancyError::NotReserved)));
        assert_eq!(app.tenancy.tenant(acme.id).await.unwrap(), stands);
    }
    let other = app.tenancy.create(&actor(), reservation(8, "globex")).await.unwrap();
    let deleted = app.tenancy.delete(other.id, &actor(), None).await.unwrap();
    assert!(matches!(app.tenancy.discard(other.id, &actor()).await, Err(TenancyError::NotReserved)));
    assert_eq!(app.tenancy.tenant(other.id).await.unwrap(), deleted);
}
