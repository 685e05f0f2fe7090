//! From settings to the limits of a node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use togglebox_core::Entropy;
use togglebox_http::ApiLimits;
use togglebox_ratelimit::address::Ipv6Prefix;
use togglebox_ratelimit::headers::Told;
use togglebox_ratelimit::{
    Fact, Health, LimitStore, Limiter, LimiterOptions, MemoryStore, Mode, OnOutage, Override, Overrides, Policy, PolicyError,
    PolicyName, Subject,
};

use crate::settings::{LimitException, LimitHolder, LimitRule, LimitRules, LimitSettings, LimitStoreSettings};

/// The limits of a node; `None` when nothing is limited.
///
/// # Errors
/// The store of limits cannot be used.
pub(crate) async fn open(settings: &LimitSettings, entropy: &Arc<dyn Entropy>) -> anyhow::Result<Option<ApiLimits>> {
    if !settings.is_any() {
        return Ok(None);
    }
    let options = LimiterOptions::default()
        .with_deadline(settings.deadline)
        .with_nodes(settings.nodes)
        .with_ipv6_prefix(settings.ipv6_prefix);
    let limiter = Limiter::over(store(settings).await?)
        .policies(policies(&settings.rules).context("limits cannot be used")?)
        .overrides(Arc::new(Exceptions { each: settings.exceptions.clone(), ipv6_prefix: settings.ipv6_prefix }))
        .options(options)
        .entropy(Arc::clone(entropy))
        .build()
        .context("limits cannot be used")?;
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
/// It cannot be used at all. One that only cannot be reached is no error: nodes start without it.
pub(crate) async fn store(settings: &LimitSettings) -> anyhow::Result<Arc<dyn LimitStore>> {
    match &settings.store {
        LimitStoreSettings::Memory => Ok(Arc::new(MemoryStore::new())),
        LimitStoreSettings::Redis(_) | LimitStoreSettings::DynamoDb(_) => anyhow::bail!("not yet"),
    }
}

/// How the store of limits is.
///
/// # Errors
/// It cannot be used, or does not answer within a few seconds.
pub(crate) async fn health(settings: &LimitSettings) -> anyhow::Result<Health> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let store = store(settings).await?;
    let health = tokio::time::timeout(PATIENCE, store.health()).await.context("it does not answer")?;
    Ok(health?)
}

/// The policies that the rules stand for.
fn policies(rules: &LimitRules) -> Result<Vec<Policy>, PolicyError> {
    let LimitRules { login, register, password_reset, general, evaluation, key } = rules;
    let everything = ["read", "write", "statistics"].as_slice();
    let each: [(&str, &Option<LimitRule>, &[Fact], &[&str], OnOutage); 7] = [
        // Guessing and flooding: whoever cannot be counted waits.
        ("login", login, &[Fact::Address], &["login"], OnOutage::Closed),
        ("register", register, &[Fact::Address], &["register"], OnOutage::Closed),
        ("password-reset", password_reset, &[Fact::Address], &["password-reset"], OnOutage::Closed),
        ("password-reset-mailbox", password_reset, &[Fact::Account], &["password-reset"], OnOutage::Closed),
        ("general", general, &[Fact::Address], everything, OnOutage::Local),
        ("evaluation", evaluation, &[Fact::Address], &["evaluation"], OnOutage::Local),
        ("key", key, &[Fact::Tenant, Fact::Key], &["read", "write", "statistics", "evaluation"], OnOutage::Local),
    ];
    let policy = |(name, rule, scope, routes, on_outage): (&str, &Option<LimitRule>, &[Fact], &[&str], OnOutage)| {
        rule.map(|LimitRule { quota, mode }| {
            Ok(Policy::new(name, scope, quota)?.for_routes(routes.iter().copied()).mode(mode).on_outage(on_outage))
        })
    };
    each.into_iter().filter_map(policy).collect()
}

/// Exceptions, as the configuration lists them.
#[derive(Debug)]
struct Exceptions {
    each: Vec<LimitException>,
    ipv6_prefix: Ipv6Prefix,
}

impl Exceptions {
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
        let found = self.each.iter().find(|exception| self.is_for(exception.who, policy, subject))?;
        Some(found.quota.map_or(Override::Mode(Mode::Off), Override::Quota))
    }
}
