//! What is removed because it is old.

use std::sync::Arc;

use super::fixtures::{A, LIST, Store, address, after, all_of, at, commit, document, get, ids, listed, put, race, write};
use crate::store::{Address, Committed, Document, MOST_AT_ONCE, Shelf, Write};

/// Of this list and shelf, and before this moment; from wherever it stands.
pub async fn what_is_old_is_pruned_and_nothing_else(store: &Store) {
    let of = |id: &str, seconds| Document { at: at(seconds), tenant: Some(A), due: Some(at(0)), ..document(id) };
    write(store, &[of("a", 1), of("b", 2), of("c", 3), of("d", 4)]).await;
    write(store, &[Document { list: "done".into(), ..of("elsewhere", 1) }]).await;
    let task = Document { address: Address::new(Shelf::Task, "task"), ..of("task", 1) };
    write(store, std::slice::from_ref(&task)).await;
    assert_eq!(store.prune(Shelf::Event, LIST, at(1), 10).await.unwrap(), 0, "before, not at");
    assert_eq!(store.prune(Shelf::Event, LIST, at(3), 10).await.unwrap(), 2);
    assert_eq!(store.prune(Shelf::Event, LIST, at(3), 10).await.unwrap(), 0);
    assert_eq!(ids(&listed(store, LIST, 10).await), ["d", "c"]);
    assert_eq!(ids(&all_of(store, A, 10).await), ["c", "d", "elsewhere"]);
    assert_eq!(store.due(Shelf::Event, at(9), 10).await.unwrap().len(), 3);
    assert_eq!(get(store, &address("a")).await, None);
    assert_eq!(get(store, &task.address).await, Some(after(&task)));
    // It may come again, and stands alone for its versions.
    assert_eq!(store.commit(&[put(&after(&of("a", 1)))]).await.unwrap(), Committed::Stale);
    commit(store, &[put(&of("a", 1))]).await;
    assert_eq!(ids(&listed(store, LIST, 10).await), ["d", "c", "a"]);
}

/// No more at a time than is asked for; fewer only when none are left.
pub async fn pruning_goes_in_parts(store: &Store) {
    let all: Vec<Document> = (0..70).map(|n| Document { at: at(n), ..document(&format!("d-{n:02}")) }).collect();
    write(store, &all).await;
    for (limit, removed) in [(1, 1), (7, 7), (33, 33), (30, 19), (30, 0)] {
        assert_eq!(store.prune(Shelf::Event, LIST, at(60), limit).await.unwrap(), removed);
    }
    assert_eq!(ids(&listed(store, LIST, 100).await).last(), Some(&"d-60"));
    assert_eq!(store.prune(Shelf::Event, LIST, at(100), MOST_AT_ONCE).await.unwrap(), 10);
    assert_eq!(listed(store, LIST, 100).await, []);
}

/// What is changed while it is pruned either stays, changed, or is gone, and then the change is late.
pub async fn pruning_and_writing_at_once_agree_on_what_is_there(store: &Store) {
    for round in 0..3 {
        let names: Vec<String> = (0..20).map(|n| format!("d-{round}-{n:02}")).collect();
        write(store, &names.iter().map(|name| document(name)).collect::<Vec<_>>()).await;
        let all = (Arc::clone(store), names.clone());
        let told = race(move |n| {
            let (store, names) = all.clone();
            async move {
                let mut kept = Vec::new();
                for name in names {
                    if n % 2 == 0 {
                        store.prune(Shelf::Event, LIST, at(1), 3).await.unwrap();
                    } else {
                        let other = Document { list: "kept".into(), ..after(&document(&name)) };
                        let writes = [put(&other), Write::Expect(address("none"), 0)];
                        if store.commit(&writes).await.unwrap() == Committed::Done {
                            kept.push(after(&other));
                        }
                    }
                }
                kept
            }
        })
        .await;
        while store.prune(Shelf::Event, LIST, at(1), 100).await.unwrap() == 100 {}
        let kept: Vec<Document> = told.into_iter().flatten().collect();
        assert_eq!(listed(store, LIST, 100).await, []);
        assert_eq!(listed(store, "kept", 100).await.len(), kept.len());
        for document in &kept {
            assert_eq!(get(store, &document.address).await.as_ref(), Some(document));
        }
        commit(store, &kept.iter().map(|document| Write::Remove(document.address.clone(), 2)).collect::<Vec<_>>()).await;
    }
}
