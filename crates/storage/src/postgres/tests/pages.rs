//! What a page costs does not depend on how long its list is, nor on where the page stands: under the role and its policy, whether the
//! server plans for the values that are asked for or for any.

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::plans::{begin, prepare};
use super::server::Opened;
use crate::sql::pages::{Dialect, PageOf, fill, pages};
use crate::sql::{Argument, Statement};

const DIALECT: Dialect = Dialect { uuid: |id| format!("'{id}'"), random_uuid: "gen_random_uuid()" };

/// What running a statement took.
#[derive(Debug, Default)]
struct Cost {
    /// Rows of the answer.
    shown: u64,
    /// Rows that were looked at, of all tables.
    read: u64,
    /// Blocks of 8 KB that were looked at.
    blocks: u64,
}

/// Runs a statement; answers its plan and what it took.
async fn run(connection: &mut PgConnection, statement: Statement) -> (Value, Cost) {
    let arguments: Vec<String> = statement.arguments.iter().map(literal).collect();
    prepare(connection, &statement.sql).await;
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE wanted ({})", arguments.join(", "));
    let row = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_one(connection).await.unwrap();
    let plan: Value = serde_json::from_str(&row.get_unchecked::<String, _>(0)).unwrap();
    let plan = plan[0]["Plan"].clone();
    let tables = steps(&plan).into_iter().filter(|step| step["Relation Name"].is_string());
    let cost = Cost {
        shown: number(&plan, "Actual Rows"),
        read: tables.map(rows_read).sum(),
        // Of a step and of those below it.
        blocks: number(&plan, "Shared Hit Blocks") + number(&plan, "Shared Read Blocks"),
    };
    (plan, cost)
}

fn literal(argument: &Argument) -> String {
    match argument {
        Argument::Int(Some(value)) => value.to_string(),
        Argument::Text(Some(value)) => format!("'{value}'"),
        Argument::Uuid(Some(value)) => format!("'{value}'"),
        _ => "NULL".to_owned(),
    }
}

/// What a step has found in its table, and what it has thrown away.
fn rows_read(step: &Value) -> u64 {
    let members = ["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"];
    members.map(|member| number(step, member)).iter().sum::<u64>() * number(step, "Actual Loops")
}

/// 0 where there is none. Means of several rounds, which newer servers write as fractions, are rounded up.
fn number(step: &Value, member: &str) -> u64 {
    let Some(number) = step[member].as_number() else { return 0 };
    number.as_u64().unwrap_or_else(|| number.to_string().split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0) + 1)
}

/// The steps of a plan.
fn steps(top: &Value) -> Vec<&Value> {
    let below = top["Plans"].as_array().into_iter().flatten();
    std::iter::once(top).chain(below.flat_map(steps)).collect()
}

#[tokio::test]
async fn a_page_costs_what_is_on_it() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    database.run(&fill(&DIALECT).join(";\n")).await;
    database.run("ANALYZE").await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    for planned in ["force_custom_plan", "force_generic_plan"] {
        begin(&mut connection).await;
        connection.execute(AssertSqlSafe(format!("SET LOCAL plan_cache_mode = {planned}"))).await.unwrap();
        for PageOf { kind, statement, rows } in pages() {
            let (plan, cost) = run(&mut connection, statement).await;
            let about = format!("{kind}, {planned}: {cost:?}\n{plan:#}");
            assert_eq!(cost.shown, rows, "{about}");
            // The environment is looked for, and the head of each version.
            assert!(cost.read >= rows && cost.read <= 3 * rows + 5, "{about}");
            assert!(cost.blocks >= 1 && cost.blocks <= 2 * rows + 10, "{about}");
            for step in steps(&plan) {
                assert!(!step["Node Type"].as_str().unwrap().contains("Sort"), "{about}");
                // Of these there are two at most, in one block.
                let small = ["environments", "flags", "parameters"].map(Value::from).contains(&step["Relation Name"]);
                assert!(small || step["Node Type"] != "Seq Scan", "{about}");
            }
        }
        connection.execute("ROLLBACK").await.unwrap();
    }
}
