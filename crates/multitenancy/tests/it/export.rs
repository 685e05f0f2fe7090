use std::time::Duration;

use togglebox_core::testkit::{At, Fault};
use togglebox_multitenancy::manage::TenancyError;
use togglebox_multitenancy::{Reason, StepRefused};

use crate::app::{App, actor};

const GRACE: Duration = Duration::from_hours(720);

#[tokio::test]
async fn a_tenant_may_have_what_is_its_own_until_its_grace_period_is_over() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(app.tenancy.note_export(acme.id, &actor()).await.unwrap(), acme);
    app.tenancy.suspend(acme.id, &actor(), Reason::new("unpaid").unwrap(), None).await.unwrap();
    app.tenancy.note_export(acme.id, &actor()).await.unwrap();
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    app.clock.advance(GRACE.checked_sub(Duration::from_millis(1)).unwrap());
    app.tenancy.note_export(acme.id, &actor()).await.unwrap();
    app.clock.advance(Duration::from_millis(1));
    let over = app.tenancy.note_export(acme.id, &actor()).await;
    assert!(matches!(over, Err(TenancyError::Step(StepRefused::GraceIsOver(_)))), "{over:?}");
    let records = app.records(acme.id).await;
    let exports: Vec<_> = records.iter().filter(|record| record.action == "tenant.export").collect();
    assert_eq!(exports.len(), 3, "none for what was refused");
    assert!(exports.iter().all(|record| record.actor == actor() && record.target == acme.id.to_string()));
    app.tenancy.purge(acme.id, &actor()).await.unwrap();
    assert!(matches!(app.tenancy.note_export(acme.id, &actor()).await, Err(TenancyError::Step(StepRefused::GraceIsOver(_)))));
}

#[tokio::test]
async fn a_record_whose_answer_is_lost_is_made_once() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    app.faults.inject(At::operation("remains.note"), Fault::After);
    app.tenancy.note_export(acme.id, &actor()).await.unwrap();
    assert_eq!(app.actions(acme.id).await, ["tenant.create", "tenant.export"]);
}
