use std::time::Duration;

use togglebox_core::testkit::{At, Fault};
use togglebox_core::{Change, TenantId};
use togglebox_multitenancy::manage::{TenancyError, TenantUpdate};
use togglebox_multitenancy::{MemberRole, Reason, StepRefused, TenantName, TenantStatus};

use crate::app::{App, actor, new_tenant, person};

const GRACE: Duration = Duration::from_hours(720);

fn reason() -> Reason {
    Reason::new("abuse").unwrap()
}

#[tokio::test]
async fn a_suspended_tenant_manages_nothing_and_goes_on_evaluating() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let stopped = app.tenancy.suspend(acme.id, &actor(), reason(), Some(acme.version)).await.unwrap();
    let allowed = app.tenancy.allowed(&stopped);
    assert!(!allowed.management && allowed.evaluation);
    assert!(matches!(app.last_notice(), Change::Tenant { version, .. } if version == stopped.version));
    let record = app.records(acme.id).await.pop().unwrap();
    assert_eq!((record.action.as_str(), &record.after.unwrap()["suspensionReason"]), ("tenant.suspend", &"abuse".into()));
    let going = app.tenancy.resume(acme.id, &actor(), None).await.unwrap();
    assert_eq!(going.status(), TenantStatus::Active);
    let again = app.tenancy.resume(acme.id, &actor(), None).await;
    assert!(matches!(again, Err(TenancyError::Step(StepRefused::Status(TenantStatus::Active)))));
}

#[tokio::test]
async fn payment_notices_may_come_twice() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let owing = app.tenancy.mark_past_due(acme.id, &actor()).await.unwrap();
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(app.tenancy.mark_past_due(acme.id, &actor()).await.unwrap(), owing);
    assert_eq!(app.tenancy.settle(acme.id, &actor()).await.unwrap().status(), TenantStatus::Active);
    app.tenancy.settle(acme.id, &actor()).await.unwrap();
    assert_eq!(app.actions(acme.id).await, ["tenant.create", "tenant.past_due", "tenant.settle"]);
}

#[tokio::test]
async fn a_deleted_tenant_comes_back_within_its_grace_period() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let stopped = app.tenancy.suspend(acme.id, &actor(), reason(), None).await.unwrap();
    let deleted = app.tenancy.delete(acme.id, &actor(), Some(stopped.version)).await.unwrap();
    assert_eq!(deleted.status(), TenantStatus::Deleted);
    let update = TenantUpdate { name: Some(TenantName::new("New").unwrap()), ..TenantUpdate::default() };
    let refused = app.tenancy.update(acme.id, &actor(), &update, None).await;
    assert!(matches!(refused, Err(TenancyError::NotAllowed(TenantStatus::Deleted))));
    let early = app.tenancy.purge(acme.id, &actor()).await;
    assert!(matches!(early, Err(TenancyError::Step(StepRefused::GraceGoesOn(_)))));
    app.clock.advance(GRACE.checked_sub(Duration::from_secs(1)).unwrap());
    let back = app.tenancy.restore(acme.id, &actor(), None).await.unwrap();
    assert_eq!(back.standing, stopped.standing);
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    app.clock.advance(GRACE);
    let late = app.tenancy.restore(acme.id, &actor(), None).await;
    assert!(matches!(late, Err(TenancyError::Step(StepRefused::GraceIsOver(_)))));
}

/// Each step can be repeated, so a worker that died goes on; at the end nothing is left.
#[tokio::test]
async fn a_purge_leaves_nothing_and_can_be_taken_up_again() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    for n in 1..3 {
        app.joined(acme.id, n, MemberRole::Viewer).await;
    }
    app.tenancy.invite(acme.id, &actor(), person(0).user, person(9).email, MemberRole::Viewer).await.unwrap_err();
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    assert!(matches!(app.tenancy.sweep(acme.id, 10).await, Err(TenancyError::NotYet("purged"))));
    app.clock.advance(GRACE);
    app.faults.inject(At::operation("tenants.purge"), Fault::After);
    let purged = app.tenancy.purge(acme.id, &actor()).await.unwrap();
    assert!(purged.standing.is_purged());
    assert!(matches!(app.last_notice(), Change::Tenant { version, .. } if version == purged.version));
    assert_eq!(app.tenancy.purge(acme.id, &actor()).await.unwrap(), purged, "again");
    assert!(matches!(app.tenancy.forget(acme.id).await, Err(TenancyError::NotYet("empty"))));
    let mut rounds = 0;
    while app.tenancy.sweep(acme.id, 2).await.unwrap() {
        rounds += 1;
    }
    assert_eq!(rounds, 1);
    app.tenancy.forget(acme.id).await.unwrap();
    app.tenancy.forget(acme.id).await.unwrap();
    assert!(matches!(app.tenancy.tenant(acme.id).await, Err(TenancyError::TenantNotFound)));
    assert!(matches!(app.tenancy.create(&actor(), new_tenant("acme")).await, Err(TenancyError::SubdomainQuarantined(_))));
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let app = App::start().await;
    let nobody = TenantId::DEFAULT;
    assert!(matches!(app.tenancy.suspend(nobody, &actor(), reason(), None).await, Err(TenancyError::TenantNotFound)));
    assert!(matches!(app.tenancy.purge(nobody, &actor()).await, Err(TenancyError::TenantNotFound)));
    assert!(matches!(app.tenancy.sweep(nobody, 10).await, Err(TenancyError::TenantNotFound)));
}
