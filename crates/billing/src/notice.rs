//! What people are told by mail.

use serde::{Deserialize, Serialize};
use togglebox_core::Timestamp;

use crate::money::Money;
use crate::price::Interval;

/// What a mail is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Notice {
    /// The workspace is there.
    Welcome {
        /// The plan's name.
        plan: Box<str>,
    },
    /// A charge failed.
    PaymentFailed {
        /// What is owed.
        amount: Money,
        /// Where it can be paid.
        url: Option<Box<str>>,
        /// When it is tried again.
        next_attempt: Option<Timestamp>,
    },
    /// Whoever pays has to confirm it.
    PaymentActionRequired {
        /// What is owed.
        amount: Money,
        /// Where it can be confirmed.
        url: Option<Box<str>>,
    },
    /// The first payment, which takes days, did not come.
    SignUpFailed,
    /// A trial ends.
    TrialEnding {
        /// When.
        at: Option<Timestamp>,
    },
    /// The plan is another.
    PlanChanged {
        /// The plan's name.
        plan: Box<str>,
        /// How it is billed.
        interval: Interval,
    },
    /// The subscription is over.
    Canceled,
    /// So much of what the plan includes is used.
    Quota {
        /// 80 or 100.
        percent: u8,
        /// How much is used.
        usage: u64,
        /// How much is included.
        included: u64,
    },
}
