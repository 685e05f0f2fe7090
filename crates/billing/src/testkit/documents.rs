//! Single documents: what reads back, and what is refused.

use togglebox_core::{StoreErrorKind, Timestamp};

use super::fixtures::{A, LIST, Store, address, after, all_of, at, commit, document, get, ids, listed, put, write};
use crate::store::{
    ADDRESS_TWICE, Address, Committed, Document, ID_LENGTH, LIST_LENGTH, MOST_BYTES, MOST_COMMIT_BYTES, MOST_ID_BYTES,
    MOST_LIST_BYTES, MOST_READ, MOST_WRITES, Shelf, Write,
};

/// All of it, of every shelf; what stands under the same id on another shelf is another document.
pub async fn what_is_committed_reads_back(store: &Store) {
    for (n, shelf) in (0..).zip(Shelf::ALL) {
        let address = Address::new(shelf, "one");
        assert_eq!(get(store, &address).await, None);
        let plain = Document { address: address.clone(), at: at(n), ..document("one") };
        commit(store, &[put(&plain)]).await;
        assert_eq!(get(store, &address).await, Some(after(&plain)));
        let full = Document { tenant: Some(A), due: Some(at(100 + n)), body: format!("[{n}]").into(), ..after(&plain) };
        commit(store, &[put(&full)]).await;
        assert_eq!(get(store, &address).await, Some(after(&full)));
        let found = store.of(A, shelf, &togglebox_core::PageRequest::first(10)).await.unwrap();
        assert_eq!((found.items, found.next), (vec![after(&full)], None));
    }
}

/// Each in its place, also where there is none, and one that is asked for twice.
pub async fn documents_are_given_in_the_order_of_their_addresses(store: &Store) {
    let documents: Vec<Document> = (0..MOST_READ).map(|n| document(&format!("d-{n:03}"))).collect();
    write(store, &documents).await;
    let mut addresses: Vec<Address> = documents.iter().rev().map(|document| document.address.clone()).collect();
    let all: Vec<_> = documents.iter().rev().map(|document| Some(after(document))).collect();
    assert_eq!(store.get(&addresses).await.unwrap(), all);
    addresses.push(address("d-000"));
    let error = store.get(&addresses).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::LimitReached { limit: MOST_READ });

    let some = [address("d-007"), Address::new(Shelf::Task, "d-007"), address("none"), address("d-001"), address("d-007")];
    let found = store.get(&some).await.unwrap();
    let found: Vec<_> = found.iter().map(|found| found.as_ref().map(|found| &*found.address.id)).collect();
    assert_eq!(found, [Some("d-007"), None, None, Some("d-001"), Some("d-007")]);
    assert_eq!(store.get(&[]).await.unwrap(), []);
}

/// It is 1 at first and one more each time; a write that names another one does nothing. What was removed begins anew.
pub async fn versions_count_the_writes_of_a_document(store: &Store) {
    let mut now = document("v");
    for version in 0..5 {
        for wrong in (0..7).filter(|wrong| *wrong != version) {
            let other = Document { version: wrong, body: "\"wrong\"".into(), ..now.clone() };
            for write in [put(&other), Write::Remove(other.address.clone(), wrong), Write::Expect(other.address.clone(), wrong)] {
                assert_eq!(store.commit(&[write]).await.unwrap(), Committed::Stale, "{wrong} at {version}");
            }
        }
        assert_eq!(get(store, &now.address).await.map_or(0, |found| found.version), version);
        commit(store, &[put(&now)]).await;
        now = after(&now);
        assert_eq!(get(store, &now.address).await.as_ref(), Some(&now));
    }
    commit(store, &[Write::Remove(now.address.clone(), 5)]).await;
    assert_eq!(store.commit(&[put(&now)]).await.unwrap(), Committed::Stale);
    commit(store, &[put(&document("v"))]).await;
    assert_eq!(get(store, &now.address).await, Some(after(&document("v"))));
}

