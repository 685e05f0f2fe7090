use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex as StdMutex;

use async_trait::async_trait;
use proptest::prelude::*;
use togglebox_core::{EntropyExt as _, ManualClock, SeededEntropy, StoreError, Timestamp};
use uuid::Uuid;

use super::*;
use crate::statistics::{Event, EventKind, RecorderLimits};
use crate::store::{
    CountryCount, DayCount, Delta, ExperimentStatistics, FlagStatistics, ParameterStatistics, Subject, SubjectSums,
};
use crate::{EnvironmentName, ExperimentKey, FlagKey, ParameterKey, PlatformName, Scope, VariationKey};

/// What the store does with a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Fails, and has taken nothing.
    Before,
    /// Has taken the batch, and the answer is lost.
    After,
    /// Will never take the batch, or one of those that are sent together.
    Refusal,
}

/// What was counted: exposures by tenant, and conversions and their sum by tenant and user.
#[derive(Clone, Debug, Default, PartialEq)]
struct Totals {
    exposures: BTreeMap<TenantId, u64>,
    conversions: BTreeMap<(TenantId, Subject), (u64, f64)>,
}

impl Totals {
    fn expose(&mut self, tenant: TenantId, exposures: u64) {
        *self.exposures.entry(tenant).or_default() += exposures;
    }

    fn convert(&mut self, tenant: TenantId, subject: Subject, conversions: u64, sum: f64) {
        let total = self.conversions.entry((tenant, subject)).or_default();
        *total = (total.0 + conversions, total.1 + sum);
    }
}

#[derive(Debug, Default)]
struct FakeStore(StdMutex<FakeState>);

#[derive(Debug, Default)]
struct FakeState {
    /// Of the calls to come, first one first.
    faults: VecDeque<Fault>,
    /// How many batches came with each call.
    calls: Vec<usize>,
    /// Every batch ever sent, by id.
    sent: HashMap<Uuid, StatisticsBatch>,
    /// Ids of batches taken, in order.
    taken: Vec<Uuid>,
    totals: Totals,
}

