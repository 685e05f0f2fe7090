//! What the answer to a request counts as, for middleware.

use std::sync::atomic::{AtomicU64, Ordering};

use togglebox_core::TenantId;

use crate::{MeterId, RecordError, Recorder, Usage};

/// What an answer counts as: a [`Usage`] that outlives its request, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    tenant: TenantId,
    meter: MeterId,
    values: Vec<Box<str>>,
    quantity: u64,
}

impl Charge {
    /// One of this meter, with a value for each of its dimensions.
    pub fn one<V: Into<Box<str>>>(tenant: TenantId, meter: MeterId, values: impl IntoIterator<Item = V>) -> Self {
        Self { tenant, meter, values: values.into_iter().map(Into::into).collect(), quantity: 1 }
    }

    /// The same, so often.
    #[must_use]
    pub fn times(self, quantity: u64) -> Self {
        Self { quantity, ..self }
    }

    /// Counts it.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub fn record(&self, recorder: &Recorder) -> Result<(), RecordError> {
        let values: Vec<&str> = self.values.iter().map(|value| &**value).collect();
        recorder.record(&Usage { tenant: self.tenant, meter: self.meter, values: &values }, self.quantity)
    }
}

/// Whether an answer of this HTTP status is usage. What was refused before it was done is not (401, 403, 429), nor what the service itself
/// got wrong (5xx).
pub const fn is_usage(status: u16) -> bool {
    !matches!(status, 401 | 403 | 429 | 500..)
}

/// Answers that could not be counted. They are rare and come in masses: the disk is full, or fails.
#[derive(Debug, Default)]
pub struct Misses(AtomicU64);

impl Misses {
    /// Notes one, and logs the first and then each time that there are twice as many.
    pub fn note(&self, error: &RecordError) {
        let missed = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        if missed.is_power_of_two() {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, missed, "An answer could not be counted; so far {missed} since the start");
        }
    }

    /// How many there were since the start.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_or_went_wrong_is_nobodys_usage() {
        assert!([101, 200, 201, 204, 304, 400, 404, 409, 422, 499].into_iter().all(is_usage));
        assert!(![401, 403, 429, 500, 503, 599].into_iter().any(is_usage));
    }
}
