//! Hours and days of a meter: their sums, and whether they have everything.

use std::collections::BTreeMap;

use togglebox_core::StoreResult;
use togglebox_metering::store::RollUp;
use togglebox_metering::{Day, Hour, Labels, Minute, Totals};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item, json};
use super::super::key::Key;
use super::key::{self, List, Metered};
use super::{GEN, MARKS, MINUTES_FROM, STALE, SUM, TOTALS};

/// What is kept of an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HourItem {
    /// Of its last roll-up.
    pub(super) totals: Totals,
    /// 0 when it was never rolled up.
    pub(super) revision: u32,
    /// How often its rows were marked, all together.
    pub(super) marks: u64,
    pub(super) stale: bool,
}

impl HourItem {
    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        let revision = attributes.maybe::<u64>("rev")?.unwrap_or(0);
        let revision = u32::try_from(revision).map_err(|error| attributes.unreadable("rev", error))?;
        let stale = attributes.maybe::<u64>(STALE)?.is_some();
        Ok(Self { totals: totals(&attributes)?, revision, marks: attributes.get(MARKS)?, stale })
    }

    pub(super) fn rolled_up(&self) -> Option<RollUp> {
        (self.revision > 0).then(|| RollUp { total: self.totals.sum(), revision: self.revision, stale: self.stale })
    }
}

/// What is kept of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DayItem {
    pub(super) totals: Totals,
    /// A bit for each of its hours that is stale.
    pub(super) stale: u64,
    /// How often one of its hours became stale, or was rolled up.
    pub(super) generation: u64,
}

impl DayItem {
    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        Ok(Self { totals: totals(&attributes)?, stale: attributes.get(STALE)?, generation: attributes.get(GEN)? })
    }
}

/// The bit of an hour in its day.
pub(super) const fn bit(hour: Hour) -> i64 {
    1 << (hour.number() % 24)
}

fn totals(attributes: &Attributes<'_>) -> StoreResult<Totals> {
    let kept: BTreeMap<String, u64> = attributes.optional_json(TOTALS)?.unwrap_or_default();
    let read = |(labels, total): (String, u64)| Ok((Labels::parse(&labels)?, total));
    let read: Result<Totals, togglebox_metering::InvalidLabels> = kept.into_iter().map(read).collect();
    read.map_err(|error| attributes.unreadable(TOTALS, error))
}

/// An object whose keys are labels.
pub(super) fn text_of(operation: &'static str, totals: &Totals) -> StoreResult<String> {
    json(operation, &totals.iter().map(|(labels, total)| (labels.as_str(), *total)).collect::<BTreeMap<_, _>>())
}

/// What a transaction does beside raising rows: hours that become stale, and what has to know of it. No item twice.
#[derive(Debug, Default)]
pub(super) struct Marking {
    actions: Vec<Action>,
    days: BTreeMap<(Metered, Day), i64>,
    /// By border: how many hours, their weights, and the first of them.
    borders: BTreeMap<Key, (u64, i64, Minute)>,
}

impl Marking {
    /// The most actions that an hour takes.
    pub(super) const ACTIONS: usize = 4;

    /// Marks an hour of which `stands` was read, with so many of its rows. Once for each hour.
    pub(super) fn hour(
        &mut self,
        operation: &'static str,
        of: Metered,
        hour: Hour,
        stands: Option<&HourItem>,
        rows: u64,
    ) -> StoreResult<()> {
        let key = key::hour(of, hour);
        let add = vec![(MARKS.to_owned(), rows.into())];
        if stands.is_some_and(|stands| stands.stale) {
            self.actions.push(Action::Add { key, add, set: Vec::new(), when: Condition::is(STALE, 1_u64) });
            return Ok(());
        }
        let set = vec![(STALE, 1_u64.into())];
        self.actions.push(Action::Add { key, add, set, when: Condition::none().and_lacking(STALE) });
        let entry = List::Stale.entry(of, hour);
        self.actions.push(Action::Put { item: Draft::new(&entry).finish(operation)?, when: Condition::none() });
        *self.days.entry((of, hour.day())).or_default() |= bit(hour);
        let (marks, sum, first) = self.borders.entry(key::border_of(of)).or_insert((0, 0, hour.start()));
        (*marks, *sum, *first) = (*marks + 1, *sum + key::weight(&entry), (*first).min(hour.start()));
        Ok(())
    }

    /// All of it.
    pub(super) fn actions(self) -> Vec<Action> {
        let mut actions = self.actions;
        for ((of, day), bits) in self.days {
            let add = vec![(STALE.to_owned(), bits.into()), (GEN.to_owned(), 1_u64.into())];
            actions.push(Action::Add { key: key::day(of, day), add, set: Vec::new(), when: Condition::none() });
        }
        for (key, (marks, sum, first)) in self.borders {
            let add = vec![(MARKS.to_owned(), marks.into()), (SUM.to_owned(), sum.into())];
            // Not closed: its border, if there is one, is not beyond the first of these hours.
            let when = Condition::below(MINUTES_FROM, u64::from(first.number()) + 1);
            actions.push(Action::Add { key, add, set: Vec::new(), when });
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use togglebox_core::TenantId;

    use super::*;

    fn keys(actions: &[Action]) -> Vec<Key> {
        let key = |action: &Action| match action {
            Action::Put { item, .. } => Key::of(item).unwrap(),
            Action::Update { key, .. } | Action::Add { key, .. } | Action::Delete { key, .. } | Action::Check { key, .. } => {
                key.clone()
            }
        };
        actions.iter().map(key).collect()
    }

    #[test]
    fn no_item_is_in_a_transaction_twice() {
        let of = Metered { tenant: TenantId::DEFAULT, meter: "m".parse().unwrap() };
        let hours = || (0..30).map(|n| Hour::from_number(n).unwrap());
        let mut marking = Marking::default();
        for hour in hours() {
            marking.hour("test", of, hour, None, 2).unwrap();
        }
        let actions = marking.actions();
        // Hours and entries; two days; the border.
        assert_eq!(actions.len(), 2 * 30 + 2 + 1);
        assert_eq!(keys(&actions).into_iter().collect::<BTreeSet<_>>().len(), actions.len());
        let weights = hours().map(|hour| key::weight(&List::Stale.entry(of, hour))).sum::<i64>();
        let Some(Action::Add { add, when, .. }) = actions.last() else { panic!("the border is added to") };
        assert_eq!(add[..], [(MARKS.to_owned(), 30_u64.into()), (SUM.to_owned(), weights.into())]);
        assert_eq!(*when, Condition::below(MINUTES_FROM, 1_u64));
    }

    #[test]
    fn an_hour_that_is_stale_needs_one_action() {
        let of = Metered { tenant: TenantId::DEFAULT, meter: "m".parse().unwrap() };
        let mut marking = Marking::default();
        let stale = HourItem { stale: true, marks: 1, ..HourItem::default() };
        marking.hour("test", of, Hour::from_number(7).unwrap(), Some(&stale), 1).unwrap();
        assert_eq!(marking.actions().len(), 1);
    }

    #[test]
    fn sums_read_back() {
        let totals: Totals = [(Labels::new([("a", "\"ü")]).unwrap(), 7), (Labels::none(), u64::MAX / 2)].into_iter().collect();
        let key = Key::new("a", "b");
        let item = Draft::new(&key).with(TOTALS, text_of("test", &totals).unwrap()).with(MARKS, 3_u64).with("rev", 2_u64);
        let read = HourItem::read(&item.finish("test").unwrap(), "test").unwrap();
        assert_eq!(read, HourItem { totals, revision: 2, marks: 3, stale: false });
    }
}
