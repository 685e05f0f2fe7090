//! Connects stores, services and API: one node.

mod chores;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use anyhow::Context as _;
use secrecy::SecretString;
use togglebox_auth::{
    AccountPorts, AccountSettings, Accounts, AttemptPolicy, Authenticator, AuthenticatorPorts, AuthenticatorSettings,
    CachePolicy, Mailer, PasswordHasher, Pepper, ResetLink, ResetPolicy, SessionPolicy, SignedKeys, TokenKeys,
};
use togglebox_core::{Clock, Entropy, OsEntropy, SystemClock, TenantId};
#[cfg(feature = "cloud")]
use togglebox_http::cloud::PlanRates;
use togglebox_http::{Api, ApiPorts, ApiServices, PageTokens};
use togglebox_ratelimit::Limiter;
#[cfg(feature = "cloud")]
use togglebox_ratelimit::Mode;
use togglebox_toggles::manage::{Directories, Experiments, Flags, Journal, Parameters};
use togglebox_toggles::statistics::{Flusher, Recorder, RecorderLimits};

#[cfg(feature = "cloud")]
use crate::cloud;
#[cfg(feature = "cloud")]
use crate::limits::PlanPolicy;
use crate::limits::WorkspaceLimits;
use crate::mail::SmtpMailer;
#[cfg(feature = "cloud")]
use crate::settings::CloudSettings;
use crate::settings::Settings;
use crate::stores::Stores;
use crate::{exposure, limits, secrets};

/// The most API keys of one user.
const KEYS_PER_USER: usize = 100;

/// How long a failed sign-in takes at the least: several times what verifying a password of either kind does.
const FAILED_SIGN_IN: Duration = Duration::from_millis(250);

/// What changes platforms, environments and what lives in them, for commands and tests.
#[derive(Debug)]
pub struct ManagingServices {
    /// Platforms and environments.
    pub directories: Directories,
    /// Config parameters.
    pub parameters: Parameters,
    /// Flags.
    pub flags: Flags,
    /// Experiments.
    pub experiments: Experiments,
}

/// Everything that a process holds, from the store to the API.
#[derive(Debug)]
pub struct Node {
    front: Front,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) flusher: Arc<Flusher>,
    pub(crate) journal: Journal,
    pub(crate) stores: Stores,
    limiter: Option<Limiter>,
    clock: Arc<dyn Clock>,
    audit_retention: Option<Duration>,
}

/// What answers requests.
#[derive(Debug)]
enum Front {
    /// The open-source server: one tenant.
    Open(Arc<Api>),
    /// Many workspaces.
    #[cfg(feature = "cloud")]
    Cloud(Box<cloud::Front>),
}

/// The parts that an API is made of.
pub(crate) struct Parts {
    pub(crate) ports: ApiPorts,
    pub(crate) services: ApiServices,
    #[cfg(feature = "cloud")]
    pub(crate) stores: Stores,
}

/// What tokens and keys are signed and hashed with.
struct Credentials {
    tokens: Arc<TokenKeys>,
    pepper: Arc<Pepper>,
    signed_keys: Option<Arc<SignedKeys>>,
}

impl Credentials {
    fn of(settings: &Settings, secret: &SecretString) -> anyhow::Result<Self> {
        let tokens = TokenKeys::new(secret, settings.tokens.previous.as_slice(), settings.tokens.parties.clone());
        let tokens = Arc::new(tokens.context("JWT_SECRET cannot be used")?);
        let api_key_secret = settings.tokens.api_key_secret.as_ref();
        let pepper = Pepper::new(api_key_secret.unwrap_or(secret).clone());
        let pepper = Arc::new(pepper.context("API_KEY_SECRET cannot be used")?);
        let signed_keys = api_key_secret.map(|secret| SignedKeys::new(secret, settings.tokens.parties.clone()));
        let signed_keys = signed_keys.transpose().context("API_KEY_SECRET cannot be used")?.map(Arc::new);
        Ok(Self { tokens, pepper, signed_keys })
    }
}

