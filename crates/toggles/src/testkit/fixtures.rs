//! What the promises are tried on.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use togglebox_core::{
    Actor, AuditFilter, AuditRecord, Limit, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::ToggleStores;
use crate::store::{EnvironmentState, ScopedDelta, StatisticsBatch};
use crate::{
    Allocation, Environment, Experiment, ExperimentDefinition, ExperimentStatus, ExperimentTargeting, Flag, FlagDefinition,
    FlagTargeting, FlagType, FlagValue, FlagVersion, Metric, MetricType, Parameter, ParameterDefinition, ParameterVersion,
    Platform, Scope, Side, SuccessDirection, ValueType, Variation,
};

/// The tenant that most promises are about.
pub(super) const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
/// Another one.
pub(super) const B: TenantId = TenantId::from_uuid(Uuid::from_u128(0xb));
/// How many take part in a race.
pub(super) const CROWD: u32 = 8;
/// A limit that no test reaches by accident.
pub(super) const MANY: usize = 1000;

/// `seconds` into the tests' time, which begins on a whole hour.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_760_004_000_000).plus(Duration::from_secs(seconds))
}

/// An id that no other call of this process gets.
pub(super) fn id() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Uuid::from_u128(u128::from(LAST.fetch_add(1, Ordering::Relaxed)) + 0x1000)
}

/// A record with its own id.
pub(super) fn audit(action: &str, target: &str) -> AuditRecord {
    AuditRecord {
        id: id(),
        at: at(500),
        actor: Actor::user("7", "root@example.com"),
        action: action.to_owned(),
        platform: None,
        environment: None,
        target: target.to_owned(),
        before: None,
        after: Some(json!({ "n": [1, null] })),
    }
}

pub(super) fn audit_at(seconds: u64, action: &str, target: &str) -> AuditRecord {
    AuditRecord { at: at(seconds), ..audit(action, target) }
}

pub(super) fn scope(platform: &str, environment: &str) -> Scope {
    Scope::new(platform.parse().unwrap(), environment.parse().unwrap())
}

pub(super) fn platform(name: &str) -> Platform {
    Platform {
        id: id(),
        name: name.parse().unwrap(),
        description: Some(format!("The {name}")),
        created_by: Some(Actor::api_key("k", "ann@example.com")),
        created_at: at(1),
        revision: Revision::ZERO,
    }
}

pub(super) fn environment(scope: &Scope) -> Environment {
    Environment {
        id: id(),
        platform: scope.platform.clone(),
        name: scope.environment.clone(),
        description: None,
        created_by: None,
        created_at: at(2),
        revision: Revision::ZERO,
    }
}

pub(super) fn parameter(key: &str, value: &str) -> ParameterVersion {
    ParameterVersion {
        key: key.parse().unwrap(),
        version: 1,
        definition: ParameterDefinition {
            value_type: ValueType::String,
            default_value: value.to_owned(),
            description: None,
            parameter_group: Some("group".to_owned()),
        },
        active: true,
        created_by: "ann@example.com".to_owned(),
        created_at: at(3),
    }
}

pub(super) fn flag(key: &str, name: &str) -> Flag {
    Flag {
        key: key.parse().unwrap(),
        definition: FlagDefinition {
            name: name.to_owned(),
            description: None,
            enabled: true,
            flag_type: FlagType::Boolean,
            value_a: FlagValue::Boolean(true),
            value_b: FlagValue::Boolean(false),
            targeting: FlagTargeting::default(),
            default_value: Side::B,
            rollout_enabled: false,
            rollout_percentage_a: 100.0,
            rollout_percentage_b: 0.0,
        },
        version: FlagVersion::FIRST,
        active: true,
        created_by: "ann@example.com".to_owned(),
        created_at: at(4),
        updated_at: at(4),
        revision: Revision::ZERO,
    }
}

pub(super) fn experiment(key: &str) -> Experiment {
    let variation = |key: &str| Variation {
        key: key.parse().unwrap(),
        name: key.to_owned(),
        value: Some(json!({ "text": key })),
        is_control: key == "control",
    };
    let share = |key: &str| Allocation { variation_key: key.parse().unwrap(), percentage: 50.0 };
    Experiment {
        key: key.parse().unwrap(),
        definition: ExperimentDefinition {
            name: "Checkout".to_owned(),
            description: None,
            hypothesis: "Shorter is better".to_owned(),
            variations: vec![variation("control"), variation("short")],
            control_variation: "control".parse().unwrap(),
            traffic_allocation: vec![share("control"), share("short")],
            targeting: ExperimentTargeting::default(),
            primary_metric: Metric {
                id: "buy".to_owned(),
                name: "Buy".to_owned(),
                event_name: "bought".to_owned(),
                metric_type: MetricType::Conversion,
                success_direction: SuccessDirection::Increase,
                value_property: None,
            },
            secondary_metrics: None,
            confidence_level: 0.95,
            minimum_detectable_effect: None,
            minimum_sample_size: None,
            scheduled_start_at: None,
            scheduled_end_at: None,
        },
        status: ExperimentStatus::Draft,
        started_at: None,
        started_by: None,
        completed_at: None,
        completed_by: None,
        winner: None,
        created_by: "ann@example.com".to_owned(),
        created_at: at(5),
        updated_at: at(5),
        revision: Revision::ZERO,
    }
}

