//! No statement reads a whole table.

use sqlx::{AssertSqlSafe, Row};

use super::super::Sqlite;
use super::super::engine::Engine;
use crate::sql::statements;

/// How SQLite would run a statement, a line per step.
async fn plan(store: &Sqlite, sql: &str) -> Vec<String> {
    let mut connection = store.engine.writer.acquire().await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

async fn assert_indexed(store: &Sqlite, sql: &str) -> Vec<String> {
    let plan = plan(store, sql).await;
    assert!(!plan.is_empty() && plan.iter().any(|step| step.starts_with("SEARCH")), "{sql}\n{plan:#?}");
    assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{sql}\n{plan:#?}");
    plan
}

async fn assert_in_order(store: &Sqlite, sql: &str) {
    let plan = assert_indexed(store, sql).await;
    assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}\n{plan:#?}");
}

#[tokio::test]
async fn reads_and_removals_use_an_index() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::indexed() {
        assert_indexed(&store, &sql).await;
    }
}

#[tokio::test]
async fn lists_come_out_of_an_index_in_their_order() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::ordered() {
        assert_in_order(&store, &sql).await;
    }
}

/// The list that is given is read from end to end, and nothing else.
#[tokio::test]
async fn what_asks_after_many_tenants_uses_an_index() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::watching::<Engine>() {
        let plan = plan(&store, &sql).await;
        assert!(plan.iter().any(|step| step.starts_with("SEARCH tenant_revisions USING")), "{plan:#?}");
        let searches = |step: &String| !step.starts_with("SCAN") || step.starts_with("SCAN json_each ");
        assert!(plan.iter().all(searches), "{plan:#?}");
    }
}

/// Lists of all tenants read an index from end to end, and nothing else. The counter is one row, and there are few changes to sort.
#[cfg(feature = "tenancy")]
#[tokio::test]
async fn what_looks_beyond_one_tenant_uses_an_index() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::across::<Engine>() {
        let plan = plan(&store, &sql).await;
        assert!(!plan.is_empty());
        let by_rows = |step: &&String| {
            let one_or_few =
                ["SCAN register", "SCAN later", "SCAN last", "SCAN json_each"].iter().any(|few| step.starts_with(few));
            step.starts_with("SCAN") && !step.contains("USING INDEX") && !one_or_few
        };
        assert_eq!(plan.iter().find(by_rows), None, "{sql}\n{plan:#?}");
        let sorted = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!sorted || sql.starts_with("-- tenant_directory.changes_since"), "{sql}\n{plan:#?}");
    }
}

/// Were the list read again for every row that the tenant has, a call would cost the square of what it carries.
#[cfg(feature = "metering")]
#[tokio::test]
async fn what_is_in_a_list_is_found_by_its_whole_key() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::of_lists::<Engine>() {
        let plan = plan(&store, &sql).await;
        let [list, query, found] = plan.as_slice() else { panic!("{sql}\n{plan:#?}") };
        assert!(list.starts_with("SCAN json_each ") && query.starts_with("CORRELATED SCALAR SUBQUERY"), "{sql}\n{plan:#?}");
        assert!(found.starts_with("SEARCH kept ") && found.matches("=?").count() >= 3, "{sql}\n{plan:#?}");
    }
}

#[cfg(feature = "metering")]
#[tokio::test]
async fn what_keeps_the_ledger_uses_an_index() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::of_ledger::<Engine>() {
        let plan = plan(&store, &sql).await;
        let by_rows = |step: &&String| {
            let rows = step.starts_with("SCAN") && !step.contains("USING") && !step.starts_with("SCAN json_each");
            rows || step.contains("TEMP B-TREE")
        };
        assert_eq!(plan.iter().find(by_rows), None, "{sql}\n{plan:#?}");
    }
}

#[cfg(feature = "billing")]
#[tokio::test]
async fn what_keeps_documents_uses_an_index() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::of_billing() {
        assert_in_order(&store, &sql).await;
    }
    for sql in statements::of_documents() {
        let plan = assert_indexed(&store, &sql).await;
        let searches: Vec<_> = plan.iter().filter(|step| step.starts_with("SEARCH")).collect();
        assert!(searches.iter().all(|step| step.contains("(shelf=? AND id=?)")), "{sql}\n{plan:#?}");
    }
}

/// The list is read from end to end, and each row that it names is found by its whole key.
#[tokio::test]
async fn what_is_counted_is_found_by_its_whole_key() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::counted::<Engine>() {
        let plan = plan(&store, &sql).await;
        let (searches, scans): (Vec<_>, Vec<_>) =
            plan.iter().filter(|step| !step.starts_with("CORRELATED")).partition(|step| step.starts_with("SEARCH"));
        assert!(matches!(scans[..], [list] if list.starts_with("SCAN json_each ")), "{sql}\n{plan:#?}");
        assert!(!searches.is_empty() && searches.iter().all(|step| step.matches("=?").count() >= 3), "{sql}\n{plan:#?}");
    }
}

#[tokio::test]
async fn what_was_counted_long_ago_is_found_by_what_it_is_of() {
    let store = Sqlite::in_memory().await.unwrap();
    for sql in statements::forgetting::<Engine>() {
        let plan = plan(&store, &sql).await;
        let scans = plan.iter().filter(|step| step.starts_with("SCAN"));
        assert!(scans.clone().all(|step| step.starts_with("SCAN json_each ")), "{sql}\n{plan:#?}");
        let found = |step: &&String| step.starts_with("SEARCH") && step.contains("tenant=?") && step.contains("<?");
        assert_eq!(plan.iter().filter(found).count(), 1, "{sql}\n{plan:#?}");
    }
}
