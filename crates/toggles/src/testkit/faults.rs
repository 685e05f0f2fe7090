//! What a caller may rely on when a call or its answer gets lost, for every operation that there is.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use togglebox_core::testkit::{AUDIT, At, Fault, Faults, Operation};
use togglebox_core::{AuditFilter, AuditRecord, Limit, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::ToggleStores;
use super::faulty::{DIRECTORY, ENVIRONMENTS, EXPERIMENTS, FLAGS, PARAMETERS, STATISTICS};
use super::fixtures::{MANY, at, audit, batch, environment, experiment, flag, id, parameter, platform, scope};
use super::statistics::{conversion, exposure, fetches, flag_users, served};
use crate::store::{EnvironmentState, ExperimentStatistics, FlagStatistics, ParameterStatistics, Revisions, StatisticsBatch};
use crate::{Directory, Environment, Experiment, Flag, FlagVersion, Parameter, ParameterVersion, Platform, Scope, Side};

/// What a call gave, in a form in which all answers can be compared.
type Answer = Result<String, StoreErrorKind>;

/// Things of a tenant, and calls that are about to be made with them. The same in each tenant, ids included.
struct Scene {
    stores: ToggleStores,
    tenant: TenantId,
    place: Scope,
    platform: Platform,
    environment: Environment,
    parameter: Parameter,
    flag: Flag,
    experiment: Experiment,
    draft: Draft,
}

/// What is given to the stores.
#[derive(Clone)]
struct Draft {
    platforms: [Platform; 2],
    environments: [Environment; 2],
    parameters: [ParameterVersion; 2],
    flags: [Flag; 2],
    experiments: [Experiment; 2],
    batches: [StatisticsBatch; 2],
    records: Vec<AuditRecord>,
}

impl Draft {
    fn new() -> Self {
        let (place, second) = (scope("web", "production"), scope("web", "staging"));
        let counted = |place| {
            let mut deltas = vec![fetches("p", 2, &[1, 2]), served("f", "2026-01-01", Some("DE"), 1, 1)];
            deltas.extend([flag_users("f", Side::A, &[1]), exposure("x", "short", "2026-01-01", &[1, 2])]);
            deltas.push(conversion("x", "short", "buy", "2026-01-01", &[(1, 1, 2.0)]));
            batch(place, deltas)
        };
        Self {
            platforms: [platform("web"), platform("ios")],
            environments: [environment(&place), environment(&second)],
            parameters: [parameter("p", "one"), parameter("q", "one")],
            flags: [flag("f", "one"), flag("g", "one")],
            experiments: [experiment("x"), experiment("y")],
            batches: [counted(&place), counted(&place)],
            records: (0..8).map(|_| audit("any", "any")).collect(),
        }
    }
}

/// All that can be seen of a scene.
#[derive(Debug, PartialEq)]
struct View {
    directory: Directory,
    revisions: Revisions,
    state: Option<EnvironmentState>,
    parameters: Vec<Vec<ParameterVersion>>,
    flags: Vec<Vec<Flag>>,
    figures: (Option<ParameterStatistics>, Option<FlagStatistics>, Option<ExperimentStatistics>),
    records: Vec<AuditRecord>,
}

impl Scene {
    /// Makes one of everything in a tenant of its own; `p` and `f` have two versions.
    async fn set(stores: &ToggleStores, draft: &Draft) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let n = LAST.fetch_add(1, Ordering::Relaxed);
        let tenant = TenantId::from_uuid(Uuid::from_u128((0xface << 64) | u128::from(n)));
        let draft = draft.clone();
        let mut records = draft.records.iter();
        let mut record = || records.next().unwrap();
        let place = draft.environments[0].scope();
        let platform =
            stores.directory.create_platform(tenant, &draft.platforms[0], Limit::Unlimited, record()).await.unwrap().value;
        let environment =
            stores.directory.create_environment(tenant, &draft.environments[0], Limit::Unlimited, record()).await.unwrap().value;
        let (p, f, x) = (&draft.parameters[0], &draft.flags[0], &draft.experiments[0]);
        let first = stores.parameters.create(tenant, &place, p, MANY, Limit::Unlimited, record()).await.unwrap().revision;
        let parameter = stores.parameters.append(tenant, &place, p, first, record()).await.unwrap().value;
        let first = stores.flags.create(tenant, &place, f, Limit::Unlimited, record()).await.unwrap().revision;
        let flag = stores.flags.append(tenant, &place, f, first, record()).await.unwrap().value;
        let experiment = stores.experiments.create(tenant, &place, x, Limit::Unlimited, record()).await.unwrap().value;
        stores.statistics.record(tenant, &draft.batches[0]).await.unwrap();
        let stores = stores.clone();
        Self { stores, tenant, place, platform, environment, parameter, flag, experiment, draft }
    }

    /// The same calls with the same arguments, by a tenant that has nothing.
    fn asked_by_another(&self) -> Self {
        Self {
            stores: self.stores.clone(),
            tenant: TenantId::from_uuid(id()),
            place: self.place.clone(),
            platform: self.platform.clone(),
            environment: self.environment.clone(),
            parameter: self.parameter.clone(),
            flag: self.flag.clone(),
            experiment: self.experiment.clone(),
            draft: self.draft.clone(),
        }
    }

    /// The same calls, about what nobody has.
    fn about_nothing(self) -> Self {
        let place = scope("nowhere", "never");
        let (mut parameter, mut flag, mut experiment) = (self.parameter, self.flag, self.experiment);
        parameter.active.key = "nothing".parse().unwrap();
        flag.key = "nothing".parse().unwrap();
        experiment.key = "nothing".parse().unwrap();
        let (platform, environment) = (platform("nowhere"), environment(&place));
        Self { place, platform, environment, parameter, flag, experiment, ..self }
    }

    async fn view(&self) -> View {
        let (stores, tenant, place, all) = (&self.stores, self.tenant, &self.place, &PageRequest::first(1000));
        let (mut parameters, mut flags) = (Vec::new(), Vec::new());
        for version in &self.draft.parameters {
            parameters.push(stores.parameters.versions(tenant, place, &version.key, all).await.unwrap().items);
        }
        for flag in &self.draft.flags {
            flags.push(stores.flags.versions(tenant, place, &flag.key, all).await.unwrap().items);
        }
        View {
            directory: stores.directory.directory(tenant).await.unwrap(),
            revisions: stores.directory.revisions(tenant).await.unwrap(),
            state: stores.environments.load(tenant, place).await.unwrap(),
            parameters,
            flags,
            figures: (
                stores.statistics.parameter(tenant, place, self.parameter.key(), at(1000)).await.unwrap(),
                stores.statistics.flag(tenant, place, &self.flag.key, at(1000)).await.unwrap(),
                stores.statistics.experiment(tenant, place, &self.experiment.key).await.unwrap(),
            ),
            records: stores.records(tenant).await,
        }
    }

    /// Calls an operation, with the same arguments each time.
    async fn call(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (port, _) = operation.split_once('.').unwrap();
        match port {
            "directory" => self.directory(stores, operation).await,
            "parameters" => self.parameters(stores, operation).await,
            "flags" => self.flags(stores, operation).await,
            "experiments" => self.experiments(stores, operation).await,
            "statistics" => self.statistics(stores, operation).await,
            _ => self.others(stores, operation).await,
        }
    }

    async fn directory(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (store, tenant, record) = (&stores.directory, self.tenant, &self.draft.records[7]);
        let (platform, environment) = (&self.platform, &self.environment);
        match operation {
            "directory.directory" => told(store.directory(tenant).await),
            "directory.revisions" => told(store.revisions(tenant).await),
            "directory.revisions_of" => told(store.revisions_of(&[tenant]).await),
            "directory.create_platform" => told(store.create_platform(tenant, &self.draft.platforms[1], two(), record).await),
            "directory.replace_platform" => told(store.replace_platform(tenant, platform, platform.revision, record).await),
            "directory.delete_platform" => told(store.delete_platform(tenant, &platform.name, platform.revision, record).await),
            "directory.create_environment" => {
                told(store.create_environment(tenant, &self.draft.environments[1], two(), record).await)
            }
            "directory.replace_environment" => {
                told(store.replace_environment(tenant, environment, environment.revision, record).await)
            }
            "directory.delete_environment" => {
                told(store.delete_environment(tenant, &self.place, environment.revision, record).await)
            }
            other => untried(other),
        }
    }

    async fn parameters(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (store, tenant, place, record) = (&stores.parameters, self.tenant, &self.place, &self.draft.records[7]);
        let (key, version, read) = (self.parameter.key(), &self.draft.parameters[0], self.parameter.revision);
        match operation {
            "parameters.find" => told(store.find(tenant, place, key).await),
            // A repeat does not run into the limit that the first call filled.
            "parameters.create" => told(store.create(tenant, place, &self.draft.parameters[1], 2, two(), record).await),
            "parameters.append" => told(store.append(tenant, place, version, read, record).await),
            "parameters.activate" => told(store.activate(tenant, place, key, 1, read, record).await),
            "parameters.delete" => told(store.delete(tenant, place, key, read, record).await),
            "parameters.version" => told(store.version(tenant, place, key, 2).await),
            "parameters.versions" => told(store.versions(tenant, place, key, &PageRequest::first(10)).await),
            other => untried(other),
        }
    }

    async fn flags(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (store, tenant, place, record) = (&stores.flags, self.tenant, &self.place, &self.draft.records[7]);
        let (key, flag, read) = (&self.flag.key, &self.flag, self.flag.revision);
        match operation {
            "flags.find" => told(store.find(tenant, place, key).await),
            "flags.create" => told(store.create(tenant, place, &self.draft.flags[1], two(), record).await),
            "flags.append" => told(store.append(tenant, place, flag, read, record).await),
            "flags.amend" => told(store.amend(tenant, place, flag, read, record).await),
            "flags.delete" => told(store.delete(tenant, place, key, read, record).await),
            "flags.version" => told(store.version(tenant, place, key, FlagVersion::FIRST).await),
            "flags.versions" => told(store.versions(tenant, place, key, &PageRequest::first(10)).await),
            other => untried(other),
        }
    }

    async fn experiments(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (store, tenant, place, record) = (&stores.experiments, self.tenant, &self.place, &self.draft.records[7]);
        let (experiment, read) = (&self.experiment, self.experiment.revision);
        match operation {
            "experiments.find" => told(store.find(tenant, place, &experiment.key).await),
            "experiments.create" => told(store.create(tenant, place, &self.draft.experiments[1], two(), record).await),
            "experiments.replace" => told(store.replace(tenant, place, experiment, read, record).await),
            "experiments.delete" => told(store.delete(tenant, place, &experiment.key, read, record).await),
            other => untried(other),
        }
    }

    async fn statistics(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (store, tenant, place) = (&stores.statistics, self.tenant, &self.place);
        match operation {
            "statistics.record" => told(store.record(tenant, &self.draft.batches[1]).await),
            "statistics.record_together" => told(store.record_together(&[(tenant, self.draft.batches[1].clone())]).await),
            "statistics.parameter" => told(store.parameter(tenant, place, self.parameter.key(), at(1000)).await),
            "statistics.flag" => told(store.flag(tenant, place, &self.flag.key, at(1000)).await),
            "statistics.flag_by_country" => told(store.flag_by_country(tenant, place, &self.flag.key).await),
            "statistics.flag_by_day" => told(store.flag_by_day(tenant, place, &self.flag.key, "2026-01-01", "2026-01-02").await),
            "statistics.experiment" => told(store.experiment(tenant, place, &self.experiment.key).await),
            other => untried(other),
        }
    }

    async fn others(&self, stores: &ToggleStores, operation: &str) -> Answer {
        let (tenant, place) = (self.tenant, &self.place);
        match operation {
            "environments.load" => told(stores.environments.load(tenant, place).await),
            // The whole: a cursor would be that of one tenant.
            "audit.list" => told(stores.audit.list(tenant, &AuditFilter::default(), &PageRequest::first(1000)).await),
            "audit.prune" => told(stores.audit.prune(tenant, at(10_000), 1000).await),
            other => untried(other),
        }
    }
}

