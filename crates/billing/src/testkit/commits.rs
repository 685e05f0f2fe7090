//! Commits: all of it or nothing, and those of several at once.

use std::sync::Arc;

use super::fixtures::{A, CROWD, LIST, Store, address, after, all_of, at, commit, document, get, listed, put, race, write};
use crate::store::{Committed, Document, MOST_WRITES, Shelf, Write};

/// Wherever the one stands that is stale, and whatever the others do.
pub async fn a_commit_is_done_as_a_whole_or_not_at_all(store: &Store) {
    let there: Vec<Document> =
        (0..MOST_WRITES).map(|n| Document { tenant: Some(A), due: Some(at(1)), ..document(&format!("d-{n:02}")) }).collect();
    write(store, &there).await;
    let there: Vec<Document> = there.iter().map(after).collect();
    // What is there is changed, removed or rested on; and some is new.
    let writes: Vec<Write> = (0..)
        .zip(&there)
        .map(|(n, document)| match n % 4 {
            0 => put(&Document { list: "done".into(), due: None, ..document.clone() }),
            1 => Write::Remove(document.address.clone(), 1),
            2 => Write::Expect(document.address.clone(), 1),
            _ => put(&Document { address: address(&format!("new-{n}")), version: 0, ..document.clone() }),
        })
        .collect();
    for place in 0..writes.len() {
        let mut stale = writes.clone();
        match &mut stale[place] {
            Write::Put(document) => document.version += 1,
            Write::Remove(_, version) | Write::Expect(_, version) => *version += 1,
        }
        assert_eq!(store.commit(&stale).await.unwrap(), Committed::Stale, "with a stale one at {place}");
    }
    assert_eq!(all_of(store, A, 100).await, there);
    assert_eq!(listed(store, LIST, 100).await.len(), there.len());
    assert_eq!(store.due(Shelf::Event, at(1), 100).await.unwrap(), there);

    commit(store, &writes).await;
    assert_eq!(listed(store, "done", 100).await.len(), 7);
    // Of 25: 7 are in the other list, 6 are gone, and 6 are new.
    assert_eq!(listed(store, LIST, 100).await.len(), 25 - 7 - 6 + 6);
    assert_eq!(store.due(Shelf::Event, at(1), 100).await.unwrap().len(), 25 - 7 - 6 + 6);
    assert_eq!(store.commit(&writes).await.unwrap(), Committed::Stale, "the same again");
}

/// A commit rests on what it expects: that it has a version, or is not there. It leaves it as it is.
pub async fn what_is_expected_is_held_to(store: &Store) {
    let (one, other) = (document("one"), document("other"));
    commit(store, &[put(&one)]).await;
    let with = |expected: Write| vec![put(&other), expected];
    for wrong in [Write::Expect(one.address.clone(), 0), Write::Expect(one.address.clone(), 2), Write::Expect(address("none"), 1)]
    {
        assert_eq!(store.commit(&with(wrong)).await.unwrap(), Committed::Stale);
    }
    assert_eq!(get(store, &other.address).await, None);
    commit(store, &[put(&other), Write::Expect(one.address.clone(), 1), Write::Expect(address("none"), 0)]).await;
    assert_eq!(get(store, &other.address).await, Some(after(&other)));
    assert_eq!(get(store, &one.address).await, Some(after(&one)));
    assert_eq!(get(store, &address("none")).await, None);
    // Also where nothing is written: then it is told whether all of it stands.
    commit(store, &[Write::Expect(one.address.clone(), 1), Write::Remove(address("none"), 0)]).await;
    assert_eq!(store.commit(&[Write::Expect(one.address, 2)]).await.unwrap(), Committed::Stale);
}

/// From every list, too.
pub async fn what_is_removed_is_gone(store: &Store) {
    let one = Document { tenant: Some(A), due: Some(at(1)), ..document("one") };
    commit(store, &[put(&one), put(&Document { address: address("stays"), ..one.clone() })]).await;
    commit(store, &[Write::Remove(one.address.clone(), 1)]).await;
    assert_eq!(get(store, &one.address).await, None);
    let stays = [after(&Document { address: address("stays"), ..one.clone() })];
    assert_eq!(listed(store, LIST, 10).await, stays);
    assert_eq!(all_of(store, A, 10).await, stays);
    assert_eq!(store.due(Shelf::Event, at(1), 10).await.unwrap(), stays);
    assert_eq!(store.commit(&[Write::Remove(one.address, 1)]).await.unwrap(), Committed::Stale);
}

