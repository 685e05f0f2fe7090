use std::time::Duration;

use togglebox_core::testkit::{At, Delay, Fault, Gate};
use togglebox_core::{AuditRecord, PageRequest, Revision, TenantId};
use togglebox_multitenancy::manage::{Ending, TenancyError, TenancySettings};
use togglebox_multitenancy::{MemberRole, StepRefused, Tenant};
use uuid::Uuid;

use crate::app::{App, actor, new_tenant};

const GRACE: Duration = Duration::from_hours(720);
const OPERATOR: TenantId = TenantId::from_uuid(Uuid::from_u128(8));

/// A deleted tenant whose grace period is over, with members and a good deal of records.
async fn over(app: &App, subdomain: &str) -> Tenant {
    let tenant = app.tenant(subdomain).await;
    for n in 1..3 {
        app.joined(tenant.id, n, MemberRole::Viewer).await;
    }
    app.tenancy.delete(tenant.id, &actor(), None).await.unwrap();
    app.clock.advance(GRACE);
    tenant
}

/// Goes on until the end, two records at a time; says in how many parts.
async fn end(app: &App, tenant: TenantId) -> usize {
    let (mut parts, mut after) = (1, None);
    loop {
        match app.tenancy.end(tenant, OPERATOR, after.as_ref(), 2).await.unwrap() {
            Ending::GoesOn(next) => after = Some(next),
            Ending::Left(left) => panic!("{left:?}"),
            Ending::Over => return parts,
        }
        parts += 1;
    }
}

async fn assert_ended(app: &App, tenant: &Tenant) {
    assert!(app.tenancy.left(tenant.id).await.unwrap().is_nothing());
    assert!(matches!(app.tenancy.tenant(tenant.id).await, Err(TenancyError::TenantNotFound)));
    let records: Vec<AuditRecord> =
        app.records(OPERATOR).await.into_iter().filter(|record| record.target == tenant.id.to_string()).collect();
    let [purged, forgotten] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((purged.action.as_str(), forgotten.action.as_str()), ("tenant.purge", "tenant.forget"));
    let had = purged.before.as_ref().unwrap();
    assert_eq!((&had["subdomain"], &had["contents"]["members"]), (&tenant.subdomain.as_str().into(), &3.into()), "{had}");
    assert_eq!(forgotten.after.as_ref().unwrap()["contents"], serde_json::json!({}));
}

#[tokio::test]
async fn what_is_over_ends_with_nothing_left_but_two_records_of_the_operator() {
    let app = App::start().await;
    let (acme, other) = (over(&app, "acme").await, app.tenant("other").await);
    let kept = (app.tenancy.left(other.id).await.unwrap(), app.records(other.id).await);
    assert!(end(&app, acme.id).await > 3);
    assert_ended(&app, &acme).await;
    assert_eq!((app.tenancy.left(other.id).await.unwrap(), app.records(other.id).await), kept);
    assert!(matches!(app.tenancy.create(&actor(), new_tenant("acme")).await, Err(TenancyError::SubdomainQuarantined(_))));
    assert_eq!(end(&app, acme.id).await, 1, "there is nothing to do");
    assert_ended(&app, &acme).await;
}

#[tokio::test]
async fn what_lives_or_can_come_back_does_not_end() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let try_it = async || app.tenancy.end(acme.id, OPERATOR, None, 10).await;
    assert!(matches!(try_it().await, Err(TenancyError::Step(StepRefused::Status(_)))));
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    app.clock.advance(GRACE.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(matches!(try_it().await, Err(TenancyError::Step(StepRefused::GraceGoesOn(_)))));
    assert_eq!(app.tenancy.ending(&PageRequest::first(10)).await.unwrap().items, []);
    let back = app.tenancy.restore(acme.id, &actor(), None).await.unwrap();
    app.clock.advance(GRACE);
    assert!(matches!(try_it().await, Err(TenancyError::Step(StepRefused::Status(_)))));
    assert_eq!(app.tenancy.tenant(acme.id).await.unwrap(), back);
    assert_eq!(app.records(OPERATOR).await, []);
}

/// Whatever call goes wrong, before or after it was made, whoever comes next brings it to the end.
#[tokio::test]
async fn an_end_that_breaks_off_anywhere_is_taken_up_again() {
    let operations =
        ["tenants.find", "tenants.purge", "tenants.sweep", "tenants.forget", "remains.clear", "remains.left", "remains.note"];
    let mut broken = 0;
    for operation in operations {
        for call in 1..=8 {
            for fault in [Fault::Before, Fault::After, Fault::Twice] {
                let app = App::start().await;
                let acme = over(&app, "acme").await;
                app.faults.inject(At::operation(operation).call(call), fault);
                let mut after = None;
                loop {
                    match app.tenancy.end(acme.id, OPERATOR, after.as_ref(), 2).await {
                        Ok(Ending::GoesOn(next)) => after = Some(next),
                        Ok(Ending::Left(left)) => panic!("{left:?}"),
                        Ok(Ending::Over) => break,
                        // Another process, which knows nothing.
                        Err(error) => {
                            assert!(matches!(error, TenancyError::Store(_)), "{operation}: {error}");
                            (broken, after) = (broken + 1, None);
                        }
                    }
                }
                // One that was for a call that nobody made.
                app.faults.clear();
                assert_ended(&app, &acme).await;
            }
        }
    }
    assert!(broken > 20, "{broken}");
}

