//! How many things of each kind a tenant may have.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{Limit, StoreResult, TenantId};

/// What a tenant may be limited to so many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Countable {
    /// Platforms.
    Platforms,
    /// Environments of all platforms together.
    Environments,
    /// Config parameters of all environments together.
    Parameters,
    /// Flags of all environments together.
    Flags,
    /// Experiments of all environments together, whatever their status.
    Experiments,
}

impl Countable {
    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platforms => "platforms",
            Self::Environments => "environments",
            Self::Parameters => "configs",
            Self::Flags => "flags",
            Self::Experiments => "experiments",
        }
    }
}

/// How many of each a tenant may have. By default: as many as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Platforms.
    pub platforms: Limit,
    /// Environments.
    pub environments: Limit,
    /// Config parameters.
    pub parameters: Limit,
    /// Flags.
    pub flags: Limit,
    /// Experiments.
    pub experiments: Limit,
}

impl Quotas {
    /// How many of one kind.
    pub const fn of(&self, kind: Countable) -> Limit {
        match kind {
            Countable::Platforms => self.platforms,
            Countable::Environments => self.environments,
            Countable::Parameters => self.parameters,
            Countable::Flags => self.flags,
            Countable::Experiments => self.experiments,
        }
    }
}

/// Who knows how many things tenants may have. Asked whenever something is to be made, and never otherwise.
#[async_trait]
pub trait QuotaSource: Send + Sync + Debug + 'static {
    /// How many things the tenant may have now.
    ///
    /// # Errors
    /// `NotFound` when there is no such tenant, `Unavailable`, `Corrupt`. Nothing is made then.
    async fn quotas(&self, tenant: TenantId) -> StoreResult<Quotas>;
}

/// Every tenant may have as many things as it likes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unlimited;

#[async_trait]
impl QuotaSource for Unlimited {
    async fn quotas(&self, _: TenantId) -> StoreResult<Quotas> {
        Ok(Quotas::default())
    }
}
