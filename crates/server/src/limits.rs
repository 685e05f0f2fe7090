//! From settings to the limits of a node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
#[cfg(feature = "redis")]
use togglebox_core::SystemClock;
use togglebox_core::{Entropy, OsEntropy};
use togglebox_http::ApiLimits;
use togglebox_ratelimit::address::Ipv6Prefix;
use togglebox_ratelimit::headers::Told;
use togglebox_ratelimit::{
    Fact, Health, Lease, LimitStore, Limiter, LimiterOptions, MemoryStore, Mode, OnOutage, Override, Overrides, Policy,
    PolicyError, PolicyName, Quota, Subject,
};

#[cfg(feature = "redis")]
use togglebox_ratelimit::{RedisOptions, RedisStore};
#[cfg(feature = "dynamodb")]
use togglebox_storage::{DynamoDb, DynamoDbLimits, DynamoDbLimitsOptions};

use crate::settings::{LimitException, LimitHolder, LimitRule, LimitRules, LimitStoreSettings, Settings};
#[cfg(feature = "dynamodb")]
use crate::stores::dynamodb_options;

/// The limits of a node; `None` when nothing is limited.
///
/// # Errors
/// The store of limits cannot be used.
pub(crate) async fn open(
    whole: &Settings,
    entropy: &Arc<dyn Entropy>,
    workspaces: WorkspaceLimits,
) -> anyhow::Result<Option<ApiLimits>> {
    let (settings, WorkspaceLimits { plans, exports, money }) = (&whole.limits, workspaces);
    if !settings.is_any() && plans.is_none() && exports.is_none() && money.is_none() {
        return Ok(None);
    }
    // A decision costs a write there, and an item takes a thousand of them a second.
    let lease = matches!(settings.store, LimitStoreSettings::DynamoDb).then(Lease::default);
    let options = LimiterOptions::default()
        .with_deadline(deadline(whole))
        .with_nodes(settings.nodes)
        .with_ipv6_prefix(settings.ipv6_prefix);
    let mut policies = policies(&settings.rules, lease).context("limits cannot be used")?;
    // Of each person in each workspace. Where they cannot be counted together, each node counts for itself: nobody is kept from paying.
    let each = [("export", "export", exports), ("billing-person", "billing", money)];
    for (name, route, rule) in each {
        let Some(rule) = rule else { continue };
        let policy = Policy::new(name, &[Fact::Tenant, Fact::User], rule.quota).map(|policy| policy.for_routes([route]));
        let policy = policy.with_context(|| format!("the limit of {route} cannot be used"))?;
        policies.push(policy.mode(rule.mode).on_outage(OnOutage::Local));
    }
    if let Some(plans) = &plans {
        // Every request of a workspace is counted, so that asking a store elsewhere for each is left to leases.
        let lease = (!matches!(settings.store, LimitStoreSettings::Memory)).then(Lease::default);
        policies.push(plans.policy(lease).context("the limits of plans cannot be used")?);
    }
    let exceptions = Exceptions {
        each: settings.exceptions.clone(),
        ipv6_prefix: settings.ipv6_prefix,
        plans: plans.map(|plans| plans.rates),
    };
    let builder = Limiter::over(store(whole, entropy).await?).policies(policies).options(options).entropy(Arc::clone(entropy));
    let builder = if exceptions.is_none() { builder } else { builder.overrides(Arc::new(exceptions)) };
    let limiter = builder.build().context("limits cannot be used")?;
    Ok(Some(ApiLimits {
        limiter,
        proxies: settings.proxies,
        dialect: settings.dialect,
        told: Told::default(),
        entropy: Arc::clone(entropy),
    }))
}

