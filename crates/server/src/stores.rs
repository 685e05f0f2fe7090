//! The one place where an engine is chosen: from settings to the ports of a store.

use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "dynamodb")]
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use togglebox_auth::store::{ApiKeyStore, AttemptStore, PasswordResetStore, SessionStore, UserStore};
#[cfg(feature = "cloud")]
use togglebox_billing::BillingStore;
#[cfg(any(feature = "postgres", feature = "redis"))]
use togglebox_core::OsEntropy;
use togglebox_core::{AuditLog, ChangeBus, LocalBus, StoreResult, Timestamp};
#[cfg(feature = "cloud")]
use togglebox_metering::store::{UsageLedger, UsageStore};
#[cfg(feature = "cloud")]
use togglebox_multitenancy::store::{DomainStore, InvitationStore, MemberStore, RemainsStore, TenantDirectory, TenantStore};
use togglebox_storage::transfer::Transfer;
#[cfg(feature = "dynamodb")]
use togglebox_storage::{DynamoDb, DynamoDbOptions};
#[cfg(feature = "postgres")]
use togglebox_storage::{NotifyBus, Postgres, PostgresOptions};
#[cfg(feature = "redis")]
use togglebox_storage::{RedisBus, RedisBusOptions};
use togglebox_storage::{Sqlite, SqliteOptions};
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, ExperimentStore, FlagStore, ParameterStore, StatisticsStore};

#[cfg(feature = "dynamodb")]
use crate::settings::DynamoDbSettings;
#[cfg(feature = "postgres")]
use crate::settings::PostgresSettings;
use crate::settings::{BusSettings, DatabaseSettings, LimitStoreSettings, SqliteSettings};

/// What is needed of a store besides its ports.
#[async_trait]
pub(crate) trait Engine: Send + Sync + std::fmt::Debug + 'static {
    /// Ends every connection. Calls that come later answer `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` when something could not be finished; nothing that was acknowledged is lost.
    async fn close(&self) -> StoreResult<()>;

    /// Housekeeping that the store leaves for later: removes what can no longer be reached, in bounded parts. To be called now and then,
    /// by any node.
    ///
    /// # Errors
    /// `Unavailable`: the next call goes on.
    async fn tidy(&self, _now: Timestamp) -> StoreResult<()> {
        Ok(())
    }
}

#[cfg(feature = "dynamodb")]
#[async_trait]
impl Engine for DynamoDb {
    async fn close(&self) -> StoreResult<()> {
        Ok(())
    }