/// How many of a crowd were done. The others are told that they came too late.
fn done(told: &[Committed]) -> usize {
    told.iter().filter(|told| **told == Committed::Done).count()
}

/// Of a new one, of one that is there, and of one that is removed.
pub async fn of_many_who_write_one_document_at_once_exactly_one_is_done(store: &Store) {
    for version in 0..4 {
        let all = Arc::clone(store);
        let told = race(move |n| {
            let store = Arc::clone(&all);
            async move {
                let one = Document { version, body: format!("{n}").into(), ..document("one") };
                // Each brings something of its own.
                store.commit(&[put(&document(&format!("by-{version}-{n}"))), put(&one)]).await.unwrap()
            }
        })
        .await;
        assert_eq!(done(&told), 1, "{told:?}");
        let winner = told.iter().position(|told| *told == Committed::Done).unwrap();
        let one = get(store, &address("one")).await.unwrap();
        assert_eq!((one.version, &*one.body), (version + 1, winner.to_string().as_str()));
        for n in 0..usize::from(CROWD) {
            let own = get(store, &address(&format!("by-{version}-{n}"))).await;
            assert_eq!(own.is_some(), n == winner, "{n} of {winner}");
        }
    }
    let all = Arc::clone(store);
    let told = race(move |_| {
        let store = Arc::clone(&all);
        async move { store.commit(&[Write::Remove(address("one"), 4)]).await.unwrap() }
    })
    .await;
    assert_eq!(done(&told), 1, "{told:?}");
}

/// Whatever order they name them in: nobody waits for ever, and nothing is done in part.
pub async fn commits_of_the_same_documents_in_any_order_come_to_an_end(store: &Store) {
    let ids: Vec<String> = (0..10).map(|n| format!("d-{n}")).collect();
    write(store, &ids.iter().map(|id| document(id)).collect::<Vec<_>>()).await;
    let all = (Arc::clone(store), ids.clone());
    let told = race(move |n| {
        let (store, mut ids) = all.clone();
        async move {
            let mut count = 0;
            for round in 0..4 {
                ids.rotate_left(usize::from(n));
                if (round + n) % 2 == 0 {
                    ids.reverse();
                }
                let addresses: Vec<_> = ids.iter().map(|id| address(id)).collect();
                let found = store.get(&addresses).await.unwrap();
                let writes: Vec<Write> = found.iter().flatten().map(put).collect();
                count += u64::from(store.commit(&writes).await.unwrap() == Committed::Done);
            }
            count
        }
    })
    .await;
    let count: u64 = told.iter().sum();
    assert!(count > 0);
    for id in &ids {
        assert_eq!(get(store, &address(id)).await.unwrap().version, 1 + count, "{id}");
    }
}

/// Two that each write what the other one rests on are never both done: neither where it is there, nor where it is not.
pub async fn of_two_that_rest_on_what_the_other_writes_at_most_one_is_done(store: &Store) {
    for round in 0..6 {
        let ids = [format!("left-{round}"), format!("right-{round}")];
        let version = u64::from(round % 2 == 0);
        if version == 1 {
            write(store, &ids.clone().map(|id| document(&id))).await;
        }
        let all = (Arc::clone(store), ids.clone());
        let told = race(move |n| {
            let (store, ids) = all.clone();
            async move {
                let [own, other] = [usize::from(n % 2), usize::from(1 - n % 2)].map(|n| &ids[n]);
                let writes = [put(&Document { version, ..document(own) }), Write::Expect(address(other), version)];
                store.commit(&writes).await.unwrap()
            }
        })
        .await;
        assert_eq!(done(&told), 1, "{told:?}");
        let mut versions = Vec::new();
        for id in &ids {
            versions.push(get(store, &address(id)).await.map_or(0, |found| found.version));
        }
        versions.sort_unstable();
        assert_eq!(versions, [version, version + 1]);
    }
}

/// Those who write different documents do not get into each other's way.
pub async fn commits_of_different_documents_are_all_done(store: &Store) {
    let all = Arc::clone(store);
    let told = race(move |n| {
        let store = Arc::clone(&all);
        async move {
            let mut one = Document { tenant: Some(A), due: Some(at(1)), ..document(&format!("d-{n}")) };
            for _ in 0..5 {
                assert_eq!(store.commit(&[put(&one)]).await.unwrap(), Committed::Done);
                one = after(&one);
            }
            one
        }
    })
    .await;
    assert_eq!(all_of(store, A, 3).await, told);
    assert_eq!(store.due(Shelf::Event, at(1), 100).await.unwrap(), told);
}