/// Where the limits are kept.
///
/// # Errors
/// It cannot be used at all. A Redis that only cannot be reached is no error: nodes start without it.
#[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "only connections to Redis begin again at random times"))]
#[cfg_attr(not(feature = "dynamodb"), expect(clippy::unused_async, reason = "only a table is asked before it is used"))]
async fn store(settings: &Settings, entropy: &Arc<dyn Entropy>) -> anyhow::Result<Arc<dyn LimitStore>> {
    match &settings.limits.store {
        LimitStoreSettings::Memory => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "redis")]
        LimitStoreSettings::Redis(_) => Ok(Arc::new(redis(settings, entropy)?)),
        #[cfg(not(feature = "redis"))]
        LimitStoreSettings::Redis(_) => anyhow::bail!("this program was built without Redis"),
        #[cfg(feature = "dynamodb")]
        LimitStoreSettings::DynamoDb => Ok(Arc::new(dynamodb(settings).await?)),
        #[cfg(not(feature = "dynamodb"))]
        LimitStoreSettings::DynamoDb => anyhow::bail!("this program was built without DynamoDB"),
    }
}

#[cfg(feature = "redis")]
fn redis(settings: &Settings, entropy: &Arc<dyn Entropy>) -> anyhow::Result<RedisStore> {
    let LimitStoreSettings::Redis(url) = &settings.limits.store else { anyhow::bail!("RATE_LIMIT_STORE names no Redis") };
    let options = RedisOptions::parse(url.expose()).context("RATE_LIMIT_STORE cannot be used")?;
    Ok(RedisStore::new(options.with_timeout(deadline(settings)), Arc::new(SystemClock), Arc::clone(entropy)))
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(settings: &Settings) -> anyhow::Result<DynamoDbLimits> {
    let table = &settings.dynamodb.table;
    let opened = DynamoDb::open(&dynamodb_options(&settings.dynamodb)).await;
    let store = opened.with_context(|| format!("RATE_LIMIT_STORE is dynamodb: table {table} cannot be used"))?;
    Ok(DynamoDbLimits::new(&store, DynamoDbLimitsOptions::default().with_deadline(deadline(settings))))
}

/// How long the store may take: DynamoDB answers in some milliseconds, and now and then in many more.
fn deadline(settings: &Settings) -> Duration {
    const OF_DYNAMODB: Duration = Duration::from_millis(250);
    const OF_OTHERS: Duration = Duration::from_millis(20);
    let usual = if matches!(settings.limits.store, LimitStoreSettings::DynamoDb) { OF_DYNAMODB } else { OF_OTHERS };
    settings.limits.deadline.unwrap_or(usual)
}

/// How the store of limits is.
///
/// # Errors
/// It cannot be used, or does not answer within a few seconds.
pub(crate) async fn health(settings: &Settings) -> anyhow::Result<Health> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let asked = async {
        #[cfg(feature = "redis")]
        if let LimitStoreSettings::Redis(_) = &settings.limits.store {
            let store = redis(settings, &entropy)?;
            store.connected().await;
            return anyhow::Ok(store.health().await?);
        }
        Ok(store(settings, &entropy).await?.health().await?)
    };
    tokio::time::timeout(PATIENCE, asked).await.context("it does not answer")?
}

/// A policy before it has its rule.
struct Blank {
    name: &'static str,
    scope: &'static [Fact],
    routes: &'static [&'static str],
    on_outage: OnOutage,
}

impl Blank {
    /// Guessing and flooding: whoever cannot be counted waits.
    const fn closed(name: &'static str, scope: &'static [Fact], routes: &'static [&'static str]) -> Self {
        Self { name, scope, routes, on_outage: OnOutage::Closed }
    }

    const fn local(name: &'static str, scope: &'static [Fact], routes: &'static [&'static str]) -> Self {
        Self { name, scope, routes, on_outage: OnOutage::Local }
    }

    fn under(&self, LimitRule { quota, mode }: LimitRule, lease: Option<Lease>) -> Result<Policy, PolicyError> {
        let policy = Policy::new(self.name, self.scope, quota)?.for_routes(self.routes.iter().copied()).mode(mode);
        let policy = policy.on_outage(self.on_outage);
        Ok(match lease.filter(|_| self.on_outage == OnOutage::Local) {
            Some(lease) => policy.leased(lease),
            None => policy,
        })
    }
}

