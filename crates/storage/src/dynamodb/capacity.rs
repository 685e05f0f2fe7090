//! What calls cost.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Capacity units that a handle and its clones have consumed, as the service counted them. A request unit of on-demand billing is
/// the same measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Units of reading.
    pub read: f64,
    /// Units of writing.
    pub write: f64,
}

/// Adds up. In tenths, the smallest part that the service counts in being a half.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: AtomicU64,
    write: AtomicU64,
}

impl Meter {
    pub(super) fn read<'c>(&self, consumed: impl IntoIterator<Item = &'c ConsumedCapacity>) {
        self.read.fetch_add(tenths(consumed), Ordering::Relaxed);
    }

    pub(super) fn write<'c>(&self, consumed: impl IntoIterator<Item = &'c ConsumedCapacity>) {
        self.write.fetch_add(tenths(consumed), Ordering::Relaxed);
    }

    pub(super) fn total(&self) -> Capacity {
        let units = |tenths: &AtomicU64| units(tenths.load(Ordering::Relaxed));
        Capacity { read: units(&self.read), write: units(&self.write) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of units is far below 2^52")]
fn units(tenths: u64) -> f64 {
    tenths as f64 / 10.0
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of units is small and not negative")]
fn tenths<'c>(consumed: impl IntoIterator<Item = &'c ConsumedCapacity>) -> u64 {
    consumed.into_iter().filter_map(ConsumedCapacity::capacity_units).map(|units| (units * 10.0).round() as u64).sum()
}
