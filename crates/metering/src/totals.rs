//! What is added up of one meter, for each of its series.

use std::collections::{BTreeMap, btree_map};

use crate::{Cell, Labels};

/// How much there is of each series of a meter. A sum of more than [`Cell::MOST`] is told as that: no number in here turns over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Labels, u64>);

impl Totals {
    /// Adds to a series.
    pub fn add(&mut self, labels: Labels, amount: u64) {
        let total = self.0.entry(labels).or_default();
        *total = sum([*total, amount]);
    }

    /// Adds what others have added up.
    pub fn join(&mut self, other: &Self) {
        self.extend(other.iter().map(|(labels, total)| (labels.clone(), *total)));
    }

    /// Of all series together.
    pub fn sum(&self) -> u64 {
        sum(self.0.values().copied())
    }

    /// Whether there is no series at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each series, in the order of its labels.
    pub fn iter(&self) -> btree_map::Iter<'_, Labels, u64> {
        self.0.iter()
    }
}

fn sum(totals: impl IntoIterator<Item = u64>) -> u64 {
    totals.into_iter().fold(0, |sum, total| u64::min(sum.saturating_add(total), Cell::MOST))
}

impl<'a> IntoIterator for &'a Totals {
    type Item = (&'a Labels, &'a u64);
    type IntoIter = btree_map::Iter<'a, Labels, u64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<(Labels, u64)> for Totals {
    fn extend<T: IntoIterator<Item = (Labels, u64)>>(&mut self, series: T) {
        for (labels, amount) in series {
            self.add(labels, amount);
        }
    }
}

impl FromIterator<(Labels, u64)> for Totals {
    fn from_iter<T: IntoIterator<Item = (Labels, u64)>>(series: T) -> Self {
        let mut totals = Self::default();
        totals.extend(series);
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_end_at_the_greatest_total() {
        let live = Labels::new([("environment", "live")]).unwrap();
        let mut totals: Totals = [(live.clone(), Cell::MOST), (Labels::none(), 5)].into_iter().collect();
        assert_eq!(totals.sum(), Cell::MOST);
        totals.add(live.clone(), 1);
        totals.join(&[(Labels::none(), 7)].into_iter().collect());
        assert_eq!(totals.iter().collect::<Vec<_>>(), [(&Labels::none(), &12), (&live, &Cell::MOST)]);
    }
}
