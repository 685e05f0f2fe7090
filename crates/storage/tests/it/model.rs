//! Any sequence of writes to parameters, against a model of a few lines.

use std::collections::BTreeMap;

use proptest::prelude::*;
use togglebox_core::{Limit, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId};
use togglebox_storage::Sqlite;
use togglebox_toggles::store::{EnvironmentStore, ParameterStore};
use togglebox_toggles::{Parameter, ParameterKey, ParameterVersion, Scope};

use crate::database::{audit, filled, parameter};

const TENANT: TenantId = TenantId::DEFAULT;
const LIMIT: usize = 3;

/// What to do to the parameter `k{key}`. `stale` names a revision that has passed.
#[derive(Clone, Debug)]
enum Step {
    Create { key: u8 },
    Append { key: u8, stale: bool },
    Activate { key: u8, version: u64, stale: bool },
    Delete { key: u8, stale: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let (key, stale) = (0..4_u8, prop::bool::weighted(0.1));
    prop_oneof![
        3 => key.clone().prop_map(|key| Step::Create { key }),
        4 => (key.clone(), stale).prop_map(|(key, stale)| Step::Append { key, stale }),
        3 => (key.clone(), 0..5_u64, stale).prop_map(|(key, version, stale)| Step::Activate { key, version, stale }),
        1 => (key, stale).prop_map(|(key, stale)| Step::Delete { key, stale }),
    ]
}

/// What should be stored: per key the texts of all versions, which of them is active, and the revision.
#[derive(Debug, Default)]
struct Model {
    revision: u64,
    parameters: BTreeMap<u8, Modelled>,
}

#[derive(Clone, Debug)]
struct Modelled {
    texts: Vec<String>,
    active: u64,
    revision: u64,
}

impl Model {
    /// Does the step, or says why it must be refused.
    fn apply(&mut self, step: &Step, text: &str) -> Result<(), StoreErrorKind> {
        let next = self.revision + 1;
        match *step {
            Step::Create { key } => {
                if self.parameters.contains_key(&key) {
                    return Err(StoreErrorKind::AlreadyExists);
                }
                if self.parameters.len() == LIMIT {
                    return Err(StoreErrorKind::LimitReached { limit: LIMIT });
                }
                self.parameters.insert(key, Modelled { texts: vec![text.to_owned()], active: 1, revision: next });
            }
            Step::Append { key, stale } => {
                let stands = self.stands(key, stale)?;
                stands.texts.push(text.to_owned());
                (stands.active, stands.revision) = (stands.texts.len() as u64, next);
            }
            Step::Activate { key, version, stale } => {
                let stands = self.stands(key, stale)?;
                if !(1..=stands.texts.len() as u64).contains(&version) {
                    return Err(StoreErrorKind::NotFound);
                }
                (stands.active, stands.revision) = (version, next);
            }
            Step::Delete { key, stale } => {
                self.stands(key, stale)?;
                self.parameters.remove(&key);
            }
        }
        self.revision = next;
        Ok(())
    }

    fn stands(&mut self, key: u8, stale: bool) -> Result<&mut Modelled, StoreErrorKind> {
        let stands = self.parameters.get_mut(&key).ok_or(StoreErrorKind::NotFound)?;
        if stale { Err(StoreErrorKind::Conflict { current: Revision::new(stands.revision) }) } else { Ok(stands) }
    }

    /// The revision that a caller names who has read `key`, or has read it too early.
    fn expected(&self, key: u8, stale: bool) -> Revision {
        Revision::new(self.parameters.get(&key).map_or(0, |stands| stands.revision - u64::from(stale)))
    }
}

fn key(n: u8) -> ParameterKey {
    format!("k{n}").parse().unwrap()
}

fn version(n: u8, text: &str) -> ParameterVersion {
    let mut version = parameter(&format!("k{n}"));
    text.clone_into(&mut version.definition.default_value);
    version
}

async fn run(store: &Sqlite, place: &Scope, model: &Model, step: &Step, n: u128, text: &str) -> StoreResult<()> {
    let record = audit(1000 + n);
    match *step {
        Step::Create { key } => {
            store.create(TENANT, place, &version(key, text), LIMIT, Limit::Unlimited, &record).await.map(drop)
        }
        Step::Append { key, stale } => {
            store.append(TENANT, place, &version(key, text), model.expected(key, stale), &record).await.map(drop)
        }
        Step::Activate { key: n, version, stale } => {
            store.activate(TENANT, place, &key(n), version, model.expected(n, stale), &record).await.map(drop)
        }
        Step::Delete { key: n, stale } => {
            ParameterStore::delete(store, TENANT, place, &key(n), model.expected(n, stale), &record).await.map(drop)
        }
    }
}

async fn check(store: &Sqlite, place: &Scope, model: &Model) {
    let state = store.load(TENANT, place).await.unwrap().unwrap();
    assert_eq!(state.revision.get(), model.revision);
    let stored: Vec<_> = state.parameters.iter().map(|p: &Parameter| (p.key().clone(), p.revision.get())).collect();
    let expected: Vec<_> = model.parameters.iter().map(|(n, p)| (key(*n), p.revision)).collect();
    assert_eq!(stored, expected);
    for (n, modelled) in &model.parameters {
        let history = ParameterStore::versions(store, TENANT, place, &key(*n), &PageRequest::first(100)).await.unwrap().items;
        let stored: Vec<_> = history.into_iter().rev().map(|v| (v.version, v.definition.default_value, v.active)).collect();
        let texts = modelled.texts.iter().zip(1..);
        let expected: Vec<_> = texts.map(|(text, n)| (n, text.clone(), n == modelled.active)).collect();
        assert_eq!(stored, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parameters_are_what_a_simple_model_says(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Sqlite::in_memory().await.unwrap();
            let place = filled(&store).await;
            // An environment without anything in it, beside the one with one of everything.
            let place = crate::database::environment(&store, &place.platform, "empty").await;
            let mut model = Model::default();
            for (n, step) in steps.iter().enumerate() {
                let text = n.to_string();
                let stored = run(&store, &place, &model, step, n as u128, &text).await;
                let expected = model.apply(step, &text);
                assert_eq!(stored.map_err(|error| error.kind().clone()), expected, "{step:?}");
            }
            check(&store, &place, &model).await;
        });
    }
}