/// There is one of each in a scene: a repeat does not run into the quota that the first call filled.
fn two() -> Limit {
    Limit::of(2).unwrap()
}

fn told<T: Debug>(outcome: StoreResult<T>) -> Answer {
    outcome.map(|answer| format!("{answer:?}")).map_err(|error| error.kind().clone())
}

/// A port has got a method that nobody tries yet: a promise that nobody checks.
fn untried(operation: &str) -> Answer {
    panic!("{operation} is not tried: say in the testkit how it is called")
}

/// How far a write moved the revision that it is to raise: the directory's, or that of the environment.
fn raised(operation: &str, before: &View, after: &View) -> u64 {
    let revision = |view: &View| match operation.split_once('.') {
        Some(("directory", _)) => view.directory.revision,
        _ => view.state.as_ref().map_or(Revision::ZERO, |state| state.revision),
    };
    revision(after).get() - revision(before).get()
}

/// Whatever another tenant asks for by the name, the revision and the id that somebody's thing has, it is answered as if nobody had it;
/// and nothing becomes of that thing. Of every operation of every port: one that is not listed does not compile.
pub async fn no_call_reaches_another_tenant(stores: &ToggleStores) {
    let scene = Scene::set(stores, &Draft::new()).await;
    let before = scene.view().await;
    let ports = [DIRECTORY, ENVIRONMENTS, PARAMETERS, FLAGS, EXPERIMENTS, STATISTICS, AUDIT];
    for Operation { name, .. } in ports.into_iter().flatten() {
        let answer = scene.asked_by_another().call(stores, name).await;
        let nothing = scene.asked_by_another().about_nothing().call(stores, name).await;
        assert_eq!(answer, nothing, "{name}");
        assert_eq!(scene.view().await, before, "{name}: what it did to another tenant's");
    }
}

