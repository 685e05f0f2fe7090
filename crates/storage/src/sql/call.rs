//! The statements of one port call, all of one tenant.

use std::borrow::Cow;

use serde::Serialize;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_toggles::Scope;

use super::cells::Cells;
use super::engine::{Access, Engine, RowOf, Session};
use super::error::failed;
use super::statement::Statement;

/// A port call under way. Dropped without [`commit`](Self::commit), it leaves nothing behind.
pub(super) struct Call<E: Engine> {
    session: E::Session,
    operation: &'static str,
    tenant: TenantId,
}

impl<E: Engine> Call<E> {
    pub(super) async fn begin(engine: &E, operation: &'static str, tenant: TenantId, access: Access) -> StoreResult<Self> {
        let session = engine.begin(tenant, access).await.map_err(failed::<E>(operation))?;
        Ok(Self { session, operation, tenant })
    }

    /// The name of the port call.
    pub(super) const fn operation(&self) -> &'static str {
        self.operation
    }

    #[cfg(any(feature = "metering", feature = "tenancy"))]
    pub(super) const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// An error of this port call.
    pub(super) const fn error(&self, kind: StoreErrorKind) -> StoreError {
        StoreError::new(kind, self.operation)
    }

    /// A statement whose first parameter is the tenant, as it is of every statement.
    pub(super) fn statement(&self, sql: impl Into<Cow<'static, str>>) -> Statement {
        Statement::new(sql).bind(self.tenant)
    }

    /// A statement about an environment: the parameters 1 to 3.
    pub(super) fn within(&self, sql: &'static str, scope: &Scope) -> Statement {
        self.statement(sql).bind(scope.platform.as_str()).bind(scope.environment.as_str())
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> StoreResult<u64> {
        self.session.execute(statement).await.map_err(failed::<E>(self.operation))
    }

    /// The first row of an answer, if there is one.
    pub(super) async fn optional(&mut self, statement: Statement) -> StoreResult<Option<RowOf<E>>> {
        self.session.optional(statement).await.map_err(failed::<E>(self.operation))
    }

    /// Every row of an answer.
    pub(super) async fn rows(&mut self, statement: Statement) -> StoreResult<Vec<RowOf<E>>> {
        self.session.rows(statement).await.map_err(failed::<E>(self.operation))
    }

    /// Lets the statements that follow see what the register holds of every tenant, or no longer.
    #[cfg(feature = "tenancy")]
    pub(super) async fn look_beyond(&mut self, beyond: bool) -> StoreResult<()> {
        self.session.look_beyond(beyond).await.map_err(failed::<E>(self.operation))
    }

    /// The number that a statement answers in the column `count`.
    pub(super) async fn count(&mut self, statement: Statement) -> StoreResult<u64> {
        let row = self.optional(statement).await?.ok_or_else(|| self.error(StoreErrorKind::Corrupt))?;
        Cells::new(&row, self.operation, "count", "count").get("count")
    }

    /// JSON text. Nothing that is stored has a map with other keys than texts, so this fails only on a programming error, which is
    /// reported rather than hidden.
    pub(super) fn json(&self, value: &impl Serialize) -> StoreResult<String> {
        json_text(self.operation, value)
    }

    /// JSON text of a value that may be absent.
    pub(super) fn optional_json(&self, value: Option<&impl Serialize>) -> StoreResult<Option<String>> {
        value.map(|value| self.json(value)).transpose()
    }

    /// Makes everything lasting.
    pub(super) async fn commit(self) -> StoreResult<()> {
        self.session.commit().await.map_err(failed::<E>(self.operation))
    }
}

/// JSON text for a port call.
pub(super) fn json_text(operation: &'static str, value: &(impl Serialize + ?Sized)) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::new(StoreErrorKind::Refused("document"), operation).caused_by(error))
}
