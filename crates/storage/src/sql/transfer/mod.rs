//! Whole tenants, out and in: each table is told and written by one description of it.
//!
//! The register of all tenants stays behind: where a tenant is reached and who belongs to it is another service's business than that of
//! the one it came from. Its tables (`tenants` and what hangs on them) are in no file.

mod column;
mod dump;
mod restore;
mod table;
mod tables;

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId};

use self::dump::Telling;
use super::Database;
use super::engine::Engine;
use crate::transfer::{Dump, Record, Restored, Transfer};

#[cfg(test)]
pub(super) use self::dump::statements;

#[async_trait]
impl<E: Engine> Transfer for Database<E> {
    fn engine(&self) -> &'static str {
        E::NAME
    }

    async fn dump(&self, tenant: TenantId) -> StoreResult<Box<dyn Dump>> {
        Ok(Box::new(Telling::new(self.moment("transfer.dump", tenant).await?)))
    }

    async fn restore(&self, tenant: TenantId, records: &[Record]) -> StoreResult<Restored> {
        self.attempt(|| async {
            let mut call = self.unaudited("transfer.restore", tenant).await?;
            let restored = restore::all(&mut call, records).await?;
            call.commit().await?;
            Ok(restored)
        })
        .await
    }

    /// Nothing: no table keeps figures about another.
    async fn complete(&self, _tenant: TenantId) -> StoreResult<()> {
        Ok(())
    }
}
