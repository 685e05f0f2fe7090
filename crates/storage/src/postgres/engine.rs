//! PostgreSQL under the stores.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow, Postgres as Driver};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, ValueRef};
use togglebox_core::{StoreErrorKind, TenantId};
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use uuid::Uuid;

use super::{error, text};
use crate::home::{Ended, Home};
use crate::sql::{self, Access, Argument, Kind, Statement};

/// Lets a transaction see what the register holds of every tenant: the policies name this setting.
#[cfg(feature = "tenancy")]
pub(super) const LOOK_BEYOND: &str = "SELECT set_config('togglebox.register', 'on', true)";
#[cfg(feature = "tenancy")]
const LOOK_NO_FURTHER: &str = "SELECT set_config('togglebox.register', '', true)";

/// Lets a transaction see the revisions of every tenant: the policies name this setting.
pub(super) const WATCH: &str = "SELECT set_config('togglebox.watch', 'on', true)";

/// Shares locks one after the other, until one is not to be had at once: answers its place.
const SHARE: &str = "-- statistics.share
SELECT locks.place AS place FROM unnest($1::text::bigint[]) WITH ORDINALITY AS locks (number, place)
WHERE NOT pg_try_advisory_xact_lock_shared(locks.number) LIMIT 1";

/// Takes locks one after the other.
const QUEUE: &str = "-- statistics.queue
SELECT pg_advisory_xact_lock(locks.number) FROM unnest($1::text::bigint[]) AS locks (number)";

/// Lets a transaction keep the usage of every tenant: the policies name this setting.
#[cfg(feature = "metering")]
pub(super) const KEEP_LEDGER: &str = "SELECT set_config('togglebox.ledger', 'on', true)";

/// Lets a transaction keep what billing has of every tenant: the policies name this setting.
#[cfg(feature = "billing")]
pub(super) const KEEP_DOCUMENTS: &str = "SELECT set_config('togglebox.billing', 'on', true)";

/// How long a connection that nobody uses may take to say that it is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// The connections to one database.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) pool: PgPool,
    /// What every transaction begins with, after its `BEGIN`.
    pub(super) settings: Arc<str>,
    /// How long an answer of the server's is waited for: longer than the server takes when it is there.
    pub(super) patience: Duration,
    /// Where connections are made and cleared up.
    pub(super) home: Home,
    /// Whether the connections that nobody uses are being asked whether they are still there.
    pub(super) asking: Arc<AtomicBool>,
}

impl Engine {
    /// A connection, made at home.
    async fn connection(&self) -> sqlx::Result<PoolConnection<Driver>> {
        if let Some(connection) = self.pool.try_acquire() {
            return Ok(connection);
        }
        let pool = self.pool.clone();
        self.home.run(async move { pool.acquire().await }).await.unwrap_or_else(|Ended| Err(sqlx::Error::PoolClosed))
    }

    /// The statements that a session begins with, in one message: the transaction, the role, the tenant, the locks.
    ///
    /// All settings are the transaction's own, so that a pool between here and the server may hand connections round.
    fn preamble(&self, tenant: TenantId, access: Access) -> String {
        let locks = match access {
            Access::Read | Access::Moment => String::new(),
            Access::Write => format!(", pg_advisory_xact_lock({})", lock_of(tenant, "writes")),
            Access::Count => {
                let (writes, counts) = (lock_of(tenant, "writes"), lock_of(tenant, "counts"));
                format!(", pg_advisory_xact_lock_shared({writes}), pg_advisory_xact_lock({counts})")
            }
            #[cfg(feature = "metering")]
            Access::Usage => {
                let (counts, usage) = (lock_of(tenant, "usage"), usage_lock());
                format!(", pg_advisory_xact_lock({counts}), pg_advisory_xact_lock_shared({usage})")
            }
        };
        // A uuid has no character that could end the text.
        self.beginning(access, &format!("SELECT set_config('togglebox.tenant', '{tenant}', true){locks}"))
    }

