//! What calls cost, and that lists are read to their end.

use togglebox_core::{AuditFilter, AuditLog, AuditRecord, Limit, Page, PageRequest, StoreResult, TenantId, Timestamp};
use togglebox_storage::DynamoDb;
use togglebox_toggles::FlagVersion;
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, FlagStore};

use super::fixtures::{audit, environment, flag, place, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;

on_every_server! {
    a_page_costs_what_it_shows
    a_write_costs_the_same_however_much_there_is
    a_list_walked_while_it_changes_shows_all_that_stood_throughout
    an_environment_larger_than_a_page_is_read_whole
}

/// Units that `call` reads.
async fn units<T>(store: &DynamoDb, call: impl Future<Output = StoreResult<T>>) -> f64 {
    let before = store.capacity().read;
    call.await.unwrap();
    store.capacity().read - before
}

fn record(n: u128, target: &str) -> AuditRecord {
    let at = Timestamp::from_ms(i64::try_from(n / 3).unwrap());
    AuditRecord { at, target: target.to_owned(), ..audit(n) }
}

/// Changes the flag `f` so many times, `n` being the first audit id.
async fn change(store: &DynamoDb, n: u128, times: u128, target: &str) {
    let stands = FlagStore::find(store, TENANT, &place(1), &flag("f").key).await.unwrap().unwrap();
    let mut revision = stands.revision;
    for step in n..n + times {
        let written = FlagStore::append(store, TENANT, &place(1), &flag("f"), revision, &record(step, target)).await;
        revision = written.unwrap().revision;
    }
}

async fn with_flag(store: &DynamoDb) {
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    store.create_environment(TENANT, &environment(&place(1)), Limit::Unlimited, &audit(2)).await.unwrap();
    FlagStore::create(store, TENANT, &place(1), &flag("f"), Limit::Unlimited, &audit(3)).await.unwrap();
}

async fn audit_page(store: &DynamoDb, target: Option<&str>, page: PageRequest) -> StoreResult<Page<AuditRecord>> {
    let mut filter = AuditFilter::default();
    filter.target = target.map(str::to_owned);
    store.list(TENANT, &filter, &page).await
}

async fn a_page_costs_what_it_shows(server: Server) {
    let (store, _) = server.table().await;
    with_flag(&store).await;
    change(&store, 10, 30, "often").await;
    let (key, place, page) = (flag("f").key, place(1), || PageRequest::first(10));
    let costs = async || {
        [
            units(&store, audit_page(&store, None, page())).await,
            units(&store, audit_page(&store, Some("often"), page())).await,
            units(&store, FlagStore::versions(&store, TENANT, &place, &key, &page())).await,
            units(&store, store.load(TENANT, &place)).await,
        ]
    };
    let few = costs().await;
    change(&store, 1000, 120, "often").await;
    let many = costs().await;
    assert!(few.iter().all(|units| *units > 0.0), "the server counts: {few:?}");
    let same = few.iter().zip(&many).all(|(few, many)| (few - many).abs() < 0.01);
    assert!(same, "five times as much is stored: {few:?}, {many:?}");
    // A filter of the service would read all of the others on the way to this one.
    let rare = units(&store, audit_page(&store, Some("nothing"), page())).await;
    assert!(rare <= 1.0, "{rare}");
    // Ten records of less than 4 KB, and an entry for each.
    assert!(many[0] <= 12.0 && many[1] <= 12.0 && many[2] <= 6.0 && many[3] <= 4.0, "{many:?}");
}

async fn a_write_costs_the_same_however_much_there_is(server: Server) {
    let (store, _) = server.table().await;
    with_flag(&store).await;
    let mut costs = Vec::new();
    for n in [100, 200] {
        change(&store, n, 20, "any").await;
        let stands = FlagStore::find(&store, TENANT, &place(1), &flag("f").key).await.unwrap().unwrap();
        let before = store.capacity();
        FlagStore::amend(&store, TENANT, &place(1), &flag("f"), stands.revision, &audit(n + 50)).await.unwrap();
        let after = store.capacity();
        costs.push((after.read - before.read, after.write - before.write));
    }
    // Environment, flag, audit record and the two lists that it stands in: five items of less than a kilobyte, twice each.
    for (read, write) in costs {
        assert!((0.5..=4.0).contains(&read) && (write - 10.0).abs() < 0.01, "{read} {write}");
    }
}

async fn a_list_walked_while_it_changes_shows_all_that_stood_throughout(server: Server) {
    let (store, _) = server.table().await;
    with_flag(&store).await;
    change(&store, 100, 60, "walked").await;
    let (mut seen, mut cursor, mut n) = (Vec::new(), None, 1000);
    loop {
        let page = audit_page(&store, Some("walked"), PageRequest::first(7).after(cursor)).await.unwrap();
        seen.extend(page.items.iter().map(|record| record.id.as_u128()));
        cursor = page.next;
        change(&store, n, 1, "walked").await;
        n += 1;
        // The oldest go meanwhile.
        store.prune(TENANT, Timestamp::from_ms(34 + 1), 1).await.unwrap();
        if cursor.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, and none twice");
    assert!((110..160).all(|n| seen.contains(&n)), "{seen:?}");
}

async fn an_environment_larger_than_a_page_is_read_whole(server: Server) {
    const FLAGS: u128 = 9;
    let (store, _) = server.table().await;
    with_flag(&store).await;
    for n in 0..FLAGS {
        let mut large = flag(&format!("large-{n}"));
        large.definition.description = Some("x".repeat(300_000));
        FlagStore::create(&store, TENANT, &place(1), &large, Limit::Unlimited, &audit(100 + n)).await.unwrap();
    }
    let state = store.load(TENANT, &place(1)).await.unwrap().unwrap();
    assert_eq!(state.flags.len() as u128, FLAGS + 1);
    assert!(state.flags.iter().all(|flag| flag.version == FlagVersion::FIRST));
}
