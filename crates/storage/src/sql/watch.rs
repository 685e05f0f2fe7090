//! Asking after many tenants at once.

use serde::Serialize;
use togglebox_core::{StoreResult, TenantId};
use uuid::fmt::Simple;

use super::Database;
use super::call::json_text;
use super::engine::{Engine, Kind, RowOf};
use super::look::Look;
use super::statement::Statement;

/// A row of the list that is asked about.
#[derive(Serialize)]
struct Listed {
    tenant: Simple,
}

/// As in `FROM …`: the tenants that are asked about, as `given.tenant`.
pub(super) fn given<E: Engine>() -> String {
    E::given(1, &[("tenant", Kind::Uuid)])
}

impl<E: Engine> Database<E> {
    /// What a statement about the tenants in a list, its only parameter, tells.
    pub(super) async fn watch(&self, operation: &'static str, sql: String, tenants: &[TenantId]) -> StoreResult<Vec<RowOf<E>>> {
        let list: Vec<_> = tenants.iter().map(|tenant| Listed { tenant: tenant.as_uuid().simple() }).collect();
        let statement = Statement::new(sql).bind(json_text(operation, &list)?);
        Look::<E>::of(self.engine.begin_watch().await, operation)?.rows(statement).await
    }
}
