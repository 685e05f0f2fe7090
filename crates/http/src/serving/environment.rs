//! One environment, in memory: its snapshot, and the answers that are the same for everybody.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
#[cfg(feature = "cloud")]
use smol_str::SmolStr;
use togglebox_core::{Revision, Timestamp};
use togglebox_toggles::store::EnvironmentState;
use togglebox_toggles::{Scope, Snapshot};
use uuid::Uuid;

use super::held::Revised;
use super::rendered::Rendered;
use crate::etag::EntityTag;
use crate::reply::envelope;
use crate::view::{ExperimentView, FlagView};

/// An environment at one revision. The `timestamp` in its rendered answers is that of the revision, not of the request: so equal tags
/// mean equal bytes, on every node.
#[derive(Debug)]
pub(crate) struct ServedEnvironment {
    scope: Scope,
    snapshot: Option<Snapshot>,
    id: Uuid,
    flags: OnceLock<Arc<Rendered>>,
    experiments: OnceLock<Arc<Rendered>>,
    values: OnceLock<Arc<Rendered>>,
    /// What its requests are counted under.
    #[cfg(feature = "cloud")]
    counted_as: OnceLock<SmolStr>,
}

/// `meta` of an unpaged list of flags or experiments.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    has_more: bool,
}

impl ServedEnvironment {
    pub(super) fn new(scope: Scope, state: EnvironmentState) -> Self {
        let id = state.id;
        Self { snapshot: Some(Snapshot::compile(state)), ..Self::gone(scope, id) }
    }

    /// The environment is not there (any more).
    pub(super) const fn gone(scope: Scope, id: Uuid) -> Self {
        Self {
            scope,
            snapshot: None,
            id,
            flags: OnceLock::new(),
            experiments: OnceLock::new(),
            values: OnceLock::new(),
            #[cfg(feature = "cloud")]
            counted_as: OnceLock::new(),
        }
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.snapshot.is_none()
    }

    /// Where it is.
    pub(crate) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The value that its requests are counted under, which `make` makes of platform and environment.
    #[cfg(feature = "cloud")]
    pub(crate) fn counted_as(&self, make: impl FnOnce(&str, &str) -> SmolStr) -> &SmolStr {
        self.counted_as.get_or_init(|| make(self.scope.platform.as_str(), self.scope.environment.as_str()))
    }

    /// Its contents.
    ///
    /// # Panics
    /// Never: an environment that is gone is not handed out.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        self.snapshot.as_ref().expect("an environment that is gone is not handed out")
    }

    /// Its id, which no other environment of this place has had.
    pub(crate) const fn id(&self) -> Uuid {
        self.id
    }

    /// The tag of its contents as a whole.
    pub(crate) fn tag(&self) -> EntityTag {
        EntityTag::new(self.id, self.revision())
    }

    /// The tag of one record in it.
    pub(crate) fn record_tag(&self, revision: Revision) -> EntityTag {
        EntityTag::new(self.id, revision)
    }

    /// When its contents last changed: the `timestamp` of everything that carries [`tag`](Self::tag).
    pub(crate) fn changed_at(&self) -> Timestamp {
        self.snapshot().changed_at()
    }

    /// All flags, as the list of flags answers.
    pub(crate) fn flags(&self) -> &Arc<Rendered> {
        self.flags.get_or_init(|| {
            let flags: Vec<_> = self.snapshot().flags().map(|flag| FlagView::new(&self.scope, flag.record())).collect();
            self.render(&flags, Some(&Whole { has_more: false }))
        })
    }

    /// All experiments, as the list of experiments answers.
    pub(crate) fn experiments(&self) -> &Arc<Rendered> {
        self.experiments.get_or_init(|| {
            let experiments = self.snapshot().experiments();
            let experiments: Vec<_> =
                experiments.map(|experiment| ExperimentView::new(&self.scope, experiment.record())).collect();
            self.render(&experiments, Some(&Whole { has_more: false }))
        })
    }

    /// The typed values of all parameters, as the map of configs answers.
    pub(crate) fn values(&self) -> &Arc<Rendered> {
        self.values.get_or_init(|| self.render(&Values(self.snapshot()), None::<&()>))
    }

    fn render(&self, data: &impl Serialize, meta: Option<&impl Serialize>) -> Arc<Rendered> {
        Rendered::new(envelope(Some(data), None, meta, self.changed_at()))
    }
}

impl Revised for ServedEnvironment {
    fn revision(&self) -> Revision {
        self.snapshot.as_ref().map_or(Revision::new(u64::MAX), Snapshot::revision)
    }
}

struct Values<'a>(&'a Snapshot);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.0.values();
        let mut map = serializer.serialize_map(Some(values.len()))?;
        for (key, value) in values {
            map.serialize_entry(key.as_str(), value)?;
        }
        map.end()
    }
}
