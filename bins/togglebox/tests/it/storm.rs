//! Writes to many keys, and what must be true of them after the storm.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, INTERNAL, PUBLIC, audit, config, flag};

/// What a writer did to one key, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    CreateFlag,
    UpdateFlag,
    ToggleFlag,
    CreateConfig,
    UpdateConfig,
}

use Step::{CreateConfig, CreateFlag, ToggleFlag, UpdateConfig, UpdateFlag};

impl Step {
    pub(crate) const ALL: [Self; 5] = [CreateFlag, UpdateFlag, ToggleFlag, CreateConfig, UpdateConfig];

    /// As the audit log calls it.
    fn action(self) -> &'static str {
        match self {
            CreateFlag => "flag.create",
            UpdateFlag => "flag.update",
            ToggleFlag => "flag.toggle",
            CreateConfig => "parameter.create",
            UpdateConfig => "parameter.update",
        }
    }

    /// What asks for it.
    pub(crate) fn request(self, key: &str) -> (Method, String, Value) {
        match self {
            CreateFlag => (Method::POST, format!("{INTERNAL}/flags"), flag(key)),
            UpdateFlag => (Method::PUT, format!("{INTERNAL}/flags/{key}"), json!({ "name": "changed" })),
            ToggleFlag => (Method::PATCH, format!("{INTERNAL}/flags/{key}/toggle"), json!({ "enabled": false })),
            CreateConfig => (Method::POST, format!("{INTERNAL}/configs"), config(key, "first")),
            UpdateConfig => (Method::PATCH, format!("{INTERNAL}/configs/{key}"), json!({ "defaultValue": "second" })),
        }
    }
}

/// A step, and the key that it was about.
pub(crate) type Deed = (String, Step);

/// Every acknowledged write has one audit record, every other write one or none; and what is stored is what the records say.
pub(crate) async fn check(admin: &Client, done: &[Deed], unknown: &[Deed]) {
    let mut recorded: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in audit(admin, "platform=web&environment=prod").await {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        *recorded.entry((text("target"), text("action"))).or_default() += 1;
    }
    // The record that makes the environment itself.
    recorded.retain(|(_, action), _| !action.starts_with("environment."));
    let times = |key: &str, step: Step| recorded.get(&(key.to_owned(), step.action().to_owned())).copied().unwrap_or_default();
    for (key, step) in done {
        assert_eq!(times(key, *step), 1, "{step:?} of {key} was acknowledged");
    }
    for (key, step) in unknown {
        assert!(times(key, *step) <= 1, "{step:?} of {key} is recorded twice");
    }
    let landed = unknown.iter().filter(|(key, step)| times(key, *step) == 1).count();
    assert_eq!(recorded.values().sum::<usize>(), done.len() + landed, "records of writes that nobody made: {recorded:?}");

    let list = async |path: &str, name: &str| -> BTreeMap<String, Value> {
        let data = admin.get(&format!("{PUBLIC}/{path}")).await.data(200);
        let records = data.as_array().expect("a list").iter();
        records.map(|record| (record[name].as_str().unwrap().to_owned(), record.clone())).collect()
    };
    let flags = list("flags", "flagKey").await;
    let configs = list("configs/list", "parameterKey").await;
    let keys: BTreeSet<&String> = done.iter().chain(unknown).map(|(key, _)| key).collect();
    for key in keys {
        let happened = |step| times(key, step) == 1;
        match flags.get(key) {
            None => assert!(!happened(CreateFlag), "{key}"),
            Some(flag) => {
                assert!(happened(CreateFlag), "{key}");
                assert_eq!(flag["name"] == "changed", happened(UpdateFlag), "{flag}");
                assert_eq!(flag["version"] == "1.0.1", happened(UpdateFlag), "{flag}");
                assert_eq!(flag["enabled"] == false, happened(ToggleFlag), "{flag}");
            }
        }
        match configs.get(key) {
            None => assert!(!happened(CreateConfig), "{key}"),
            Some(config) => {
                assert!(happened(CreateConfig), "{key}");
                assert_eq!(config["defaultValue"] == "second", happened(UpdateConfig), "{config}");
                assert_eq!(config["version"] == "2", happened(UpdateConfig), "{config}");
            }
        }
    }
}
