//! Those who write while lists are walked.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use togglebox_core::{AuditRecord, Limit, TenantId};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::LongHistories;
use crate::testkit::ToggleStores;
use crate::testkit::fixtures::{A, B, MANY, audit_at, flag, parameter};
use crate::{FlagKey, ParameterKey, PlatformName, Scope};

/// What another tenant's records and things say.
pub(super) const THEIRS: &str = "theirs";

/// Tasks that write until they are stopped.
pub(super) struct Others {
    tasks: JoinSet<()>,
    steps: watch::Sender<u64>,
    stop: Arc<AtomicBool>,
    /// Of each task.
    counts: Vec<Arc<AtomicU64>>,
}

impl Others {
    pub(super) async fn start(stores: &ToggleStores, filled: &LongHistories) -> Self {
        let Scope { platform, environment } = &filled.place;
        let elsewhere = stores.with_environment(B, platform.as_str(), environment.as_str()).await;
        stores.with_flag(B, &elsewhere, filled.flag().as_str()).await;
        stores.with_parameter(B, &elsewhere, filled.parameter().as_str()).await;
        let late: PlatformName = "late".parse().unwrap();
        stores.with_platform(A, late.as_str()).await;
        let mut others = Self {
            tasks: JoinSet::new(),
            steps: watch::Sender::new(0),
            stop: Arc::new(AtomicBool::new(false)),
            counts: Vec::new(),
        };
        let (end, middle) = (filled.newest, filled.newest / 2);
        for tenant in [A, B] {
            let editor = Editor::new(stores, filled, tenant);
            others.set_to_work(move |n| editor.clone().edit(n, end + n));
        }
        let editor = Editor::new(stores, filled, A);
        others.set_to_work(move |n| editor.clone().make_and_delete(n, end + n));
        let editor = Editor::new(stores, filled, A);
        others.set_to_work(move |n| editor.clone().write_late(late.clone(), middle + n % 100));
        let (audit, before) = (Arc::clone(&stores.audit), filled.pruned_before);
        others.set_to_work(move |_| {
            let audit = Arc::clone(&audit);
            async move { assert!(audit.prune(A, before, 2).await.unwrap() <= 2) }
        });
        others
    }

    /// Tells of each write.
    pub(super) fn steps(&self) -> watch::Receiver<u64> {
        self.steps.subscribe()
    }

    /// Lets each finish the write that it is at; sees to it that none was kept from writing.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert!(counts.iter().all(|count| *count >= 6), "hardly anything changed: {counts:?}");
    }

    /// One more task: `step` is called with 0, 1, 2 and so on.
    fn set_to_work<F>(&mut self, step: impl Fn(u64) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (steps, stop, count) = (self.steps.clone(), Arc::clone(&self.stop), Arc::new(AtomicU64::new(0)));
        self.counts.push(Arc::clone(&count));
        self.tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                step(count.load(Ordering::Relaxed)).await;
                count.fetch_add(1, Ordering::Relaxed);
                steps.send_modify(|steps| *steps += 1);
            }
        });
    }
}

/// Someone who changes what has a long history, and what stands beside it.
#[derive(Clone)]
struct Editor {
    stores: ToggleStores,
    tenant: TenantId,
    place: Scope,
    flag: FlagKey,
    parameter: ParameterKey,
    /// What everything says that this one writes.
    text: &'static str,
}

impl Editor {
    fn new(stores: &ToggleStores, filled: &LongHistories, tenant: TenantId) -> Self {
        Self {
            stores: stores.clone(),
            tenant,
            place: filled.place.clone(),
            flag: filled.flag().clone(),
            parameter: filled.parameter().clone(),
            text: if tenant == A { "edited" } else { THEIRS },
        }
    }

    /// A record that every filter finds.
    fn record(&self, seconds: u64) -> AuditRecord {
        AuditRecord {
            platform: Some(self.place.platform.to_string()),
            environment: Some(self.place.environment.to_string()),
            ..audit_at(seconds, self.text, self.flag.as_str())
        }
    }

    /// Makes histories longer, changes what is active. What was there before is left as it is: the first call adds a version.
    async fn edit(self, n: u64, seconds: u64) {
        let (tenant, place, record) = (self.tenant, &self.place, self.record(seconds));
        let (flags, parameters) = (&self.stores.flags, &self.stores.parameters);
        let (flag, version) = (flag(self.flag.as_str(), self.text), parameter(self.parameter.as_str(), self.text));
        if n % 4 < 2 {
            let stands = flags.find(tenant, place, &self.flag).await.unwrap().unwrap().revision;
            let written = match n % 4 {
                0 => flags.append(tenant, place, &flag, stands, &record).await,
                _ => flags.amend(tenant, place, &flag, stands, &record).await,
            };
            written.unwrap();
        } else {
            let stands = parameters.find(tenant, place, &self.parameter).await.unwrap().unwrap().revision;
            let written = match n % 4 {
                2 => parameters.append(tenant, place, &version, stands, &record).await,
                _ => parameters.activate(tenant, place, &self.parameter, 1, stands, &record).await,
            };
            written.unwrap();
        }
    }

    /// A flag and a parameter whose keys are next to those with the long histories: made, changed, deleted.
    async fn make_and_delete(self, n: u64, seconds: u64) {
        let (tenant, place, record) = (self.tenant, &self.place, self.record(seconds));
        let (flags, parameters) = (&self.stores.flags, &self.stores.parameters);
        let (flag, version) =
            (flag(&format!("{}0", self.flag), self.text), parameter(&format!("{}0", self.parameter), self.text));
        let flag_stands = flags.find(tenant, place, &flag.key).await.unwrap().map(|stands| stands.revision);
        let parameter_stands = parameters.find(tenant, place, &version.key).await.unwrap().map(|stands| stands.revision);
        match (n % 6, flag_stands, parameter_stands) {
            (0, None, _) => drop(flags.create(tenant, place, &flag, Limit::Unlimited, &record).await.unwrap()),
            (1, Some(revision), _) => drop(flags.append(tenant, place, &flag, revision, &record).await.unwrap()),
            (2, Some(revision), _) => drop(flags.delete(tenant, place, &flag.key, revision, &record).await.unwrap()),
            (3, _, None) => drop(parameters.create(tenant, place, &version, MANY, Limit::Unlimited, &record).await.unwrap()),
            (4, _, Some(revision)) => drop(parameters.append(tenant, place, &version, revision, &record).await.unwrap()),
            (5, _, Some(revision)) => drop(parameters.delete(tenant, place, &version.key, revision, &record).await.unwrap()),
            other => panic!("somebody else was at work: {other:?}"),
        }
    }

    /// A record that says it was written long ago: from a node whose clock is behind.
    async fn write_late(self, platform: PlatformName, seconds: u64) {
        let directory = self.stores.directory.directory(self.tenant).await.unwrap();
        let stands = &directory.platforms[&platform];
        let written = self.stores.directory.replace_platform(self.tenant, stands, stands.revision, &self.record(seconds)).await;
        written.unwrap();
    }
}
