//! What a page costs does not depend on how long its list is, nor on where the page stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};

use super::super::Sqlite;
use super::super::engine::query;
use crate::sql::Statement;
use crate::sql::pages::{Dialect, PageOf, fill, pages};

const DIALECT: Dialect = Dialect { uuid: |id| format!("X'{}'", id.simple()), random_uuid: "randomblob(16)" };

/// How many instructions SQLite carried out to find the rows; how many rows there were.
async fn cost(connection: &mut SqliteConnection, statement: Statement) -> (u64, u64) {
    let steps = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&steps);
    connection.lock_handle().await.unwrap().set_progress_handler(1, move || {
        count.fetch_add(1, Ordering::Relaxed);
        true
    });
    let rows = query(statement).fetch_all(&mut *connection).await.unwrap().len();
    connection.lock_handle().await.unwrap().remove_progress_handler();
    (steps.load(Ordering::Relaxed), rows as u64)
}

async fn plan(connection: &mut SqliteConnection, statement: &Statement) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn a_page_costs_what_is_on_it() {
    let store = Sqlite::in_memory().await.unwrap();
    let mut connection = store.engine.writer.acquire().await.unwrap();
    for statement in fill(&DIALECT) {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
    }
    // While the planner knows nothing of the tables, and when it knows all.
    for knowledge in ["SELECT 1", "ANALYZE"] {
        sqlx::query(knowledge).execute(&mut *connection).await.unwrap();
        for PageOf { kind, statement, rows } in pages() {
            let plan = plan(&mut connection, &statement).await;
            let reads_on = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            assert!(!plan.is_empty() && !plan.iter().any(reads_on), "{kind}: {plan:#?}");
            let (steps, shown) = cost(&mut connection, statement).await;
            assert_eq!(shown, rows, "{kind}");
            assert!(steps < 400 + 40 * rows, "{kind}: {steps} steps for {rows} rows, after {knowledge}\n{plan:#?}");
            assert!(steps > 10 * rows, "{kind}: steps are not counted");
        }
    }
}
