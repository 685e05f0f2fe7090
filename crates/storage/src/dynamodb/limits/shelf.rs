//! What an item of limits says.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};
use togglebox_ratelimit::{Digest, Quota, Tat};

use super::super::error::Unreadable;
use super::super::item::Item;
use super::super::key::Key;
use super::super::table::EXPIRES_AT;

/// What the names of the attributes of one limit begin with; its slot follows, as 32 digits.
const TICKS: &str = "t_";
const PARTS: &str = "d_";
/// Until when limits may stand in items of their own, in microseconds.
pub(super) const SPILL: &str = "spill";

/// The state of one limit: when its bucket will be full, in `parts`-ths of a microsecond since 1970. Numbers of DynamoDB have 38 digits;
/// these have 27 at the most, so its sums are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) ticks: u128,
    /// How many of them make a microsecond: the [denominator](Quota::interval_us) of the quota that it was written under.
    pub(super) parts: u32,
}

impl Kept {
    pub(super) fn of(tat: Tat, parts: u32) -> Self {
        Self { ticks: ticks(tat.us(), parts) + u128::from(tat.part()), parts }
    }

    /// As the arithmetic of this quota wants it. Fractions that the quota does not have are rounded to the strict side.
    pub(super) fn under(self, quota: &Quota) -> Tat {
        let us = |us: u128| u64::try_from(us).unwrap_or(u64::MAX);
        let own = u128::from(self.parts);
        if self.parts == quota.interval_us().1 {
            return Tat::new(us(self.ticks / own), u32::try_from(self.ticks % own).unwrap_or_default()); // below `parts`
        }
        Tat::of_us(us(self.ticks.div_ceil(own)))
    }

    /// Whether the bucket is full: then it says nothing that its absence would not say.
    pub(super) fn is_full(self, now_us: u64) -> bool {
        self.ticks < ticks(now_us, self.parts)
    }
}

/// Whole microseconds in parts of one.
pub(super) fn ticks(us: u64, parts: u32) -> u128 {
    u128::from(us) * u128::from(parts)
}

/// An item of limits, as it was once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shelf {
    pub(super) slots: BTreeMap<Digest, Kept>,
    /// Until when limits that are not here may stand in items of their own.
    pub(super) spill_us: Option<u64>,
    /// Until when the item is kept, in seconds since 1970.
    pub(super) expires_s: Option<u64>,
}

impl Shelf {
    /// Of no item: nothing stands there.
    pub(super) fn read(item: Option<&Item>, operation: &'static str) -> StoreResult<Self> {
        let mut shelf = Self::default();
        let Some(item) = item else { return Ok(shelf) };
        for (name, value) in item {
            let read = || number(value).map_err(|source| unreadable(item, name, &source, operation));
            if let Some(slot) = name.strip_prefix(TICKS) {
                let slot = digest(slot).ok_or_else(|| unreadable(item, name, &"its name names no limit".into(), operation))?;
                let parts = item.get(&parts_name(slot));
                let parts = parts.map_or(Ok(1), |parts| number(parts).and_then(|parts| Ok(u32::try_from(parts)?)));
                let parts = parts.and_then(|parts| if parts == 0 { Err("it is zero".into()) } else { Ok(parts) });
                let parts = parts.map_err(|source| unreadable(item, &parts_name(slot), &source, operation))?;
                shelf.slots.insert(slot, Kept { ticks: read()?, parts });
            } else if name == SPILL {
                shelf.spill_us = Some(u64::try_from(read()?).unwrap_or(u64::MAX));
            } else if name == EXPIRES_AT {
                shelf.expires_s = Some(u64::try_from(read()?).unwrap_or(u64::MAX));
            }
        }
        Ok(shelf)
    }

    /// Whether limits that are not here stand elsewhere.
    pub(super) fn spills(&self, now_us: u64) -> bool {
        self.spill_us.is_some_and(|until| now_us <= until)
    }
}

/// The attribute of a limit's state.
pub(super) fn ticks_name(slot: Digest) -> String {
    format!("{TICKS}{slot}")
}

/// The attribute that says into how many parts a microsecond is cut there; absent for one.
pub(super) fn parts_name(slot: Digest) -> String {
    format!("{PARTS}{slot}")
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn number(value: &AttributeValue) -> Result<u128, BoxError> {
    Ok(value.as_n().map_err(|_| "it is not a number")?.parse()?)
}

fn digest(text: &str) -> Option<Digest> {
    let number = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    Some(Digest::from_bytes(number.to_be_bytes()))
}

fn unreadable(item: &Item, name: &str, source: &BoxError, operation: &'static str) -> StoreError {
    let item = Key::of(item).map_or_else(|| "without a key".to_owned(), |key| key.to_string());
    // The message names a fixed attribute elsewhere; here it is one of many.
    let source = format!("{name}: {source}").into();
    StoreError::new(StoreErrorKind::Corrupt, operation).caused_by(Unreadable { item, attribute: "t_…", source })
}
