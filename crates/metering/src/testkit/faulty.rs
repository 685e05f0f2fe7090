//! The ports of [`store`](crate::store) where calls go wrong as planned.

use std::sync::Arc;

use togglebox_core::testkit::{Faults, Faulty};
use togglebox_core::{TenantId, Timestamp, faulty_port};

use super::UsageStores;
use crate::store::{Bucket, MergeReport, Prune, RollUp, StaleHour, UsageLedger, UsageQuery, UsageSink, UsageStore};
use crate::{Cell, Day, Hour, Ingested, Leased, MeterId, Minute, Step, UsageEvent, Watermark};

faulty_port! {
    UsageStore as "usage", USAGE {
        write ingest(events: &[UsageEvent], now: Timestamp) -> Vec<Ingested>;
        read series(query: &UsageQuery) -> Vec<Bucket>;
        write rollup(meter: MeterId, hour: Hour) -> Option<RollUp>;
        read rolled_up(meter: MeterId, hour: Hour) -> Option<RollUp>;
        write lease(step: &Step) -> Option<Leased>;
    }
}

faulty_port! {
    tenantless UsageSink as "usage_sink", USAGE_SINK {
        write merge_cells(cells: &[Cell]) -> MergeReport;
        write advance_watermark(watermark: &Watermark) -> ();
    }
}

faulty_port! {
    tenantless UsageLedger as "usage_ledger", USAGE_LEDGER {
        read watermarks() -> Vec<Watermark>;
        read stale_hours(until: Hour, limit: usize) -> Vec<StaleHour>;
        read added_up(tenants: &[TenantId], meter: MeterId, from: Day, until: Day) -> Vec<u64>;
        write prune(what: Prune, before: Minute, limit: usize) -> usize;
    }
}

impl UsageStores {
    /// The same store, to which things happen as `faults` say.
    #[must_use]
    pub fn with_faults(&self, faults: &Arc<Faults>) -> Self {
        Self {
            usage: Arc::new(Faulty::new(Arc::clone(&self.usage), Arc::clone(faults))),
            ledger: Arc::new(Faulty::new(Arc::clone(&self.ledger), Arc::clone(faults))),
        }
    }
}
