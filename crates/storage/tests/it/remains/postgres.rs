//! Under row-level security.

use std::sync::Arc;

use togglebox_core::TenantId;
use togglebox_storage::Postgres;

use super::{Kit, TABLES, billed, metered, register};
use crate::transfer::postgres::Database;

struct OverPostgres {
    store: Arc<Postgres>,
    _database: Database,
}

impl Kit for OverPostgres {
    type Store = Postgres;
    const KINDS: &'static [&'static str] = TABLES;

    fn store(&self) -> &Arc<Postgres> {
        &self.store
    }

    async fn give_up(&self) {
        register::given_up(&self.store).await;
    }

    async fn meter(&self, owner: TenantId) {
        metered(&*self.store, owner).await;
    }

    async fn bill(&self, owner: TenantId) {
        billed(&*self.store, owner).await;
    }
}

async fn fresh() -> Option<OverPostgres> {
    let database = Database::fresh().await?;
    let store = Arc::new(database.store.clone());
    register::known(&store).await;
    Some(OverPostgres { store, _database: database })
}

super::ends_of_tenants!(fresh);
