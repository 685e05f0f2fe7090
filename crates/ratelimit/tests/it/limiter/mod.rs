//! From requests to decisions.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod counted;
mod decisions;
mod leases;
mod names;
mod outages;
mod tower;

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::TenantId;
use togglebox_core::testkit::{Faults, Faulty};
use togglebox_ratelimit::{
    Fact, Limiter, LimiterBuilder, LimiterOptions, ManualStopwatch, MemoryStore, Outcome, Policy, Quota, Subject,
};
use uuid::Uuid;

const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(1));

/// A store that one has to wait for, and that fails as told; its clock is everybody's, and only the test moves it.
struct Rig {
    clock: Arc<ManualStopwatch>,
    faults: Arc<Faults>,
    store: Arc<Faulty<MemoryStore>>,
}

impl Rig {
    fn new() -> Self {
        let clock = Arc::new(ManualStopwatch::new(1_795_000_000_000_000));
        let faults = Arc::new(Faults::none());
        let memory = Arc::new(MemoryStore::with(100_000, Arc::<ManualStopwatch>::clone(&clock)));
        let store = Arc::new(Faulty::new(memory, Arc::clone(&faults)));
        Self { clock, faults, store }
    }

    fn limiter(&self) -> LimiterBuilder {
        Limiter::over(Arc::<Faulty<MemoryStore>>::clone(&self.store)).stopwatch(Arc::<ManualStopwatch>::clone(&self.clock))
    }

    fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// How often the store was asked to let something pass.
    fn asked(&self) -> u64 {
        self.faults.counts_of("limits.consume").calls
    }
}

/// A limiter over memory, as a single node has it.
fn alone(policies: impl IntoIterator<Item = Policy>) -> (Limiter, Arc<ManualStopwatch>) {
    let clock = Arc::new(ManualStopwatch::new(1_000_000));
    let store = Arc::new(MemoryStore::with(1000, Arc::<ManualStopwatch>::clone(&clock)));
    let limiter = Limiter::over(store).policies(policies).stopwatch(Arc::<ManualStopwatch>::clone(&clock)).build().unwrap();
    (limiter, clock)
}

fn per_second(limit: u32, burst: u32) -> Quota {
    Quota::rate(limit, Duration::from_secs(1)).burst(burst).unwrap()
}

/// A bucket for each tenant.
fn tenants(name: &str, quota: Quota) -> Policy {
    Policy::new(name, &[Fact::Tenant], quota).unwrap()
}

/// A request for the tenant.
fn request() -> Subject<'static> {
    Subject::of("reads").tenant(TENANT)
}

/// How many of so many requests, one after the other, may go on.
async fn allowed(limiter: &Limiter, subject: &Subject<'_>, requests: u32) -> u32 {
    let mut allowed = 0;
    for _ in 0..requests {
        allowed += u32::from(limiter.acquire(subject).await.is_allowed());
    }
    allowed
}

fn is_denied_by(outcome: Outcome, name: &str) -> bool {
    matches!(outcome, Outcome::Denied { policy, .. } if policy.as_str() == name)
}
