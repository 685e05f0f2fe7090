//! The write ports in memory, with faults and rivals on demand. One tenant, one thread; nothing here ever waits.

mod directory;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use togglebox_core::{
    AuditRecord, Cursor, Limit, Page, PageRequest, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Written,
};
use togglebox_toggles::store::{ExperimentStore, FlagStore, ParameterStore};
use togglebox_toggles::{
    Directory, Experiment, ExperimentKey, Flag, FlagKey, FlagVersion, Parameter, ParameterKey, ParameterVersion, Scope,
};
use uuid::Uuid;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing is written, and no answer comes.
    Before,
    /// It is written, and no answer comes.
    After,
}

type Rival = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Default)]
pub(crate) struct Memory(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) directory: Directory,
    pub(crate) parameters: BTreeMap<ParameterKey, (Vec<ParameterVersion>, Revision)>,
    pub(crate) flags: BTreeMap<FlagKey, Vec<Flag>>,
    pub(crate) experiments: BTreeMap<ExperimentKey, Experiment>,
    pub(crate) audit: Vec<AuditRecord>,
    pub(crate) faults: VecDeque<Fault>,
    /// Each gets in before one conditional write.
    pub(crate) rivals: VecDeque<Rival>,
    done: HashSet<Uuid>,
    revision: Revision,
}

impl State {
    pub(crate) fn next_revision(&mut self) -> Revision {
        self.revision = self.revision.next();
        self.revision
    }

    pub(crate) fn append_parameter(&mut self, version: &ParameterVersion) {
        let revision = self.next_revision();
        let (history, current) = self.parameters.get_mut(&version.key).unwrap();
        let number = history.iter().map(|version| version.version).max().unwrap_or_default() + 1;
        for version in history.iter_mut() {
            version.active = false;
        }
        history.push(ParameterVersion { version: number, active: true, ..version.clone() });
        *current = revision;
    }

    pub(crate) fn append_flag(&mut self, flag: &Flag) {
        let revision = self.next_revision();
        let history = self.flags.get_mut(&flag.key).unwrap();
        let version = history.iter().map(|flag| flag.version).max().unwrap().next();
        for flag in history.iter_mut() {
            flag.active = false;
        }
        history.push(Flag { version, active: true, revision, ..flag.clone() });
    }

    fn parameter(&self, key: &ParameterKey) -> Option<Parameter> {
        let (history, revision) = self.parameters.get(key)?;
        let active = history.iter().find(|version| version.active)?.clone();
        Some(Parameter { active, latest_version: history.iter().map(|v| v.version).max()?, revision: *revision })
    }

    fn flag(&self, key: &FlagKey) -> Option<Flag> {
        self.flags.get(key)?.iter().find(|flag| flag.active).cloned()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Creates: `act` unless the audit record is there already, then `answer`.
    fn create<T>(
        &self,
        audit: &AuditRecord,
        act: impl FnOnce(&mut State) -> StoreResult<()>,
        answer: impl FnOnce(&State) -> Option<Written<T>>,
    ) -> StoreResult<Written<T>> {
        let mut state = self.state();
        let fault = state.faults.pop_front();
        if let Some(Fault::Before) = fault {
            return Err(error(StoreErrorKind::Unavailable));
        }
        if state.done.insert(audit.id) {
            if let Err(refused) = act(&mut state) {
                state.done.remove(&audit.id);
                return Err(refused);
            }
            state.audit.push(audit.clone());
        }
        if let Some(Fault::After) = fault {
            return Err(error(StoreErrorKind::Unavailable));
        }
        answer(&state).ok_or_else(|| error(StoreErrorKind::NotFound))
    }

    /// Writes if the record is at `expected`.
    fn write<T>(
        &self,
        audit: &AuditRecord,
        expected: Revision,
        current: impl Fn(&State) -> Option<Revision>,
        act: impl FnOnce(&mut State) -> StoreResult<()>,
        answer: impl FnOnce(&State) -> Option<Written<T>>,
    ) -> StoreResult<Written<T>> {
        let rival = self.state().rivals.pop_front();
        if let Some(rival) = rival {
            rival(&mut self.state());
        }
        let guarded = |state: &mut State| match current(state) {
            None => Err(error(StoreErrorKind::NotFound)),
            Some(current) if current != expected => Err(error(StoreErrorKind::Conflict { current })),
            Some(_) => act(state),
        };
        self.create(audit, guarded, answer)
    }
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "memory")
}

