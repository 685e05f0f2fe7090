//! Custom domains: claiming, showing, dropping.

use serde_json::json;
use togglebox_core::{Actor, AuditRecord, StoreErrorKind, TenantId};

use super::{Result, Tenancy, TenancyError, twice};
use crate::{DomainClaim, DomainName, InvalidDomain, Tenant};

impl Tenancy {
    /// Claims a domain. It leads nowhere before the record that the claim names was found.
    ///
    /// # Errors
    /// `NoCustomDomains`, `Domain` when it belongs to the service, `AlreadyClaimed`, `TooManyDomains`, `TenantNotFound`, `Store`.
    pub async fn claim_domain(&self, tenant: TenantId, actor: &Actor, domain: DomainName) -> Result<DomainClaim> {
        self.expect_custom_domains()?;
        if self.settings.own_domains.iter().any(|own| domain.is_within(own)) {
            return Err(InvalidDomain::Own(domain).into());
        }
        let claim = DomainClaim::new(domain, &*self.ports.entropy, self.now());
        let record = AuditRecord {
            after: Some(json!({ "domain": claim.domain.as_str() })),
            ..self.record(actor, "domain.claim", &claim.domain)
        };
        let claimed = twice(|| self.ports.domains.claim(tenant, &claim, &record)).await;
        claimed.map_err(|error| match error.kind() {
            StoreErrorKind::AlreadyExists => TenancyError::AlreadyClaimed,
            StoreErrorKind::LimitReached { limit } => TenancyError::TooManyDomains { limit: *limit },
            _ => TenancyError::or_absent(error, TenancyError::TenantNotFound),
        })
    }

    /// The tenant's claims, by domain.
    ///
    /// # Errors
    /// `Store`.
    pub async fn domains(&self, tenant: TenantId) -> Result<Vec<DomainClaim>> {
        Ok(self.ports.domains.list(tenant).await?)
    }

    /// Looks the record of a claim up, and lets the domain lead to the tenant if it is there. One that was verified already is answered
    /// without looking.
    ///
    /// # Errors
    /// `NoCustomDomains`, `NotShown`, `LookUp`, `DomainTaken`, `DomainNotFound`, `Store`.
    pub async fn verify_domain(&self, tenant: TenantId, actor: &Actor, domain: &DomainName) -> Result<Tenant> {
        self.expect_custom_domains()?;
        let claim = self.ports.domains.find(tenant, domain).await?.ok_or(TenancyError::DomainNotFound)?;
        if claim.verified_at.is_some() {
            return self.tenant(tenant).await;
        }
        if !claim.is_shown_by(&self.ports.resolver.txt(&claim.record_name()).await?) {
            return Err(TenancyError::NotShown { name: claim.record_name(), value: claim.record_value() });
        }
        let record =
            AuditRecord { after: Some(json!({ "domain": domain.as_str() })), ..self.record(actor, "domain.verify", &domain) };
        let verified = twice(|| self.ports.domains.verify(tenant, domain, &record)).await;
        let verified = verified.map_err(|error| TenancyError::or_absent(error, TenancyError::DomainNotFound))?.value;
        // Nodes may remember that nothing is there.
        self.announce(None, &verified).await;
        Ok(verified)
    }

    /// Drops a domain, verified or not. It leads nowhere from then on.
    ///
    /// # Errors
    /// `DomainNotFound`, `Store`.
    pub async fn release_domain(&self, tenant: TenantId, actor: &Actor, domain: &DomainName) -> Result<Tenant> {
        let before = self.tenant(tenant).await?;
        let record =
            AuditRecord { before: Some(json!({ "domain": domain.as_str() })), ..self.record(actor, "domain.release", &domain) };
        let released = twice(|| self.ports.domains.release(tenant, domain, &record)).await;
        let released = released.map_err(|error| TenancyError::or_absent(error, TenancyError::DomainNotFound))?.value;
        // Named even where another wrote between the reading and this: it is this domain that nodes must forget.
        let mut named = before;
        named.domains.push(domain.clone());
        self.announce(Some(&named), &released).await;
        Ok(released)
    }

    /// Whether a custom host leads to a tenant that answers: what a front end asks before it gets a certificate for it. Subdomains of
    /// the service are not asked for here: one wildcard certificate covers them.
    ///
    /// # Errors
    /// `Store`.
    pub async fn serves(&self, host: &DomainName) -> Result<bool> {
        if !self.settings.custom_domains {
            return Ok(false);
        }
        let tenant = self.ports.directory.by_domain(host).await?;
        Ok(tenant.is_some_and(|tenant| {
            let allowed = self.allowed(&tenant);
            allowed.management || allowed.evaluation
        }))
    }

    const fn expect_custom_domains(&self) -> Result<()> {
        if self.settings.custom_domains { Ok(()) } else { Err(TenancyError::NoCustomDomains) }
    }
}
