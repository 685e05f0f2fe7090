//! Row-level security: what a statement that forgets its tenant, or takes another's, can do.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use togglebox_core::TenantId;
use togglebox_toggles::store::DirectoryStore;
use uuid::Uuid;

use super::server::{Database, Opened};

const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
const B: TenantId = TenantId::from_uuid(Uuid::from_u128(0xb));
const NOT_ALLOWED: &str = "42501";

/// Of no tenant: where the register of all has counted to.
const OF_NOBODY: &str = "register";
/// Of no tenant: how far the writers of usage are, and what of it is closed.
const OF_LEDGER: [&str; 2] = ["usage_borders", "usage_watermarks"];
/// What nodes count of all tenants.
const COUNTED: [&str; 2] = ["usage_cells", "usage_hours"];
/// What the register holds of every tenant: statements that look for one may read it.
const LOOKED_AT: [&str; 5] = ["domain_claims", "given_up_subdomains", "members", "register_changes", "tenants"];
/// What billing keeps of all tenants, and of none.
const BILLED: &str = "billing_documents";
/// What nodes ask about, for many tenants at once.
const WATCHED: [&str; 2] = ["environments", "tenant_revisions"];
/// What is counted, of many tenants at once.
const COUNTED_TOGETHER: [&str; 12] = [
    "experiment_conversions",
    "experiment_days",
    "experiment_metric_days",
    "experiment_statistics",
    "experiment_subjects",
    "flag_countries",
    "flag_days",
    "flag_statistics",
    "flag_users",
    "parameter_clients",
    "parameter_statistics",
    "statistics_batches",
];
/// What that is about.
const COUNTED_OF: [&str; 4] = ["environments", "experiments", "flags", "parameters"];
/// What finds a tenant, or tells of all of them.
const ACROSS: [&str; 17] = [
    "billing_documents_by_list",
    "billing_documents_due",
    "billing_documents_key",
    "domain_claims_verified",
    "given_up_subdomains_by_subdomain",
    "members_by_user",
    "register_changes_key",
    "register_key",
    "tenants_by_subdomain",
    "tenants_subdomain",
    "usage_borders_key",
    "usage_cells_by_minute",
    "usage_events_by_minute",
    "usage_hours_by_hour",
    "usage_hours_stale",
    "usage_watermarks_by_age",
    "usage_watermarks_key",
];

async fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Every table that there is, so that none can be forgotten; but for those that are nobody's: the list of the schema's steps, the counter
/// of the register, and what the ledger of usage has of no tenant.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let all =
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1";
    let tables = texts(connection, all).await;
    let of_nobody = |table: &str| table == "_sqlx_migrations" || table == OF_NOBODY || OF_LEDGER.contains(&table);
    tables.into_iter().filter(|table| !of_nobody(table)).collect()
}