impl FakeState {
    fn take(&mut self, tenant: TenantId, batch: &StatisticsBatch) {
        if self.taken.contains(&batch.id) {
            return;
        }
        self.taken.push(batch.id);
        for scoped in &batch.deltas {
            match &scoped.delta {
                Delta::Exposure { exposures, .. } => self.totals.expose(tenant, *exposures),
                Delta::Conversion { subjects, .. } => {
                    for SubjectSums { subject, conversions, sum, .. } in subjects {
                        self.totals.convert(tenant, *subject, *conversions, *sum);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

impl FakeStore {
    /// How many batches it takes at once.
    const TOGETHER: usize = 3;

    async fn call<'b>(&self, batches: impl Iterator<Item = (TenantId, &'b StatisticsBatch)> + Clone) -> StoreResult<()> {
        // Lets another flush run in between, if one can.
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        state.calls.push(batches.clone().count());
        for (_, batch) in batches.clone() {
            let known = state.sent.entry(batch.id).or_insert_with(|| batch.clone());
            assert_eq!(known, batch, "a batch changed between two attempts");
        }
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        if matches!(fault, Fault::None | Fault::After) {
            batches.for_each(|(tenant, batch)| state.take(tenant, batch));
        }
        match fault {
            Fault::None => Ok(()),
            Fault::Before | Fault::After => Err(StoreError::new(StoreErrorKind::Unavailable, "statistics.record")),
            Fault::Refusal => Err(StoreError::new(StoreErrorKind::Corrupt, "statistics.record")),
        }
    }
}

#[async_trait]
impl StatisticsStore for FakeStore {
    async fn record(&self, tenant: TenantId, batch: &StatisticsBatch) -> StoreResult<()> {
        self.call(std::iter::once((tenant, batch))).await
    }

    async fn record_together(&self, batches: &[(TenantId, StatisticsBatch)]) -> StoreResult<usize> {
        let batches = &batches[..batches.len().min(Self::TOGETHER)];
        self.call(batches.iter().map(|(tenant, batch)| (*tenant, batch))).await?;
        Ok(batches.len())
    }

    async fn parameter(
        &self,
        _: TenantId,
        _: &Scope,
        _: &ParameterKey,
        _: Timestamp,
    ) -> StoreResult<Option<ParameterStatistics>> {
        unreachable!("only records are sent")
    }

    async fn flag(&self, _: TenantId, _: &Scope, _: &FlagKey, _: Timestamp) -> StoreResult<Option<FlagStatistics>> {
        unreachable!("only records are sent")
    }

    async fn flag_by_country(&self, _: TenantId, _: &Scope, _: &FlagKey) -> StoreResult<Vec<CountryCount>> {
        unreachable!("only records are sent")
    }

    async fn flag_by_day(&self, _: TenantId, _: &Scope, _: &FlagKey, _: &str, _: &str) -> StoreResult<Vec<DayCount>> {
        unreachable!("only records are sent")
    }

    async fn experiment(&self, _: TenantId, _: &Scope, _: &ExperimentKey) -> StoreResult<Option<ExperimentStatistics>> {
        unreachable!("only records are sent")
    }
}

struct Bench {
    recorder: Arc<Recorder>,
    store: Arc<FakeStore>,
    flusher: Flusher,
    expected: Totals,
}

impl Bench {
    fn new() -> Self {
        let limits = RecorderLimits { batch_entries: 4, ..RecorderLimits::default() };
        let (recorder, store) = (Arc::new(Recorder::new(limits)), Arc::new(FakeStore::default()));
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let port: Arc<dyn StatisticsStore> = Arc::<FakeStore>::clone(&store);
        let flusher = Flusher::new(Arc::clone(&recorder), port, clock, Arc::new(SeededEntropy::new(7)));
        Self { recorder, store, flusher, expected: Totals::default() }
    }

    fn record(&mut self, tenant: u64, user: u8, value: Option<i8>) {
        let tenant = of(tenant);
        let scope = Scope::new(PlatformName::new("acme").unwrap(), EnvironmentName::new("prod").unwrap());
        let (experiment, variation) = (ExperimentKey::new("cta").unwrap(), VariationKey::new("green").unwrap());
        let user = Subject::of(&user.to_string());
        let kind = if let Some(value) = value.map(f64::from) {
            self.expected.convert(tenant, user, 1, value);
            EventKind::Conversion { experiment, metric: "click".into(), variation, user, value: Some(value) }
        } else {
            self.expected.expose(tenant, 1);
            EventKind::Exposure { experiment, variation, user }
        };
        self.recorder.record(tenant, &scope, &Event { at: Timestamp::EPOCH, kind }, Timestamp::EPOCH);
    }

    fn faults(&self, faults: &[Fault]) {
        self.store.0.lock().unwrap().faults = faults.iter().copied().collect();
    }

    fn calls(&self) -> Vec<usize> {
        self.store.0.lock().unwrap().calls.clone()
    }

    fn totals(&self) -> Totals {
        self.store.0.lock().unwrap().totals.clone()
    }
}

fn of(tenant: u64) -> TenantId {
    TenantId::from_uuid(SeededEntropy::new(tenant).uuid())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[derive(Clone, Debug)]
enum Step {
    Record(u64, u8, Option<i8>),
    /// A flush in which the store does that with the batches that come, and works after.
    Flush(Vec<Fault>),
    /// The same for no more than so many batches.
    FlushSome(usize, Vec<Fault>),
    /// The same for one tenant.
    FlushOf(u64, Vec<Fault>),
    /// Two flushes at once.
    FlushTwice(Vec<Fault>),
    /// A flush that is dropped after that many polls.
    Abandon(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0_u64..3, 0_u8..12, prop::option::of(any::<i8>()));
    let faults =
        || prop::collection::vec(prop_oneof![2 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After)], 0..5);
    prop_oneof![
        12 => record.prop_map(|(tenant, user, value)| Step::Record(tenant, user, value)),
        3 => faults().prop_map(Step::Flush),
        3 => (0_usize..4, faults()).prop_map(|(most, faults)| Step::FlushSome(most, faults)),
        3 => (0_u64..3, faults()).prop_map(|(tenant, faults)| Step::FlushOf(tenant, faults)),
        1 => faults().prop_map(Step::FlushTwice),
        1 => (1_usize..6).prop_map(Step::Abandon),
    ]
}

/// Polls a future a few times, then drops it.
fn abandon(future: impl Future, polls: usize) {
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            return;
        }
    }
}

proptest! {
    #[test]
    fn every_event_is_counted_exactly_once_whatever_the_store_does(steps in prop::collection::vec(step(), 0..60)) {
        let mut bench = Bench::new();
        for step in steps {
            match step {
                Step::Record(tenant, user, value) => bench.record(tenant, user, value),
                Step::Flush(faults) => {
                    bench.faults(&faults);
                    let failed = run(bench.flusher.flush()).is_err();
                    // It stops at the first batch whose outcome is unknown.
                    prop_assert!(!failed || faults.iter().any(|fault| *fault != Fault::None));
                }
                Step::FlushSome(most, faults) => {
                    bench.faults(&faults);
                    if let Ok(report) = run(bench.flusher.flush_some(most)) {
                        prop_assert!(report.batches <= u64::try_from(most).unwrap());
                    }
                }
                Step::FlushOf(tenant, faults) => {
                    bench.faults(&faults);
                    if run(bench.flusher.flush_of(of(tenant))).is_ok() {
                        let (taken, expected) = (bench.totals(), &bench.expected);
                        prop_assert_eq!(taken.exposures.get(&of(tenant)), expected.exposures.get(&of(tenant)));
                    }
                }
                Step::FlushTwice(faults) => {
                    bench.faults(&faults);
                    run(async {
                        let _both = tokio::join!(bench.flusher.flush(), bench.flusher.flush());
                    });
                }
                Step::Abandon(polls) => {
                    bench.faults(&[]);
                    abandon(bench.flusher.flush(), polls);
                }
            }
        }
        bench.faults(&[]);
        run(bench.flusher.flush()).unwrap();
        prop_assert_eq!(bench.totals(), bench.expected);
        prop_assert_eq!(run(bench.flusher.flush()).unwrap(), FlushReport::default());
        prop_assert_eq!(bench.recorder.dropped(), 0);
    }
}

#[test]
fn a_batch_whose_answer_was_lost_is_sent_again_before_anything_newer() {
    let mut bench = Bench::new();
    bench.record(0, 1, None);
    bench.faults(&[Fault::After]);
    assert_eq!(*run(bench.flusher.flush()).unwrap_err().kind(), StoreErrorKind::Unavailable);
    let first = bench.store.0.lock().unwrap().taken.clone();
    bench.record(0, 2, None);
    let report = run(bench.flusher.flush()).unwrap();
    assert_eq!((report.batches, report.deltas), (2, 2));
    assert_eq!(bench.store.0.lock().unwrap().taken[..1], first);
    assert_eq!(bench.totals(), bench.expected);
}

#[test]
fn while_batches_wait_the_recorder_is_not_drained() {
    let mut bench = Bench::new();
    bench.record(0, 1, None);
    bench.faults(&[Fault::Before; 3]);
    for user in 0..3 {
        assert!(run(bench.flusher.flush()).is_err());
        bench.record(0, user, None);
    }
    assert_eq!(bench.store.0.lock().unwrap().sent.len(), 1);
    assert!(bench.recorder.memory_bytes() > 0);
    assert_eq!(run(bench.flusher.flush()).unwrap().batches, 2);
    assert_eq!(bench.totals(), bench.expected);
}

#[test]
fn a_batch_that_is_refused_for_good_does_not_hold_up_the_others() {
    let mut bench = Bench::new();
    bench.record(0, 1, None);
    bench.record(1, 1, None);
    // Together with the other, then by itself.
    bench.faults(&[Fault::Refusal; 2]);
    let report = run(bench.flusher.flush()).unwrap();
    assert_eq!((report.batches, report.refused, bench.flusher.refused()), (1, 1, 1));
    assert_eq!(run(bench.flusher.flush()).unwrap(), FlushReport::default());
}

#[test]
fn batches_are_sent_as_many_at_once_as_the_store_takes() {
    let mut bench = Bench::new();
    for tenant in 0..8 {
        bench.record(tenant, 1, None);
    }
    assert_eq!(run(bench.flusher.flush_some(7)).unwrap(), FlushReport { batches: 7, deltas: 7, refused: 0 });
    assert_eq!(run(bench.flusher.flush()).unwrap(), FlushReport { batches: 1, deltas: 1, refused: 0 });
    assert_eq!(bench.calls(), [3, 3, 1, 1]);
    assert_eq!(bench.totals(), bench.expected);
}

#[test]
fn what_is_refused_of_many_is_sent_one_by_one_and_only_what_is_refused_again_is_dropped() {
    let mut bench = Bench::new();
    for tenant in 0..4 {
        bench.record(tenant, 1, None);
    }
    bench.faults(&[Fault::Refusal, Fault::None, Fault::Refusal]);
    let report = run(bench.flusher.flush()).unwrap();
    assert_eq!(report, FlushReport { batches: 3, deltas: 3, refused: 1 });
    assert_eq!(bench.calls(), [3, 1, 1, 1, 1]);
    assert_eq!(bench.flusher.refused(), 1);
    assert_eq!(run(bench.flusher.flush()).unwrap(), FlushReport::default());
    assert_eq!(bench.totals().exposures.len(), 3);
}

#[test]
fn batches_whose_answer_was_lost_are_all_sent_again_under_their_ids() {
    for fault in [Fault::Before, Fault::After] {
        let mut bench = Bench::new();
        for tenant in 0..5 {
            bench.record(tenant, 1, None);
        }
        bench.faults(&[Fault::None, fault]);
        assert_eq!(*run(bench.flusher.flush()).unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!(bench.calls(), [3, 2]);
        let report = run(bench.flusher.flush()).unwrap();
        assert_eq!(report, FlushReport { batches: 2, deltas: 2, refused: 0 }, "those that were under way, and no others");
        assert_eq!((bench.calls().len(), bench.store.0.lock().unwrap().sent.len()), (3, 5));
        assert_eq!(bench.totals(), bench.expected);
    }
}

#[test]
fn a_store_that_goes_away_while_refused_batches_are_sent_one_by_one_gets_the_rest_later() {
    let mut bench = Bench::new();
    for tenant in 0..3 {
        bench.record(tenant, 1, None);
    }
    bench.faults(&[Fault::Refusal, Fault::None, Fault::After]);
    assert!(run(bench.flusher.flush()).is_err());
    assert_eq!(run(bench.flusher.flush()).unwrap(), FlushReport { batches: 2, deltas: 2, refused: 0 });
    assert_eq!((bench.totals(), bench.flusher.refused()), (bench.expected, 0));
}

#[test]
fn a_flush_of_some_leaves_the_rest_for_the_next() {
    let mut bench = Bench::new();
    for tenant in 0..5 {
        bench.record(tenant, 1, None);
    }
    assert_eq!(run(bench.flusher.flush_some(2)).unwrap().batches, 2);
    // What comes in meanwhile is counted with what comes after it.
    for user in 0..3 {
        bench.record(0, user, None);
    }
    assert_eq!(run(bench.flusher.flush_some(2)).unwrap().batches, 2);
    let report = run(bench.flusher.flush_some(2)).unwrap();
    assert_eq!((report.batches, report.deltas), (2, 2), "the last one, and the new ones as one");
    assert_eq!(bench.totals(), bench.expected);
}

#[test]
fn nobody_waits_for_what_was_counted_of_others() {
    let mut bench = Bench::new();
    for tenant in 0..5 {
        bench.record(tenant, 1, None);
    }
    assert_eq!(run(bench.flusher.flush_some(0)).unwrap(), FlushReport::default(), "drained, and no more");
    for tenant in [3, 4] {
        bench.record(tenant, 2, None);
        let report = run(bench.flusher.flush_of(of(tenant))).unwrap();
        assert_eq!((report.batches, bench.totals().exposures[&of(tenant)]), (2, 2));
    }
    assert_eq!(bench.recorder.memory_bytes(), 0);
    bench.record(0, 2, None);
    assert_eq!(run(bench.flusher.flush_of(of(3))).unwrap(), FlushReport::default());
    assert!(bench.recorder.memory_bytes() > 0, "what was counted of others stays where it is");
    assert_eq!(run(bench.flusher.flush()).unwrap().batches, 4);
    assert_eq!(bench.totals(), bench.expected);
}
