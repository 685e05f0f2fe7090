//! Opening a database: the schema, and the role that statements run as.

use togglebox_core::{EntropyExt, OsEntropy, TenantId};
use togglebox_toggles::store::DirectoryStore;
use tokio::task::JoinSet;

use super::super::{OpenError, Postgres, PostgresOptions};
use super::server::Database;

const TENANT: TenantId = TenantId::DEFAULT;

/// A name that no other test has.
fn unique(what: &str) -> String {
    format!("togglebox_test_{what}_{}", OsEntropy.hex::<6>())
}

/// Removes roles, after the database in which they own something.
async fn without_roles(database: Database, roles: &[&str]) {
    for role in roles {
        database.run(&format!("REASSIGN OWNED BY \"{role}\" TO postgres; DROP OWNED BY \"{role}\"")).await;
        database.administer(&format!("DROP ROLE \"{role}\"")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_on_an_empty_database_all_come_up() {
    let Some(database) = Database::empty().await else { return };
    // Also the role is new: its making is the only thing that they do outside of the database.
    let role = unique("role");
    let mut starting = JoinSet::new();
    for _ in 0..6 {
        let options = database.options().with_role(&role).with_max_connections(1);
        starting.spawn(async move { Postgres::open(&options).await });
    }
    for opened in starting.join_all().await {
        let store = opened.unwrap();
        assert!(store.directory(TENANT).await.unwrap().platforms.is_empty());
        store.close().await.unwrap();
    }
    without_roles(database, &[&role]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_databases_of_a_server_may_make_the_role_at_once() {
    let (Some(first), Some(second)) = (Database::empty().await, Database::empty().await) else { return };
    let role = unique("role");
    let (one, other) = (first.options().with_role(&role), second.options().with_role(&role));
    let (one, other) = tokio::join!(Postgres::open(&one), Postgres::open(&other));
    for store in [one.unwrap(), other.unwrap()] {
        store.close().await.unwrap();
    }
    second.run(&format!("DROP OWNED BY {role}")).await;
    without_roles(first, &[&role]).await;
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let Some(database) = Database::migrated().await else { return };
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)";
    database.run(&format!("{later} VALUES (7000, 'later', TRUE, '\\x00', 0)")).await;
    let error = Postgres::open(&database.options()).await.unwrap_err();
    assert!(matches!(error, OpenError::FromTheFuture { found: 7000, .. }), "{error:?}");
    assert!(error.to_string().contains("start the newer version"), "{error}");
}

#[tokio::test]
async fn a_step_of_the_schema_that_was_altered_afterwards_is_refused() {
    let Some(database) = Database::migrated().await else { return };
    database.run("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1").await;
    let error = Postgres::open(&database.options()).await.unwrap_err();
    assert!(matches!(error, OpenError::Migration(_)), "{error:?}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_an_administrator_has_to_run() {
    let Some(database) = Database::empty().await else { return };
    let (login, role) = (unique("login"), unique("role"));
    database.administer(&format!("CREATE ROLE {login} LOGIN")).await;
    database.run(&format!("GRANT CREATE ON SCHEMA public TO {login}")).await;
    let options = database.options_of(&login).with_role(&role);
    // Neither is the role there, nor, in the second round, is it the user's to take on.
    for round in 0..2 {
        let error = Postgres::open(&options).await.unwrap_err();
        let OpenError::Role { remedy, .. } = &error else { panic!("{error:?}") };
        assert!(error.to_string().contains(remedy.as_str()), "{error}");
        assert_eq!(*remedy, format!("CREATE ROLE \"{role}\" NOLOGIN; GRANT \"{role}\" TO \"{login}\";"));
        let (create, grant) = remedy.split_once("; ").unwrap();
        database.administer(if round == 0 { create } else { grant }).await;
    }
    let store = Postgres::open(&options).await.unwrap();
    store.directory(TENANT).await.unwrap();
    store.close().await.unwrap();
    without_roles(database, &[&role, &login]).await;
}

#[tokio::test]
async fn a_user_who_may_make_roles_makes_it_and_owns_tables_it_sees_nothing_of() {
    let Some(database) = Database::empty().await else { return };
    let (login, role) = (unique("login"), unique("role"));
    database.administer(&format!("CREATE ROLE {login} LOGIN CREATEROLE")).await;
    database.run(&format!("GRANT CREATE ON SCHEMA public TO {login}")).await;
    let store = Postgres::open(&database.options_of(&login).with_role(&role)).await.unwrap();
    database.run(&format!("INSERT INTO tenant_revisions (tenant, directory) VALUES ('{TENANT}', 3)")).await;
    assert_eq!(store.directory(TENANT).await.unwrap().revision.get(), 3);
    let mut owner = database.connect().await;
    let seen = format!("SET ROLE {login}; SELECT * FROM tenant_revisions");
    let seen = sqlx::raw_sql(sqlx::AssertSqlSafe(seen)).fetch_all(&mut owner).await.unwrap();
    assert!(seen.is_empty(), "row-level security binds the owner, too");
    drop(owner);
    store.close().await.unwrap();
    without_roles(database, &[&role, &login]).await;
}

#[tokio::test]
async fn a_role_above_row_level_security_is_refused() {
    let Some(database) = Database::empty().await else { return };
    let error = Postgres::open(&database.options().with_role("postgres")).await.unwrap_err();
    assert!(matches!(&error, OpenError::RoleIsUnbound { role } if role == "postgres"), "{error:?}");
}

#[tokio::test]
async fn a_role_may_have_any_name() {
    let Some(database) = Database::empty().await else { return };
    let role = format!("a \"b\" '; -- % $$ {}", OsEntropy.hex::<6>());
    let store = Postgres::open(&database.options().with_role(&role)).await.unwrap();
    store.directory(TENANT).await.unwrap();
    store.close().await.unwrap();
    without_roles(database, &[&role.replace('"', "\"\"")]).await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(database) = Database::empty().await else { return };
    let name = unique("latin");
    database.administer(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")).await;
    let error = Postgres::open(&database.options_in(&name)).await.unwrap_err();
    assert!(matches!(&error, OpenError::Encoding { found } if found == "LATIN1"), "{error:?}");
    database.administer(&format!("DROP DATABASE {name}")).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    // Nothing listens on the port that nobody may use.
    let options = PostgresOptions::new("postgres://ann:hunter2@127.0.0.1:1/flags").unwrap();
    let error = Postgres::open(&options).await.unwrap_err();
    assert!(matches!(error, OpenError::Database(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
}
