//! Tenants: the promises of the ports of `togglebox-multitenancy`, and what only DynamoDB promises.

mod costs;
mod endings;
mod fixtures;
mod races;

use std::sync::Arc;

use togglebox_multitenancy::testkit::TenancyStores;

use super::server::Server;

/// The ports over a new table.
async fn stores(server: Server) -> TenancyStores {
    TenancyStores::over(&Arc::new(server.table().await.0))
}

mod on_dynoxide {
    use togglebox_multitenancy::testkit::TenancyStores;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> Option<TenancyStores> {
        if DYNOXIDE.is_there() { Some(super::stores(DYNOXIDE).await) } else { None }
    }

    togglebox_multitenancy::tenancy_store_suite!(maybe fresh);
}

mod on_ministack {
    use togglebox_multitenancy::testkit::TenancyStores;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> Option<TenancyStores> {
        if MINISTACK.is_there() { Some(super::stores(MINISTACK).await) } else { None }
    }

    togglebox_multitenancy::tenancy_store_suite!(maybe fresh);
}