    /// What was deleted an hour ago: a call that began before is long over.
    async fn tidy(&self, now: Timestamp) -> StoreResult<()> {
        const AGE: Duration = Duration::from_hours(1);
        const BATCH: usize = 200;
        const BATCHES: usize = 50;
        for _ in 0..BATCHES {
            let swept = self.sweep(now.minus(AGE), BATCH).await?;
            if !swept.more {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl Engine for Postgres {
    async fn close(&self) -> StoreResult<()> {
        Self::close(self).await
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn close(&self) -> StoreResult<()> {
        Self::close(self).await
    }
}

/// The ports of one store and the change bus beside it.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) directories: Arc<dyn DirectoryStore>,
    pub(crate) environments: Arc<dyn EnvironmentStore>,
    pub(crate) parameters: Arc<dyn ParameterStore>,
    pub(crate) flags: Arc<dyn FlagStore>,
    pub(crate) experiments: Arc<dyn ExperimentStore>,
    pub(crate) statistics: Arc<dyn StatisticsStore>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) keys: Arc<dyn ApiKeyStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) resets: Arc<dyn PasswordResetStore>,
    pub(crate) attempts: Arc<dyn AttemptStore>,
    pub(crate) bus: Arc<dyn ChangeBus>,
    #[cfg(feature = "cloud")]
    pub(crate) register: RegisterStores,
    #[cfg(feature = "cloud")]
    pub(crate) transfer: Arc<dyn Transfer>,
    #[cfg(feature = "cloud")]
    pub(crate) usage: UsageStores,
    #[cfg(feature = "cloud")]
    pub(crate) billing: Arc<dyn BillingStore>,
    engine: Arc<dyn Engine>,
}

/// The ports of usage.
#[cfg(feature = "cloud")]
#[derive(Clone, Debug)]
pub(crate) struct UsageStores {
    pub(crate) usage: Arc<dyn UsageStore>,
    pub(crate) ledger: Arc<dyn UsageLedger>,
}

#[cfg(feature = "cloud")]
impl UsageStores {
    pub(crate) fn both(&self) -> (Arc<dyn UsageStore>, Arc<dyn UsageLedger>) {
        (Arc::clone(&self.usage), Arc::clone(&self.ledger))
    }

    pub(crate) fn over<S: Register>(store: &Arc<S>) -> Self {
        Self { usage: Arc::<S>::clone(store), ledger: Arc::<S>::clone(store) }
    }
}

/// The ports of the register of all tenants.
#[cfg(feature = "cloud")]
#[derive(Clone, Debug)]
pub(crate) struct RegisterStores {
    pub(crate) tenants: Arc<dyn TenantStore>,
    pub(crate) members: Arc<dyn MemberStore>,
    pub(crate) invitations: Arc<dyn InvitationStore>,
    pub(crate) domains: Arc<dyn DomainStore>,
    pub(crate) directory: Arc<dyn TenantDirectory>,
    pub(crate) remains: Arc<dyn RemainsStore>,
}

/// What keeps a register of tenants, their usage, and what they pay.
#[cfg(feature = "cloud")]
pub(crate) trait Register:
    TenantStore
    + MemberStore
    + InvitationStore
    + DomainStore
    + TenantDirectory
    + RemainsStore
    + UsageStore
    + UsageLedger
    + BillingStore
{
}

#[cfg(feature = "cloud")]
impl<S> Register for S where
    S: TenantStore
        + MemberStore
        + InvitationStore
        + DomainStore
        + TenantDirectory
        + RemainsStore
        + UsageStore
        + UsageLedger
        + BillingStore
{
}

/// There is none.
#[cfg(not(feature = "cloud"))]
trait Register {}

#[cfg(not(feature = "cloud"))]
impl<S> Register for S {}

#[cfg(feature = "cloud")]
impl RegisterStores {
    pub(crate) fn over<S: Register>(store: &Arc<S>) -> Self {
        Self {
            tenants: Arc::<S>::clone(store),
            members: Arc::<S>::clone(store),
            invitations: Arc::<S>::clone(store),
            domains: Arc::<S>::clone(store),
            directory: Arc::<S>::clone(store),
            remains: Arc::<S>::clone(store),
        }
    }
}

impl Stores {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// The store or the bus cannot be opened, or is not in this build.
    pub(crate) async fn open(database: &DatabaseSettings, bus: &BusSettings) -> anyhow::Result<Self> {
        match database {
            DatabaseSettings::Sqlite(settings) => Ok(Self::over(&Arc::new(Box::pin(sqlite(settings)).await?), self::bus(bus)?)),
            #[cfg(feature = "postgres")]
            DatabaseSettings::Postgres(settings) => {
                let options = postgres_options(settings)?;
                let bus: Arc<dyn ChangeBus> = match bus {
                    BusSettings::Postgres => Arc::new(NotifyBus::start(&options, &OsEntropy)),
                    other => self::bus(other)?,
                };
                Ok(Self::over(&Arc::new(Box::pin(postgres(settings, &options)).await?), bus))
            }
            #[cfg(not(feature = "postgres"))]
            DatabaseSettings::Postgres(_) => bail!(not_built("this database")),
            #[cfg(feature = "dynamodb")]
            DatabaseSettings::DynamoDb(settings) => {
                Ok(Self::over(&Arc::new(Box::pin(dynamodb(settings, database)).await?), self::bus(bus)?))
            }
            #[cfg(not(feature = "dynamodb"))]
            DatabaseSettings::DynamoDb(_) => bail!(not_built("this database")),
        }
    }

    /// One engine behind every port.
    fn over<S>(store: &Arc<S>, bus: Arc<dyn ChangeBus>) -> Self
    where
        S: DirectoryStore + EnvironmentStore + ParameterStore + FlagStore + ExperimentStore + StatisticsStore,
        S: UserStore + ApiKeyStore + SessionStore + PasswordResetStore + AttemptStore,
        S: AuditLog + Engine + Register + Transfer,
    {
        Self {
            directories: Arc::<S>::clone(store),
            environments: Arc::<S>::clone(store),
            parameters: Arc::<S>::clone(store),
            flags: Arc::<S>::clone(store),
            experiments: Arc::<S>::clone(store),
            statistics: Arc::<S>::clone(store),
            audit: Arc::<S>::clone(store),
            users: Arc::<S>::clone(store),
            keys: Arc::<S>::clone(store),
            sessions: Arc::<S>::clone(store),
            resets: Arc::<S>::clone(store),
            attempts: Arc::<S>::clone(store),
            bus,
            #[cfg(feature = "cloud")]
            register: RegisterStores::over(store),
            #[cfg(feature = "cloud")]
            transfer: Arc::<S>::clone(store),
            #[cfg(feature = "cloud")]
            usage: UsageStores::over(store),
            #[cfg(feature = "cloud")]
            billing: Arc::<S>::clone(store),
            engine: Arc::<S>::clone(store),
        }
    }

    /// As [`Engine::tidy`].
    ///
    /// # Errors
    /// As [`Engine::tidy`].
    pub(crate) async fn tidy(&self, now: Timestamp) -> StoreResult<()> {
        self.engine.tidy(now).await
    }

    /// Ends every connection.
    ///
    /// # Errors
    /// As [`Engine::close`].
    pub(crate) async fn close(&self) -> StoreResult<()> {
        self.engine.close().await
    }
}

/// A store whose contents can be taken out and put in.
pub(crate) trait Movable: Transfer + Engine {}

impl<S: Transfer + Engine> Movable for S {}

/// Opens what the settings name, to take its contents out or put them in.
///
/// # Errors
/// The store cannot be opened, or is not in this build.
pub(crate) async fn open_movable(database: &DatabaseSettings) -> anyhow::Result<Box<dyn Movable>> {
    match database {
        DatabaseSettings::Sqlite(settings) => Ok(Box::new(Box::pin(sqlite(settings)).await?)),
        #[cfg(feature = "postgres")]
        DatabaseSettings::Postgres(settings) => Ok(Box::new(Box::pin(postgres(settings, &postgres_options(settings)?)).await?)),
        #[cfg(not(feature = "postgres"))]
        DatabaseSettings::Postgres(_) => bail!(not_built("this database")),
        #[cfg(feature = "dynamodb")]
        DatabaseSettings::DynamoDb(settings) => Ok(Box::new(Box::pin(dynamodb(settings, database)).await?)),
        #[cfg(not(feature = "dynamodb"))]
        DatabaseSettings::DynamoDb(_) => bail!(not_built("this database")),
    }
}

/// Closes a store after a command. What the command did is done, and told, whatever the store says at its end.
pub(crate) async fn leave(store: &dyn Movable) {
    if let Err(error) = store.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "The store did not close as it should");
    }
}