/// A row of a table, with something in each column.
async fn row_of(connection: &mut PgConnection, table: &str, tenant: TenantId) -> String {
    let columns = "SELECT quote_ident(column_name) || ' ' || data_type FROM information_schema.columns";
    let columns = format!("{columns} WHERE table_name = '{table}' AND is_identity = 'NO' AND table_schema = 'public'");
    let (names, values): (Vec<String>, Vec<String>) = texts(connection, &columns)
        .await
        .iter()
        .map(|column| {
            let (name, kind) = column.split_once(' ').unwrap();
            let value = match (name, kind) {
                ("tenant", _) => format!("'{tenant}'"),
                (_, "uuid") => format!("'{}'", Uuid::from_u128(7)),
                ("active", _) => "1".to_owned(),
                // Other ones for each tenant, where they are unique among all.
                (_, "bigint" | "double precision") => tenant.as_uuid().as_u128().to_string(),
                (_, "text") => format!("'{tenant}'"),
                (_, "bytea") => "'\\x07'".to_owned(),
                other => panic!("a column of a kind that this test does not know: {other:?}"),
            };
            (name.to_owned(), value)
        })
        .unzip();
    format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

/// A row of tenant A and one of tenant B in every table.
async fn filled(database: &Database) -> Vec<String> {
    let mut connection = database.connect().await;
    // Rows without the rows that they refer to.
    connection.execute("SET session_replication_role = replica").await.unwrap();
    let tables = tables(&mut connection).await;
    assert!(tables.len() > 20, "{tables:?}");
    for table in &tables {
        for tenant in [A, B] {
            let row = row_of(&mut connection, table, tenant).await;
            connection.execute(AssertSqlSafe(row)).await.unwrap();
        }
    }
    tables
}

async fn count(connection: &mut PgConnection, from: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {from}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

/// Changes of the counter, and whether they find it.
async fn assert_no_counter(connection: &mut PgConnection) {
    assert_eq!(count(connection, OF_NOBODY).await, 0);
    for sql in ["UPDATE register SET revision = revision + 1", "DELETE FROM register"] {
        assert_eq!(tried(connection, sql.to_owned()).await, Ok(0), "{sql}");
    }
    let add = "INSERT INTO register (one, revision) VALUES (1, 7)";
    assert_eq!(tried(connection, add.to_owned()).await, Err(NOT_ALLOWED.to_owned()));
}

/// The rows that a statement changes, or the code of the error. Either way nothing remains of it.
async fn tried(connection: &mut PgConnection, sql: String) -> Result<u64, String> {
    connection.execute("SAVEPOINT trial").await.unwrap();
    let outcome = connection.execute(AssertSqlSafe(sql)).await;
    connection.execute("ROLLBACK TO SAVEPOINT trial").await.unwrap();
    outcome.map(|result| result.rows_affected()).map_err(|error| error.as_database_error().unwrap().code().unwrap().into_owned())
}

#[tokio::test]
async fn every_table_is_guarded_and_owned_by_someone_else() {
    let Some(Opened { database, .. }) = Opened::fresh().await else { return };
    let mut connection = database.connect().await;
    let all = tables(&mut connection).await;
    let guarded = "SELECT c.relname::text FROM pg_class AS c JOIN pg_policy AS p ON p.polrelid = c.oid
        WHERE c.relrowsecurity AND c.relforcerowsecurity AND c.relowner <> 'togglebox_app'::regrole
            AND p.polname = 'tenant_only' AND p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}'
            AND pg_get_expr(p.polqual, c.oid) = pg_get_expr(p.polwithcheck, c.oid)
            AND pg_get_expr(p.polqual, c.oid) LIKE '(tenant = %togglebox.tenant%'
        ORDER BY 1";
    assert_eq!(texts(&mut connection, guarded).await, all);
    let others = "SELECT tablename || ' ' || policyname || ' ' || cmd FROM pg_policies
        WHERE schemaname = 'public' AND policyname <> 'tenant_only' ORDER BY 1";
    let looks = LOOKED_AT.iter().chain([&OF_NOBODY]).map(|table| format!("{table} register_looks SELECT"));
    let changes = ["register register_counts UPDATE", "register_changes register_prunes DELETE"].map(str::to_owned);
    let kept = COUNTED.iter().chain([&"usage_watermarks"]).map(|table| format!("{table} ledger_keeps ALL"));
    let ledger = [
        "usage_days ledger_looks SELECT",
        "usage_events ledger_looks SELECT",
        "usage_events ledger_prunes DELETE",
        "usage_borders all_look SELECT",
        "usage_borders ledger_closes UPDATE",
    ];
    let watched = WATCHED.iter().map(|table| format!("{table} watch_looks SELECT"));
    let billed = [format!("{BILLED} billing_keeps ALL")];
    let together = COUNTED_TOGETHER.iter().map(|table| format!("{table} counting_adds ALL"));
    let together = together.chain(COUNTED_OF.iter().map(|table| format!("{table} counting_looks SELECT")));
    let mut expected: Vec<String> =
        looks.chain(billed).chain(together).chain(watched).chain(changes).chain(kept).chain(ledger.map(str::to_owned)).collect();
    expected.sort_unstable();
    let mut others = texts(&mut connection, others).await;
    others.sort_unstable();
    assert_eq!(others, expected);
    let nobodys = "SELECT relname::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity
        AND relname IN ('register', 'usage_borders', 'usage_watermarks') ORDER BY 1";
    assert_eq!(texts(&mut connection, nobodys).await, [OF_NOBODY, OF_LEDGER[0], OF_LEDGER[1]]);
    let bound = "SELECT rolname::text FROM pg_roles WHERE rolname = 'togglebox_app'
        AND NOT (rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication)";
    assert_eq!(texts(&mut connection, bound).await, ["togglebox_app"]);
}

#[tokio::test]
async fn every_key_and_index_begins_with_the_tenant() {
    let Some(Opened { database, .. }) = Opened::fresh().await else { return };
    let mut connection = database.connect().await;
    let others = "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations' AND a.attname <> 'tenant' ORDER BY 1";
    assert_eq!(texts(&mut connection, others).await, ACROSS);
}

#[tokio::test]
async fn a_connection_of_the_pool_without_a_tenant_sees_nothing_and_adds_nothing() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    // The connection has just served a tenant: nothing of that may be left.
    store.revisions(A).await.unwrap();
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    assert_no_counter(&mut connection).await;
    for table in &tables {
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
        for sql in [format!("UPDATE {table} SET tenant = tenant"), format!("DELETE FROM {table}")] {
            assert_eq!(tried(&mut connection, sql.clone()).await, Ok(0), "{sql}");
        }
        let row = row_of(&mut connection, table, A).await;
        assert_eq!(tried(&mut connection, row).await, Err(NOT_ALLOWED.to_owned()), "{table}");
        let truncate = format!("TRUNCATE {table} CASCADE");
        assert_eq!(tried(&mut connection, truncate).await, Err(NOT_ALLOWED.to_owned()), "{table}");
        let disable = format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY");
        assert_eq!(tried(&mut connection, disable).await, Err(NOT_ALLOWED.to_owned()), "{table}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_tenant_reaches_its_own_rows_only() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute(AssertSqlSafe(format!("SELECT set_config('togglebox.tenant', '{A}', true)"))).await.unwrap();
    assert_no_counter(&mut connection).await;
    for table in &tables {
        assert_eq!(count(&mut connection, table).await, 1, "{table}");
        assert_eq!(count(&mut connection, &format!("{table} WHERE tenant = '{B}'")).await, 0, "{table}");
        for (condition, rows) in [(format!("WHERE tenant = '{B}'"), 0), (String::new(), 1)] {
            let update = format!("UPDATE {table} SET tenant = tenant {condition}");
            assert_eq!(tried(&mut connection, update).await, Ok(rows), "{table}");
        }
        let delete = format!("DELETE FROM {table} WHERE tenant = '{B}'");
        assert_eq!(tried(&mut connection, delete).await, Ok(0), "{table}");
        let give_away = format!("UPDATE {table} SET tenant = '{B}'");
        assert_eq!(tried(&mut connection, give_away).await, Err(NOT_ALLOWED.to_owned()), "{table}");
        let row = row_of(&mut connection, table, B).await;
        assert_eq!(tried(&mut connection, row).await, Err(NOT_ALLOWED.to_owned()), "{table}");
    }
    connection.execute("ROLLBACK").await.unwrap();
    for table in &tables {
        assert_eq!(count(&mut connection, table).await, 0, "{table}: the tenant ends with the transaction");
    }
}

/// Looking for a tenant needs another setting: it shows what the register holds of all, lets the counter be raised and the sequence of
/// changes be pruned, and nothing else.
#[tokio::test]
async fn who_looks_for_a_tenant_sees_the_register_and_writes_nothing_of_anybody() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute("SELECT set_config('togglebox.register', 'on', true)").await.unwrap();
    for table in &tables {
        let seen = if LOOKED_AT.contains(&table.as_str()) { 2 } else { 0 };
        assert_eq!(count(&mut connection, table).await, seen, "{table}");
        let update = format!("UPDATE {table} SET tenant = tenant");
        assert_eq!(tried(&mut connection, update).await, Ok(0), "{table}");
        let removed = if table == "register_changes" { 2 } else { 0 };
        assert_eq!(tried(&mut connection, format!("DELETE FROM {table}")).await, Ok(removed), "{table}");
        let row = row_of(&mut connection, table, A).await;
        assert_eq!(tried(&mut connection, row).await, Err(NOT_ALLOWED.to_owned()), "{table}");
    }
    assert_eq!(tried(&mut connection, "UPDATE register SET revision = revision + 1".to_owned()).await, Ok(1));
    assert_eq!(tried(&mut connection, "DELETE FROM register".to_owned()).await, Ok(0));
    let add = "INSERT INTO register (one, revision) VALUES (2, 7)".to_owned();
    assert_eq!(tried(&mut connection, add).await, Err(NOT_ALLOWED.to_owned()));
    connection.execute("ROLLBACK").await.unwrap();
    assert_no_counter_left(&mut connection).await;

    // Beside a tenant's: what can be changed is the tenant's as before.
    connection.execute("BEGIN").await.unwrap();
    connection.execute(AssertSqlSafe(format!("SELECT set_config('togglebox.tenant', '{A}', true)"))).await.unwrap();
    connection.execute("SELECT set_config('togglebox.register', 'on', true)").await.unwrap();
    for table in &tables {
        assert_eq!(tried(&mut connection, format!("UPDATE {table} SET tenant = tenant")).await, Ok(1), "{table}");
        let row = row_of(&mut connection, table, B).await;
        assert_eq!(tried(&mut connection, row).await, Err(NOT_ALLOWED.to_owned()), "{table}");
    }
    connection.execute("SELECT set_config('togglebox.register', '', true)").await.unwrap();
    for table in &tables {
        assert_eq!(count(&mut connection, table).await, 1, "{table}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// The setting ends with the transaction.
async fn assert_no_counter_left(connection: &mut PgConnection) {
    connection.execute("BEGIN").await.unwrap();
    assert_no_counter(connection).await;
    connection.execute("ROLLBACK").await.unwrap();
}

/// Under the setting for asking after many tenants, where they stand is seen, and nothing changed.
#[tokio::test]
async fn who_watches_sees_what_is_watched_and_changes_nothing() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute("SELECT set_config('togglebox.watch', 'on', true)").await.unwrap();
    assert_no_counter(&mut connection).await;
    for table in &tables {
        let seen = if WATCHED.contains(&table.as_str()) { 2 } else { 0 };
        assert_eq!(count(&mut connection, table).await, seen, "{table}");
        for sql in [format!("UPDATE {table} SET tenant = tenant"), format!("DELETE FROM {table}")] {
            assert_eq!(tried(&mut connection, sql.clone()).await, Ok(0), "{sql}");
        }
        let row = row_of(&mut connection, table, A).await;
        assert_eq!(tried(&mut connection, row).await, Err(NOT_ALLOWED.to_owned()), "{table}");
    }
    connection.execute("ROLLBACK").await.unwrap();
}

/// Who counts for several tenants reaches what is counted of these, sees what that is of, and changes nothing else.
#[tokio::test]
async fn who_counts_for_tenants_reaches_what_is_counted_of_them_only() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    for (listed, reached) in [(format!("{{{A}}}"), 1), (format!("{{{A},{B}}}"), 2)] {
        connection.execute("BEGIN").await.unwrap();
        connection.execute(AssertSqlSafe(format!("SELECT set_config('togglebox.counting', '{listed}', true)"))).await.unwrap();
        assert_no_counter(&mut connection).await;
        for table in &tables {
            let (counts, of) = (COUNTED_TOGETHER.contains(&table.as_str()), COUNTED_OF.contains(&table.as_str()));
            assert_eq!(count(&mut connection, table).await, if counts || of { reached } else { 0 }, "{table}");
            let changed = if counts { u64::try_from(reached).unwrap() } else { 0 };
            for sql in [format!("UPDATE {table} SET tenant = tenant"), format!("DELETE FROM {table}")] {
                assert_eq!(tried(&mut connection, sql.clone()).await, Ok(changed), "{sql}");
            }
            let nobodys = row_of(&mut connection, table, TenantId::DEFAULT).await;
            assert_eq!(tried(&mut connection, nobodys).await, Err(NOT_ALLOWED.to_owned()), "{table}");
            if counts {
                let give_away = format!("UPDATE {table} SET tenant = '{}' WHERE tenant = '{A}'", TenantId::DEFAULT);
                assert_eq!(tried(&mut connection, give_away).await, Err(NOT_ALLOWED.to_owned()), "{table}");
            }
        }
        connection.execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(count(&mut connection, "flag_days").await, 0, "the list ends with the transaction");
}

/// What nodes count is of all tenants: under the setting for that they reach cells and hours, forget events, see the days, and nothing
/// else.
#[tokio::test]
async fn who_keeps_the_ledger_reaches_what_is_counted_and_nothing_else_of_anybody() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute("SELECT set_config('togglebox.ledger', 'on', true)").await.unwrap();
    assert_no_counter(&mut connection).await;
    for table in &tables {
        let (counted, events, days) = (COUNTED.contains(&table.as_str()), table == "usage_events", table == "usage_days");
        let rows_if = |reached| if reached { 2_u64 } else { 0 };
        let (seen, changed, removed) = (rows_if(counted || events || days), rows_if(counted), rows_if(counted || events));
        assert_eq!(count(&mut connection, table).await, seen.cast_signed(), "{table}");
        assert_eq!(tried(&mut connection, format!("UPDATE {table} SET tenant = tenant")).await, Ok(changed), "{table}");
        assert_eq!(tried(&mut connection, format!("DELETE FROM {table}")).await, Ok(removed), "{table}");
        let row = row_of(&mut connection, table, TenantId::from_uuid(Uuid::from_u128(0xc))).await;
        let added = if counted { Ok(1) } else { Err(NOT_ALLOWED.to_owned()) };
        assert_eq!(tried(&mut connection, row).await, added, "{table}");
    }
    connection.execute("ROLLBACK").await.unwrap();

    // Without it, nobody closes anything or says how far a writer is.
    connection.execute("BEGIN").await.unwrap();
    connection.execute(AssertSqlSafe(format!("SELECT set_config('togglebox.tenant', '{A}', true)"))).await.unwrap();
    assert_eq!(count(&mut connection, "usage_borders").await, 1);
    for sql in ["UPDATE usage_borders SET minutes_from = 1", "DELETE FROM usage_borders", "DELETE FROM usage_watermarks"] {
        assert_eq!(tried(&mut connection, sql.to_owned()).await, Ok(0), "{sql}");
    }
    let mark = format!("INSERT INTO usage_watermarks VALUES ('{}', 1, 1, 0)", Uuid::from_u128(1));
    assert_eq!(tried(&mut connection, mark).await, Err(NOT_ALLOWED.to_owned()));
    connection.execute("ROLLBACK").await.unwrap();
}

/// Billing is about all tenants, and begins before there is one: under the setting for that its documents are reached, and nothing else.
#[tokio::test]
async fn who_bills_reaches_the_documents_of_billing_and_nothing_else_of_anybody() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let tables = filled(&database).await;
    let mut connection = store.engine.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute("SELECT set_config('togglebox.billing', 'on', true)").await.unwrap();
    assert_no_counter(&mut connection).await;
    for table in &tables {
        let rows = if table == BILLED { 2_u64 } else { 0 };
        assert_eq!(count(&mut connection, table).await, rows.cast_signed(), "{table}");
        for sql in [format!("UPDATE {table} SET tenant = tenant"), format!("DELETE FROM {table}")] {
            assert_eq!(tried(&mut connection, sql.clone()).await, Ok(rows), "{sql}");
        }
        let row = row_of(&mut connection, table, TenantId::from_uuid(Uuid::from_u128(0xc))).await;
        let added = if table == BILLED { Ok(1) } else { Err(NOT_ALLOWED.to_owned()) };
        assert_eq!(tried(&mut connection, row).await, added, "{table}");
    }
    let nobodys = format!("UPDATE {BILLED} SET tenant = NULL");
    assert_eq!(tried(&mut connection, nobodys).await, Ok(2));
    connection.execute("ROLLBACK").await.unwrap();
}
