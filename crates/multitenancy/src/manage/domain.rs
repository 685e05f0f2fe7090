//! Custom domains: claiming, showing, dropping.

use serde_json::json;
use togglebox_core::{Actor, AuditRecord, StoreErrorKind, TenantId};

use super::{Result, Tenancy, TenancyError, twice};
use crate::{Allowed, DomainClaim, DomainName, InvalidDomain, Tenant};

/// What became of looking for the record of a verified domain again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recheck {
    /// It is there.
    Shown,
    /// It is not, and the domain leads to the tenant for now.
    Missing {
        /// For so many times in a row.
        misses: u32,
    },
    /// It is not, and has not been for long: the domain leads nowhere any more.
    Lapsed,
    /// The claim is not what it was, by what somebody else did.
    Gone,
}

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

    /// Those of a tenant's verified domains whose records are to be looked for again.
    ///
    /// # Errors
    /// `Store`.
    pub async fn domains_to_recheck(&self, tenant: &Tenant) -> Result<Vec<DomainClaim>> {
        if !self.settings.custom_domains || tenant.domains.is_empty() || tenant.standing.deletion.is_some() {
            return Ok(Vec::new());
        }
        let (now, mut claims) = (self.now(), self.domains(tenant.id).await?);
        claims.retain(|claim| self.settings.rechecks.is_due(claim, now));
        Ok(claims)
    }

    /// Looks for the record of a verified domain again, and gives the domain up when it has been missing for long enough. Where several nodes
    /// do this at once, it counts once.
    ///
    /// # Errors
    /// `LookUp` when the DNS does not answer, which says nothing of the record: nothing is noted. `Store`.
    pub async fn recheck_domain(&self, tenant: TenantId, actor: &Actor, claim: &DomainClaim) -> Result<Recheck> {
        let is_shown = claim.is_shown_by(&self.ports.resolver.txt(&claim.record_name()).await?);
        let policy = &self.settings.rechecks;
        let checked = policy.checked(claim, is_shown, self.now());
        match self.ports.domains.note_check(tenant, &checked).await {
            Ok(()) => {}
            // Released meanwhile, or given up by another node.
            Err(error) if *error.kind() == StoreErrorKind::NotFound => return Ok(Recheck::Gone),
            Err(error) => return Err(error.into()),
        }
        if is_shown {
            return Ok(Recheck::Shown);
        }
        if !policy.is_over(&checked) {
            return Ok(Recheck::Missing { misses: checked.misses });
        }
        let domain = &checked.domain;
        let record = AuditRecord {
            before: Some(json!({ "domain": domain.as_str(), "verifiedAt": checked.verified_at })),
            after: Some(json!({ "domain": domain.as_str(), "missing": checked.record_name(), "misses": checked.misses })),
            ..self.record(actor, "domain.lapse", domain)
        };
        let before = self.tenant(tenant).await?;
        match twice(|| self.ports.domains.lapse(tenant, &checked, &record)).await {
            Ok(lapsed) => {
                self.announce_loss(before, domain, &lapsed.value).await;
                Ok(Recheck::Lapsed)
            }
            // Another node has found it, or given it up.
            Err(error) if *error.kind() == StoreErrorKind::NotFound => Ok(Recheck::Gone),
            Err(error) => Err(error.into()),
        }
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
        self.announce_loss(before, domain, &released).await;
        Ok(released)
    }

    /// Names the domain even where another wrote between the reading of the tenant and its loss: it is what nodes must forget.
    async fn announce_loss(&self, mut before: Tenant, domain: &DomainName, after: &Tenant) {
        before.domains.push(domain.clone());
        self.announce(Some(&before), after).await;
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
            allowed != Allowed::NOTHING
        }))
    }

    const fn expect_custom_domains(&self) -> Result<()> {
        if self.settings.custom_domains { Ok(()) } else { Err(TenancyError::NoCustomDomains) }
    }
}
