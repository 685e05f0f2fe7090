use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use togglebox_core::testkit::{At, Fault};
use togglebox_core::{Change, Clock as _, PageRequest};
use togglebox_multitenancy::manage::{NewTenant, TenancyError, TenancySettings, TenantUpdate};
use togglebox_multitenancy::store::TenantFilter;
use togglebox_multitenancy::{Billing, InvalidSubdomain, Limit, LimitOverrides, Limited, RenamePolicy, TenantName};
use tokio::task::JoinSet;

use crate::app::{App, actor, label, new_tenant, person};

const DAY: Duration = Duration::from_hours(24);

fn renamed(text: &str) -> TenantUpdate {
    TenantUpdate { subdomain: Some(label(text)), ..TenantUpdate::default() }
}

#[tokio::test]
async fn a_new_tenant_is_on_the_first_plan_and_its_owner_sees_it() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!((acme.plan.as_str(), acme.owner), ("free", person(0).user));
    let seen = app.tenancy.workspaces(person(0).user, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!((seen.len(), &seen[0].tenant), (1, &acme));
    let notice =
        Change::Tenant { tenant: acme.id, version: acme.version, subdomains: vec!["acme".to_owned()], domains: Vec::new() };
    assert_eq!(app.last_notice(), notice);
    let [record] = <[_; 1]>::try_from(app.records(acme.id).await).unwrap();
    assert_eq!((record.action.as_str(), record.target), ("tenant.create", acme.id.to_string()));
    assert_eq!(record.after.unwrap()["subdomain"], json!("acme"));
    assert_ne!(app.tenant("other").await.id, acme.id);
}

#[tokio::test]
async fn reserved_taken_and_quarantined_names_are_told_apart() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let create = async |text: &str| app.tenancy.create(&actor(), new_tenant(text)).await.unwrap_err();
    assert!(matches!(create("www").await, TenancyError::Subdomain(InvalidSubdomain::Reserved(_))));
    assert!(matches!(create("admin-acme").await, TenancyError::Subdomain(InvalidSubdomain::BlockedPrefix(_))));
    assert!(matches!(create("acme").await, TenancyError::SubdomainTaken(_)));

    let rename = async |text: &str| app.tenancy.update(acme.id, &actor(), &renamed(text), None).await;
    assert!(matches!(rename("status").await, Err(TenancyError::Subdomain(_))), "a rename is no way around the list");
    let moved = rename("acme-corp").await.unwrap();
    assert!(matches!(create("acme").await, TenancyError::SubdomainQuarantined(_)));
    let notice = Change::Tenant {
        tenant: acme.id,
        version: moved.version,
        subdomains: vec!["acme-corp".to_owned(), "acme".to_owned()],
        domains: Vec::new(),
    };
    assert_eq!(app.last_notice(), notice, "the old name too, so that it is forgotten");
    let record = app.records(acme.id).await.pop().unwrap();
    assert_eq!((record.before, record.after), (Some(json!({ "subdomain": "acme" })), Some(json!({ "subdomain": "acme-corp" }))));

    app.clock.advance(Duration::from_secs(90 * 86_400 - 1));
    assert!(matches!(create("acme").await, TenancyError::SubdomainQuarantined(_)));
    app.clock.advance(Duration::from_secs(1));
    app.tenant("acme").await;
}

/// Each rename keeps a name away from everybody.
#[tokio::test]
async fn a_tenant_is_renamed_so_often_in_so_many_days() {
    let app = App::with(TenancySettings { renames: RenamePolicy::new(2, DAY * 10), ..TenancySettings::default() }).await;
    let acme = app.tenant("acme").await;
    app.tenant("globex").await;
    let rename = async |text: &str| app.tenancy.update(acme.id, &actor(), &renamed(text), None).await;
    let began = app.clock.now();
    rename("acme-1").await.unwrap();
    app.clock.advance(DAY);
    // What is not done does not count, nor does what changes nothing; taking one's own name back does.
    assert!(matches!(rename("globex").await, Err(TenancyError::SubdomainTaken(_))));
    rename("acme-1").await.unwrap();
    app.faults.inject(At::operation("tenants.change"), Fault::After);
    rename("acme").await.unwrap();
    let refused = rename("acme-2").await;
    assert!(matches!(refused, Err(TenancyError::RenamedTooOften(why)) if why.again_at == began.plus(DAY * 10)), "{refused:?}");
    let name = TenantUpdate { name: Some(TenantName::new("New").unwrap()), ..TenantUpdate::default() };
    app.tenancy.update(acme.id, &actor(), &name, None).await.unwrap();
    app.clock.advance(DAY * 9);
    assert_eq!(rename("acme-2").await.unwrap().renames.len(), 2);
    assert!(rename("acme-3").await.is_err());
}

#[tokio::test]
async fn of_many_who_rename_at_once_no_more_get_through_than_may() {
    let app = Arc::new(App::start().await);
    let acme = app.tenant("acme").await;
    let mut renames = JoinSet::new();
    for n in 0..16 {
        let app = Arc::clone(&app);
        renames.spawn(async move { app.tenancy.update(acme.id, &actor(), &renamed(&format!("acme-{n}")), None).await.is_ok() });
    }
    assert_eq!(renames.join_all().await.into_iter().filter(|done| *done).count(), 3);
}

