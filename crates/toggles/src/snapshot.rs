//! What one environment serves, at one revision.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::HashMap;
use serde_json::Value;
use togglebox_core::{Revision, Timestamp};
use uuid::Uuid;

use crate::evaluation::{CompiledExperiment, CompiledFlag};
use crate::store::EnvironmentState;
use crate::{ExperimentKey, FlagKey, Parameter, ParameterKey};

/// Everything that clients of an environment can get, compiled. Never changes; a write leads to another snapshot.
///
/// Lists are in the order of their keys. Looking something up by its key neither allocates nor depends on how much there is.
#[derive(Debug)]
pub struct Snapshot {
    id: Uuid,
    revision: Revision,
    changed_at: Timestamp,
    parameters: Box<[Parameter]>,
    /// The typed values of `parameters`, place by place.
    values: Box<[Value]>,
    flags: Box<[CompiledFlag]>,
    experiments: Box<[CompiledExperiment]>,
    parameter_places: Places<ParameterKey>,
    flag_places: Places<FlagKey>,
    experiment_places: Places<ExperimentKey>,
}

impl Snapshot {
    /// Compiles what a store holds.
    pub fn compile(state: EnvironmentState) -> Self {
        let EnvironmentState { id, revision, changed_at, mut parameters, mut flags, mut experiments } = state;
        parameters.sort_by(|a, b| a.key().cmp(b.key()));
        flags.sort_by(|a, b| a.key.cmp(&b.key));
        experiments.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            id,
            revision,
            changed_at,
            parameter_places: Places::of(parameters.iter().map(Parameter::key)),
            flag_places: Places::of(flags.iter().map(|flag| &flag.key)),
            experiment_places: Places::of(experiments.iter().map(|experiment| &experiment.key)),
            values: parameters.iter().map(|parameter| parameter.active.definition.typed_value()).collect(),
            parameters: parameters.into(),
            flags: flags.into_iter().map(CompiledFlag::compile).collect(),
            experiments: experiments.into_iter().map(CompiledExperiment::compile).collect(),
        }
    }

    /// The environment's id. A re-created environment has another one.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The environment's revision.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// When the environment was last written to.
    pub const fn changed_at(&self) -> Timestamp {
        self.changed_at
    }

    /// Every parameter.
    pub const fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// One parameter.
    pub fn parameter(&self, key: &str) -> Option<&Parameter> {
        self.parameters.get(self.parameter_places.find(key)?)
    }

    /// Every parameter's key with its typed value.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&ParameterKey, &Value)> {
        self.parameters.iter().map(Parameter::key).zip(&self.values)
    }

    /// The typed value of one parameter.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(self.parameter_places.find(key)?)
    }

    /// Every flag.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = &CompiledFlag> {
        self.flags.iter()
    }

    /// One flag.
    pub fn flag(&self, key: &str) -> Option<&CompiledFlag> {
        self.flags.get(self.flag_places.find(key)?)
    }

    /// Every experiment.
    pub fn experiments(&self) -> impl ExactSizeIterator<Item = &CompiledExperiment> {
        self.experiments.iter()
    }

    /// One experiment.
    pub fn experiment(&self, key: &str) -> Option<&CompiledExperiment> {
        self.experiments.get(self.experiment_places.find(key)?)
    }
}

/// Where in a list each key stands.
#[derive(Debug)]
struct Places<K>(HashMap<K, usize>);

impl<K: Clone + Eq + Hash + Borrow<str>> Places<K> {
    fn of<'k>(keys: impl Iterator<Item = &'k K>) -> Self
    where
        K: 'k,
    {
        Self(keys.enumerate().map(|(place, key)| (key.clone(), place)).collect())
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
    }
}
