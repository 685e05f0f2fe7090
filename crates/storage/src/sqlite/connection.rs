//! The connections to a database: one that writes, a few that read.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};

use super::engine::Engine;
use super::error::is_busy;
use super::{SqliteOptions, migrations};
use crate::sql::Database;

/// Every store port over one SQLite database. A clone is another handle on the same connections.
///
/// Writes queue for a single connection and take the write lock when they begin, so that none fails half-way for want of it; reads
/// have connections of their own and never wait for a write. Another process may have the file open, too: its writes are waited for
/// like one's own.
///
/// A call that is dropped before it returns has either done all of its work or nothing.
pub type Sqlite = Database<Engine>;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be made.
    #[error("the file {path} could not be made")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there, but SQLite cannot use it.
    #[error("the database could not be opened")]
    Database(#[source] sqlx::Error),
    /// A newer version of the program has been at work here. Start that one, or restore a backup from before it.
    #[error("the database has schema {found}, but this version of the program knows only up to {known}: start the newer version")]
    FromTheFuture {
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// The schema could not be brought up to date. Nothing was changed.
    #[error("the database's schema could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

impl Sqlite {
    /// Opens a database, making it when it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing was changed then, apart from an empty file that may have been made.
    pub async fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        make_private(options.path())?;
        let connect = SqliteConnectOptions::new()
            .filename(options.path())
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout())
            .synchronous(options.durability().synchronous())
            .statement_cache_capacity(256);
        // A checkpoint shrinks a log that a burst has made longer than this.
        let write = connect.clone().journal_mode(SqliteJournalMode::Wal).pragma("journal_size_limit", "67108864");
        let writer = open_writer(&write, options.busy_timeout()).await.map_err(OpenError::Database)?;
        migrations::run(&writer).await?;
        let readers = pool(options.readers(), options.busy_timeout()).connect_lazy_with(connect.pragma("query_only", "ON"));
        Ok(Self { engine: Engine { writer, readers, patience: options.busy_timeout() } })
    }

    /// A database that lives and dies with its handles: for tests and trials. Reads wait for writes here.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn in_memory() -> Result<Self, OpenError> {
        let connect = SqliteConnectOptions::new().filename(":memory:").foreign_keys(true).statement_cache_capacity(256);
        let patience = Duration::from_secs(5);
        let only = pool(1, patience).connect_with(connect).await.map_err(OpenError::Database)?;
        migrations::run(&only).await?;
        Ok(Self { engine: Engine { writer: only.clone(), readers: only, patience } })
    }

    /// Writes the log back into the file and closes every connection, of all clones. Calls that come later answer `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` when the log could not be written back; it is kept, and read at the next start.
    pub async fn close(&self) -> StoreResult<()> {
        let Engine { writer, readers, .. } = &self.engine;
        let written_back = async {
            let mut connection = writer.acquire().await?;
            // Fresh figures for the query planner, where tables have grown since the last ones.
            sqlx::query("PRAGMA optimize").execute(&mut *connection).await?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await?;
            Ok::<(), sqlx::Error>(())
        };
        let outcome = written_back.await;
        readers.close().await;
        writer.close().await;
        outcome.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "sqlite.close").caused_by(error))
    }
}

/// Opens the writing connection. On a file that is still empty this changes its mode, which fails at once, without regard to the busy
/// time-out, when another program that starts is about the same: then it is tried again for as long.
async fn open_writer(options: &SqliteConnectOptions, busy_timeout: Duration) -> Result<SqlitePool, sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        let opened = pool(1, busy_timeout)
            // A transaction that SQLite itself has ended (a full disk) leaves the driver's count wrong: such a connection is replaced.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await;
        match opened {
            Err(error) if is_busy(&error) && waited < busy_timeout => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
        waited += PAUSE;
    }
}

/// Connections that are kept as long as the pool: making one anew gains nothing with SQLite.
fn pool(connections: u32, acquire_timeout: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Makes the file if it is not there, for its owner's eyes only: it holds password hashes. SQLite gives its side files the same mode.
///
/// A file that is there is not touched, not even opened: closing it again would drop the locks of this process's other connections
/// (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
fn make_private(path: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}
