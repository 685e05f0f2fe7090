//! Making tenants, finding them, and what their admins and the operator change.

use serde_json::Value;
use togglebox_core::{Actor, AuditRecord, EntropyExt as _, Page, PageRequest, Revision, StoreErrorKind, TenantId};
use uuid::Uuid;

use super::{Result, Tenancy, TenancyError, shown, twice};
use crate::store::{TenantFilter, Workspace};
use crate::{
    Allowed, Billing, LimitOverrides, Limits, Member, MemberRole, Person, PlanName, Standing, Subdomain, Tenant, TenantName,
    Unpaid,
};

/// What a tenant is made of.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// What people call it.
    pub name: TenantName,
    /// Where it is to be reached.
    pub subdomain: Subdomain,
    /// Its plan; the first of the catalogue when it is not named.
    pub plan: Option<PlanName>,
    /// Whose it is.
    pub owner: Person,
    /// The id that it is to have; otherwise one that nobody has. With one, making it again finds what was made.
    pub id: Option<TenantId>,
    /// Whether it has to be paid for before anything can be done with it: [`Unpaid::Reserved`].
    pub unpaid: bool,
}

/// What a tenant's admins change of it. What is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct TenantUpdate {
    /// Another name.
    pub name: Option<TenantName>,
    /// Another subdomain. The old one leads nowhere from then on.
    pub subdomain: Option<Subdomain>,
}

impl Tenancy {
    /// Adds a tenant. When the outcome is unknown (`Store`), asking again with the same subdomain finds out: it is taken then. With an id,
    /// asking again answers with the tenant, as it stands by then, as long as it has the same owner and subdomain.
    ///
    /// # Errors
    /// `Subdomain`, `SubdomainTaken`, `SubdomainQuarantined`, `UnknownPlan`, `IdTaken` when another tenant has the id, or it is deleted,
    /// `Store`.
    pub async fn create(&self, actor: &Actor, new: NewTenant) -> Result<Tenant> {
        if let Some(id) = new.id
            && let Some(made) = self.made(id, new.owner.user, &new.subdomain).await?
        {
            return Ok(made);
        }
        self.settings.subdomains.check(&new.subdomain)?;
        let plan = match new.plan {
            Some(plan) => self.known(plan)?,
            None => self.settings.plans.first().name.clone(),
        };
        let (id, now) = (new.id.unwrap_or_else(|| TenantId::from_uuid(self.ports.entropy.uuid())), self.now());
        let tenant = Tenant {
            id,
            name: new.name,
            subdomain: new.subdomain,
            renames: Vec::new(),
            domains: Vec::new(),
            owner: new.owner.user,
            standing: Standing { unpaid: new.unpaid.then_some(Unpaid::Reserved(now)), ..Standing::default() },
            plan,
            overrides: LimitOverrides::NONE,
            billing: Billing::default(),
            version: Revision::ZERO,
            created_at: now,
            updated_at: now,
        };
        let owner = Member {
            tenant: id,
            user: new.owner.user,
            email: new.owner.email,
            role: MemberRole::Admin,
            joined_at: now,
            version: Revision::ZERO,
        };
        let record =
            AuditRecord { at: now, after: Some(Value::Object(shown(&tenant))), ..self.record(actor, "tenant.create", &id) };
        let written = twice(|| self.ports.tenants.create(id, &tenant, &owner, &record)).await;
        let written = match written {
            Ok(written) => written.value,
            // Somebody else has made it at the same time.
            Err(error) if *error.kind() == StoreErrorKind::AlreadyExists => {
                return self.made(id, tenant.owner, &tenant.subdomain).await?.ok_or(TenancyError::IdTaken);
            }
            Err(error) => return Err(TenancyError::of_tenant(error, &tenant.subdomain)),
        };
        // Nodes may remember that nothing is there.
        self.announce(None, &written).await;
        Ok(written)
    }

    /// The tenant of this id, if it was made before as it is to be made now.
    async fn made(&self, id: TenantId, owner: Uuid, subdomain: &Subdomain) -> Result<Option<Tenant>> {
        let Some(found) = self.ports.tenants.find(id).await? else { return Ok(None) };
        if found.owner != owner || found.subdomain != *subdomain || found.standing.deletion.is_some() {
            return Err(TenancyError::IdTaken);
        }
        // Whoever made it may not have come to that.
        self.announce(None, &found).await;
        Ok(Some(found))
    }