async fn bear_faults(stores: &ToggleStores, operations: &[Operation]) {
    for operation in operations {
        // Boxed: a scene and what is seen of it are large.
        Box::pin(bears_faults(stores, operation)).await;
    }
}

async fn bears_faults(stores: &ToggleStores, operation: &Operation) {
    let (draft, name) = (Draft::new(), operation.name);
    // How it is when nothing goes wrong.
    let scene = Scene::set(stores, &draft).await;
    let before = scene.view().await;
    let answer = scene.call(stores, name).await;
    let after = scene.view().await;
    assert!(answer.is_ok(), "{name}: {answer:?}");
    assert_eq!(before != after, operation.writes, "{name} changes what it must, and nothing else");
    // Most repeats are known by their audit record or their batch. What was removed is not there to be removed again.
    let (raises, recorded, again) = match name {
        "audit.prune" => (0, -before.records.len().cast_signed(), Ok("0".to_owned())),
        "statistics.record" | "statistics.record_together" => (0, 0, answer.clone()),
        _ => (u64::from(operation.writes), isize::from(operation.writes), answer.clone()),
    };
    assert_eq!(raised(name, &before, &after), raises, "{name}: the revision");
    let records = after.records.len().cast_signed() - before.records.len().cast_signed();
    assert_eq!(records, recorded, "{name}: the audit records");

    let unavailable = Err(StoreErrorKind::Unavailable);
    let cases = [
        (Fault::Before, &unavailable, &before, &answer),
        (Fault::Throttled, &unavailable, &before, &answer),
        (Fault::After, &unavailable, &after, &again),
        (Fault::Twice, &answer, &after, &again),
    ];
    for (fault, given, left, retried) in cases {
        let (faults, what) = (Arc::new(Faults::none()), format!("{name}, {fault:?}"));
        faults.inject(At::operation(name), fault);
        let (scene, faulty) = (Scene::set(stores, &draft).await, stores.with_faults(&faults));
        assert_eq!(&scene.call(&faulty, name).await, given, "{what}");
        assert_eq!(&scene.view().await, left, "{what}: what it left");
        assert_eq!(faults.counts().injected(), 1, "{what}: tried");
        // The caller does not know which it was, and asks again.
        assert_eq!(&scene.call(&faulty, name).await, retried, "{what}: the same call again");
        assert_eq!(scene.view().await, after, "{what}: what the same call again left");
    }
}

/// A call that failed before it was made has left nothing; one whose answer was lost has been made; one that came twice was made once.
/// The same call again answers as it would have answered, and everything is as if nothing had gone wrong: one step of the revision,
/// one audit record.
pub async fn directory_calls_bear_faults(stores: &ToggleStores) {
    bear_faults(stores, DIRECTORY).await;
    bear_faults(stores, ENVIRONMENTS).await;
}

/// The same of parameters.
pub async fn parameter_calls_bear_faults(stores: &ToggleStores) {
    bear_faults(stores, PARAMETERS).await;
}

/// The same of flags.
pub async fn flag_calls_bear_faults(stores: &ToggleStores) {
    bear_faults(stores, FLAGS).await;
}

/// The same of experiments.
pub async fn experiment_calls_bear_faults(stores: &ToggleStores) {
    bear_faults(stores, EXPERIMENTS).await;
}

/// The same of statistics, whose batches have ids of their own, and of audit records.
pub async fn statistics_and_audit_calls_bear_faults(stores: &ToggleStores) {
    bear_faults(stores, STATISTICS).await;
    bear_faults(stores, AUDIT).await;
}
