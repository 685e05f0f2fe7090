//! Statements find what they want by an index, and lists come out of one in their order: under the role and its policies, which keep
//! an index from being used where a comparison might tell of rows that must not be seen.
//!
//! Tables of tests are small, and of a small table the planner rather reads everything. So it is asked with that forbidden: what
//! shows up all the same cannot be avoided. Its own judgement, with full tables, is looked at in `pages`.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use togglebox_core::TenantId;

use super::super::engine::Engine;
use super::server::Opened;
use crate::sql::statements;

/// A connection as a transaction of the store finds it.
pub(super) async fn begin(connection: &mut PgConnection) {
    connection.execute("BEGIN").await.unwrap();
    let tenant = format!("SELECT set_config('togglebox.tenant', '{}', true)", TenantId::DEFAULT);
    connection.execute(AssertSqlSafe(tenant)).await.unwrap();
}

/// The types of the parameters where not every one is used, and so not every one explains itself.
fn types(sql: &str) -> &'static str {
    if sql.starts_with("-- audit.list") {
        "(uuid, text, text, text, bigint, bigint, bigint)"
    } else if sql.starts_with("-- users.list") {
        "(uuid, text, bigint, bigint)"
    } else if sql.starts_with("-- tenant_directory.list") {
        "(text, text, text, text, uuid, bigint)"
    } else {
        ""
    }
}

/// Prepares a statement under the name `wanted`, and forgets the one before.
pub(super) async fn prepare(connection: &mut PgConnection, sql: &str) {
    let prepare = format!("DEALLOCATE ALL; PREPARE wanted {} AS {sql}", types(sql));
    connection.execute(AssertSqlSafe(prepare)).await.unwrap();
}

/// How the server would run a statement whatever its parameters are.
async fn plan(connection: &mut PgConnection, sql: &str) -> String {
    let highest = (1..=200).filter(|n| sql.contains(&format!("${n}"))).max().unwrap_or(0);
    plan_with(connection, sql, &vec!["NULL"; highest]).await
}

/// How the server would run a statement with these arguments.
async fn plan_with(connection: &mut PgConnection, sql: &str, arguments: &[&str]) -> String {
    prepare(connection, sql).await;
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE wanted {arguments}");
    let rows = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_all(connection).await.unwrap();
    rows.iter().fold(String::new(), |mut plan, row| {
        let _ = writeln!(plan, "{}", row.get::<String, _>(0));
        plan
    })
}

fn assert_indexed(sql: &str, plan: &str) {
    assert!(plan.contains("Index"), "{sql}\n{plan}");
    assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    // Each look into an index is for one tenant.
    for (at, _) in plan.match_indices("Index Cond: ") {
        let condition = plan[at..].lines().next().unwrap();
        assert!(condition.contains("tenant"), "{sql}\n{plan}");
    }
    assert!(plan.contains("Index Cond: "), "{sql}\n{plan}");
}

fn assert_in_order(sql: &str, plan: &str) {
    assert_indexed(sql, plan);
    assert!(!plan.contains("Sort"), "{sql}\n{plan}");
}

