//! Asking after many tenants at once.

use serde::Serialize;
use togglebox_core::{StoreResult, TenantId};
use uuid::fmt::Simple;

use super::Database;
use super::call::json_text;
use super::engine::{Engine, Kind, RowOf};
use super::look::Look;
use super::statement::Statement;

/// A row of a list that is asked about.
#[derive(Serialize)]
struct Listed {
    tenant: Simple,
}

/// As in `FROM …`: the tenants that are asked about, as `given.tenant`.
pub(super) fn given<E: Engine>() -> String {
    E::given(1, &[("tenant", Kind::Uuid)])
}

/// The list that such a statement is given.
pub(super) fn listed(operation: &'static str, tenants: &[TenantId]) -> StoreResult<String> {
    let list: Vec<_> = tenants.iter().map(|tenant| Listed { tenant: tenant.as_uuid().simple() }).collect();
    json_text(operation, &list)
}

impl<E: Engine> Database<E> {
    /// What a statement about the tenants in a list, its only parameter, tells.
    pub(super) async fn watch(&self, operation: &'static str, sql: String, tenants: &[TenantId]) -> StoreResult<Vec<RowOf<E>>> {
        let statement = Statement::new(sql).bind(listed(operation, tenants)?);
        Look::<E>::of(self.engine.begin_watch().await, operation)?.rows(statement).await
    }
}
