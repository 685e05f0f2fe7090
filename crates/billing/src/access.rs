//! What a subscription gives access to. Pure and total.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use togglebox_core::Timestamp;

use crate::objects::SubscriptionStatus;

/// What becomes of a tenant whose subscription is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// It goes on with the plan that costs nothing.
    #[default]
    Free,
    /// It is closed until it subscribes again.
    Closed,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRules {
    /// How long a tenant that owes something goes on as before.
    pub grace: Duration,
    /// What comes after a subscription.
    pub ended: Ended,
}

impl Default for AccessRules {
    /// Seven days; then the free plan.
    fn default() -> Self {
        Self { grace: Duration::from_hours(7 * 24), ended: Ended::Free }
    }
}

/// Which plan counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granted {
    /// The plan that was bought.
    Bought,
    /// The plan that costs nothing.
    Free,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everything.
    Full,
    /// Everything; a payment is overdue.
    Overdue,
    /// Nothing can be changed; clients are served.
    ReadOnly,
    /// Not there yet.
    NotYet,
    /// Stopped. Clients may be served for a while.
    Closed,
}

/// What a tenant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Which plan.
    pub plan: Granted,
    /// How much of it.
    pub mode: Mode,
}

/// What a subscription in this status gives at `now`, and when that changes by itself.
///
/// | status | plan | mode |
/// | --- | --- | --- |
/// | `trialing`, `active` | bought | full |
/// | `past_due` | bought | overdue until `grace` has passed since the first failure, then read-only |
/// | `unpaid` | bought | read-only |
/// | `paused` | bought | read-only |
/// | `incomplete` | bought | not yet |
/// | `canceled`, `incomplete_expired` | free | full, or closed: [`Ended`] |
///
/// `past_due_since` is when the debt began; without it, it begins now.
pub fn access(
    status: SubscriptionStatus,
    past_due_since: Option<Timestamp>,
    rules: &AccessRules,
    now: Timestamp,
) -> (Access, Option<Timestamp>) {
    let bought = |mode| Access { plan: Granted::Bought, mode };
    match status {
        SubscriptionStatus::Trialing | SubscriptionStatus::Active => (bought(Mode::Full), None),
        SubscriptionStatus::PastDue => {
            let over = past_due_since.unwrap_or(now).plus(rules.grace);
            if now < over { (bought(Mode::Overdue), Some(over)) } else { (bought(Mode::ReadOnly), None) }
        }
        SubscriptionStatus::Unpaid | SubscriptionStatus::Paused => (bought(Mode::ReadOnly), None),
        SubscriptionStatus::Incomplete => (bought(Mode::NotYet), None),
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => {
            let mode = match rules.ended {
                Ended::Free => Mode::Full,
                Ended::Closed => Mode::Closed,
            };
            (Access { plan: Granted::Free, mode }, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(days: u32) -> Timestamp {
        Timestamp::from_ms(1_760_000_000_000).plus(DAY * days)
    }

    /// Every status at every moment that could make a difference: before the debt, in it, at the last moment of the grace, at its end, later.
    #[test]
    fn every_status_at_every_time_gives_what_the_table_says() {
        use SubscriptionStatus as S;
        let moments = [at(0), at(1), at(7), at(8).minus(Duration::from_millis(1)), at(8), at(400)];
        let (bought, free) = (Granted::Bought, Granted::Free);
        let all = |plan, mode| [(plan, mode); 6];
        let late = [Mode::Overdue, Mode::Overdue, Mode::Overdue, Mode::Overdue, Mode::ReadOnly, Mode::ReadOnly];
        let table = |ended: Mode| {
            [
                (S::Trialing, all(bought, Mode::Full)),
                (S::Active, all(bought, Mode::Full)),
                (S::Incomplete, all(bought, Mode::NotYet)),
                (S::IncompleteExpired, all(free, ended)),
                (S::PastDue, late.map(|mode| (bought, mode))),
                (S::Unpaid, all(bought, Mode::ReadOnly)),
                (S::Canceled, all(free, ended)),
                (S::Paused, all(bought, Mode::ReadOnly)),
            ]
        };
        for (ended, mode) in [(Ended::Free, Mode::Full), (Ended::Closed, Mode::Closed)] {
            let rules = AccessRules { ended, ..AccessRules::default() };
            let table = table(mode);
            assert_eq!(table.map(|(status, _)| status).len(), S::ALL.len());
            for (status, expected) in table {
                for (now, (plan, mode)) in moments.into_iter().zip(expected) {
                    let (found, next) = access(status, Some(at(1)), &rules, now);
                    assert_eq!(found, Access { plan, mode }, "{status:?} at {now}");
                    assert_eq!(next, (mode == Mode::Overdue).then(|| at(8)), "{status:?} at {now}");
                }
            }
        }
    }

    #[test]
    fn a_debt_of_which_nothing_is_known_begins_now() {
        let (found, next) = access(SubscriptionStatus::PastDue, None, &AccessRules::default(), at(5));
        assert_eq!((found.mode, next), (Mode::Overdue, Some(at(12))));
    }
}
