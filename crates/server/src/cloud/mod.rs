//! Connects what a service of many workspaces has besides.

pub(crate) mod billing;
mod dns;
mod endings;
mod export;
mod invitations;
mod metering;
pub(crate) mod queue;
mod rechecks;
#[cfg(test)]
mod testing;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use togglebox_core::{Actor, PageRequest, SystemStopwatch, TenantId, WakingStopwatch};
use togglebox_http::cloud::{Cloud, CloudPorts, CloudServices, Exports, PlanRates, WorkspaceSource};
use togglebox_metering::queue::UsageQueue;
use togglebox_multitenancy::manage::{Tenancy, TenancyError, TenancyPorts, TenancySettings};
use togglebox_multitenancy::store::{Remains, TenantFilter};
use togglebox_multitenancy::{DomainName, InvitationMailer, Preloaded, Preloading, ResolveOptions, SubdomainPolicy, Tenant};

use self::billing::{Ingredients, Post, Till};
use self::dns::Dns;
use self::endings::Endings;
pub(crate) use self::export::WorkspaceFile;
use self::export::Workspaces;
use self::invitations::Invitations;
pub(crate) use self::metering::Meterage;
use self::metering::{Keeping, Way};
use self::rechecks::Rechecks;
use crate::mail::SmtpMailer;
use crate::node::Parts;
use crate::settings::{CloudSettings, Settings};

/// What answers the requests of many workspaces.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) cloud: Arc<Cloud>,
    tenancy: Arc<Tenancy>,
    endings: Endings,
    rechecks: Rechecks,
    workspaces: Workspaces,
    /// `None` where usage is not metered.
    meterage: Option<Meterage>,
    /// `None` where nothing is charged.
    till: Option<Till>,
    preloads: bool,
}

impl Front {
    pub(crate) fn new(
        settings: &Settings,
        cloud: &CloudSettings,
        rates: &Arc<PlanRates>,
        queue: Option<Arc<dyn UsageQueue>>,
        parts: Parts,
    ) -> anyhow::Result<Self> {
        let Parts { ports, services, stores } = parts;
        let register = stores.register;
        let mailer = || settings.mail.as_ref().map(SmtpMailer::new).transpose();
        let post = mailer()?.map(|mailer| Arc::new(mailer) as Arc<dyn Post>);
        let mailer = mailer()?.map(|mailer| {
            let accept = format!("{}/invitations/{{token}}", settings.app_url);
            Arc::new(Invitations::new(mailer, accept)) as Arc<dyn InvitationMailer>
        });
        let tenancy = Arc::new(Tenancy::new(
            TenancyPorts {
                tenants: Arc::clone(&register.tenants),
                members: Arc::clone(&register.members),
                invitations: Arc::clone(&register.invitations),
                domains: Arc::clone(&register.domains),
                directory: Arc::clone(&register.directory),
                remains: Arc::clone(&register.remains),
                bus: Arc::clone(&stores.bus),
                resolver: Arc::new(Dns::new(cloud.dns)?),
                mailer,
                clock: Arc::clone(&ports.clock),
                entropy: Arc::clone(&ports.entropy),
            },
            TenancySettings {
                plans: Arc::clone(&cloud.plans),
                own_domains: own_domains(cloud)?,
                custom_domains: cloud.rules.allows_custom_domains(),
                access: cloud.access,
                grace: cloud.grace,
                subdomains: SubdomainPolicy::default()
                    .reserve(cloud.rules.central_labels())
                    .context("CENTRAL_HOSTS cannot be used")?,
                ..TenancySettings::default()
            },
        ));
        let workspaces = Workspaces::new(Arc::clone(&stores.transfer), Arc::clone(&register.members), Arc::clone(&ports.clock));
        let till = cloud.billing.as_ref().map(|settings| {
            let made_of = Ingredients {
                cloud,
                store: &stores.billing,
                register: &register,
                usage: &stores.usage,
                tenancy: &tenancy,
                post,
                clock: &ports.clock,
                entropy: &ports.entropy,
            };
            Till::new(settings, made_of)
        });
        let till = till.transpose()?;
        let meterage = if cloud.metering {
            let made_of = (&ports.clock, &ports.entropy);
            let way = Way::new(stores.usage, queue, &register.directory);
            Some(if cloud.serverless {
                Meterage::direct(&settings.database, way, &tenancy, made_of)?
            } else {
                let keeping =
                    Keeping { folder: cloud.usage.as_deref(), durability: cloud.usage_durability, mapped: cloud.usage_mapped };
                Meterage::begin(keeping, &settings.database, way, &tenancy, made_of)?
            })
        } else {
            None
        };
        let services_of_cloud = CloudServices {
            tenancy: Arc::clone(&tenancy),
            accounts: Arc::clone(&services.accounts),
            exports: Arc::new(Exports::new(Arc::new(workspaces.clone()))),
            metering: meterage.as_ref().map(|meterage| Arc::clone(&meterage.metering)),
            billing: till.as_ref().map(|till| till.desk.clone()),
            settings: togglebox_http::cloud::CloudSettings {
                plans: Arc::clone(&cloud.plans),
                workspace_url: cloud.workspace_url.clone(),
                upgrade_url: cloud.upgrade_url.clone(),
                sign_up: settings.registration,
            },
        };
        let cloud_ports = CloudPorts {
            source: WorkspaceSource::new(
                Arc::clone(&register.directory),
                cloud.access,
                Arc::clone(&cloud.plans),
                Arc::clone(rates),
            ),
            stopwatch: if cloud.serverless {
                Arc::new(WakingStopwatch::start(Arc::clone(&ports.clock)))
            } else {
                Arc::new(SystemStopwatch::start())
            },
            rules: cloud.rules.clone(),
            locating: cloud.locating,
            options: ResolveOptions::default(),
            sleeps: cloud.serverless,
        };
        let served = Cloud::new(settings.api.clone(), &ports, &services, cloud_ports, &services_of_cloud);
        let endings = Endings::new(Arc::clone(&tenancy), till.as_ref().map(|till| Arc::clone(till.billing())));
        let rechecks = Rechecks::new(Arc::clone(&tenancy), Arc::clone(&ports.entropy), Arc::new(SystemStopwatch::start()));
        Ok(Self { cloud: served, tenancy, endings, rechecks, workspaces, meterage, till, preloads: !cloud.serverless })
    }

