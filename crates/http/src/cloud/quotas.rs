//! How many things a workspace's plan lets it have.

use std::sync::Arc;

use async_trait::async_trait;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_multitenancy::Limited;
use togglebox_multitenancy::manage::{Tenancy, TenancyError};
use togglebox_toggles::manage::{QuotaSource, Quotas};

/// The plans' limits. Read anew for everything that is to be made, so that another plan counts at once.
#[derive(Clone, Debug)]
pub(super) struct PlanQuotas(pub(super) Arc<Tenancy>);

#[async_trait]
impl QuotaSource for PlanQuotas {
    async fn quotas(&self, tenant: TenantId) -> StoreResult<Quotas> {
        let limits = async {
            let tenant = self.0.tenant(tenant).await?;
            self.0.limits(&tenant)
        };
        let limits = limits.await.map_err(unknown)?;
        Ok(Quotas {
            platforms: limits.get(Limited::Platforms),
            environments: limits.get(Limited::Environments),
            parameters: limits.get(Limited::Configs),
            flags: limits.get(Limited::Flags),
            experiments: limits.get(Limited::Experiments),
        })
    }
}

/// A workspace that is gone meanwhile, or whose plan nobody knows: nothing is made in it.
fn unknown(error: TenancyError) -> StoreError {
    const OPERATION: &str = "plans.quotas";
    match error {
        TenancyError::Store(error) => error,
        TenancyError::TenantNotFound => StoreError::new(StoreErrorKind::NotFound, OPERATION),
        other => StoreError::new(StoreErrorKind::Corrupt, OPERATION).caused_by(other),
    }
}
