//! What is due, lists, and what a tenant has.

use togglebox_core::{Cursor, PageRequest, StoreErrorKind};

use super::fixtures::{A, B, LIST, Store, address, after, all_of, at, commit, document, get, ids, listed, put, write};
use crate::store::{Address, Document, Shelf, Write};

/// Those that have been due the longest come first; what nobody needs to look at, or only later, does not come.
pub async fn what_is_due_is_told_longest_first(store: &Store) {
    let due = |id: &str, seconds: i64| Document { due: Some(at(seconds)), ..document(id) };
    let elsewhere = Document { address: Address::new(Shelf::Effect, "e"), due: Some(at(0)), ..document("e") };
    write(
        store,
        &[due("c", 20), due("a", 30), due("b", 20), due("d", 10), document("never"), due("later", 41), elsewhere.clone()],
    )
    .await;
    let told = async |now, limit| {
        let due = store.due(Shelf::Event, at(now), limit).await.unwrap();
        due.iter().map(|document| document.address.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told(40, 100).await, ["d", "b", "c", "a"]);
    assert_eq!(told(40, 3).await, ["d", "b", "c"]);
    assert_eq!(told(40, 1).await, ["d"]);
    assert_eq!(told(20, 100).await, ["d", "b", "c"]);
    assert_eq!(told(9, 100).await, [""; 0]);
    assert_eq!(told(41, 1000).await, ["d", "b", "c", "a", "later"]);
    assert_eq!(store.due(Shelf::Effect, at(40), 10).await.unwrap(), [after(&elsewhere)]);
    assert_eq!(store.due(Shelf::Usage, at(40), 10).await.unwrap(), []);
}

/// As it is written again, later or never, or removed.
pub async fn what_was_seen_to_is_due_no_more(store: &Store) {
    let all: Vec<Document> = (0..30).map(|n| Document { due: Some(at(n)), ..document(&format!("d-{n:02}")) }).collect();
    write(store, &all).await;
    let all: Vec<Document> = all.iter().map(after).collect();
    let mut left = all.clone();
    for (n, document) in (0..).zip(&all).step_by(2) {
        let seen_to = match n % 3 {
            0 => put(&Document { due: None, ..document.clone() }),
            1 => put(&Document { due: Some(at(1000)), ..document.clone() }),
            _ => Write::Remove(document.address.clone(), 1),
        };
        commit(store, &[seen_to]).await;
        left.retain(|other| other != document);
    }
    assert_eq!(store.due(Shelf::Event, at(999), 100).await.unwrap(), left);
    assert_eq!(store.due(Shelf::Event, at(999), 4).await.unwrap(), left[..4]);
    assert_eq!(store.due(Shelf::Event, at(1000), 100).await.unwrap().len(), left.len() + 5);
}

/// With the same moment, the greatest id first; whichever way it is cut into pages.
pub async fn a_list_is_newest_first(store: &Store) {
    let of = |id: &str, seconds: i64| Document { at: at(seconds), ..document(id) };
    let all = [of("a", 2), of("z", 1), of("b", 2), of("y", 3), of("c", 2), of("ab", 2), of("x", -5)];
    write(store, &all).await;
    write(store, &[Document { list: "other".into(), ..of("elsewhere", 2) }]).await;
    let task = Document { address: Address::new(Shelf::Task, "task"), ..of("task", 2) };
    write(store, &[task]).await;
    for limit in [1, 2, 3, 6, 7, 8, 100] {
        assert_eq!(ids(&listed(store, LIST, limit).await), ["y", "c", "b", "ab", "a", "z", "x"], "{limit} at a time");
    }
    assert_eq!(ids(&listed(store, "other", 10).await), ["elsewhere"]);
    for nothing in ["wait", "waiting#", "waiting/"] {
        assert_eq!(listed(store, nothing, 10).await, []);
    }
}

/// Longer than what a request of any engine answers, and with larger documents.
pub async fn a_long_list_is_told_to_its_end(store: &Store) {
    let body: Box<str> = format!("\"{}\"", "x".repeat(60_000)).into();
    let all: Vec<Document> = (0..60)
        .map(|n| Document { at: at(n), tenant: Some(A), due: Some(at(n)), body: body.clone(), ..document(&format!("d-{n:02}")) })
        .collect();
    for part in all.chunks(20) {
        write(store, part).await;
    }
    let forwards: Vec<Document> = all.iter().map(after).collect();
    let backwards: Vec<Document> = forwards.iter().rev().cloned().collect();
    for limit in [7, 50, 1000] {
        assert_eq!(listed(store, LIST, limit).await, backwards);
        assert_eq!(all_of(store, A, limit).await, forwards);
    }
    assert_eq!(store.due(Shelf::Event, at(100), 1000).await.unwrap(), forwards);
    let addresses: Vec<Address> = forwards.iter().map(|document| document.address.clone()).collect();
    assert_eq!(store.get(&addresses).await.unwrap(), forwards.into_iter().map(Some).collect::<Vec<_>>());
}

/// It stands where its last write put it, and nowhere else.
pub async fn a_document_stands_in_one_list(store: &Store) {
    let mut one = document("one");
    write(store, &[document("beside")]).await;
    let lists = [LIST, "done", "dead"];
    for round in 0..12 {
        let list = lists[round % 3];
        one = Document { list: list.into(), at: at(i64::try_from(round % 2).unwrap()), ..one };
        commit(store, &[put(&one)]).await;
        one = after(&one);
        for other in lists {
            let found = listed(store, other, 10).await;
            assert_eq!(found.contains(&one), list == other);
            assert_eq!(ids(&found).contains(&"one"), list == other);
        }
    }
}

/// One of another list, of another shelf, of another kind of list, of another tenant; and what is none at all.
pub async fn a_cursor_is_of_its_list_only(store: &Store) {
    let page = PageRequest::first(1);
    let mut all = Vec::new();
    for (tenant, shelf, list) in
        [(A, Shelf::Event, LIST), (A, Shelf::Effect, LIST), (A, Shelf::Event, "done"), (B, Shelf::Event, LIST)]
    {
        for n in 0..2 {
            let address = Address::new(shelf, format!("{tenant}-{list}-{n}"));
            all.push(Document { address, tenant: Some(tenant), list: list.into(), ..document("x") });
        }
    }
    write(store, &all).await;
    let cursor = async |shelf, list| store.list(shelf, list, &page).await.unwrap().next.unwrap();
    let cursor_of = async |tenant, shelf| store.of(tenant, shelf, &page).await.unwrap().next.unwrap();
    let own = cursor(Shelf::Event, LIST).await;
    let own_of = cursor_of(A, Shelf::Event).await;
    let none = ["", "x", "ffffffffffffffff", "list|event"].map(Cursor::new);
    let cut = Cursor::new(&own.as_str()[..own.as_str().len() / 2]);
    let others = [cursor(Shelf::Effect, LIST).await, cursor(Shelf::Event, "done").await, own_of.clone(), cut];
    for other in others.into_iter().chain(none.clone()) {
        let error = store.list(Shelf::Event, LIST, &page.clone().after(Some(other.clone()))).await.unwrap_err();
        assert_eq!(error.kind(), &StoreErrorKind::InvalidCursor, "{other}");
    }
    let others = [cursor_of(A, Shelf::Effect).await, cursor_of(B, Shelf::Event).await, own.clone()];
    for other in others.into_iter().chain(none) {
        let error = store.of(A, Shelf::Event, &page.clone().after(Some(other.clone()))).await.unwrap_err();
        assert_eq!(error.kind(), &StoreErrorKind::InvalidCursor, "{other}");
    }
    assert!(store.list(Shelf::Event, LIST, &page.clone().after(Some(own))).await.is_ok());
    assert!(store.of(A, Shelf::Event, &page.clone().after(Some(own_of))).await.is_ok());
}

/// Whoever goes from page to page meets everything that stays once, whatever comes, goes or moves meanwhile.
pub async fn a_list_may_change_while_it_is_read(store: &Store) {
    let of = |id: String, seconds| Document { at: at(seconds), tenant: Some(A), ..document(&id) };
    write(store, &(0..20).map(|n| of(format!("d-{n:02}"), n)).collect::<Vec<_>>()).await;
    for kind in 0..2 {
        let (mut seen, mut next) = (Vec::new(), None);
        for round in 0.. {
            let page = PageRequest::first(3).after(next);
            let page = if kind == 0 {
                store.list(Shelf::Event, LIST, &page).await.unwrap()
            } else {
                store.of(A, Shelf::Event, &page).await.unwrap()
            };
            seen.extend(page.items.iter().map(|document| document.address.id.to_string()));
            next = page.next;
            if next.is_none() {
                break;
            }
            // Something new at either end and in between; and the document that the cursor stands at goes, or to another list.
            let last = page.items.last().unwrap();
            let name = format!("n-{kind}-{round}");
            write(store, &[of(format!("z{name}"), 100), of(format!("a{name}"), -100), of(format!("d-{round:02}-{kind}"), 10)])
                .await;
            let write = if round % 2 == 0 {
                Write::Remove(last.address.clone(), last.version)
            } else {
                put(&Document { list: "done".into(), tenant: Some(B), ..last.clone() })
            };
            commit(store, &[write]).await;
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{seen:?}");
        if kind == 0 {
            let stayed: Vec<&String> = seen.iter().filter(|id| id.len() == 4).collect();
            assert_eq!(stayed.len(), 20, "{seen:?}");
        } else {
            // All that were there when it began and are there at its end.
            for left in all_of(store, A, 100).await {
                let id = left.address.id.to_string();
                assert!(seen.contains(&id) || id.contains("-1"), "{id} of {seen:?}");
            }
        }
    }
}

/// In the order of ids; nothing that is another's or nobody's, though it stands in the same list and is due.
pub async fn a_tenant_has_its_own_documents_only(store: &Store) {
    let of = |id: &str, tenant| Document { tenant, due: Some(at(0)), ..document(id) };
    let all = [of("c", Some(A)), of("a", Some(A)), of("b", Some(B)), of("d", None), of("ab", Some(A)), of("e", Some(B))];
    write(store, &all).await;
    let account = Document { address: Address::new(Shelf::Account, "z"), ..of("z", Some(A)) };
    write(store, std::slice::from_ref(&account)).await;
    for limit in [1, 2, 3, 10] {
        assert_eq!(ids(&all_of(store, A, limit).await), ["a", "ab", "c"]);
        assert_eq!(ids(&all_of(store, B, limit).await), ["b", "e"]);
    }
    let page = PageRequest::first(10);
    assert_eq!(store.of(A, Shelf::Account, &page).await.unwrap().items, [after(&account)]);
    assert_eq!(store.of(B, Shelf::Account, &page).await.unwrap().items, []);
    assert_eq!(store.due(Shelf::Event, at(0), 10).await.unwrap().len(), 6, "whosoever they are");
    assert_eq!(listed(store, LIST, 10).await.len(), 6);
}

/// It is known later, or is another one, or none.
pub async fn a_document_comes_and_goes_with_its_tenant(store: &Store) {
    let mut one = document("one");
    write(store, &[Document { tenant: Some(A), ..document("a") }, Document { tenant: Some(B), ..document("b") }]).await;
    for tenant in [None, Some(A), Some(B), Some(B), None, Some(A), Some(B), Some(A)] {
        one = Document { tenant, ..one };
        commit(store, &[put(&one)]).await;
        one = after(&one);
        for other in [A, B] {
            assert_eq!(all_of(store, other, 1).await.contains(&one), tenant == Some(other));
            assert_eq!(ids(&all_of(store, other, 10).await).contains(&"one"), tenant == Some(other));
        }
    }
    assert_eq!(get(store, &address("one")).await, Some(one));
}
