//! Reading many partitions: in their order, each by pages, several at once.

use std::collections::{BTreeMap, VecDeque};

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use togglebox_core::StoreResult;

use super::super::DynamoDb;
use super::super::item::Item;
use super::super::key::Key;
use super::super::store::Range;
use super::{AT_ONCE, DUMP};

/// The most items of a page. Some have hundreds of kilobytes, but a page never has more than 1 MB.
pub(in super::super) const PAGE: usize = 100;

type Page = (Vec<Item>, Option<String>);

/// The pages of each range, those of the first before those of the second, each with what its range is of. The first pages of the next
/// few ranges are read ahead.
pub(in super::super) fn pages<T: Clone + Send + 'static>(
    store: &DynamoDb,
    ranges: Vec<(T, Range)>,
) -> BoxStream<'static, StoreResult<(T, Vec<Item>)>> {
    let (ahead, behind) = (store.clone(), store.clone());
    let first = move |(of, range): (T, Range)| {
        let store = ahead.clone();
        async move {
            let range = Range { limit: Some(PAGE), ..range };
            let page = read(&store, &range).await?;
            Ok((of, range, page))
        }
    };
    let rest = move |(of, range, page): (T, Range, Page)| {
        let store = behind.clone();
        stream::try_unfold(Some((of, range, Some(page))), move |state| {
            let store = store.clone();
            async move {
                let Some((of, mut range, page)) = state else { return Ok(None) };
                let (items, end) = match page {
                    Some(page) => page,
                    None => read(&store, &range).await?,
                };
                let more = end.map(|after| {
                    range.after = Some(after);
                    (of.clone(), range, None)
                });
                Ok(Some(((of, items), more)))
            }
        })
    };
    stream::iter(ranges).map(first).buffered(AT_ONCE).map_ok(rest).try_flatten().boxed()
}

async fn read(store: &DynamoDb, range: &Range) -> StoreResult<Page> {
    store.page(DUMP, &mut store.long_patience(), range).await
}

/// Partitions that hold parts of the same things: items with the same sort key belong together.
pub(in super::super) struct Together {
    store: DynamoDb,
    parts: Vec<Part>,
}

struct Part {
    range: Range,
    items: VecDeque<(String, Item)>,
    more: bool,
}

impl Part {
    async fn fill(&mut self, store: &DynamoDb) -> StoreResult<()> {
        while self.items.is_empty() && self.more {
            let (items, end) = read(store, &self.range).await?;
            self.items.extend(items.into_iter().filter_map(|item| Some((Key::of(&item)?.sk, item))));
            self.more = end.is_some();
            self.range.after = end;
        }
        Ok(())
    }
}

/// Begins to read ranges whose items belong together.
pub(in super::super) async fn together(store: DynamoDb, ranges: Vec<Range>) -> StoreResult<Together> {
    let parts =
        ranges.into_iter().map(|range| Part { range: Range { limit: Some(PAGE), ..range }, items: VecDeque::new(), more: true });
    let filled = stream::iter(parts).map(|mut part| {
        let store = store.clone();
        async move { part.fill(&store).await.map(|()| part) }
    });
    let parts = filled.buffered(AT_ONCE).try_collect().await?;
    Ok(Together { store, parts })
}

impl Together {
    /// The items of the next sort keys, together where the keys are the same; none at the end.
    pub(in super::super) async fn next(&mut self) -> StoreResult<Vec<Vec<Item>>> {
        for part in &mut self.parts {
            part.fill(&self.store).await?;
        }
        // What comes after the last key that was read of a part may be in its next page.
        let known = self.parts.iter().filter(|part| part.more).filter_map(|part| part.items.back());
        let until = known.map(|(sk, _)| sk.clone()).min();
        let mut found = BTreeMap::<String, Vec<Item>>::new();
        for part in &mut self.parts {
            while let Some((sk, item)) = part.items.pop_front_if(|(sk, _)| until.as_ref().is_none_or(|until| *sk <= *until)) {
                found.entry(sk).or_default().push(item);
            }
        }
        Ok(found.into_values().collect())
    }
}
