//! A call that is of no one tenant.

use togglebox_core::StoreResult;

use super::engine::{Engine, RowOf, Session};
use super::error::failed;
use super::statement::Statement;

/// A call under way that belongs to no tenant, or to several, and sees what they have of the tables that it is for. Dropped without
/// [`commit`](Self::commit), it leaves nothing behind.
pub(super) struct Look<E: Engine> {
    session: E::Session,
    operation: &'static str,
}

impl<E: Engine> Look<E> {
    /// The call that a session was begun for.
    pub(super) fn of(session: sqlx::Result<E::Session>, operation: &'static str) -> StoreResult<Self> {
        Ok(Self { session: session.map_err(failed::<E>(operation))?, operation })
    }

    /// The name of the port call.
    pub(super) const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The first row of an answer, if there is one.
    #[cfg(any(feature = "metering", feature = "tenancy"))]
    pub(super) async fn optional(&mut self, statement: Statement) -> StoreResult<Option<RowOf<E>>> {
        self.session.optional(statement).await.map_err(failed::<E>(self.operation))
    }

    /// Every row of an answer.
    pub(super) async fn rows(&mut self, statement: Statement) -> StoreResult<Vec<RowOf<E>>> {
        self.session.rows(statement).await.map_err(failed::<E>(self.operation))
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> StoreResult<u64> {
        self.session.execute(statement).await.map_err(failed::<E>(self.operation))
    }

    /// Makes everything lasting.
    pub(super) async fn commit(self) -> StoreResult<()> {
        self.session.commit().await.map_err(failed::<E>(self.operation))
    }
}
