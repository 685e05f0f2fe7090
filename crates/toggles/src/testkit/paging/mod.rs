//! Long lists, walked page by page while others write. Apart from the suite, since this takes as long as all of that.
//! [`toggle_paging_suite!`](crate::toggle_paging_suite) makes a test of it.

mod filled;
mod others;

use std::collections::{BTreeMap, BTreeSet};

use togglebox_core::{AuditFilter, PageRequest};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::filled::ITEMS;
pub use self::filled::LongHistories;
use self::others::{Others, THEIRS};
use super::ToggleStores;
use super::fixtures::A;
use super::lists::{Item, List};

/// How long the smaller ones of the pages are.
const SMALL: usize = 151;

/// As [`LongHistories::are_walked_whole_while_others_write`], filled through the ports.
pub async fn long_lists_are_walked_whole_while_others_write(stores: &ToggleStores) {
    let histories = LongHistories::begin(stores).await;
    histories.fill(stores).await;
    histories.are_walked_whole_while_others_write(stores, |_| true).await;
}

impl LongHistories {
    /// Every list that goes on by cursor: what is there from the first page to the last is shown exactly once and in order, though items
    /// come in at the front and in the middle and go at the end, other things come and go with their histories, and another tenant writes
    /// under the same names. Between two pages there is always a write.
    ///
    /// Of the lists of the audit log only those are walked that `chosen` says.
    pub async fn are_walked_whole_while_others_write(&self, stores: &ToggleStores, chosen: impl Fn(&AuditFilter) -> bool) {
        let others = Others::start(stores, self).await;
        let mut walks = JoinSet::new();
        for list in self.lists(chosen) {
            let (stores, steps) = (stores.clone(), others.steps());
            walks.spawn(async move {
                let small = tokio::spawn(walk(stores.clone(), list.clone(), SMALL, steps.clone()));
                let large = walk(stores, list.clone(), PageRequest::MAX_LIMIT, steps).await;
                (list, large, small.await.unwrap())
            });
        }
        let walks = walks.join_all().await;
        others.stop().await;
        for (list, large, small) in &walks {
            let standing = self.standing(list);
            assert!(standing.len() as u64 >= ITEMS * 9 / 10, "{list:?} is short");
            // Items of one moment have an order, too: the same on pages of any size.
            assert!(kept(list, large, &standing) == kept(list, small, &standing), "{list:?}: another order on smaller pages");
        }
    }
}

/// All items of a list, from its first page to its last.
async fn walk(stores: ToggleStores, list: List, limit: usize, mut steps: watch::Receiver<u64>) -> Vec<Item> {
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = list.page(&stores, A, &PageRequest::first(limit).after(cursor)).await.unwrap();
        assert!(page.items.len() <= limit, "{list:?}: {} items with {limit} per page", page.items.len());
        seen.extend(page.items);
        pages += 1;
        // What others add stands before the place where the walk is, or is little.
        assert!(pages * limit as u64 <= 4 * ITEMS, "{list:?}: no end with {limit} per page");
        let Some(next) = page.next else { return seen };
        cursor = Some(next);
        steps.changed().await.unwrap();
    }
}

/// The items that were there throughout, in the order in which they were shown.
fn kept<'a>(list: &List, seen: &'a [Item], standing: &BTreeMap<u128, Item>) -> Vec<&'a Item> {
    assert!(seen.is_sorted_by(|a, b| a.rank >= b.rank), "{list:?}: out of order");
    let ids: BTreeSet<u128> = seen.iter().map(|item| item.id).collect();
    assert_eq!(ids.len(), seen.len(), "{list:?}: some are shown twice");
    let missing = standing.keys().filter(|id| !ids.contains(id)).count();
    assert_eq!(missing, 0, "{list:?}: some are left out");
    let strange = seen.iter().find(|item| !may_show(list, item));
    assert!(strange.is_none(), "{list:?}: {strange:?} does not belong there");
    let kept: Vec<&Item> = seen.iter().filter(|item| standing.contains_key(&item.id)).collect();
    for item in &kept {
        assert_eq!(Some(*item), standing.get(&item.id), "{list:?}");
    }
    kept
}

/// Whether an item may be on a list, whoever wrote it and when.
fn may_show(list: &List, item: &Item) -> bool {
    let says = |member: &str, text: &str| item.says[member] == text;
    match list {
        List::Flag(_, key) => says("key", key.as_str()) && !says("text", THEIRS),
        List::Parameter(_, key) => says("key", key.as_str()) && !says("text", THEIRS),
        List::Records(filter) => {
            let fits = |member: &str, wanted: Option<&String>| wanted.is_none_or(|wanted| says(member, wanted));
            let found = fits("platform", filter.platform.as_ref()) && fits("environment", filter.environment.as_ref());
            found && fits("target", filter.target.as_ref()) && !says("action", THEIRS)
        }
    }
}
