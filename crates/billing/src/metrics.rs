//! What operators can watch. Labels are from closed sets.

use metrics::{counter, gauge};

/// A webhook came: `new`, `seen`, `ignored` or `bad-signature`; `quarantined` beside `ignored` when it is of the other kind of money.
pub(crate) fn webhook(outcome: &'static str) {
    counter!("togglebox_billing_webhooks_total", "outcome" => outcome).increment(1);
}

/// Something was worked on: an `event`, an `effect`, a `sign-up`, an `account`, a `task`; and `done`, is to be tried `again`, or is `dead`.
pub(crate) fn worked(on: &'static str, outcome: &'static str) {
    counter!("togglebox_billing_work_total", "on" => on, "outcome" => outcome).increment(1);
}

/// The subscription of a tenant was not as it was known to be, or a figure of usage.
pub(crate) fn drift(of: &'static str) {
    counter!("togglebox_billing_drift_total", "of" => of).increment(1);
}

/// Something for a person to decide: the kind of conflict.
pub(crate) fn conflict(kind: &'static str) {
    counter!("togglebox_billing_conflicts_total", "kind" => kind).increment(1);
}

/// How long the oldest event has waited, in seconds.
pub(crate) fn lag(seconds: f64) {
    gauge!("togglebox_billing_inbox_lag_seconds").set(seconds);
}

/// How much nobody could do.
#[expect(clippy::cast_precision_loss, reason = "a count of at most thousands")]
pub(crate) fn dead(count: usize) {
    gauge!("togglebox_billing_dead").set(count as f64);
}
