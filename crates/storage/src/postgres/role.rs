//! The role that statements run as.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::OpenError;

const EXISTING: &str = "-- role.existing
SELECT rolsuper OR rolbypassrls AS unbound FROM pg_roles WHERE rolname = $1";

const MEMBER: &str = "-- role.member
SELECT pg_has_role(session_user, $1::name, 'MEMBER')";

/// The tables that have a policy, but that the role may not use in all four ways.
const UNGRANTED: &str = "-- role.ungranted
SELECT DISTINCT quote_ident(p.schemaname) AS schema, quote_ident(p.schemaname) || '.' || quote_ident(p.tablename) AS name FROM pg_policies AS p
WHERE p.schemaname = current_schema() AND p.policyname IN ('tenant_only', 'register_looks', 'ledger_keeps', 'all_look') AND EXISTS (
    SELECT FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted (privilege)
    WHERE NOT has_table_privilege($1::name, quote_ident(p.schemaname) || '.' || quote_ident(p.tablename), wanted.privilege)
)";

/// An SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Sees to it that the role is there, that the user of this connection may take it on, and that it is bound by row-level security.
pub(super) async fn provide(connection: &mut PgConnection, role: &str) -> Result<(), OpenError> {
    if existing(connection, role).await?.is_none() {
        attempt(connection, format!("CREATE ROLE {} NOLOGIN", quoted(role))).await?;
    }
    let login = login(connection).await?;
    let unusable = || OpenError::Role { role: role.to_owned(), remedy: remedy(role, &login) };
    if existing(connection, role).await?.ok_or_else(unusable)? {
        return Err(OpenError::RoleIsUnbound { role: role.to_owned() });
    }
    if !is_member(connection, role).await? {
        attempt(connection, format!("GRANT {} TO {}", quoted(role), quoted(&login))).await?;
    }
    if is_member(connection, role).await? { Ok(()) } else { Err(unusable()) }
}

/// Lets the role use every table that is guarded by a policy of ours.
pub(super) async fn grant(connection: &mut PgConnection, role: &str) -> Result<(), OpenError> {
    let rows = sqlx::query(UNGRANTED).bind(role).fetch_all(&mut *connection).await.map_err(OpenError::Database)?;
    let texts = |column| rows.iter().map(|row| row.try_get(column)).collect::<Result<Vec<String>, _>>();
    let (schemas, tables) = (texts("schema").map_err(OpenError::Database)?, texts("name").map_err(OpenError::Database)?);
    let Some(schema) = schemas.first() else { return Ok(()) };
    let (tables, role) = (tables.join(", "), quoted(role));
    let sql = format!("GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(OpenError::Database)?;
    Ok(())
}

/// Whether the role is above row-level security; `None` when it does not exist.
async fn existing(connection: &mut PgConnection, role: &str) -> Result<Option<bool>, OpenError> {
    let row = sqlx::query(EXISTING).bind(role).fetch_optional(connection).await.map_err(OpenError::Database)?;
    row.map(|row| row.try_get("unbound")).transpose().map_err(OpenError::Database)
}

/// Whether the user may take the role on.
async fn is_member(connection: &mut PgConnection, role: &str) -> Result<bool, OpenError> {
    sqlx::query_scalar(MEMBER).bind(role).fetch_one(connection).await.map_err(OpenError::Database)
}

async fn login(connection: &mut PgConnection) -> Result<String, OpenError> {
    sqlx::query_scalar("SELECT session_user::text").fetch_one(connection).await.map_err(OpenError::Database)
}

/// Runs a statement that someone else may have run at the same moment, in another database of the same server, or that this user may
/// not be allowed to run: what counts is how things stand afterwards.
async fn attempt(connection: &mut PgConnection, sql: String) -> Result<(), OpenError> {
    let mut attempt = connection.begin().await.map_err(OpenError::Database)?;
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *attempt).await {
        Ok(_) => attempt.commit().await.map_err(OpenError::Database),
        Err(error @ sqlx::Error::Database(_)) => {
            tracing::debug!(%error, "A role was not changed");
            attempt.rollback().await.map_err(OpenError::Database)
        }
        Err(error) => Err(OpenError::Database(error)),
    }
}

fn remedy(role: &str, login: &str) -> String {
    let (role, login) = (quoted(role), quoted(login));
    format!("CREATE ROLE {role} NOLOGIN; GRANT {role} TO {login};")
}