    /// The same for a session that counts for several tenants: of the locks, that of the first.
    fn preamble_together(&self, tenants: &[TenantId]) -> String {
        let list: Vec<String> = tenants.iter().map(ToString::to_string).collect();
        let lock = tenants.first().map(|first| format!(", pg_advisory_xact_lock_shared({})", lock_of(*first, "writes")));
        let whose =
            format!("SELECT set_config('togglebox.counting', '{{{}}}', true){}", list.join(","), lock.unwrap_or_default());
        self.beginning(Access::Count, &whose)
    }

    /// The same for a session that is of no tenant, and takes no lock.
    #[cfg(feature = "tenancy")]
    fn register_preamble(&self, access: Access) -> String {
        self.beginning(access, LOOK_BEYOND)
    }

    /// The same for a session that keeps the usage of all tenants.
    #[cfg(feature = "metering")]
    fn ledger_preamble(&self, access: Access) -> String {
        let lock = match access {
            Access::Read | Access::Moment => String::new(),
            Access::Write => format!(", pg_advisory_xact_lock({})", usage_lock()),
            Access::Count | Access::Usage => format!(", pg_advisory_xact_lock_shared({})", usage_lock()),
        };
        self.beginning(access, &format!("{KEEP_LEDGER}{lock}"))
    }

    /// The same for a session that keeps the documents of all tenants, and takes these locks one after the other.
    #[cfg(feature = "billing")]
    fn billing_preamble(&self, access: Access, locks: &[i64]) -> String {
        let beginning = self.beginning(access, KEEP_DOCUMENTS);
        if locks.is_empty() {
            return beginning;
        }
        let locks: Vec<String> = locks.iter().map(i64::to_string).collect();
        format!(
            "{beginning}; SELECT pg_advisory_xact_lock(number) FROM unnest('{{{}}}'::bigint[]) AS locks (number)",
            locks.join(",")
        )
    }

    /// The transaction and the role, and then whose it is.
    fn beginning(&self, access: Access, whose: &str) -> String {
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
            Access::Moment => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            _ => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        format!("{begin}; {}; {whose}", self.settings)
    }

    /// A session that has begun with `preamble`.
    async fn begun(&self, preamble: &str) -> sqlx::Result<Session> {
        let mut tries = self.pool.options().get_max_connections();
        loop {
            let connection = Some(self.connection().await?);
            let mut session = Session { connection, engine: self.clone(), silent: false };
            let begin = sqlx::raw_sql(AssertSqlSafe(preamble)).execute(session.connection());
            let begun = timeout(self.patience, begin).await;
            match session.told(begun) {
                Ok(_) => return Ok(session),
                // A connection that died while nobody used it. Nothing has been done yet, so the next one is asked.
                Err(error) if error::is_lost(&error) && !session.silent && tries > 0 => session.discard(),
                Err(error) => return Err(error),
            }
            tries -= 1;
        }
    }

    /// Asks all connections that nobody uses, at once, whether they are still there, and lets go of those that say nothing: what has
    /// swallowed the answer of one has often swallowed the others, and each would cost a caller all of its patience.
    fn ask_the_idle(&self) {
        if self.asking.swap(true, Ordering::SeqCst) {
            return;
        }
        let (pool, asking) = (self.pool.clone(), Arc::clone(&self.asking));
        self.home.spawn(async move {
            let idle = std::iter::from_fn(|| pool.try_acquire());
            let asked = idle.map(|mut connection| async {
                if !matches!(timeout(SIGN_OF_LIFE, connection.ping()).await, Ok(Ok(()))) {
                    give_up(connection);
                }
            });
            join_all(asked).await;
            asking.store(false, Ordering::SeqCst);
        });
    }
}

/// Ends a connection without a word: one to a server that says nothing would keep its place while it waits for a goodbye.
fn give_up(connection: PoolConnection<Driver>) {
    drop(connection.detach());
}

/// The number of a tenant's lock. Two tenants with the same number, which do not happen, would wait for each other needlessly.
pub(super) fn lock_of(tenant: TenantId, what: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update("togglebox ");
    hash.update(what);
    hash.update(tenant.as_uuid().as_bytes());
    let mut number = [0; 8];
    number.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(number)
}

