//! What the routes of a service of many workspaces work with.

use std::sync::Arc;

use togglebox_auth::Accounts;
use togglebox_multitenancy::PlanCatalogue;
use togglebox_multitenancy::manage::Tenancy;
use togglebox_toggles::manage::QuotaSource;

use super::billing::BillingDesk;
use super::export::Exports;
use super::metering::Metering;
use super::quotas::PlanQuotas;

/// How such a service presents itself.
#[derive(Clone, Debug)]
pub struct CloudSettings {
    /// The plans that people may choose from.
    pub plans: Arc<PlanCatalogue>,
    /// How the address of a workspace is made of its subdomain, which stands for `{subdomain}`: `https://{subdomain}.example.com`.
    pub workspace_url: String,
    /// Where people change their plan.
    pub upgrade_url: String,
    /// Whether strangers may sign up.
    pub sign_up: bool,
}

/// The services behind those routes.
#[derive(Clone, Debug)]
pub struct CloudServices {
    /// Workspaces and who belongs to them.
    pub tenancy: Arc<Tenancy>,
    /// Accounts and guests.
    pub accounts: Arc<Accounts>,
    /// Workspaces on their way out.
    pub exports: Arc<Exports>,
    /// The usage of workspaces; `None` where it is not metered.
    pub metering: Option<Arc<Metering>>,
    /// What workspaces pay; `None` where nothing is charged.
    pub billing: Option<BillingDesk>,
    /// How it presents itself.
    pub settings: CloudSettings,
}

impl CloudServices {
    /// How many things workspaces may have.
    pub(crate) fn quotas(&self) -> Arc<dyn QuotaSource> {
        Arc::new(PlanQuotas(Arc::clone(&self.tenancy)))
    }

    /// Where a workspace is reached.
    pub(crate) fn url_of(&self, subdomain: &str) -> String {
        self.settings.workspace_url.replace("{subdomain}", subdomain)
    }
}
