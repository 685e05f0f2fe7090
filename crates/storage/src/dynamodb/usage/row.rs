//! What one writer has counted of a series in the minutes of an hour: the item that cells stand in.

use std::collections::BTreeMap;

use togglebox_core::StoreResult;
use togglebox_metering::{Hour, Labels, Minute, Totals};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Item};
use super::super::key::{Key, SK};
use super::{MARKS, STALE, key};

/// The attributes of the minutes of an hour.
const MINUTES: [&str; 60] = [
    "m00", "m01", "m02", "m03", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11", "m12", "m13", "m14", "m15", "m16", "m17",
    "m18", "m19", "m20", "m21", "m22", "m23", "m24", "m25", "m26", "m27", "m28", "m29", "m30", "m31", "m32", "m33", "m34", "m35",
    "m36", "m37", "m38", "m39", "m40", "m41", "m42", "m43", "m44", "m45", "m46", "m47", "m48", "m49", "m50", "m51", "m52", "m53",
    "m54", "m55", "m56", "m57", "m58", "m59",
];

/// Totals by minute.
pub(super) type Minutes = BTreeMap<Minute, u64>;

/// The attribute of a minute.
pub(super) const fn attribute(minute: Minute) -> &'static str {
    MINUTES[(minute.number() % 60) as usize]
}

/// A row that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) labels: Labels,
    pub(super) minutes: Minutes,
    /// How often a transaction marked it as stale.
    pub(super) marks: u64,
    /// Whether it may be raised as it is: only while its hour is marked, too.
    pub(super) stale: bool,
}

impl Row {
    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        let key = Key::of(item).ok_or_else(|| attributes.unreadable(SK, "the item has no key"))?;
        let said = key::row_of(&key.sk).ok_or_else(|| attributes.unreadable(SK, "it is not that of a row"))?;
        let (hour, labels): (Hour, Labels) = said;
        let mut minutes = Minutes::new();
        for (name, minute) in MINUTES.into_iter().zip(0..) {
            if let Some(total) = attributes.maybe(name)? {
                minutes.insert(hour.start().plus(minute), total);
            }
        }
        let stale = attributes.maybe::<u64>(STALE)?.is_some();
        Ok(Self { key, labels, minutes, marks: attributes.maybe(MARKS)?.unwrap_or(0), stale })
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        for total in self.minutes.values() {
            totals.add(self.labels.clone(), *total);
        }
    }
}

/// What raises minutes of a row that is stale: alone, or in a transaction.
pub(super) fn raise(key: &Key, to: &Minutes, when: Condition) -> Action {
    let set = to.iter().map(|(minute, total)| (attribute(*minute), (*total).into())).collect();
    Action::Update { key: key.clone(), set, remove: Vec::new(), when: when.and(STALE, 1_u64) }
}

/// What raises minutes of a row that need not be there, and makes it stale. Only in a transaction that marks its hour.
pub(super) fn mark(key: &Key, to: &Minutes, when: Condition) -> Action {
    let set = to.iter().map(|(minute, total)| (attribute(*minute), (*total).into())).chain([(STALE, 1_u64.into())]).collect();
    Action::Add { key: key.clone(), add: vec![(MARKS.to_owned(), 1_u64.into())], set, when }
}

/// That each of these minutes has less.
pub(super) fn below(to: &Minutes) -> Condition {
    to.iter().fold(Condition::none(), |when, (minute, total)| when.and_below(attribute(*minute), *total))
}

/// That each of `minutes` has what was read.
pub(super) fn as_read<'m>(minutes: impl IntoIterator<Item = &'m Minute>, read: &Minutes) -> Condition {
    minutes.into_iter().fold(Condition::none(), |when, minute| match read.get(minute) {
        Some(total) => when.and(attribute(*minute), *total),
        None => when.and_lacking(attribute(*minute)),
    })
}

#[cfg(test)]
mod tests {
    use togglebox_core::TenantId;
    use togglebox_metering::WriterId;

    use super::super::super::item::Draft;
    use super::super::key::Metered;
    use super::*;

    #[test]
    fn a_row_reads_back() {
        let of = Metered { tenant: TenantId::DEFAULT, meter: "m".parse().unwrap() };
        let (hour, labels) = (Hour::from_number(7).unwrap(), Labels::new([("a", "b#c")]).unwrap());
        let key = key::row(of, hour, &labels, WriterId::from_u128(1));
        let draft = Draft::new(&key).with("m00", 5_u64).with("m59", u64::MAX).with(MARKS, 2_u64).with(STALE, 1_u64);
        let row = Row::read(&draft.finish("test").unwrap(), "test").unwrap();
        let minutes = Minutes::from([(hour.start(), 5), (hour.start().plus(59), u64::MAX)]);
        assert_eq!(row, Row { key, labels, minutes, marks: 2, stale: true });
    }

    #[test]
    fn every_minute_has_an_attribute_of_its_own() {
        for number in 0..60 {
            assert_eq!(attribute(Minute::from_number(60 * 7 + number)), format!("m{number:02}"));
        }
    }
}