/// A list, a moment, a tenant, a body: each write says all of it.
pub async fn a_write_leaves_nothing_of_what_was_before(store: &Store) {
    let one = Document { tenant: Some(A), due: Some(at(5)), ..document("x") };
    commit(store, &[put(&one)]).await;
    let other = Document { tenant: None, list: "done".into(), at: at(9), due: None, body: "{}".into(), ..after(&one) };
    commit(store, &[put(&other)]).await;
    assert_eq!(get(store, &one.address).await, Some(after(&other)));
    assert_eq!(listed(store, LIST, 10).await, []);
    assert_eq!(listed(store, "done", 10).await, [after(&other)]);
    assert_eq!(all_of(store, A, 10).await, []);
    assert_eq!(store.due(Shelf::Event, at(100), 10).await.unwrap(), []);
}

/// Of any script and length that there may be, and with whatever an engine may think special.
pub async fn ids_and_lists_may_be_any_text(store: &Store) {
    let longest = "\u{10ffff}".repeat(MOST_ID_BYTES / 4) + "end";
    assert_eq!(longest.len(), MOST_ID_BYTES);
    let texts = [
        "A",
        "a",
        "a#b",
        "a|b",
        "a/b%_\\",
        "'\"`;--{}$1?",
        "\u{0}\u{1}0\n\t",
        "ä",
        "a\u{308}",
        "監視 \u{1f6a6}\u{200d}",
        "META",
        " ",
        &longest,
    ];
    let documents: Vec<Document> =
        texts.iter().map(|text| Document { tenant: Some(A), due: Some(at(1)), ..document(text) }).collect();
    write(store, &documents).await;
    for document in &documents {
        assert_eq!(get(store, &document.address).await, Some(after(document)));
    }
    let mut ordered = texts.to_vec();
    ordered.sort_unstable();
    assert_eq!(ids(&all_of(store, A, 2).await), ordered, "by their bytes");
    assert_eq!(ids(&store.due(Shelf::Event, at(1), 100).await.unwrap()), ordered);
    ordered.reverse();
    assert_eq!(ids(&listed(store, LIST, 1).await), ordered);

    let longest = "\u{10ffff}".repeat(MOST_LIST_BYTES / 4);
    for list in texts.into_iter().filter(|list| list.len() <= MOST_LIST_BYTES).chain([longest.as_str()]) {
        let one = Document { list: list.into(), ..document(&format!("in {list}")) };
        commit(store, &[put(&one)]).await;
        assert_eq!(listed(store, list, 10).await, [after(&one)], "{list:?}");
    }
}

/// From the first moment to the last that there is.
pub async fn moments_may_be_any(store: &Store) {
    let moments = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp::from_ms);
    let documents: Vec<Document> =
        (0..).zip(moments).map(|(n, at)| Document { at, due: Some(at), ..document(&format!("{n}")) }).collect();
    write(store, &documents).await;
    assert_eq!(ids(&listed(store, LIST, 2).await), ["4", "3", "2", "1", "0"]);
    for (n, moment) in (1..).zip(moments) {
        let due = store.due(Shelf::Event, moment, 10).await.unwrap();
        assert_eq!(due, documents[..n].iter().map(after).collect::<Vec<_>>());
    }
    assert_eq!(store.prune(Shelf::Event, LIST, moments[0], 10).await.unwrap(), 0);
    assert_eq!(store.prune(Shelf::Event, LIST, moments[4], 10).await.unwrap(), 4);
}