/// The number of the lock that counting shares, and that closing minutes has for itself: the tenant is nobody's.
#[cfg(feature = "metering")]
fn usage_lock() -> i64 {
    lock_of(TenantId::from_uuid(Uuid::max()), "ledger")
}

/// An array as the server reads it.
fn numbers(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

impl sql::Engine for Engine {
    type Session = Session;

    const NAME: &'static str = "postgres";

    const HEX: &'static str = r"\x";

    #[cfg(feature = "tenancy")]
    const TABLES_OF_TENANTS: &'static str = "-- remains.tables
SELECT tables.relname::text AS name FROM pg_class AS tables JOIN pg_attribute AS columns ON columns.attrelid = tables.oid
WHERE tables.relkind IN ('r', 'p') AND tables.relnamespace = current_schema()::regnamespace
    AND columns.attname = 'tenant' AND columns.attnum > 0 AND NOT columns.attisdropped ORDER BY 1";

    /// Writes hold a lock of their tenant, so that they come one after the other as they do in a file; what two of them could do to each
    /// other between a look and a write needs no second thought. Counting shares that lock, and has one of its own: batches of several
    /// nodes merge sketches, which is a look and a write, too. No two transactions wait for each other.
    async fn begin(&self, tenant: TenantId, access: Access) -> sqlx::Result<Session> {
        self.begun(&self.preamble(tenant, access)).await
    }

    /// Whoever deletes something of one tenant, which may take a while, must not keep a hundred others waiting. So the first is waited for
    /// while nothing is held yet, and of the others only what is to be had at once is taken. Other batches are waited for in the order of
    /// their locks' numbers: no two transactions wait for each other.
    async fn begin_together(&self, tenants: &[TenantId]) -> sqlx::Result<(Session, usize)> {
        let mut session = self.begun(&self.preamble_together(tenants)).await?;
        let writes = tenants.iter().skip(1).map(|tenant| lock_of(*tenant, "writes"));
        let busy = sql::Session::optional(&mut session, Statement::new(SHARE).bind(numbers(writes))).await?;
        let held = match busy {
            // Places are counted from 1, and the first tenant is not in the list.
            Some(row) => usize::try_from(sql::Row::int(&row, "place")?).unwrap_or(1),
            None => tenants.len(),
        };
        let mut counts: Vec<i64> = tenants.iter().take(held).map(|tenant| lock_of(*tenant, "counts")).collect();
        counts.sort_unstable();
        sql::Session::execute(&mut session, Statement::new(QUEUE).bind(numbers(counts.into_iter()))).await?;
        Ok((session, held))
    }

    async fn begin_watch(&self) -> sqlx::Result<Session> {
        self.begun(&self.beginning(Access::Read, WATCH)).await
    }

    #[cfg(feature = "tenancy")]
    async fn begin_register(&self, access: Access) -> sqlx::Result<Session> {
        self.begun(&self.register_preamble(access)).await
    }

    #[cfg(feature = "metering")]
    async fn begin_ledger(&self, access: Access) -> sqlx::Result<Session> {
        self.begun(&self.ledger_preamble(access)).await
    }

    #[cfg(feature = "billing")]
    async fn begin_billing(&self, access: Access, locks: &[i64]) -> sqlx::Result<Session> {
        self.begun(&self.billing_preamble(access, locks)).await
    }

    fn given(parameter: u8, columns: &[(&str, Kind)]) -> String {
        let columns = columns.iter().map(|(name, kind)| {
            let kind = match kind {
                Kind::Uuid => "uuid",
                Kind::Int => "bigint",
                Kind::Text | Kind::AnyText => "text",
                Kind::Blob => "bytea",
                Kind::Float => "double precision",
            };
            format!("{name} {kind}")
        });
        let columns: Vec<_> = columns.collect();
        format!("json_to_recordset(${parameter}::json) AS given ({})", columns.join(", "))
    }

    /// As it is stored: the server knows no U+0000 in JSON either.
    fn listed(text: &str) -> String {
        text::stored(text.to_owned())
    }

    fn bound(_columns: usize) -> Option<(std::num::NonZeroUsize, String)> {
        None
    }

    fn kind(error: &dyn DatabaseError) -> StoreErrorKind {
        error::kind(error)
    }

    fn made_way(error: &dyn DatabaseError) -> bool {
        error::made_way(error)
    }
}

/// A connection with a transaction.
///
/// Not the driver's own: that one forgets to roll back when it is dropped while it begins, and the lock that it then gets would be held
/// until the connection ends.
#[derive(Debug)]
pub struct Session {
    /// `None` once the transaction has ended.
    connection: Option<PoolConnection<Driver>>,
    engine: Engine,
    /// Whether the server has left a statement without an answer.
    silent: bool,
}

impl Session {
    fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("only what ends a session takes the connection")
    }

    /// What the server has answered. Its own time limit does not help where it hangs, or where the network swallows what it says: then
    /// the connection is given up, so that the next call gets another one.
    fn told<T>(&mut self, answer: Result<sqlx::Result<T>, Elapsed>) -> sqlx::Result<T> {
        answer.unwrap_or_else(|_| {
            self.silent = true;
            self.engine.ask_the_idle();
            Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer")))
        })
    }

    /// Throws the connection away.
    fn discard(mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Without a runtime the connection is closed, which ends the transaction, too.
        let Ok(_) = Handle::try_current() else { return drop(connection.detach()) };
        if self.silent {
            return give_up(connection);
        }
        let patience = self.engine.patience;
        // Whatever was under way is read to its end first.
        self.engine.home.spawn(async move {
            let rolled_back = timeout(patience, sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await;
            if !matches!(rolled_back, Ok(Ok(_))) {
                tracing::debug!("A transaction could not be rolled back; its connection is closed");
                connection.close_on_drop();
            }
        });
    }
}

fn query(statement: Statement) -> Query<'static, Driver, PgArguments> {
    statement.arguments.into_iter().fold(sqlx::query(AssertSqlSafe(statement.sql)), |query, argument| match argument {
        Argument::Int(value) => query.bind(value),
        Argument::Float(value) => query.bind(value),
        Argument::Text(value) => query.bind(value.map(text::stored)),
        Argument::Blob(value) => query.bind(value),
        Argument::Uuid(value) => query.bind(value),
    })
}