/// What the settings ask for and this build does not have: a problem of the configuration, a sentence each.
pub(crate) fn missing(
    database: &DatabaseSettings,
    bus: &BusSettings,
    limits: &LimitStoreSettings,
) -> impl Iterator<Item = String> {
    let database = match database {
        DatabaseSettings::Sqlite(_) => None,
        DatabaseSettings::Postgres(_) => (!cfg!(feature = "postgres")).then_some("postgresql"),
        DatabaseSettings::DynamoDb(_) => (!cfg!(feature = "dynamodb")).then_some("dynamodb"),
    };
    let bus = match bus {
        // That of Postgres comes with the database, which is told already.
        BusSettings::Local | BusSettings::Postgres => None,
        BusSettings::Redis(_) => (!cfg!(feature = "redis")).then_some("redis"),
    };
    let limits = match limits {
        LimitStoreSettings::Memory => None,
        LimitStoreSettings::Redis(_) => (!cfg!(feature = "redis")).then_some("redis"),
        LimitStoreSettings::DynamoDb => (!cfg!(feature = "dynamodb")).then_some("dynamodb"),
    };
    let limits = limits.map(|store| format!("RATE_LIMIT_STORE: {}", not_built(store)));
    let database = database.map(|engine| format!("DB_TYPE or DATABASE_URL: {}", not_built(engine)));
    let bus = bus.map(|bus| format!("REDIS_URL or CHANGE_BUS: {}", not_built(bus)));
    database.into_iter().chain(bus).chain(limits)
}

