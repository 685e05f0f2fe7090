//! How far this machine's clock is from the service's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_sdk_dynamodb::config::interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use togglebox_ratelimit::WallClock;

/// What the `Date` of replies tells of the clocks.
#[derive(Debug)]
pub(super) struct Watch {
    clock: Arc<dyn WallClock>,
    /// By how many microseconds the service is ahead, at the least: zero where the clocks may be the same. `i64::MIN` before any reply.
    ahead_us: AtomicI64,
    requests: AtomicU64,
}

/// Listens to one request.
#[derive(Debug)]
pub(super) struct Listener {
    watch: Arc<Watch>,
    sent_us: AtomicU64,
}

impl Watch {
    pub(super) fn new(clock: Arc<dyn WallClock>) -> Arc<Self> {
        Arc::new(Self { clock, ahead_us: AtomicI64::new(i64::MIN), requests: AtomicU64::new(0) })
    }

    pub(super) fn listener(self: &Arc<Self>) -> Listener {
        Listener { watch: Arc::clone(self), sent_us: AtomicU64::new(0) }
    }

    /// How many requests were sent.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// By how much the service's clock is ahead. `None` as long as no reply told its time.
    pub(super) fn ahead_us(&self) -> Option<i64> {
        Some(self.ahead_us.load(Ordering::Relaxed)).filter(|ahead| *ahead != i64::MIN)
    }

    fn heard(&self, date_s: i64, sent_us: u64, heard_us: u64) {
        self.ahead_us.store(ahead(date_s, sent_us, heard_us), Ordering::Relaxed);
    }
}

/// The least that two clocks are apart when one showed `date_s`, cut down to seconds, while the other went from `sent_us` to `heard_us`.
fn ahead(date_s: i64, sent_us: u64, heard_us: u64) -> i64 {
    let us = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
    let least = date_s.saturating_mul(1_000_000).saturating_sub(us(heard_us));
    let most = date_s.saturating_add(1).saturating_mul(1_000_000).saturating_sub(us(sent_us));
    if least > 0 { least } else { most.min(0) }
}

impl Intercept for Listener {
    fn name(&self) -> &'static str {
        "ClockWatch"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.watch.requests.fetch_add(1, Ordering::Relaxed);
        self.sent_us.store(self.watch.clock.unix_us(), Ordering::Relaxed);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        // A server that does not tell its time, or not so that it can be understood, is believed to be right.
        if let Some(date) = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok()) {
            self.watch.heard(date.secs(), self.sent_us.load(Ordering::Relaxed), self.watch.clock.unix_us());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_apart_only_as_far_as_that_is_certain() {
        // Within the second that the service tells.
        assert_eq!(ahead(100, 100_000_000, 100_999_999), 0);
        // It was still, or already, another second when the request was on its way.
        assert_eq!(ahead(100, 99_900_000, 100_100_000), 0);
        assert_eq!(ahead(100, 100_900_000, 101_100_000), 0);
        assert_eq!(ahead(100, 97_000_000, 98_000_000), 2_000_000);
        assert_eq!(ahead(100, 103_500_000, 104_000_000), -2_500_000);
        // A slow reply says little.
        assert_eq!(ahead(100, 90_000_000, 110_000_000), 0);
    }
}