#[tokio::test]
async fn a_change_that_names_a_version_is_made_from_it_only() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    let named = |text| TenantUpdate { name: Some(TenantName::new(text).unwrap()), ..TenantUpdate::default() };
    let new = app.tenancy.update(acme.id, &actor(), &named("New"), Some(acme.version)).await.unwrap();
    let late = app.tenancy.update(acme.id, &actor(), &named("Newer"), Some(acme.version)).await;
    assert!(matches!(late, Err(TenancyError::Conflict { current }) if current == new.version));
    let unchanged = app.tenancy.update(acme.id, &actor(), &named("New"), None).await.unwrap();
    assert_eq!(unchanged, new);
    assert_eq!(app.actions(acme.id).await, ["tenant.create", "tenant.update"], "what changes nothing is not written");
    let whole = TenantUpdate { subdomain: Some(acme.subdomain), ..named("Newest") };
    app.tenancy.update(acme.id, &actor(), &whole, None).await.unwrap();
    assert_eq!(app.actions(acme.id).await.pop().unwrap(), "tenant.update", "who names the same subdomain renames nothing");
}

#[tokio::test]
async fn a_plan_and_overrides_make_the_limits() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(app.tenancy.limits(&acme).unwrap().get(Limited::Flags).get(), Some(50));
    let overrides = LimitOverrides::NONE.with(Limited::Flags, Some(Limit::Unlimited));
    let pro = app.tenancy.change_plan(acme.id, &actor(), "pro".parse().unwrap(), Some(overrides), None).await.unwrap();
    let limits = app.tenancy.limits(&pro).unwrap();
    assert_eq!((limits.get(Limited::Flags), limits.get(Limited::Members).get()), (Limit::Unlimited, Some(25)));
    let kept = app.tenancy.change_plan(acme.id, &actor(), "free".parse().unwrap(), None, None).await.unwrap();
    assert_eq!(kept.overrides, overrides);
    let unknown = app.tenancy.change_plan(acme.id, &actor(), "gold".parse().unwrap(), None, None).await;
    assert!(matches!(unknown, Err(TenancyError::UnknownPlan(_))));
    let unknown = app.tenancy.create(&actor(), NewTenant { plan: Some("gold".parse().unwrap()), ..new_tenant("gold") }).await;
    assert!(matches!(unknown, Err(TenancyError::UnknownPlan(_))));
    let billing = Billing { customer: Some("cus_1".to_owned()), ..Billing::default() };
    assert_eq!(app.tenancy.set_billing(acme.id, &actor(), &billing).await.unwrap().billing, billing);
}

#[tokio::test]
async fn an_operator_finds_tenants() {
    let app = App::start().await;
    for text in ["bravo", "alpha"] {
        app.tenant(text).await;
    }
    let filter = TenantFilter { holds: Some("rav".to_owned()), ..TenantFilter::default() };
    let found = app.tenancy.list(&filter, &PageRequest::first(9)).await.unwrap();
    assert_eq!(found.items.iter().map(|tenant| tenant.subdomain.as_str()).collect::<Vec<_>>(), ["bravo"]);
}

/// Whatever happens to the first try.
#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_the_write_done_once() {
    for fault in [Fault::Before, Fault::After, Fault::Twice] {
        let app = App::start().await;
        app.faults.inject(At::operation("tenants.create"), fault.clone());
        let acme = app.tenant("acme").await;
        app.faults.inject(At::operation("tenants.change"), fault.clone());
        let moved = app.tenancy.update(acme.id, &actor(), &renamed("acme-corp"), None).await.unwrap();
        assert_eq!((app.faults.pending(), moved.version), (0, acme.version.next()), "{fault:?}");
        assert_eq!(app.actions(acme.id).await, ["tenant.create", "tenant.rename"], "{fault:?}");
        assert_eq!(app.ear.heard().len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_store_that_stays_away_is_told() {
    let app = App::start().await;
    app.faults.inject(At::operation("tenants.create").next(2), Fault::Before);
    let failed = app.tenancy.create(&actor(), new_tenant("acme")).await;
    assert!(matches!(failed, Err(TenancyError::Store(_))), "{failed:?}");
    app.tenant("acme").await;
}

/// Two admins rename and others change the name, all without a version: everybody gets through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_without_a_version_all_get_through() {
    let app = std::sync::Arc::new(App::start().await);
    let acme = app.tenant("acme").await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (app, id) = (std::sync::Arc::clone(&app), acme.id);
        calls.spawn(async move {
            let update = match n % 4 {
                0 => renamed(&format!("acme-{n}")),
                _ => TenantUpdate { name: Some(TenantName::new(&format!("Acme {n}")).unwrap()), ..TenantUpdate::default() },
            };
            app.tenancy.update(id, &actor(), &update, None).await.unwrap()
        });
    }
    let mut versions: Vec<_> = calls.join_all().await.into_iter().map(|tenant| tenant.version.get()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=9).collect::<Vec<_>>());
    assert_eq!(app.actions(acme.id).await.len(), 9);
}