/// Refuses one more beside those that there are.
fn expect_room(quota: Limit, usage: usize) -> StoreResult<()> {
    let usage = usage as u64;
    match quota.get() {
        Some(limit) if usage >= limit => Err(error(StoreErrorKind::QuotaReached { usage, limit })),
        _ => Ok(()),
    }
}

/// Pages of two, so that whoever wants everything has to turn the page.
fn page<T: Clone>(items: &[T], request: &PageRequest) -> Page<T> {
    let start: usize = request.cursor().map_or(0, |cursor| cursor.as_str().parse().unwrap());
    let end = items.len().min(start + 2);
    let next = (end < items.len()).then(|| Cursor::new(end.to_string()));
    Page { items: items[start..end].to_vec(), next }
}

#[async_trait]
impl ParameterStore for Memory {
    async fn find(&self, _: TenantId, _: &Scope, key: &ParameterKey) -> StoreResult<Option<Parameter>> {
        Ok(self.state().parameter(key))
    }

    async fn create(
        &self,
        _: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        limit: usize,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let act = |state: &mut State| {
            if !state.directory.environments.contains_key(scope) {
                return Err(error(StoreErrorKind::NotFound));
            }
            if state.parameters.contains_key(&version.key) {
                return Err(error(StoreErrorKind::AlreadyExists));
            }
            if state.parameters.len() >= limit {
                return Err(error(StoreErrorKind::LimitReached { limit }));
            }
            expect_room(quota, state.parameters.len())?;
            let revision = state.next_revision();
            state.parameters.insert(version.key.clone(), (vec![version.clone()], revision));
            Ok(())
        };
        Memory::create(self, audit, act, |state| state.parameter(&version.key).map(written_parameter))
    }

    async fn append(
        &self,
        _: TenantId,
        _: &Scope,
        version: &ParameterVersion,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let act = |state: &mut State| {
            state.append_parameter(version);
            Ok(())
        };
        let current = |state: &State| state.parameter(&version.key).map(|parameter| parameter.revision);
        self.write(audit, expected, current, act, |state| state.parameter(&version.key).map(written_parameter))
    }

    async fn activate(
        &self,
        _: TenantId,
        _: &Scope,
        key: &ParameterKey,
        version: u64,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let act = |state: &mut State| {
            let revision = state.next_revision();
            let (history, current) = state.parameters.get_mut(key).unwrap();
            for candidate in history.iter_mut() {
                candidate.active = candidate.version == version;
            }
            *current = revision;
            Ok(())
        };
        let current = |state: &State| state.parameter(key).map(|parameter| parameter.revision);
        self.write(audit, expected, current, act, |state| state.parameter(key).map(written_parameter))
    }

    async fn delete(
        &self,
        _: TenantId,
        _: &Scope,
        key: &ParameterKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let act = |state: &mut State| {
            state.parameters.remove(key);
            state.next_revision();
            Ok(())
        };
        let current = |state: &State| state.parameter(key).map(|parameter| parameter.revision);
        self.write(audit, expected, current, act, |state| Some(Written { value: (), revision: state.revision }))
    }

    async fn version(&self, _: TenantId, _: &Scope, key: &ParameterKey, version: u64) -> StoreResult<Option<ParameterVersion>> {
        let state = self.state();
        Ok(state.parameters.get(key).and_then(|(history, _)| history.iter().find(|v| v.version == version).cloned()))
    }

    async fn versions(
        &self,
        _: TenantId,
        _: &Scope,
        key: &ParameterKey,
        request: &PageRequest,
    ) -> StoreResult<Page<ParameterVersion>> {
        let mut history = self.state().parameters.get(key).map(|(history, _)| history.clone()).unwrap_or_default();
        history.reverse();
        Ok(page(&history, request))
    }
}

fn written_parameter(value: Parameter) -> Written<Parameter> {
    Written { revision: value.revision, value }
}

#[async_trait]
impl FlagStore for Memory {
    async fn find(&self, _: TenantId, _: &Scope, key: &FlagKey) -> StoreResult<Option<Flag>> {
        Ok(self.state().flag(key))
    }