pub(super) fn kind<T: Debug>(result: StoreResult<T>) -> StoreErrorKind {
    result.unwrap_err().kind().clone()
}

/// Runs [`CROWD`] calls at once; answers what came of each.
pub(super) async fn race<T, F>(call: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for n in 0..CROWD {
        calls.spawn(call(n));
    }
    calls.join_all().await
}

/// Sees to it that exactly one call succeeded, and that all others failed in the way told.
pub(super) fn one_winner<T: Debug>(outcomes: Vec<StoreResult<T>>, others: impl Fn(&StoreErrorKind) -> bool) -> T {
    let mut winners = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(value) => winners.push(value),
            Err(error) => assert!(others(error.kind()), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    winners.remove(0)
}

/// Short ways to what most promises begin with.
impl ToggleStores {
    /// A platform; its name may be taken.
    pub(super) async fn with_platform(&self, tenant: TenantId, name: &str) {
        let made =
            self.directory.create_platform(tenant, &platform(name), Limit::Unlimited, &audit("platform.create", name)).await;
        assert!(made.is_ok() || kind(made) == StoreErrorKind::AlreadyExists);
    }

    /// An empty environment, with its platform.
    pub(super) async fn with_environment(&self, tenant: TenantId, platform: &str, name: &str) -> Scope {
        self.with_platform(tenant, platform).await;
        let scope = scope(platform, name);
        let record = audit("environment.create", name);
        self.directory.create_environment(tenant, &environment(&scope), Limit::Unlimited, &record).await.unwrap();
        scope
    }

    pub(super) async fn with_parameter(&self, tenant: TenantId, scope: &Scope, key: &str) -> Parameter {
        let record = audit("parameter.create", key);
        self.parameters.create(tenant, scope, &parameter(key, "one"), MANY, Limit::Unlimited, &record).await.unwrap().value
    }

    pub(super) async fn with_flag(&self, tenant: TenantId, scope: &Scope, key: &str) -> Flag {
        self.flags.create(tenant, scope, &flag(key, "one"), Limit::Unlimited, &audit("flag.create", key)).await.unwrap().value
    }

    pub(super) async fn with_experiment(&self, tenant: TenantId, scope: &Scope, key: &str) -> Experiment {
        let record = audit("experiment.create", key);
        self.experiments.create(tenant, scope, &experiment(key), Limit::Unlimited, &record).await.unwrap().value
    }

    /// A parameter `p`, a flag `f` and an experiment `x`.
    pub(super) async fn with_one_of_each(&self, tenant: TenantId, scope: &Scope) -> (Parameter, Flag, Experiment) {
        (
            self.with_parameter(tenant, scope, "p").await,
            self.with_flag(tenant, scope, "f").await,
            self.with_experiment(tenant, scope, "x").await,
        )
    }

    /// A new version of a parameter that is there.
    pub(super) async fn append(&self, tenant: TenantId, scope: &Scope, key: &str, value: &str) -> Written<Parameter> {
        let version = parameter(key, value);
        let expected = self.parameters.find(tenant, scope, &version.key).await.unwrap().unwrap().revision;
        self.parameters.append(tenant, scope, &version, expected, &audit("parameter.update", key)).await.unwrap()
    }

    pub(super) async fn state(&self, tenant: TenantId, scope: &Scope) -> EnvironmentState {
        self.environments.load(tenant, scope).await.unwrap().unwrap()
    }

    /// Every audit record, newest first.
    pub(super) async fn records(&self, tenant: TenantId) -> Vec<AuditRecord> {
        let page = self.audit.list(tenant, &AuditFilter::default(), &PageRequest::first(1000)).await.unwrap();
        assert!(page.next.is_none());
        page.items
    }

    /// How many audit records there are of a target.
    pub(super) async fn records_of(&self, tenant: TenantId, target: &str) -> usize {
        let mut filter = AuditFilter::default();
        filter.target = Some(target.to_owned());
        self.audit.list(tenant, &filter, &PageRequest::first(1000)).await.unwrap().items.len()
    }

    /// Counts deltas of one environment.
    pub(super) async fn count(&self, tenant: TenantId, scope: &Scope, deltas: Vec<crate::store::Delta>) {
        self.statistics.record(tenant, &batch(scope, deltas)).await.unwrap();
    }
}

/// A batch of its own.
pub(super) fn batch(scope: &Scope, deltas: Vec<crate::store::Delta>) -> StatisticsBatch {
    let deltas = deltas.into_iter().map(|delta| ScopedDelta { scope: scope.clone(), delta }).collect();
    StatisticsBatch { id: id(), at: at(1000), deltas }
}
