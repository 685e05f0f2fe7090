//! A snapshot finds what its environment holds.

use serde_json::json;
use togglebox_core::Revision;
use togglebox_toggles::{Context, FlagReason, Snapshot};

use crate::records::environment;

#[test]
fn lists_are_in_the_order_of_keys() {
    let snapshot = Snapshot::compile(environment());
    let parameters: Vec<_> = snapshot.parameters().iter().map(|parameter| parameter.key().as_str()).collect();
    assert_eq!(parameters, ["Theme", "broken", "limit", "title"]);
    let values: Vec<_> = snapshot.values().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(
        values,
        [("Theme", json!({ "dark": true })), ("broken", json!(null)), ("limit", json!(12)), ("title", json!("Hello"))]
    );
    let flags: Vec<_> = snapshot.flags().map(|flag| flag.record().key.as_str()).collect();
    assert_eq!(flags, ["dark-mode", "zoom"]);
    let experiments: Vec<_> = snapshot.experiments().map(|experiment| experiment.record().key.as_str()).collect();
    assert_eq!(experiments, ["checkout", "search"]);
}

#[test]
fn everything_is_found_by_its_key() {
    let snapshot = Snapshot::compile(environment());
    assert_eq!(snapshot.revision(), Revision::new(7));
    for key in ["Theme", "broken", "limit", "title"] {
        assert_eq!(snapshot.parameter(key).map(|parameter| parameter.key().as_str()), Some(key));
    }
    assert_eq!(snapshot.value("limit"), Some(&json!(12)));
    for key in ["dark-mode", "zoom"] {
        let flag = snapshot.flag(key).unwrap();
        assert_eq!(flag.record().key.as_str(), key);
        assert_eq!(flag.evaluate(&Context::new("in-1")).reason, FlagReason::ForceIncluded);
    }
    for key in ["checkout", "search"] {
        assert_eq!(snapshot.experiment(key).unwrap().record().key.as_str(), key);
    }
    assert!(snapshot.parameter("theme").is_none());
    assert!(snapshot.value("").is_none());
    assert!(snapshot.flag("checkout").is_none());
    assert!(snapshot.experiment("dark-mode").is_none());
}
