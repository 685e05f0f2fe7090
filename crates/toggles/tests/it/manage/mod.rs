//! The managing services over ports in memory.

mod directory;
mod experiment;
mod flag;
mod parameter;
mod quota;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use togglebox_core::{
    Actor, Change, ChangeBus, ChangeListener, ManualClock, Revision, SeededEntropy, StoreError, StoreErrorKind, StoreResult,
    TenantId, Timestamp,
};
use togglebox_toggles::input::{FlagToggle, NewEnvironment, NewPlatform, ParameterPatch};
use togglebox_toggles::manage::{Directories, Experiments, Flags, Journal, Parameters, Step};
use togglebox_toggles::{EnvironmentName, PlatformName, Scope};

use crate::memory::Memory;

const TENANT: TenantId = TenantId::DEFAULT;

/// Every service over one store with the environment `web/prod`, at noon.
struct House {
    memory: Arc<Memory>,
    clock: Arc<ManualClock>,
    bus: Arc<Bus>,
    scope: Scope,
    directories: Directories,
    parameters: Parameters,
    flags: Flags,
    experiments: Experiments,
}

impl House {
    fn new() -> Self {
        let memory = Arc::new(Memory::default());
        let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
        let bus = Arc::new(Bus::default());
        let journal = Journal::new(Arc::clone(&clock) as _, Arc::new(SeededEntropy::new(1)), Arc::clone(&bus) as _);
        let scope = Scope::new(PlatformName::new("web").unwrap(), EnvironmentName::new("prod").unwrap());
        let house = Self {
            directories: Directories::new(Arc::clone(&memory) as _, journal.clone()),
            parameters: Parameters::new(Arc::clone(&memory) as _, journal.clone()),
            flags: Flags::new(Arc::clone(&memory) as _, journal.clone()),
            experiments: Experiments::new(Arc::clone(&memory) as _, journal),
            memory,
            clock,
            bus,
            scope,
        };
        let platform = NewPlatform { name: house.scope.platform.clone(), description: None };
        done(house.directories.create_platform(TENANT, platform, &ann())).unwrap();
        let environment = NewEnvironment { name: house.scope.environment.clone(), description: None };
        done(house.directories.create_environment(TENANT, &house.scope.platform, environment, &ann())).unwrap();
        house.memory.state().audit.clear();
        house.bus.take();
        house
    }

    /// A scope in which there is nothing, not even an environment.
    fn nowhere(&self) -> Scope {
        Scope::new(self.scope.platform.clone(), EnvironmentName::new("nowhere").unwrap())
    }

    fn tick(&self) -> Timestamp {
        use togglebox_core::Clock as _;
        self.clock.advance(Duration::from_secs(1));
        self.clock.now()
    }

    /// The actions of the audit log since the last call.
    fn actions(&self) -> Vec<String> {
        self.memory.state().audit.drain(..).map(|record| record.action).collect()
    }

    /// The notice of a change in the environment.
    fn notice(&self, revision: Revision) -> Change {
        let (platform, environment) = (self.scope.platform.to_string(), self.scope.environment.to_string());
        Change::Environment { tenant: TENANT, platform, environment, revision }
    }
}

fn ann() -> Actor {
    Actor::user("u-1", "ann@example.com")
}

fn bob() -> Actor {
    Actor::user("u-2", "bob@example.com")
}

/// The outcome of a future that never waits. It may set timers: they are of a run time that is not driven.
fn done<T>(future: impl Future<Output = T>) -> T {
    let timers = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = timers.enter();
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the store in memory never waits"),
    }
}

/// The member of a document at `path` (a JSON pointer).
fn at(document: Option<&Value>, path: &str) -> Value {
    document.and_then(|document| document.pointer(path)).cloned().unwrap_or_default()
}

/// Keeps what it is told, or refuses to.
#[derive(Debug, Default)]
struct Bus {
    notices: Mutex<Vec<Change>>,
    broken: Mutex<bool>,
}

impl Bus {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.notices.lock().unwrap())
    }
}

#[async_trait]
impl ChangeBus for Bus {
    async fn publish(&self, change: Change) -> StoreResult<()> {
        if *self.broken.lock().unwrap() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "bus"));
        }
        self.notices.lock().unwrap().push(change);
        Ok(())
    }

    fn subscribe(&self, _: Arc<dyn ChangeListener>) {}
}

#[test]
fn operations_may_move_between_threads() {
    fn assert_send<T: Send>(_: &T) {}
    let (house, ann) = (House::new(), ann());
    let key = "k".parse().unwrap();
    let patch = ParameterPatch::default();
    assert_send(&house.parameters.update(TENANT, &house.scope, &key, &patch, &ann, None));
    let key = "k".parse().unwrap();
    assert_send(&house.flags.toggle(TENANT, &house.scope, &key, FlagToggle { enabled: true }, &ann, None));
    let key = "k".parse().unwrap();
    assert_send(&house.experiments.advance(TENANT, &house.scope, &key, &Step::Start, &ann, None));
    assert_send(&house.directories.delete_environment(TENANT, &house.scope, &ann, None));
}