impl sql::Session for Session {
    type Row = PgRow;

    async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        let done = timeout(self.engine.patience, query(statement).execute(self.connection())).await;
        Ok(self.told(done)?.rows_affected())
    }

    async fn optional(&mut self, statement: Statement) -> sqlx::Result<Option<PgRow>> {
        let row = timeout(self.engine.patience, query(statement).fetch_optional(self.connection())).await;
        self.told(row)
    }

    async fn rows(&mut self, statement: Statement) -> sqlx::Result<Vec<PgRow>> {
        let rows = timeout(self.engine.patience, query(statement).fetch_all(self.connection())).await;
        self.told(rows)
    }

    #[cfg(feature = "tenancy")]
    async fn look_beyond(&mut self, beyond: bool) -> sqlx::Result<()> {
        self.execute(Statement::new(if beyond { LOOK_BEYOND } else { LOOK_NO_FURTHER })).await.map(drop)
    }

    async fn commit(mut self) -> sqlx::Result<()> {
        let committed = timeout(self.engine.patience, sqlx::raw_sql("COMMIT").execute(self.connection())).await;
        self.told(committed)?;
        // Back into the pool as it is.
        self.connection.take();
        Ok(())
    }
}

impl sql::Row for PgRow {
    fn is_null(&self, column: &str) -> sqlx::Result<bool> {
        Ok(self.try_get_raw(column)?.is_null())
    }

    fn int(&self, column: &str) -> sqlx::Result<i64> {
        self.try_get(column)
    }

    fn float(&self, column: &str) -> sqlx::Result<f64> {
        self.try_get(column)
    }

    fn text(&self, column: &str) -> sqlx::Result<String> {
        self.try_get(column).map(text::given)
    }

    fn blob(&self, column: &str) -> sqlx::Result<&[u8]> {
        self.try_get(column)
    }

    fn uuid(&self, column: &str) -> sqlx::Result<Uuid> {
        self.try_get(column)
    }
}