impl Node {
    /// Opens the store, makes the secret if there is none yet, and connects everything.
    ///
    /// # Errors
    /// The store cannot be opened, or a secret cannot be read or written.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_with(settings, WorkspaceLimits::default(), |settings, parts| {
            Ok(Front::Open(Api::new(settings.api.clone(), parts.ports, parts.services)))
        })
        .await
    }

    /// The same, of a service of many workspaces.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "cloud")]
    pub async fn open_cloud(settings: &Settings, cloud: &CloudSettings) -> anyhow::Result<Self> {
        Self::open_cloud_with(settings, cloud, cloud.metering).await
    }

    /// The same, for a command: it serves nobody, so it counts nothing.
    #[cfg(feature = "cloud")]
    pub(crate) async fn open_cloud_for_a_command(settings: &Settings, cloud: &CloudSettings) -> anyhow::Result<Self> {
        Self::open_cloud_with(settings, cloud, false).await
    }

    #[cfg(feature = "cloud")]
    async fn open_cloud_with(settings: &Settings, cloud: &CloudSettings, metering: bool) -> anyhow::Result<Self> {
        let cloud = &CloudSettings { metering, ..cloud.clone() };
        let rates = Arc::<PlanRates>::default();
        let plans = PlanPolicy { name: PlanRates::NAME, mode: cloud.plan_rates, rates: Arc::<PlanRates>::clone(&rates) };
        let plans = (cloud.plan_rates != Mode::Off).then_some(plans);
        let limits = WorkspaceLimits { plans, exports: cloud.exports, money: cloud.money.filter(|_| cloud.billing.is_some()) };
        let queue = cloud::queue::open(cloud).await?;
        Self::open_with(settings, limits, |settings, parts| {
            cloud::Front::new(settings, cloud, &rates, queue, parts).map(|front| Front::Cloud(Box::new(front)))
        })
        .await
    }

    async fn open_with(
        settings: &Settings,
        limits: WorkspaceLimits,
        front: impl FnOnce(&Settings, Parts) -> anyhow::Result<Front>,
    ) -> anyhow::Result<Self> {
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let secret = signing_secret(settings, &*entropy)?;
        let stores = Stores::open(&settings.database, &settings.bus).await?;
        let bus = Arc::clone(&stores.bus);

        let Credentials { tokens, pepper, signed_keys } = Credentials::of(settings, &secret)?;
        let sessions = SessionPolicy { token: settings.tokens.life, ..SessionPolicy::default() };

        let authenticator = Arc::new(Authenticator::new(
            AuthenticatorPorts {
                users: Arc::clone(&stores.users),
                keys: Arc::clone(&stores.keys),
                sessions: Arc::clone(&stores.sessions),
                bus: Arc::clone(&bus),
                clock: Arc::clone(&clock),
            },
            AuthenticatorSettings {
                tokens: Arc::clone(&tokens),
                pepper: Arc::clone(&pepper),
                signed_keys,
                sessions,
                cache: CachePolicy::default(),
            },
        ));
        let listener = Arc::clone(&authenticator);
        bus.subscribe(listener);

        let mailer = settings.mail.as_ref().map(SmtpMailer::new).transpose()?;
        let link = reset_link(settings)?;
        let hasher = hasher(&entropy)?;
        let accounts = Arc::new(Accounts::new(
            AccountPorts {
                users: Arc::clone(&stores.users),
                keys: Arc::clone(&stores.keys),
                sessions: Arc::clone(&stores.sessions),
                resets: Arc::clone(&stores.resets),
                attempts: Arc::clone(&stores.attempts),
                bus: Arc::clone(&bus),
                mailer: mailer.map(|mailer| Arc::new(mailer) as Arc<dyn Mailer>),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
            },
            AccountSettings {
                tokens,
                pepper,
                sessions,
                registration: settings.registration,
                attempts: AttemptPolicy::default(),
                keys_per_user: KEYS_PER_USER,
                resets: ResetPolicy::new(link),
                failure_takes: FAILED_SIGN_IN,
            },
            Arc::new(hasher),
        ));

        let limits = limits::open(settings, &entropy, limits).await?;
        let limiter = limits.as_ref().map(|limits| limits.limiter.clone());
        let recorder = Arc::new(Recorder::new(RecorderLimits::default()));
        let flusher =
            Flusher::new(Arc::clone(&recorder), Arc::clone(&stores.statistics), Arc::clone(&clock), Arc::clone(&entropy));
        let flusher = Arc::new(flusher);
        let journal = Journal::new(Arc::clone(&clock), Arc::clone(&entropy), Arc::clone(&bus));
        let parts = Parts {
            ports: ApiPorts {
                directories: Arc::clone(&stores.directories),
                environments: Arc::clone(&stores.environments),
                parameters: Arc::clone(&stores.parameters),
                flags: Arc::clone(&stores.flags),
                experiments: Arc::clone(&stores.experiments),
                statistics: Arc::clone(&stores.statistics),
                audit: Arc::clone(&stores.audit),
                changes: bus,
                clock: Arc::clone(&clock),
                entropy,
            },
            services: ApiServices {
                authenticator: Arc::clone(&authenticator),
                accounts: Arc::clone(&accounts),
                recorder,
                flusher: Arc::clone(&flusher),
                page_tokens: PageTokens::derived(&secret, settings.tokens.previous.as_slice()),
                limits,
            },
            #[cfg(feature = "cloud")]
            stores: stores.clone(),
        };
        Ok(Self {
            front: front(settings, parts)?,
            accounts,
            authenticator,
            flusher,
            journal,
            stores,
            limiter,
            clock,
            audit_retention: settings.audit_retention,
        })
    }

    /// The API, to be mounted in an actix app. Of a service of many workspaces, that of a workspace.
    pub fn api(&self) -> &Arc<Api> {
        match &self.front {
            Front::Open(api) => api,
            #[cfg(feature = "cloud")]
            Front::Cloud(front) => front.cloud.workspaces(),
        }
    }

    /// Mounts all that the node answers in an actix app.
    pub(crate) fn mount(&self) -> Box<dyn FnOnce(&mut ServiceConfig)> {
        match &self.front {
            Front::Open(api) => Box::new(api.routes()),
            #[cfg(feature = "cloud")]
            Front::Cloud(front) => Box::new(front.cloud.routes()),
        }
    }

    /// As [`Api::end_connections`].
    pub(crate) fn end_connections(&self) {
        match &self.front {
            Front::Open(api) => api.end_connections(),
            #[cfg(feature = "cloud")]
            Front::Cloud(front) => front.cloud.end_connections(),
        }
    }

    /// Whose the accounts are that sign in by themselves.
    pub(crate) const fn home(&self) -> TenantId {
        match &self.front {
            Front::Open(_) => TenantId::DEFAULT,
            #[cfg(feature = "cloud")]
            Front::Cloud(_) => togglebox_http::cloud::CENTRAL,
        }
    }

    /// What changes the store past the API, with the same checks, audit records and notices.
    pub fn services(&self) -> ManagingServices {
        let stores = &self.stores;
        ManagingServices {
            directories: Directories::new(Arc::clone(&stores.directories), self.journal.clone()),
            parameters: Parameters::new(Arc::clone(&stores.parameters), self.journal.clone()),
            flags: Flags::new(Arc::clone(&stores.flags), self.journal.clone()),
            experiments: Experiments::new(Arc::clone(&stores.experiments), self.journal.clone()),
        }
    }

    #[cfg(feature = "cloud")]
    const fn meterage(&self) -> Option<&cloud::Meterage> {
        match &self.front {
            Front::Open(_) => None,
            Front::Cloud(front) => front.meterage(),
        }
    }

    /// Counts what there is of a workspace.
    ///
    /// # Errors
    /// The store cannot be read.
    #[cfg(feature = "cloud")]
    pub(crate) async fn left(&self, tenant: TenantId) -> anyhow::Result<togglebox_multitenancy::store::Remains> {
        match &self.front {
            Front::Open(_) => anyhow::bail!("this server has no workspaces"),
            Front::Cloud(front) => Ok(front.left(tenant).await?),
        }
    }

    /// Begins to write all that a workspace has to a file, with a record of it; gives the workspace, too.
    ///
    /// # Errors
    /// There is no such workspace any more; the store cannot be read or written.
    #[cfg(feature = "cloud")]
    pub(crate) async fn export(
        &self,
        tenant: TenantId,
    ) -> anyhow::Result<(togglebox_multitenancy::Tenant, cloud::WorkspaceFile)> {
        match &self.front {
            Front::Open(_) => anyhow::bail!("this server has no workspaces"),
            Front::Cloud(front) => front.export(tenant).await,
        }
    }

    /// Writes out everything and closes the store. Nothing may be served after it.
    ///
    /// # Errors
    /// Something could not be written.
    pub async fn close(&self) -> anyhow::Result<()> {
        self.accounts.settle().await;
        if let Some(limiter) = &self.limiter {
            limiter.close().await;
        }
        let figures = self.flusher.flush().await.map(drop);
        let uses = self.authenticator.flush_uses().await.map(drop);
        #[cfg(feature = "cloud")]
        if let Some(meterage) = self.meterage() {
            meterage.finish().await;
        }
        let closed = self.stores.close().await;
        figures.context("the last figures could not be written")?;
        uses.context("the last uses of API keys could not be written")?;
        closed.context("the store could not be closed")
    }

    #[cfg(feature = "cloud")]
    pub(crate) const fn till(&self) -> Option<&cloud::billing::Till> {
        match &self.front {
            Front::Open(_) => None,
            Front::Cloud(front) => front.till(),
        }
    }
}

