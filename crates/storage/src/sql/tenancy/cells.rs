//! From columns to values of tenants, and back where a column holds JSON.

use std::collections::BTreeMap;

use togglebox_core::Timestamp;
use togglebox_multitenancy::{
    DomainName, Limit, LimitOverrides, Limited, MemberRole, PlanName, Reason, Subdomain, TenantName, TokenHash, Unpaid,
    UsagePeriod,
};

use super::super::cells::{Cell, CellResult, word};
use super::super::engine::Row;

macro_rules! names {
    ($($name:ty),*) => {$(
        impl Cell for $name {
            fn read(row: &impl Row, column: &str) -> CellResult<Self> {
                Ok(Self::new(&row.text(column)?)?)
            }
        }
    )*};
}

names!(Subdomain, DomainName, PlanName, TenantName, Reason);

impl Cell for MemberRole {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        word(&row.text(column)?, &Self::WORDS)
    }
}

/// How a tenant is restricted, without since when.
pub(super) struct UnpaidWord(pub(super) fn(Timestamp) -> Unpaid);

impl Cell for UnpaidWord {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        word(&row.text(column)?, &Unpaid::WORDS).map(Self)
    }
}

impl Cell for TokenHash {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Cell::read(row, column).map(Self)
    }
}

/// A JSON list of texts.
impl Cell for Vec<Subdomain> {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        let texts: Vec<String> = serde_json::from_str(&row.text(column)?)?;
        Ok(texts.iter().map(|text| Subdomain::new(text)).collect::<Result<_, _>>()?)
    }
}

/// A JSON list of texts.
impl Cell for Vec<DomainName> {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        let texts: Vec<String> = serde_json::from_str(&row.text(column)?)?;
        Ok(texts.iter().map(|text| DomainName::new(text)).collect::<Result<_, _>>()?)
    }
}

/// A JSON object: the limit of each kind that differs, `null` where there is none.
impl Cell for LimitOverrides {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        let members: BTreeMap<String, Option<u64>> = serde_json::from_str(&row.text(column)?)?;
        members.into_iter().map(|(kind, most)| override_of(&kind, most)).collect()
    }
}

fn override_of(kind: &str, most: Option<u64>) -> CellResult<(Limited, Limit)> {
    let limited = Limited::parse(kind).ok_or_else(|| format!("the limit {kind:?} is not known"))?;
    let limit = match most {
        None => Limit::Unlimited,
        Some(most) => Limit::of(most).ok_or("a limit is not zero")?,
    };
    Ok((limited, limit))
}

/// A JSON list: the first moment, the one after the last, and the names of plans.
impl Cell for UsagePeriod {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        let (from, until, plans): (Timestamp, Timestamp, Vec<String>) = serde_json::from_str(&row.text(column)?)?;
        let plans = plans.iter().map(|plan| PlanName::new(plan)).collect::<Result<_, _>>()?;
        Ok(Self { from, until, plans })
    }
}

/// What a [`UsagePeriod`] is read from.
pub(super) fn usage_shape(usage: &UsagePeriod) -> (Timestamp, Timestamp, Vec<&str>) {
    (usage.from, usage.until, usage.plans.iter().map(PlanName::as_str).collect())
}

/// What [`LimitOverrides`] are read from.
pub(super) fn overrides_shape(overrides: &LimitOverrides) -> BTreeMap<&'static str, Option<u64>> {
    overrides.iter().map(|(limited, limit)| (limited.as_str(), limit.get())).collect()
}
