//! The process is killed in the middle of writing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Client, INTERNAL, PUBLIC, audit, config, flag, make_environment, start_with_admin};
use crate::server::{Launch, eventually};

const ROUNDS: usize = 4;
const WRITERS: usize = 6;
/// Acknowledged writes after which the process is killed.
const STORM: usize = 90;

/// What a writer did to one key, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    CreateFlag,
    UpdateFlag,
    ToggleFlag,
    CreateConfig,
    UpdateConfig,
}

use Step::{CreateConfig, CreateFlag, ToggleFlag, UpdateConfig, UpdateFlag};

impl Step {
    const ALL: [Self; 5] = [CreateFlag, UpdateFlag, ToggleFlag, CreateConfig, UpdateConfig];

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

    fn request(self, key: &str) -> (Method, String, Value) {
        match self {
            CreateFlag => (Method::POST, format!("{INTERNAL}/flags"), flag(key)),
            UpdateFlag => (Method::PUT, format!("{INTERNAL}/flags/{key}"), json!({ "name": "changed" })),
            ToggleFlag => (Method::PATCH, format!("{INTERNAL}/flags/{key}/toggle"), json!({ "enabled": false })),
            CreateConfig => (Method::POST, format!("{INTERNAL}/configs"), config(key, "first")),
            UpdateConfig => (Method::PATCH, format!("{INTERNAL}/configs/{key}"), json!({ "defaultValue": "second" })),
        }
    }
}

/// Writes until the server is gone. What was acknowledged, and the one write whose outcome is unknown.
async fn write_until_the_end(
    client: Client,
    prefix: String,
    acknowledged: Arc<AtomicUsize>,
) -> (Vec<(String, Step)>, (String, Step)) {
    let mut done = Vec::new();
    for n in 0.. {
        let key = format!("{prefix}-{n}");
        for step in Step::ALL {
            let (method, path, body) = step.request(&key);
            match client.try_send(method, &path, Some(&body), &[]).await {
                Ok(reply) if reply.status < 300 => {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    done.push((key.clone(), step));
                }
                Ok(reply) => panic!("{step:?} of {key}: {} {}", reply.status, reply.text()),
                Err(_) => return (done, (key, step)),
            }
        }
    }
    unreachable!("the server ends before the numbers do")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_kill_and_recorded_once() {
    let (mut server, mut admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    let (mut all_done, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write_until_the_end(admin.clone(), format!("r{round}-w{writer}"), Arc::clone(&acknowledged)));
        }
        // A little more each time, so that the blow falls elsewhere.
        eventually("the storm blows", async || acknowledged.load(Ordering::SeqCst) >= STORM + round).await;
        let launch = server.launch().clone();
        let ended = server.kill().await;
        assert!(ended.status.code().is_none(), "it was killed: {:?}", ended.status);
        for (done, left) in writers.join_all().await {
            all_done.extend(done);
            unknown.push(left);
        }
        server = launch.start().await;
        admin = admin.at(&server);
        check(&admin, &all_done, &unknown).await;
    }
    let ended = server.stop().await;
    assert!(ended.status.success() && !ended.log.contains("ERROR"), "{}", ended.log);
}

/// Every acknowledged write has one audit record, every other write one or none; and what is stored is what the records say.
async fn check(admin: &Client, done: &[(String, Step)], unknown: &[(String, Step)]) {
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
    let keys: std::collections::BTreeSet<&String> = done.iter().chain(unknown).map(|(key, _)| key).collect();
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
