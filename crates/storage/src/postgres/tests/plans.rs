//! Statements find what they want by an index, and lists come out of one in their order: under the role and its policies, which keep
//! an index from being used where a comparison might tell of rows that must not be seen.
//!
//! Tables of tests are small, and of a small table the planner rather reads everything. So it is asked with that forbidden: what
//! shows up all the same cannot be avoided. Where it matters most, it is asked once more with full tables and its own judgement.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use togglebox_core::TenantId;

use super::server::Opened;
use crate::sql::statements;

/// A connection as a transaction of the store finds it.
async fn begin(connection: &mut PgConnection) {
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
    } else {
        ""
    }
}

/// How the server would run a statement whatever its parameters are.
async fn plan(connection: &mut PgConnection, sql: &str, arguments: &[&str]) -> String {
    let highest = (1..20).filter(|n| sql.contains(&format!("${n}"))).max().unwrap_or(0);
    let arguments: Vec<&str> = (0..highest).map(|n| arguments.get(n).copied().unwrap_or("NULL")).collect();
    let prepare = format!("DEALLOCATE ALL; PREPARE wanted {} AS {sql}", types(sql));
    connection.execute(AssertSqlSafe(prepare)).await.unwrap();
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE wanted ({})", arguments.join(", "));
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
        assert_indexed(&sql, &plan(&mut connection, &sql, &[]).await);
    }
    connection.execute("SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off").await.unwrap();
    for sql in statements::ordered() {
        assert_in_order(&sql, &plan(&mut connection, &sql, &[]).await);
    }
    connection.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn pages_of_full_tables_come_out_of_an_index() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let (tenant, other) = (TenantId::DEFAULT, "00000000-0000-0000-0000-0000000000aa");
    let place = "00000000-0000-0000-0000-000000000001";
    database
        .run(&format!(
            "INSERT INTO tenant_revisions (tenant) VALUES ('{tenant}'), ('{other}');
            INSERT INTO platforms VALUES ('{tenant}', 'web', '{place}', NULL, NULL, 0, 1);
            INSERT INTO environments VALUES ('{tenant}', '{place}', 'web', 'production', NULL, NULL, 0, 1, 1, 0);
            INSERT INTO flags SELECT '{tenant}', '{place}', 'f' || n, 1, 0 FROM generate_series(1, 20) AS n;
            INSERT INTO flag_versions SELECT '{tenant}', '{place}', 'f' || n % 20 + 1, n, 0, 1, repeat('d', 300), 'me', 0, n
                FROM generate_series(1, 10000) AS n;
            INSERT INTO parameters SELECT '{tenant}', '{place}', 'p' || n, 1, 10000, 1 FROM generate_series(1, 20) AS n;
            INSERT INTO parameter_versions SELECT '{tenant}', '{place}', 'p' || n % 20 + 1, n, 1, repeat('d', 300), 'me', 0
                FROM generate_series(1, 10000) AS n;
            INSERT INTO users SELECT CASE n % 2 WHEN 0 THEN '{tenant}' ELSE '{other}' END::uuid, gen_random_uuid(), NULL, 'a' || n,
                'a' || n, 'secret', CASE WHEN n % 3 = 0 THEN 'admin' ELSE 'viewer' END, n, n, 0, 1 FROM generate_series(1, 10000) AS n;
            INSERT INTO audit_log (tenant, id, at, actor, action, platform, environment, target, revision)
                SELECT CASE n % 2 WHEN 0 THEN '{tenant}' ELSE '{other}' END::uuid, gen_random_uuid(), n, '{{}}', 'any', 'p' || n % 5,
                    'e' || n % 7, 't' || n % 500, n FROM generate_series(1, 20000) AS n;
            ANALYZE"
        ))
        .await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    begin(&mut connection).await;
    let tenant = format!("'{tenant}'");
    let of_flag = [&tenant, "'web'", "'production'", "'f7'", "9000", "21"];
    let of_parameter = [&tenant, "'web'", "'production'", "'p7'", "9000", "21"];
    let of_users = [&tenant, "'viewer'", "20", "0"];
    let of_records = [&tenant, "'p4'", "'e4'", "'t4'", "15000", "15000", "21"];
    let mut looked_at = 0;
    for sql in statements::ordered() {
        let arguments: &[&str] = match sql.lines().next().unwrap() {
            "-- flags.versions" => &of_flag,
            "-- parameters.versions" => &of_parameter,
            "-- users.list" => &of_users,
            // Of a few records of one target, or of an environment whatever its platform, a sort may be cheaper.
            "-- audit.list" if !sql.contains("target = ") && (!sql.contains("environment = ") || sql.contains("platform = ")) => {
                &of_records
            }
            _ => continue,
        };
        let plan = plan(&mut connection, &sql, arguments).await;
        assert!(!plan.contains("Sort"), "{sql}\n{plan}");
        for (at, step) in plan.match_indices("Seq Scan on ") {
            let table = plan[at + step.len()..].split_whitespace().next().unwrap();
            assert!(["environments", "flags", "parameters"].contains(&table), "{table} is not small\n{sql}\n{plan}");
        }
        looked_at += 1;
    }
    assert_eq!(looked_at, 10);
    connection.execute("ROLLBACK").await.unwrap();
}
