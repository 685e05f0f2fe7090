//! The services over the store in memory, whose calls can go wrong; a DNS and a post office of our own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use togglebox_core::testkit::{Ear, Faults};
use togglebox_core::{
    Actor, AuditFilter, AuditRecord, Change, Email, LocalBus, ManualClock, PageRequest, SeededEntropy, TenantId, Timestamp,
};
use togglebox_multitenancy::manage::{NewTenant, Tenancy, TenancyPorts, TenancySettings};
use togglebox_multitenancy::testkit::{MemoryStore, TenancyStores};
use togglebox_multitenancy::{
    DomainName, Invitation, InvitationMailError, InvitationMailer, InvitationToken, LookUpError, Member, MemberRole, Person,
    Subdomain, Tenant, TenantName, TxtResolver,
};
use uuid::Uuid;

/// What stands in the DNS; without an entry there is no such name.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    pub(crate) records: Mutex<BTreeMap<String, Vec<String>>>,
    pub(crate) down: Mutex<bool>,
}

#[async_trait]
impl TxtResolver for Zone {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookUpError> {
        if *self.down.lock().unwrap() {
            return Err(LookUpError::new("no server answers"));
        }
        Ok(self.records.lock().unwrap().get(name).cloned().unwrap_or_default())
    }
}

/// What was sent: to whom, into which tenant.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) sent: Mutex<Vec<(String, String)>>,
    pub(crate) closed: Mutex<bool>,
}

#[async_trait]
impl InvitationMailer for Post {
    async fn send(&self, tenant: &Tenant, invitation: &Invitation, token: &InvitationToken) -> Result<(), InvitationMailError> {
        if *self.closed.lock().unwrap() {
            return Err(InvitationMailError::new("closed"));
        }
        assert_eq!((token.tenant(), token.hash()), (tenant.id, invitation.token_hash));
        self.sent.lock().unwrap().push((invitation.email.to_string(), tenant.subdomain.to_string()));
        Ok(())
    }
}

pub(crate) struct App {
    pub(crate) tenancy: Tenancy,
    pub(crate) stores: TenancyStores,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) zone: Arc<Zone>,
    pub(crate) post: Arc<Post>,
    pub(crate) ear: Ear,
    ports: TenancyPorts,
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(TenancySettings { own_domains: vec![domain("toggle.example")], ..TenancySettings::default() }).await
    }

    pub(crate) async fn with(settings: TenancySettings) -> Self {
        let (stores, faults) = (MemoryStore::fresh().await, Arc::new(Faults::none()));
        let faulty = stores.with_faults(&faults);
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_760_000_000_000)));
        let (bus, zone, post) = (Arc::new(LocalBus::default()), Arc::new(Zone::default()), Arc::new(Post::default()));
        let ear = Ear::of(&*bus);
        let ports = TenancyPorts {
            tenants: faulty.tenants,
            members: faulty.members,
            invitations: faulty.invitations,
            domains: faulty.domains,
            directory: faulty.directory,
            remains: faulty.remains,
            bus,
            resolver: Arc::<Zone>::clone(&zone),
            mailer: Some(Arc::<Post>::clone(&post)),
            clock: Arc::<ManualClock>::clone(&clock),
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        let tenancy = Tenancy::new(ports.clone(), settings);
        Self { tenancy, stores, faults, clock, zone, post, ear, ports }
    }

    /// Goes on by other rules, as after a restart.
    pub(crate) fn settle(&mut self, settings: TenancySettings) {
        self.tenancy = Tenancy::new(self.ports.clone(), settings);
    }

    /// A tenant on the first plan that belongs to [`person`]`(0)`.
    pub(crate) async fn tenant(&self, subdomain: &str) -> Tenant {
        self.tenancy.create(&actor(), new_tenant(subdomain)).await.unwrap()
    }

    /// Lets [`person`]`(n)` join.
    pub(crate) async fn joined(&self, tenant: TenantId, n: u8, role: MemberRole) -> Member {
        let issued = self.tenancy.invite(tenant, &actor(), person(0).user, person(n).email, role).await.unwrap();
        self.tenancy.accept(&issued.token, &person(n)).await.unwrap()
    }

    /// The actions that were recorded with a tenant, oldest first.
    pub(crate) async fn actions(&self, tenant: TenantId) -> Vec<String> {
        self.records(tenant).await.into_iter().map(|record| record.action).collect()
    }

    pub(crate) async fn records(&self, tenant: TenantId) -> Vec<AuditRecord> {
        let newest_first = self.stores.audit.list(tenant, &AuditFilter::default(), &PageRequest::first(100)).await;
        newest_first.unwrap().items.into_iter().rev().collect()
    }

    pub(crate) fn last_notice(&self) -> Change {
        self.ear.heard().pop().unwrap()
    }
}

pub(crate) fn actor() -> Actor {
    Actor::user(Uuid::from_u128(0xfff), "root@example.com")
}

pub(crate) fn person(n: u8) -> Person {
    Person { user: Uuid::from_u128(u128::from(n) + 1), email: Email::new(&format!("person{n}@example.com")).unwrap() }
}

pub(crate) fn label(text: &str) -> Subdomain {
    text.parse().unwrap()
}

pub(crate) fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

pub(crate) fn new_tenant(subdomain: &str) -> NewTenant {
    NewTenant {
        name: TenantName::new("Acme").unwrap(),
        subdomain: label(subdomain),
        plan: None,
        owner: person(0),
        id: None,
        unpaid: false,
    }
}
