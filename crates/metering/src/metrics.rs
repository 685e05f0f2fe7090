//! What a process tells of its metering, through the facade of the `metrics` crate. Without labels: never a tenant.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::Fill;

/// The figures of a flusher, registered with whatever recorder is installed when it is made.
pub(crate) struct Metrics {
    fill: Gauge,
    files: Gauge,
    lag: Gauge,
    pub(crate) sent: Counter,
    pub(crate) failed: Counter,
    pub(crate) recovered: Counter,
    pub(crate) damaged: Counter,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        describe();
        Self {
            fill: gauge!("metering_slab_fill_ratio"),
            files: gauge!("metering_files_waiting"),
            lag: gauge!("metering_flush_lag_seconds"),
            sent: counter!("metering_cells_sent_total"),
            failed: counter!("metering_flush_failures_total"),
            recovered: counter!("metering_files_recovered_total"),
            damaged: counter!("metering_files_damaged_total"),
        }
    }

    pub(crate) fn filled(&self, fill: Fill) {
        self.fill.set(fill.ratio());
        self.files.set(f64::from(u32::try_from(fill.retired).unwrap_or(u32::MAX)));
    }

    /// For how long nothing was sent to the end.
    pub(crate) fn lags(&self, lag: std::time::Duration) {
        self.lag.set(lag.as_secs_f64());
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn describe() {
    describe_gauge!("metering_slab_fill_ratio", "How much of the current file of usage is taken, from 0 to 1.");
    describe_gauge!("metering_files_waiting", "Earlier files of usage that are not sent to their end.");
    describe_gauge!("metering_flush_lag_seconds", Unit::Seconds, "How long ago the store had everything that was counted.");
    describe_counter!("metering_cells_sent_total", "Totals that the store acknowledged.");
    describe_counter!("metering_cells_late_total", "Totals that came after their minute was pruned, and may not be counted.");
    describe_counter!("metering_queue_failures_total", "Rounds of taking messages out of a queue that failed.");
    describe_counter!("metering_flush_failures_total", "Flushes that failed: the next one sends what they did not.");
    describe_counter!("metering_files_recovered_total", "Files of processes that are gone which were sent to their end.");
    describe_counter!("metering_files_damaged_total", "Files of which something could not be read.");
}