#[tokio::test]
async fn several_may_do_it_at_once() {
    let app = App::start().await;
    let acme = over(&app, "acme").await;
    let parts = tokio::join!(end(&app, acme.id), end(&app, acme.id), end(&app, acme.id));
    assert!(parts.0 + parts.1 + parts.2 > 3);
    assert_ended(&app, &acme).await;
}

/// What is still there when all was removed is found by the count: the record stays, so that somebody finds out.
#[tokio::test]
async fn what_comes_late_is_left_and_goes_the_next_time() {
    let app = App::start().await;
    let acme = over(&app, "acme").await;
    let gate = Gate::closed();
    app.faults.inject(At::operation("remains.left").call(2), Fault::Late(Delay::until(&gate)));
    let late = AuditRecord { id: Uuid::from_u128(1), ..app.records(acme.id).await.remove(0) };
    let end = app.tenancy.end(acme.id, OPERATOR, None, 1000);
    let write = async {
        gate.reached(1).await;
        app.stores.remains.note(acme.id, &late).await.unwrap();
        gate.open();
    };
    let (outcome, ()) = tokio::join!(end, write);
    let Ending::Left(left) = outcome.unwrap() else { panic!("nothing came late") };
    assert!(left.is_known && left.total() == 1, "{left:?}");
    assert!(app.tenancy.tenant(acme.id).await.unwrap().standing.is_purged());
    self::end(&app, acme.id).await;
    assert_ended(&app, &acme).await;
}

/// What is not usage is somebody's, and stays.
#[tokio::test]
async fn of_a_tenant_that_was_forgotten_nothing_is_taken_for_late_usage() {
    let app = App::start().await;
    let (acme, living) = (over(&app, "acme").await, app.tenant("living").await);
    let late = AuditRecord { id: Uuid::from_u128(1), ..app.records(acme.id).await.remove(0) };
    self::end(&app, acme.id).await;
    for n in 0..5 {
        let late = AuditRecord { id: Uuid::from_u128(n), ..late.clone() };
        app.stores.remains.note(acme.id, &late).await.unwrap();
    }
    let before = app.tenancy.left(living.id).await.unwrap();
    assert_eq!(app.tenancy.ended(&[acme.id, living.id]).await.unwrap(), [acme.id].into());
    assert_eq!(app.tenancy.clear_late(acme.id, None, 2).await.unwrap(), None);
    assert_eq!(app.tenancy.left(acme.id).await.unwrap().total(), 5);
    assert!(app.tenancy.clear_late(living.id, None, 2).await.is_err());
    assert_eq!(app.tenancy.left(living.id).await.unwrap(), before);
    assert_eq!(app.tenancy.ended(&[]).await.unwrap(), [].into());
}

#[tokio::test]
async fn those_whose_end_has_come_are_listed() {
    let app = App::with(TenancySettings { grace: Duration::from_hours(24), ..TenancySettings::default() }).await;
    let [one, two, three] = ["one", "two", "three"].map(|name| app.tenant(name));
    let (one, two, _living) = (one.await, two.await, three.await);
    app.tenancy.delete(one.id, &actor(), None).await.unwrap();
    app.clock.advance(Duration::from_hours(23));
    app.tenancy.delete(two.id, &actor(), None).await.unwrap();
    let page = PageRequest::first(10);
    assert_eq!(app.tenancy.ending(&page).await.unwrap().items, []);
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(app.tenancy.ending(&page).await.unwrap().items, [one.id]);
    app.tenancy.purge(one.id, &actor()).await.unwrap();
    app.clock.advance(Duration::from_hours(23));
    assert_eq!(app.tenancy.ending(&page).await.unwrap().items, [one.id, two.id]);
}

#[tokio::test]
async fn the_sequence_of_changes_forgets_what_is_old() {
    let app = App::start().await;
    let week = Duration::from_hours(7 * 24);
    app.tenant("old").await;
    app.clock.advance(week);
    let young = app.tenant("young").await;
    assert_eq!(app.tenancy.prune_changes(week, 10).await.unwrap(), 0, "a week old is not older than a week");
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(app.tenancy.prune_changes(week, 10).await.unwrap(), 1);
    assert_eq!(app.tenancy.prune_changes(week, 10).await.unwrap(), 0);
    let left = app.stores.directory.changes_since(Revision::ZERO, 10).await.unwrap();
    assert_eq!(left.changes.iter().map(|change| change.tenant).collect::<Vec<_>>(), [young.id]);
    assert!(!left.follow(Revision::ZERO), "whoever has not heard of the old one finds out");
}
