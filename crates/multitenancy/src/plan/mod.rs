//! Plans: what a tenant may have, as data.

mod allowance;
mod catalogue;
mod limit;
mod read;

use std::fmt;
use std::str::FromStr;

pub use togglebox_core::Limit;

pub use self::allowance::{Allowance, Requests};
pub use self::catalogue::{InvalidCatalogue, PlanCatalogue};
pub use self::limit::{LimitOverrides, Limited, Limits, Rate};

/// A text that is no name of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plan must have 1 to {} of a to z, 0 to 9, hyphen and underscore, a letter or digit first", PlanName::MAX_LENGTH)]
pub struct InvalidPlanName;

/// What a plan is called in records, in the catalogue and on the wire.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanName(Box<str>);

impl PlanName {
    /// The most characters.
    pub const MAX_LENGTH: usize = 32;

    /// Takes `text` as it is.
    ///
    /// # Errors
    /// [`InvalidPlanName`].
    pub fn new(text: &str) -> Result<Self, InvalidPlanName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['-', '_']);
        if fits { Ok(Self(text.into())) } else { Err(InvalidPlanName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanName({})", self.0)
    }
}

impl FromStr for PlanName {
    type Err = InvalidPlanName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// What becomes of requests beyond those that a plan includes in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// They are refused.
    #[default]
    Refused,
    /// They are served, and counted like the others.
    Served,
}

impl Beyond {
    /// Its word in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Served => "served",
        }
    }
}

/// How exactly requests are kept to what a plan includes in a month, where what is beyond is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QuotaPolicy {
    /// By what a node knows, without asking anybody: some may go beyond.
    #[default]
    Soft,
    /// None ever goes beyond, however many nodes serve them.
    Hard,
}

impl QuotaPolicy {
    /// Its word in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it is called.
    pub name: PlanName,
    /// What people read: 1 to 100 characters.
    pub title: String,
    /// What it allows.
    pub limits: Limits,
    /// What becomes of requests beyond [`RequestsPerMonth`](Limited::RequestsPerMonth).
    pub beyond: Beyond,
    /// How exactly they are refused.
    pub quota: QuotaPolicy,
}
