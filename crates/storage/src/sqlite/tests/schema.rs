//! The shape that every table has.

use sqlx::{AssertSqlSafe, Row};

use super::super::Sqlite;

/// What is of no tenant: where the register of all has counted to, how far the writers of usage are, and what of that is closed.
const OF_NOBODY: [&str; 3] = ["register", "usage_borders", "usage_watermarks"];

/// What finds a tenant, or tells of all of them.
const ACROSS: [&str; 14] = [
    "sqlite_autoindex_billing_documents_1",
    "billing_documents_due",
    "billing_documents_by_list",
    "domain_claims_verified",
    "given_up_subdomains_by_subdomain",
    "members_by_user",
    "tenants_by_subdomain",
    "tenants_subdomain",
    "sqlite_autoindex_usage_watermarks_1",
    "usage_cells_by_minute",
    "usage_events_by_minute",
    "usage_hours_by_hour",
    "usage_hours_stale",
    "usage_watermarks_by_age",
];

async fn texts(store: &Sqlite, sql: &str) -> Vec<String> {
    let mut connection = store.engine.writer.acquire().await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn tables(store: &Sqlite) -> Vec<String> {
    texts(store, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_%' ESCAPE '\\'")
        .await
}

#[tokio::test]
async fn every_table_is_strict_and_begins_with_the_tenant() {
    let store = Sqlite::in_memory().await.unwrap();
    let tables = tables(&store).await;
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        let strict = texts(&store, &format!("SELECT name FROM pragma_table_list WHERE name = '{table}' AND strict = 1")).await;
        assert_eq!(strict.len(), 1, "{table} is strict");
        let columns = texts(&store, &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")).await;
        // The log's first column is the number that orders it.
        let tenant = usize::from(table == "audit_log");
        assert_eq!(columns[tenant] == "tenant", !OF_NOBODY.contains(&table.as_str()), "{table}");
    }
}

#[tokio::test]
async fn every_index_begins_with_the_tenant() {
    let store = Sqlite::in_memory().await.unwrap();
    for table in tables(&store).await {
        for index in texts(&store, &format!("SELECT name FROM pragma_index_list('{table}')")).await {
            let columns = texts(&store, &format!("SELECT name FROM pragma_index_info('{index}') ORDER BY seqno")).await;
            assert_eq!(columns[0] == "tenant", !ACROSS.contains(&index.as_str()), "{index} of {table}");
        }
    }
}

/// A deletion that cascades looks for the rows that refer to what is deleted: without an index it would read whole tables.
#[tokio::test]
async fn every_foreign_key_can_be_followed_back_by_an_index() {
    let store = Sqlite::in_memory().await.unwrap();
    let mut followed = 0;
    for table in tables(&store).await {
        let keys = format!(
            "SELECT group_concat(\"from\" || ' = ?', ' AND ') FROM (SELECT * FROM pragma_foreign_key_list('{table}') ORDER BY seq) GROUP BY id"
        );
        for condition in texts(&store, &keys).await {
            let mut connection = store.engine.writer.acquire().await.unwrap();
            let sql = format!("EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {condition}");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let columns = condition.matches('?').count();
            assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{table}: {plan:?}");
            assert!(plan.iter().all(|step| step.matches("=?").count() == columns), "{table}: {plan:?}");
            followed += 1;
        }
    }
    assert!(followed > 15, "{followed}");
}

#[tokio::test]
async fn every_constraint_has_a_name() {
    let store = Sqlite::in_memory().await.unwrap();
    for statement in texts(
        &store,
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE %' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    )
    .await
    {
        for word in ["PRIMARY KEY (", "UNIQUE (", "CHECK (", "FOREIGN KEY ("] {
            for (at, _) in statement.match_indices(word) {
                let before = statement[..at].trim_end().rsplit(char::is_whitespace).nth(1);
                assert_eq!(before, Some("CONSTRAINT"), "{word} in {statement}");
            }
        }
    }
}
