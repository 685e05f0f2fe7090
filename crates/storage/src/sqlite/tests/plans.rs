//! No statement reads a whole table.

use sqlx::{AssertSqlSafe, Row};
use togglebox_auth::Role;
use togglebox_core::AuditFilter;

use super::super::{
    Sqlite, api_keys, attempts, audit, directory, environments, experiments, flags, parameters, resets, sessions, statistics,
    users,
};

/// How SQLite would run a statement, a line per step.
async fn plan(store: &Sqlite, sql: &str) -> Vec<String> {
    let mut connection = store.writer.acquire().await.unwrap();
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
    let statements = [
        directory::REVISION,
        directory::REVISIONS,
        directory::PLATFORMS,
        directory::PLATFORM,
        directory::ENVIRONMENTS,
        directory::ENVIRONMENT,
        environments::HEAD,
        parameters::FIND,
        parameters::VERSION,
        flags::FIND,
        flags::VERSION,
        experiments::FIND,
        users::FIND,
        users::FIND_BY_EMAIL,
        users::ADMINS,
        audit::PRUNE,
        api_keys::FIND,
        api_keys::FIND_BY_HASH,
        sessions::FIND,
        sessions::FORGET,
        sessions::END_ALL_BUT,
        sessions::REMOVE_ALL,
        resets::FIND,
        resets::FORGET,
        resets::REMOVE_ALL,
        attempts::FIND,
        attempts::FORGET,
        statistics::EXISTING_EXPERIMENT,
        statistics::FORGET_BATCHES,
        statistics::LAST_CLIENTS,
        statistics::BY_DAY,
        statistics::SAMPLES,
    ];
    for sql in statements {
        assert_indexed(&store, sql).await;
    }
}

#[tokio::test]
async fn lists_come_out_of_an_index_in_their_order() {
    let store = Sqlite::in_memory().await.unwrap();
    let lists = [
        parameters::LOAD,
        parameters::VERSIONS,
        flags::LOAD,
        flags::VERSIONS,
        experiments::LOAD,
        api_keys::LIST,
        statistics::BY_DAY,
    ];
    for sql in lists {
        assert_in_order(&store, sql).await;
    }
    for role in [None, Some(Role::Admin)] {
        let (part, total) = users::list_statements(role);
        assert_in_order(&store, &part).await;
        assert_indexed(&store, &total).await;
    }
}

#[tokio::test]
async fn audit_lists_of_every_filter_come_out_of_an_index_in_their_order() {
    let store = Sqlite::in_memory().await.unwrap();
    for bits in 0..16 {
        let given = |bit: u8| (bits & bit != 0).then(|| "x".to_owned());
        let mut filter = AuditFilter::default();
        (filter.platform, filter.environment, filter.target) = (given(1), given(2), given(4));
        assert_in_order(&store, &audit::list_statement(&filter, bits & 8 != 0)).await;
    }
}