/// The policies that the rules stand for.
fn policies(rules: &LimitRules, lease: Option<Lease>) -> Result<Vec<Policy>, PolicyError> {
    let LimitRules { login, register, password_reset, general, evaluation, key } = *rules;
    let each = [
        (login, Blank::closed("login", &[Fact::Address], &["login"])),
        (register, Blank::closed("register", &[Fact::Address], &["register"])),
        (password_reset, Blank::closed("password-reset", &[Fact::Address], &["password-reset"])),
        (password_reset, Blank::closed("password-reset-mailbox", &[Fact::Account], &["password-reset"])),
        // Whoever guesses signatures of webhooks, or pages that somebody has paid on: as whoever guesses passwords. Both are of the cloud.
        (login, Blank::local("webhook", &[Fact::Address], &["webhook"])),
        (login, Blank::local("billing", &[Fact::Address], &["billing"])),
        (general, Blank::local("general", &[Fact::Address], &["read", "write", "statistics", "export", "billing"])),
        (evaluation, Blank::local("evaluation", &[Fact::Address], &["evaluation"])),
        (key, Blank::local("key", &[Fact::Tenant, Fact::Key], &["read", "write", "statistics", "evaluation", "export"])),
    ];
    each.into_iter().filter_map(|(rule, blank)| Some(blank.under(rule?, lease))).collect()
}

/// What is limited of workspaces besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkspaceLimits {
    /// All requests of each.
    pub(crate) plans: Option<PlanPolicy>,
    /// How often one person may begin to export one.
    pub(crate) exports: Option<LimitRule>,
    /// How often one person may ask for what has to do with money.
    pub(crate) money: Option<LimitRule>,
}

/// How fast the requests of each tenant may come, as its plan has it.
#[derive(Clone, Debug)]
pub(crate) struct PlanPolicy {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    /// Says the rate of each.
    pub(crate) rates: Arc<dyn Overrides>,
}

impl PlanPolicy {
    /// Its own quota is nobody's: each tenant has one, or none.
    fn policy(&self, lease: Option<Lease>) -> Result<Policy, PolicyError> {
        let quota = Quota::rate(1, Duration::from_secs(1)).full_burst()?;
        // Whoever wants another plan for that is not kept from buying it.
        let blank = Blank::local(self.name, &[Fact::Tenant], &["read", "write", "statistics", "evaluation", "export"]);
        blank.under(LimitRule { quota, mode: self.mode }, lease)
    }
}

/// Exceptions, as the configuration and the plans of tenants have them.
#[derive(Debug)]
struct Exceptions {
    each: Vec<LimitException>,
    ipv6_prefix: Ipv6Prefix,
    plans: Option<Arc<dyn Overrides>>,
}

impl Exceptions {
    const fn is_none(&self) -> bool {
        self.each.is_empty() && self.plans.is_none()
    }

    fn is_for(&self, who: LimitHolder, policy: PolicyName, subject: &Subject<'_>) -> bool {
        let network = |address: IpAddr| self.ipv6_prefix.network(address);
        match (policy.as_str(), who) {
            ("key", LimitHolder::Key(id)) => subject.key_id() == Some(id.as_bytes().as_slice()),
            ("general" | "evaluation", LimitHolder::Address(address)) => {
                subject.client_address().is_some_and(|client| network(client) == network(address))
            }
            _ => false,
        }
    }
}

impl Overrides for Exceptions {
    fn find(&self, policy: PolicyName, subject: &Subject<'_>) -> Option<Override> {
        if let Some(found) = self.plans.as_ref().and_then(|plans| plans.find(policy, subject)) {
            return Some(found);
        }
        let found = self.each.iter().find(|exception| self.is_for(exception.who, policy, subject))?;
        Some(found.quota.map_or(Override::Mode(Mode::Off), Override::Quota))
    }
}