    /// Whether a subdomain can be had, as far as that can be said before somebody asks for it: one that was given up a short time ago
    /// seems free.
    ///
    /// # Errors
    /// `Subdomain`, `SubdomainTaken`, `Store`.
    pub async fn expect_free(&self, subdomain: &Subdomain) -> Result<()> {
        self.settings.subdomains.check(subdomain)?;
        match self.ports.directory.by_subdomain(subdomain).await? {
            Some(_) => Err(TenancyError::SubdomainTaken(subdomain.clone())),
            None => Ok(()),
        }
    }

    /// The tenant that has a subdomain, if a user belongs to it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn workspace_of(&self, user: Uuid, subdomain: &Subdomain) -> Result<Option<Workspace>> {
        let Some(tenant) = self.ports.directory.by_subdomain(subdomain).await? else { return Ok(None) };
        let member = self.ports.members.find(tenant.id, user).await?;
        Ok(member.map(|member| Workspace { tenant, member }))
    }

    /// The tenants that a user belongs to.
    ///
    /// # Errors
    /// `Store`.
    pub async fn workspaces(&self, user: Uuid, page: &PageRequest) -> Result<Page<Workspace>> {
        Ok(self.ports.directory.workspaces(user, page).await?)
    }

    /// Tenants that match, by subdomain: for the operator.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, filter: &TenantFilter, page: &PageRequest) -> Result<Page<Tenant>> {
        Ok(self.ports.directory.list(filter, page).await?)
    }

    /// Changes name and subdomain.
    ///
    /// # Errors
    /// `Subdomain`, `RenamedTooOften`, `SubdomainTaken`, `SubdomainQuarantined`, `TenantNotFound`, `Conflict`, `Store`.
    pub async fn update(
        &self,
        tenant: TenantId,
        actor: &Actor,
        update: &TenantUpdate,
        expected: Option<Revision>,
    ) -> Result<Tenant> {
        self.amend(tenant, (actor, "tenant.update"), expected, |tenant| {
            alive(tenant)?;
            if tenant.standing.is_reserved() {
                return Err(TenancyError::NotAllowed(tenant.status()));
            }
            if let Some(subdomain) = update.subdomain.as_ref().filter(|subdomain| **subdomain != tenant.subdomain) {
                self.settings.subdomains.check(subdomain)?;
                tenant.renames = self.settings.renames.renamed(&tenant.renames, self.now())?;
                tenant.subdomain = subdomain.clone();
            }
            if let Some(name) = &update.name {
                tenant.name = name.clone();
            }
            Ok(())
        })
        .await
    }

    /// Moves a tenant to a plan; with `overrides`, these replace those that it has. What the tenant has beyond the new limits stays, and
    /// it gets no more of it.
    ///
    /// # Errors
    /// `UnknownPlan`, `TenantNotFound`, `Conflict`, `Store`.
    pub async fn change_plan(
        &self,
        tenant: TenantId,
        actor: &Actor,
        plan: PlanName,
        overrides: Option<LimitOverrides>,
        expected: Option<Revision>,
    ) -> Result<Tenant> {
        let plan = self.known(plan)?;
        self.amend(tenant, (actor, "tenant.plan"), expected, |tenant| {
            alive(tenant)?;
            tenant.plan = plan.clone();
            tenant.overrides = overrides.unwrap_or(tenant.overrides);
            Ok(())
        })
        .await
    }

    /// Notes what the payment service says.
    ///
    /// # Errors
    /// `TenantNotFound`, `Store`.
    pub async fn set_billing(&self, tenant: TenantId, actor: &Actor, billing: &Billing) -> Result<Tenant> {
        self.amend(tenant, (actor, "tenant.billing"), None, |tenant| {
            tenant.billing = billing.clone();
            Ok(())
        })
        .await
    }

    /// The limits that hold for a tenant.
    ///
    /// # Errors
    /// `UnknownPlan` when the catalogue does not have its plan any more: nobody guesses what it may do.
    pub fn limits(&self, tenant: &Tenant) -> Result<Limits> {
        let limits = self.settings.plans.limits(&tenant.plan, &tenant.overrides);
        limits.ok_or_else(|| TenancyError::UnknownPlan(tenant.plan.clone()))
    }

    /// What a tenant's standing allows.
    pub const fn allowed(&self, tenant: &Tenant) -> Allowed {
        self.settings.access.allowed(&tenant.standing)
    }

    pub(super) fn known(&self, plan: PlanName) -> Result<PlanName> {
        if self.settings.plans.find(&plan).is_some() { Ok(plan) } else { Err(TenancyError::UnknownPlan(plan)) }
    }
}

/// What is deleted does not change, but for its end.
fn alive(tenant: &Tenant) -> Result<()> {
    if tenant.standing.deletion.is_none() { Ok(()) } else { Err(TenancyError::NotAllowed(tenant.status())) }
}
