use togglebox_core::Change;
use togglebox_core::testkit::{At, Fault};
use togglebox_multitenancy::manage::{TenancyError, TenancySettings};
use togglebox_multitenancy::{AccessPolicy, Allowed, DomainClaim, DomainName, InvalidDomain, Reason, TenantStatus};

use crate::app::{App, actor, domain};

impl App {
    fn publish(&self, claim: &DomainClaim) {
        let mut records = self.zone.records.lock().unwrap();
        records.entry(claim.record_name()).or_default().push(claim.record_value());
    }
}

#[tokio::test]
async fn a_domain_leads_to_a_tenant_once_its_record_is_found() {
    let app = App::start().await;
    let (acme, name) = (app.tenant("acme").await, domain("flags.acme.example"));
    let claim = app.tenancy.claim_domain(acme.id, &actor(), name.clone()).await.unwrap();
    assert!(!app.tenancy.serves(&name).await.unwrap());
    match app.tenancy.verify_domain(acme.id, &actor(), &name).await {
        Err(TenancyError::NotShown { name, value }) => {
            assert_eq!((name, value), (claim.record_name(), claim.record_value()));
        }
        other => panic!("{other:?}"),
    }
    *app.zone.down.lock().unwrap() = true;
    assert!(matches!(app.tenancy.verify_domain(acme.id, &actor(), &name).await, Err(TenancyError::LookUp(_))));
    *app.zone.down.lock().unwrap() = false;
    app.publish(&claim);
    app.faults.inject(At::operation("domains.verify"), Fault::After);
    let verified = app.tenancy.verify_domain(acme.id, &actor(), &name).await.unwrap();
    assert_eq!(verified.domains, std::slice::from_ref(&name));
    assert!(app.tenancy.serves(&name).await.unwrap());
    let notice = |version| Change::Tenant {
        tenant: acme.id,
        version,
        subdomains: vec!["acme".to_owned()],
        domains: vec![name.to_string()],
    };
    assert_eq!(app.last_notice(), notice(verified.version));

    *app.zone.down.lock().unwrap() = true;
    assert_eq!(app.tenancy.verify_domain(acme.id, &actor(), &name).await.unwrap(), verified, "the DNS is not asked again");
    let released = app.tenancy.release_domain(acme.id, &actor(), &name).await.unwrap();
    assert_eq!(app.last_notice(), notice(released.version), "so that it is forgotten");
    assert!(!app.tenancy.serves(&name).await.unwrap());
    assert_eq!(app.actions(acme.id).await, ["tenant.create", "domain.claim", "domain.verify", "domain.release"]);
    assert!(matches!(app.tenancy.release_domain(acme.id, &actor(), &name).await, Err(TenancyError::DomainNotFound)));
}

#[tokio::test]
async fn two_may_claim_and_one_has_a_domain() {
    let app = App::start().await;
    let (acme, other, name) = (app.tenant("acme").await, app.tenant("other").await, domain("flags.acme.example"));
    for id in [acme.id, other.id] {
        let claim = app.tenancy.claim_domain(id, &actor(), name.clone()).await.unwrap();
        app.publish(&claim);
    }
    assert!(matches!(app.tenancy.claim_domain(acme.id, &actor(), name.clone()).await, Err(TenancyError::AlreadyClaimed)));
    app.tenancy.verify_domain(other.id, &actor(), &name).await.unwrap();
    assert!(matches!(app.tenancy.verify_domain(acme.id, &actor(), &name).await, Err(TenancyError::DomainTaken)));
    app.tenancy.release_domain(other.id, &actor(), &name).await.unwrap();
    app.tenancy.verify_domain(acme.id, &actor(), &name).await.unwrap();
}

#[tokio::test]
async fn nobody_claims_the_services_own_domains_or_too_many() {
    let app = App::start().await;
    let acme = app.tenant("acme").await;
    for own in ["toggle.example", "other.toggle.example"] {
        let refused = app.tenancy.claim_domain(acme.id, &actor(), domain(own)).await;
        assert!(matches!(refused, Err(TenancyError::Domain(InvalidDomain::Own(_)))), "{own}");
    }
    for n in 0..DomainName::MAX_PER_TENANT {
        app.tenancy.claim_domain(acme.id, &actor(), domain(&format!("d{n}.example.com"))).await.unwrap();
    }
    let more = app.tenancy.claim_domain(acme.id, &actor(), domain("more.example.com")).await;
    assert!(matches!(more, Err(TenancyError::TooManyDomains { limit: DomainName::MAX_PER_TENANT })));
    assert_eq!(app.tenancy.domains(acme.id).await.unwrap().len(), DomainName::MAX_PER_TENANT);
}

/// A certificate is of use only where somebody answers.
#[tokio::test]
async fn a_host_is_served_while_its_tenant_answers() {
    let access = AccessPolicy { suspended: Allowed::NOTHING, ..AccessPolicy::default() };
    let app = App::with(TenancySettings { access, ..TenancySettings::default() }).await;
    let (acme, name) = (app.tenant("acme").await, domain("flags.acme.example"));
    let claim = app.tenancy.claim_domain(acme.id, &actor(), name.clone()).await.unwrap();
    app.publish(&claim);
    app.tenancy.verify_domain(acme.id, &actor(), &name).await.unwrap();
    let stopped = app.tenancy.suspend(acme.id, &actor(), Reason::new("abuse").unwrap(), None).await.unwrap();
    assert_eq!(stopped.status(), TenantStatus::Suspended);
    assert!(!app.tenancy.serves(&name).await.unwrap());
    app.tenancy.resume(acme.id, &actor(), None).await.unwrap();
    assert!(app.tenancy.serves(&name).await.unwrap());
    app.tenancy.delete(acme.id, &actor(), None).await.unwrap();
    assert!(!app.tenancy.serves(&name).await.unwrap());
}

#[tokio::test]
async fn where_tenants_have_no_domains_none_is_served_or_claimed() {
    let mut app = App::start().await;
    let (acme, name, other) = (app.tenant("acme").await, domain("flags.acme.example"), domain("other.acme.example"));
    for name in [&name, &other] {
        let claim = app.tenancy.claim_domain(acme.id, &actor(), name.clone()).await.unwrap();
        app.publish(&claim);
    }
    app.tenancy.verify_domain(acme.id, &actor(), &name).await.unwrap();
    app.settle(TenancySettings { custom_domains: false, ..TenancySettings::default() });
    assert!(!app.tenancy.serves(&name).await.unwrap(), "verified before");
    let refused = app.tenancy.verify_domain(acme.id, &actor(), &other).await;
    assert!(matches!(refused, Err(TenancyError::NoCustomDomains)));
    let refused = app.tenancy.claim_domain(acme.id, &actor(), domain("third.acme.example")).await;
    assert!(matches!(refused, Err(TenancyError::NoCustomDomains)));
    app.tenancy.release_domain(acme.id, &actor(), &name).await.unwrap();
}