    /// Brings the names of workspaces into memory, as many and for as long as [`Preloading`] says. Not where a platform starts a process for
    /// a request that waits, and stops it after that: there, tokens say which workspace a name leads to.
    pub(crate) async fn preload(&self) {
        if !self.preloads {
            return;
        }
        match self.cloud.preload(Preloading::default()).await {
            Ok(Preloaded { found, failed, whole }) => {
                tracing::info!(names = found, failed, whole, "Brought {found} names of workspaces into memory");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "No names of workspaces were brought into memory: each is looked up when it is asked for");
            }
        }
    }

    /// The metering of usage, where there is any.
    pub(crate) const fn meterage(&self) -> Option<&Meterage> {
        self.meterage.as_ref()
    }

    /// Billing, where anything is charged.
    pub(crate) const fn till(&self) -> Option<&Till> {
        self.till.as_ref()
    }

    /// Does a part of the end of those workspaces whose grace period is over.
    pub(crate) async fn end_workspaces(&self) {
        match self.endings.round().await {
            Ok(round) => tracing::debug!(ended = round.ended, parts = round.parts, "Looked for workspaces to purge"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "The workspaces that are to be purged could not be listed");
            }
        }
    }

    /// Looks for the records of verified domains again, as far as they are due.
    pub(crate) async fn recheck_domains(&self) {
        match self.rechecks.round().await {
            Ok(round) => {
                let rechecks::Round { shown, missing, lapsed, unanswered } = round;
                tracing::debug!(shown, missing, lapsed, unanswered, "Looked at verified domains again");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "The domains that are to be looked at again could not be listed");
            }
        }
    }

    /// Removes what every node has long heard of from the sequence of changes.
    pub(crate) async fn prune_changes(&self) {
        const AGE: Duration = Duration::from_hours(7 * 24);
        const BATCH: usize = 500;
        const BATCHES: usize = 20;
        for _ in 0..BATCHES {
            match self.tenancy.prune_changes(AGE, BATCH).await {
                Ok(BATCH) => {}
                Ok(_) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "Old changes of workspaces could not be removed; the next round goes on");
                    return;
                }
            }
        }
    }

    /// Counts what there is of a workspace.
    pub(crate) async fn left(&self, tenant: TenantId) -> Result<Remains, TenancyError> {
        self.tenancy.left(tenant).await
    }

    /// Begins to write all that a workspace has to a file, with a record of it; gives the workspace, too.
    pub(crate) async fn export(&self, tenant: TenantId) -> anyhow::Result<(Tenant, WorkspaceFile)> {
        let noted = self.tenancy.note_export(tenant, &Actor::system()).await?;
        Ok((noted, self.workspaces.file(tenant).await?))
    }

    /// All workspaces, as far as they can be listed now.
    pub(crate) async fn tenants(&self) -> Vec<TenantId> {
        let (mut tenants, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
        loop {
            match self.tenancy.list(&TenantFilter::default(), &page).await {
                Ok(part) => {
                    tenants.extend(part.items.iter().map(|tenant| tenant.id));
                    match part.next {
                        Some(next) => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
                        None => return tenants,
                    }
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "Workspaces could not be listed");
                    return tenants;
                }
            }
        }
    }
}

/// The domains that nobody may claim. A base that is a bare name or an address is no domain that anybody could.
fn own_domains(cloud: &CloudSettings) -> anyhow::Result<Vec<DomainName>> {
    let base = cloud.rules.base();
    if !base.contains('.') || base.parse::<IpAddr>().is_ok() {
        return Ok(Vec::new());
    }
    Ok(vec![DomainName::new(base).with_context(|| format!("BASE_DOMAIN {base} cannot be used"))?])
}
