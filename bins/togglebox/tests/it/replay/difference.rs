//! The table of deliberate differences: `tests/data/differences.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::deviation::{Deviations, STATUS};
use super::recording::Backend;

/// Where we answer otherwise than the original, on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    /// The exchanges that it is about.
    pub(crate) ids: Vec<String>,
    /// The recording that it is about; both without.
    #[serde(default)]
    recording: Option<Backend>,
    /// The numbers of the reasons, as `docs/COMPATIBILITY.md` lists them.
    pub(crate) why: Vec<String>,
    /// Our status.
    #[serde(default)]
    status: Option<u16>,
    /// Our values, by JSON pointer into the masked body.
    #[serde(default)]
    ours: BTreeMap<String, Value>,
    /// What the original has and we have not, by JSON pointer.
    #[serde(default)]
    gone: Vec<String>,
    /// The two recordings contradict each other here, and we answer like this other one.
    #[serde(default)]
    pub(crate) like: Option<Backend>,
    /// What a client of ours does next, so that the exchanges that follow start from the state that they were recorded in.
    #[serde(default)]
    pub(crate) then: Vec<Step>,
}

/// A request between two exchanges.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Whose credential it carries: a name from the recording; none without.
    #[serde(default, rename = "as")]
    pub(crate) caller: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) body: Option<Value>,
    pub(crate) status: u16,
    /// Names for texts of the answer, with their JSON pointers.
    #[serde(default)]
    pub(crate) saves: BTreeMap<String, String>,
}

impl Difference {
    pub(crate) fn is_about(&self, backend: Backend, id: &str) -> bool {
        self.recording.is_none_or(|named| named == backend) && self.ids.iter().any(|known| known == id)
    }

    /// Whether it lists deviations, or that we are like another recording: one of the two.
    pub(crate) fn says_something(&self) -> bool {
        !self.ids.is_empty() && self.deviations().is_empty() == self.like.is_some()
    }

    fn deviations(&self) -> Deviations {
        let status = self.status.map(|status| (STATUS.to_owned(), Some(status.into())));
        let values = self.ours.iter().map(|(at, value)| (at.clone(), Some(value.clone())));
        let gone = self.gone.iter().map(|at| (at.clone(), None));
        status.into_iter().chain(values).chain(gone).collect()
    }
}

/// The whole table.
#[derive(Debug)]
pub(crate) struct Differences(pub(crate) Vec<Difference>);

impl Differences {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/differences.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    pub(crate) fn about(&self, backend: Backend, id: &str) -> impl Iterator<Item = &Difference> {
        self.0.iter().filter(move |difference| difference.is_about(backend, id))
    }

    /// How our answer to an exchange is expected to differ from `backend`'s.
    pub(crate) fn expected(&self, backend: Backend, id: &str) -> Deviations {
        self.about(backend, id).flat_map(Difference::deviations).collect()
    }
}