pub(crate) fn not_built(what: &str) -> String {
    format!("{what} is not in this build of togglebox")
}

/// The bus that the settings name. That of Postgres comes with the database.
fn bus(settings: &BusSettings) -> anyhow::Result<Arc<dyn ChangeBus>> {
    match settings {
        BusSettings::Local => Ok(Arc::new(LocalBus::default())),
        BusSettings::Postgres => bail!("CHANGE_BUS is postgres, but the database is not"),
        #[cfg(feature = "redis")]
        BusSettings::Redis(url) => {
            let options = RedisBusOptions::new(url.expose()).with_context(|| format!("REDIS_URL is {url}"))?;
            Ok(Arc::new(RedisBus::start(options, Arc::new(OsEntropy))))
        }
        #[cfg(not(feature = "redis"))]
        BusSettings::Redis(_) => bail!(not_built("this change bus")),
    }
}

#[cfg(feature = "dynamodb")]
pub(crate) fn dynamodb_options(settings: &DynamoDbSettings) -> DynamoDbOptions {
    let mut options = DynamoDbOptions::new(&settings.table);
    if let Some(region) = &settings.region {
        options = options.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        options = options.with_endpoint(endpoint);
    }
    options
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(settings: &DynamoDbSettings, database: &DatabaseSettings) -> anyhow::Result<DynamoDb> {
    let store = DynamoDb::open(&dynamodb_options(settings)).await;
    store.with_context(|| format!("cannot open the {database}"))
}

#[cfg(feature = "postgres")]
fn postgres_options(settings: &PostgresSettings) -> anyhow::Result<PostgresOptions> {
    let options = PostgresOptions::new(settings.url.expose()).with_context(|| format!("DATABASE_URL is {}", settings.url))?;
    let options = options.with_max_connections(settings.connections).with_acquire_timeout(settings.acquire_timeout);
    Ok(options.with_statement_timeout(settings.statement_timeout))
}

#[cfg(feature = "postgres")]
async fn postgres(settings: &PostgresSettings, options: &PostgresOptions) -> anyhow::Result<Postgres> {
    Postgres::open(options).await.with_context(|| format!("cannot open the database {}", settings.url))
}

async fn sqlite(settings: &SqliteSettings) -> anyhow::Result<Sqlite> {
    let path = settings.path.as_deref();
    let store = match path {
        Some(path) => Sqlite::open(&SqliteOptions::new(path).with_durability(settings.durability)).await,
        None => Sqlite::in_memory().await,
    };
    let place = |path: &Path| format!("cannot open the database {}", path.display());
    store.with_context(|| path.map_or_else(|| "cannot make a database in memory".to_owned(), place))
}