/// As large as a body may be, and as many large ones at once; no larger, and no more.
pub async fn bodies_have_a_size(store: &Store) {
    let with = |id: &str, body: String| Document { tenant: Some(A), due: Some(at(0)), body: body.into(), ..document(id) };
    let of = |id: &str, bytes: usize| with(id, "x".repeat(bytes));
    // It is bytes that count.
    let largest = with("largest", "\u{e9}".repeat(MOST_BYTES / 2));
    commit(store, &[put(&largest)]).await;
    assert_eq!(get(store, &largest.address).await, Some(after(&largest)));
    let error = store.commit(&[put(&of("larger", MOST_BYTES + 1)), put(&of("small", 2))]).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::TooLarge { limit: MOST_BYTES });
    assert_eq!(get(store, &address("small")).await, None);

    let most = MOST_COMMIT_BYTES / MOST_WRITES;
    let mut many: Vec<Document> = (0..MOST_WRITES).map(|n| of(&format!("large-{n:02}"), most)).collect();
    for _ in 0..2 {
        write(store, &many).await;
        many = many.iter().map(after).collect();
    }
    assert_eq!(
        store.get(&many.iter().map(|document| document.address.clone()).collect::<Vec<_>>()).await.unwrap().len(),
        MOST_WRITES
    );
    let all = store.of(A, Shelf::Event, &togglebox_core::PageRequest::first(1000)).await.unwrap();
    // "large-…" comes before "largest".
    assert_eq!(all.items, many.iter().cloned().chain([after(&largest)]).collect::<Vec<_>>());
    let moved: Vec<Write> = many
        .iter()
        .map(|document| put(&Document { list: "done".into(), due: Some(at(9)), tenant: None, ..document.clone() }))
        .collect();
    commit(store, &moved).await;
    assert_eq!(ids(&listed(store, LIST, 10).await), ["largest"]);
    assert_eq!(listed(store, "done", 10).await.len(), MOST_WRITES);
    assert_eq!(ids(&all_of(store, A, 10).await), ["largest"]);

    let over: Vec<Write> = (0..9).map(|n| put(&of(&format!("over-{n}"), MOST_BYTES))).collect();
    let error = store.commit(&over).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::TooLarge { limit: MOST_COMMIT_BYTES });
    assert_eq!(get(store, &address("over-0")).await, None);
    commit(store, &over[..8]).await;
}

/// Also where it would be stale besides, and whatever stands beside it.
pub async fn what_is_out_of_bounds_is_refused_and_nothing_is_written(store: &Store) {
    let fine = || put(&document("fine"));
    let many = |count: usize| (0..count).map(|n| put(&document(&format!("n-{n}")))).collect::<Vec<_>>();
    let with = |id: &str| [put(&document(id)), Write::Remove(address(id), 7), Write::Expect(address(id), 7)];
    let in_list = |list: &str| put(&Document { list: list.into(), ..document("listed") });
    let (long_id, long_list) = ("i".repeat(MOST_ID_BYTES + 1), "l".repeat(MOST_LIST_BYTES + 1));
    let mut cases = vec![
        (many(MOST_WRITES + 1), StoreErrorKind::LimitReached { limit: MOST_WRITES }),
        (vec![fine(), fine()], StoreErrorKind::Refused(ADDRESS_TWICE)),
        (vec![fine(), Write::Expect(address("fine"), 0)], StoreErrorKind::Refused(ADDRESS_TWICE)),
        (vec![fine(), in_list("")], StoreErrorKind::Refused(LIST_LENGTH)),
        (vec![fine(), in_list(&long_list)], StoreErrorKind::Refused(LIST_LENGTH)),
    ];
    for write in with("").into_iter().chain(with(&long_id)) {
        cases.push((vec![fine(), write], StoreErrorKind::Refused(ID_LENGTH)));
    }
    for (writes, kind) in cases {
        let error = store.commit(&writes).await.unwrap_err();
        assert_eq!(error.kind(), &kind);
    }
    assert_eq!(listed(store, LIST, 10).await, []);
    commit(store, &[]).await;
    commit(store, &many(MOST_WRITES)).await;
    assert_eq!(listed(store, LIST, 10).await.len(), MOST_WRITES);
    // The same id on another shelf is another address.
    commit(store, &[fine(), put(&Document { address: Address::new(Shelf::Task, "fine"), ..document("fine") })]).await;
    // What no document can be called is not there, and no list of such a name has anything.
    assert_eq!(store.get(&[address(""), address(&long_id)]).await.unwrap(), [None, None]);
    assert_eq!(listed(store, &long_list, 10).await, []);
}