fn reset_link(settings: &Settings) -> anyhow::Result<ResetLink> {
    let link = format!("{}/password-reset/complete/{{token}}", settings.app_url);
    ResetLink::new(link).context("APP_URL cannot be used")
}

fn hasher(entropy: &Arc<dyn Entropy>) -> anyhow::Result<PasswordHasher> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    PasswordHasher::new(cores, Arc::clone(entropy)).context("passwords cannot be hashed")
}

fn signing_secret(settings: &Settings, entropy: &dyn Entropy) -> anyhow::Result<SecretString> {
    use togglebox_core::EntropyExt as _;
    if let Some(secret) = &settings.tokens.secret {
        return Ok(secret.clone());
    }
    let Some(path) = settings.database.file() else {
        tracing::info!("JWT_SECRET is not set and the store is in memory: sessions end with this process");
        return Ok(entropy.hex::<32>().into());
    };
    let kept = secrets::keep(path, entropy)?;
    let (file, own) = (kept.file.display(), secrets::own_file(path));
    if kept.made {
        tracing::info!("JWT_SECRET is not set: made a secret and keep it in {file}, readable by its owner only");
    } else if kept.file != own {
        let own = own.display();
        tracing::info!("The secret is in {file}, as earlier versions named it: move it to {own} if no other database uses it");
    }
    exposure::warn_of("The secret in", &kept.file);
    Ok(kept.secret)
}