#[tokio::test]
async fn statements_can_use_an_index_and_lists_come_out_of_one() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    begin(&mut connection).await;
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    for sql in statements::indexed() {
        assert_indexed(&sql, &plan(&mut connection, &sql).await);
    }
    connection.execute("SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    for sql in statements::ordered() {
        assert_in_order(&sql, &plan(&mut connection, &sql).await);
    }
    connection.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn what_asks_after_many_tenants_can_use_an_index() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute(super::super::engine::WATCH).await.unwrap();
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    for sql in statements::watching::<Engine>() {
        assert_indexed(&sql, &plan(&mut connection, &sql).await);
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// They look for no tenant, so the index that they use does not begin with one.
#[cfg(feature = "tenancy")]
#[tokio::test]
async fn what_looks_beyond_one_tenant_can_use_an_index() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute(super::super::engine::LOOK_BEYOND).await.unwrap();
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off").await.unwrap();
    for sql in statements::across::<Engine>() {
        let plan = plan(&mut connection, &sql).await;
        let few = sql.starts_with("-- tenant_directory.changes_since");
        assert!(plan.contains("Index"), "{sql}\n{plan}");
        // The counter is one row, and at most a page of changes is sorted.
        assert!(few || !plan.contains("Sort"), "{sql}\n{plan}");
        let scans = plan.lines().filter(|line| line.contains("Seq Scan"));
        assert!(scans.clone().all(|line| line.contains("on register")), "{sql}\n{plan}");
        assert!(!plan.lines().any(|line| line.contains("Seq Scan on register_")), "{sql}\n{plan}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// What is in a list is found by its whole key, a row of the list at a time.
#[cfg(feature = "metering")]
#[tokio::test]
async fn what_is_in_a_list_can_be_found_by_its_whole_key() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    begin(&mut connection).await;
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    for sql in statements::of_lists::<Engine>() {
        let plan = plan(&mut connection, &sql).await;
        assert!(plan.starts_with("Function Scan on json_to_recordset given") && plan.contains("SubPlan 1"), "{sql}\n{plan}");
        let condition = plan.lines().find(|line| line.contains("Index Cond: ")).unwrap();
        assert!(condition.matches("given.").count() >= 2 && condition.contains("tenant"), "{sql}\n{plan}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// So are those that keep the usage of all tenants.
#[cfg(feature = "metering")]
#[tokio::test]
async fn what_keeps_the_ledger_can_use_an_index() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute(super::super::engine::KEEP_LEDGER).await.unwrap();
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off").await.unwrap();
    for sql in statements::of_ledger::<Engine>() {
        let plan = plan(&mut connection, &sql).await;
        assert!(plan.contains("Index") && !plan.contains("Seq Scan") && !plan.contains("Sort"), "{sql}\n{plan}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// So are those that keep the documents of billing.
#[cfg(feature = "billing")]
#[tokio::test]
async fn what_keeps_documents_can_use_an_index() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute(super::super::engine::KEEP_DOCUMENTS).await.unwrap();
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    for sql in statements::of_documents() {
        let plan = plan(&mut connection, &sql).await;
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        let key = |line: &&str| line.contains("Index Cond: ") && line.contains("shelf = ") && line.contains("id = ");
        let conditions = plan.lines().filter(|line| line.contains("Index Cond: ")).count();
        assert!(conditions > 0 && plan.lines().filter(key).count() == conditions, "{sql}\n{plan}");
    }
    connection.execute("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off").await.unwrap();
    for sql in statements::of_billing() {
        let plan = plan(&mut connection, &sql).await;
        assert!(plan.contains("Index Cond: ") && !plan.contains("Seq Scan") && !plan.contains("Sort"), "{sql}\n{plan}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// A transaction that counts for a few tenants.
async fn begin_counting(connection: &mut PgConnection, tenants: &str) {
    connection.execute("BEGIN").await.unwrap();
    let counting = format!("SELECT set_config('togglebox.counting', '{{{tenants}}}', true)");
    connection.execute(AssertSqlSafe(counting)).await.unwrap();
}

/// So is what is counted of many tenants, row by row of a list.
#[tokio::test]
async fn what_is_counted_can_be_found_by_its_key() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut connection = store.engine.pool.acquire().await.unwrap();
    begin_counting(&mut connection, "").await;
    connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    for sql in statements::counted::<Engine>() {
        let plan = plan(&mut connection, &sql).await;
        assert!(plan.starts_with("Function Scan on json_to_recordset given"), "{sql}\n{plan}");
        assert_indexed(&sql, &plan);
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// What was counted long ago is looked for in the list's tenants only, by the planner's own judgement where the tables are full.
#[tokio::test]
async fn what_was_counted_long_ago_is_found_by_what_it_is_of() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let of = "lpad(to_hex(n % 2000), 32, '0')::uuid";
    // Rows without the rows that they refer to.
    let fill = format!(
        "SET session_replication_role = replica;
        INSERT INTO statistics_batches SELECT {of}, gen_random_uuid(), n FROM generate_series(1, 60000) AS n;
        INSERT INTO parameter_clients SELECT {of}, {of}, 'p', n, '' FROM generate_series(1, 60000) AS n;
        INSERT INTO flag_users SELECT {of}, {of}, 'f', 'A', n, '' FROM generate_series(1, 60000) AS n;
        ANALYZE"
    );
    database.run(&fill).await;
    let row = |n: u32| format!(r#"{{"tenant":"{n:032x}","environment":"{n:032x}","key":"f","side":"A"}}"#);
    let list = format!("'[{}]'", (0..100).map(row).collect::<Vec<_>>().join(","));
    let mut connection = store.engine.pool.acquire().await.unwrap();
    for planned in ["force_custom_plan", "force_generic_plan"] {
        begin_counting(&mut connection, "").await;
        connection.execute(AssertSqlSafe(format!("SET LOCAL plan_cache_mode = {planned}"))).await.unwrap();
        for sql in statements::forgetting::<Engine>() {
            assert_indexed(&sql, &plan_with(&mut connection, &sql, &[&list, "30000"]).await);
        }
        connection.execute("ROLLBACK").await.unwrap();
    }
}