    async fn create(
        &self,
        _: TenantId,
        scope: &Scope,
        flag: &Flag,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let act = |state: &mut State| {
            if !state.directory.environments.contains_key(scope) {
                return Err(error(StoreErrorKind::NotFound));
            }
            if state.flags.contains_key(&flag.key) {
                return Err(error(StoreErrorKind::AlreadyExists));
            }
            expect_room(quota, state.flags.len())?;
            let revision = state.next_revision();
            state.flags.insert(flag.key.clone(), vec![Flag { revision, ..flag.clone() }]);
            Ok(())
        };
        Memory::create(self, audit, act, |state| state.flag(&flag.key).map(written_flag))
    }

    async fn append(
        &self,
        _: TenantId,
        _: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let act = |state: &mut State| {
            state.append_flag(flag);
            Ok(())
        };
        let current = |state: &State| state.flag(&flag.key).map(|flag| flag.revision);
        self.write(audit, expected, current, act, |state| state.flag(&flag.key).map(written_flag))
    }

    async fn amend(
        &self,
        _: TenantId,
        _: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let act = |state: &mut State| {
            let revision = state.next_revision();
            let active = state.flags.get_mut(&flag.key).unwrap().iter_mut().find(|flag| flag.active).unwrap();
            *active = Flag { revision, version: active.version, ..flag.clone() };
            Ok(())
        };
        let current = |state: &State| state.flag(&flag.key).map(|flag| flag.revision);
        self.write(audit, expected, current, act, |state| state.flag(&flag.key).map(written_flag))
    }

    async fn delete(
        &self,
        _: TenantId,
        _: &Scope,
        key: &FlagKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let act = |state: &mut State| {
            state.flags.remove(key);
            state.next_revision();
            Ok(())
        };
        let current = |state: &State| state.flag(key).map(|flag| flag.revision);
        self.write(audit, expected, current, act, |state| Some(Written { value: (), revision: state.revision }))
    }

    async fn version(&self, _: TenantId, _: &Scope, key: &FlagKey, version: FlagVersion) -> StoreResult<Option<Flag>> {
        let state = self.state();
        Ok(state.flags.get(key).and_then(|history| history.iter().find(|flag| flag.version == version).cloned()))
    }

    async fn versions(&self, _: TenantId, _: &Scope, key: &FlagKey, request: &PageRequest) -> StoreResult<Page<Flag>> {
        let mut history = self.state().flags.get(key).cloned().unwrap_or_default();
        history.reverse();
        Ok(page(&history, request))
    }
}

fn written_flag(value: Flag) -> Written<Flag> {
    Written { revision: value.revision, value }
}

#[async_trait]
impl ExperimentStore for Memory {
    async fn find(&self, _: TenantId, _: &Scope, key: &ExperimentKey) -> StoreResult<Option<Experiment>> {
        Ok(self.state().experiments.get(key).cloned())
    }

    async fn create(
        &self,
        _: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        let key = &experiment.key;
        let act = |state: &mut State| {
            if !state.directory.environments.contains_key(scope) {
                return Err(error(StoreErrorKind::NotFound));
            }
            if state.experiments.contains_key(key) {
                return Err(error(StoreErrorKind::AlreadyExists));
            }
            expect_room(quota, state.experiments.len())?;
            let revision = state.next_revision();
            state.experiments.insert(key.clone(), Experiment { revision, ..experiment.clone() });
            Ok(())
        };
        Memory::create(self, audit, act, |state| state.experiments.get(key).cloned().map(written_experiment))
    }

    async fn replace(
        &self,
        _: TenantId,
        _: &Scope,
        experiment: &Experiment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        let key = &experiment.key;
        let act = |state: &mut State| {
            let revision = state.next_revision();
            state.experiments.insert(key.clone(), Experiment { revision, ..experiment.clone() });
            Ok(())
        };
        let current = |state: &State| state.experiments.get(key).map(|experiment| experiment.revision);
        self.write(audit, expected, current, act, |state| state.experiments.get(key).cloned().map(written_experiment))
    }

    async fn delete(
        &self,
        _: TenantId,
        _: &Scope,
        key: &ExperimentKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let act = |state: &mut State| {
            state.experiments.remove(key);
            state.next_revision();
            Ok(())
        };
        let current = |state: &State| state.experiments.get(key).map(|experiment| experiment.revision);
        self.write(audit, expected, current, act, |state| Some(Written { value: (), revision: state.revision }))
    }
}

fn written_experiment(value: Experiment) -> Written<Experiment> {
    Written { revision: value.revision, value }
}
