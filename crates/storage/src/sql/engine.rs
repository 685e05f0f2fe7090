//! What the stores need of a database engine.

use std::fmt::Debug;
use std::future::Future;
use std::num::NonZeroUsize;

use sqlx::error::DatabaseError;
use togglebox_core::{StoreErrorKind, TenantId};
use uuid::Uuid;

use super::statement::Statement;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// One reading statement.
    Read,
    /// Several reading statements at one moment.
    Moment,
    /// Statements that read and write, while nobody else writes in the tenant.
    Write,
    /// Statements that add to counters. They need not wait for each other to be thought through, but never lose anything of each other.
    Count,
    /// The same of usage, while nobody closes minutes.
    #[cfg(feature = "metering")]
    Usage,
}

/// What a column of a list that is bound as JSON holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32 hexadecimal digits.
    Uuid,
    /// A whole number.
    Int,
    /// A text without control characters.
    Text,
    /// Any text, as [`Engine::listed`] writes it.
    AnyText,
    /// Hexadecimal digits after [`Engine::HEX`].
    Blob,
    /// A number.
    Float,
}

/// A database of one make. A clone is another handle on the same connections.
pub trait Engine: Clone + Debug + Send + Sync + 'static {
    /// A connection in use.
    type Session: Session;

    /// Its name, for people.
    const NAME: &'static str;

    /// What the hexadecimal digits of bytes begin with in a list.
    const HEX: &'static str;

    /// Names (`name`) every table that has a column `tenant`, as the database itself lists them.
    #[cfg(feature = "tenancy")]
    const TABLES_OF_TENANTS: &'static str;

    /// Begins a session. Nothing that it does reaches beyond the tenant.
    fn begin(&self, tenant: TenantId, access: Access) -> impl Future<Output = sqlx::Result<Self::Session>> + Send;

    /// Begins a session that adds to counters of several tenants, each once in the list: of as many of the first of them as nobody else is
    /// writing in, and of the very first as soon as it can be. Says how many. Nothing that it does reaches beyond the list.
    fn begin_together(&self, tenants: &[TenantId]) -> impl Future<Output = sqlx::Result<(Self::Session, usize)>> + Send;

    /// Begins a session of one statement that is of no tenant: it sees the revisions of every one, and changes nothing.
    fn begin_watch(&self) -> impl Future<Output = sqlx::Result<Self::Session>> + Send;

    /// Begins a session that is of no tenant: it sees what the register holds of every one, and changes only the sequence of changes.
    /// `Write` makes it lasting; nobody is kept waiting by its beginning.
    #[cfg(feature = "tenancy")]
    fn begin_register(&self, access: Access) -> impl Future<Output = sqlx::Result<Self::Session>> + Send;

    /// Begins a session that is of no tenant: it sees and changes the cells and hours of usage of every one. `Read`; `Count`, as many at
    /// once as like; `Write`, while nobody else counts usage anywhere.
    #[cfg(feature = "metering")]
    fn begin_ledger(&self, access: Access) -> impl Future<Output = sqlx::Result<Self::Session>> + Send;

    /// Begins a session that is of no tenant: it sees and changes what billing keeps of every one. `Read`; `Write`, while nobody else has one
    /// of these locks, which are in the order in which they are taken.
    #[cfg(feature = "billing")]
    fn begin_billing(&self, access: Access, locks: &[i64]) -> impl Future<Output = sqlx::Result<Self::Session>> + Send;

    /// As in `FROM …`: the rows, called `given`, of a list of objects that is bound as JSON text at `parameter`; in their order.
    fn given(parameter: u8, columns: &[(&str, Kind)]) -> String;

    /// A text as a list has it in a column of [`Kind::AnyText`].
    fn listed(text: &str) -> String;

    /// Where rows whose values are bound one by one are faster than a list: how many of them a statement is given, and they, of so many columns,
    /// as in `INSERT …`. Statements have as few texts as can be, so that they stay prepared: what is left over goes as a list.
    fn bound(columns: usize) -> Option<(NonZeroUsize, String)>;

    /// What an error that the database itself told means for the caller.
    fn kind(error: &dyn DatabaseError) -> StoreErrorKind;

    /// Whether the database undid everything only because others were at work. Then the same may work the next time.
    fn made_way(error: &dyn DatabaseError) -> bool;
}

/// A connection in use. Dropped without [`commit`](Self::commit), it leaves nothing behind.
pub trait Session: Send + 'static {
    /// A row of an answer.
    type Row: Row;

    /// Runs a statement; says how many rows it changed.
    fn execute(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// The first row, if there is one.
    fn optional(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<Option<Self::Row>>> + Send;

    /// Every row.
    fn rows(&mut self, statement: Statement) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Lets the statements that follow see what the register holds of every tenant, or no longer. What they may change stays.
    #[cfg(feature = "tenancy")]
    fn look_beyond(&mut self, beyond: bool) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes everything lasting.
    fn commit(self) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// A row, by the names of its columns. Each call fails when there is no such column, or it holds something else.
pub trait Row: Send + Sync + 'static {
    /// Whether nothing stands there.
    fn is_null(&self, column: &str) -> sqlx::Result<bool>;
    /// An integer of 64 bits.
    fn int(&self, column: &str) -> sqlx::Result<i64>;
    /// A floating-point number of 64 bits.
    fn float(&self, column: &str) -> sqlx::Result<f64>;
    /// A text.
    fn text(&self, column: &str) -> sqlx::Result<String>;
    /// Bytes.
    fn blob(&self, column: &str) -> sqlx::Result<&[u8]>;
    /// An id.
    fn uuid(&self, column: &str) -> sqlx::Result<Uuid>;
}

/// The row type of an engine.
pub(crate) type RowOf<E> = <<E as Engine>::Session as Session>::Row;
