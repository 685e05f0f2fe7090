//! Actions that are made together or not at all, and as many such groups in a transaction as it takes.

use std::collections::BTreeMap;

use super::super::action::{Action, Condition};
use super::super::key::Key;

/// The most actions of a transaction.
const MAX_ACTIONS: usize = 100;
/// The most bytes of one, about: less than the service takes, so that a transaction is not long under way.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// What writes one record.
#[derive(Clone, Debug)]
pub(in super::super) struct Group {
    pub(in super::super) actions: Vec<Action>,
    /// Where it is counted.
    pub(in super::super) tally: Option<Tally>,
}

/// One more of something.
#[derive(Clone, Debug)]
pub(in super::super) struct Tally {
    pub(in super::super) key: Key,
    pub(in super::super) counter: &'static str,
    /// What has to be true of the item that counts: the same for all who count there.
    pub(in super::super) when: Condition,
}

impl From<Action> for Group {
    fn from(action: Action) -> Self {
        Self { actions: vec![action], tally: None }
    }
}

/// A transaction that is being filled.
#[derive(Default)]
struct Transaction {
    actions: Vec<Action>,
    tallies: BTreeMap<Key, (Condition, BTreeMap<&'static str, u64>)>,
    bytes: usize,
}

impl Transaction {
    fn takes(&self, group: &Group, bytes: usize) -> bool {
        let tally = group.tally.as_ref().is_some_and(|tally| !self.tallies.contains_key(&tally.key));
        let actions = self.actions.len() + self.tallies.len() + group.actions.len() + usize::from(tally);
        self.actions.is_empty() || (actions <= MAX_ACTIONS && self.bytes + bytes <= MAX_BYTES)
    }

    fn put(&mut self, group: Group, bytes: usize) {
        self.bytes += bytes;
        self.actions.extend(group.actions);
        if let Some(Tally { key, counter, when }) = group.tally {
            let (_, counts) = self.tallies.entry(key).or_insert_with(|| (when, BTreeMap::new()));
            *counts.entry(counter).or_default() += 1;
        }
    }

    fn finish(self) -> Vec<Action> {
        let tallies = self.tallies.into_iter().map(|(key, (when, counts))| {
            let add = counts.into_iter().map(|(counter, count)| (counter.to_owned(), count.into())).collect();
            Action::Add { key, add, set: Vec::new(), when }
        });
        self.actions.into_iter().chain(tallies).collect()
    }
}

/// As few transactions as may be, in the order of the groups. No two groups may be about the same item.
pub(super) fn transactions(groups: Vec<Group>) -> Vec<Vec<Action>> {
    let mut done = Vec::new();
    let mut open = Transaction::default();
    for group in groups {
        let bytes = group.actions.iter().map(Action::size).sum();
        if !open.takes(&group, bytes) {
            done.push(std::mem::take(&mut open).finish());
        }
        open.put(group, bytes);
    }
    if !open.actions.is_empty() {
        done.push(open.finish());
    }
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::item::Draft;
    use super::*;

    fn group(n: usize, actions: usize, bytes: usize, user: usize) -> Group {
        let put = |m: usize| Action::Put {
            item: Draft::new(&Key::new(format!("{n}"), format!("{m}"))).with("x", "x".repeat(bytes)).finish("test").unwrap(),
            when: Condition::absent(),
        };
        let tally = Tally { key: Key::new(format!("user {user}"), "META"), counter: "keys", when: Condition::none() };
        Group { actions: (0..actions).map(put).collect(), tally: (user > 0).then_some(tally) }
    }

    proptest! {
        #[test]
        fn groups_stay_together_and_are_counted_once(
            given in proptest::collection::vec((1..5_usize, 0..300_000_usize, 0..4_usize), 0..80)
        ) {
            let groups = given.iter().enumerate().map(|(n, (actions, bytes, user))| group(n, *actions, *bytes, *user)).collect();
            let (mut puts, mut counted) = (0, 0);
            let mut seen = std::collections::BTreeSet::new();
            for transaction in transactions(groups) {
                prop_assert!(!transaction.is_empty() && transaction.len() <= MAX_ACTIONS);
                let mut here = std::collections::BTreeSet::new();
                for action in transaction {
                    match action {
                        Action::Put { item, .. } => {
                            puts += 1;
                            here.insert(Key::of(&item).unwrap().pk);
                        }
                        Action::Add { add, .. } => {
                            let count: usize = add[0].1.0.as_n().unwrap().parse().unwrap();
                            counted += count;
                        }
                        _ => prop_assert!(false),
                    }
                }
                prop_assert!(here.iter().all(|group| seen.insert(group.clone())), "a group is in one transaction only");
            }
            prop_assert_eq!(puts, given.iter().map(|(actions, ..)| actions).sum::<usize>());
            prop_assert_eq!(counted, given.iter().filter(|(.., user)| *user > 0).count());
        }
    }
}
