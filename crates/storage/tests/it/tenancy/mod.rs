//! The promises of the ports of `togglebox-multitenancy`.

mod in_a_file {
    use togglebox_multitenancy::testkit::TenancyStores;

    use super::tenancy_stores;
    use crate::database::Lent;

    async fn fresh() -> Lent<TenancyStores> {
        Lent::fresh(tenancy_stores).await
    }

    togglebox_multitenancy::tenancy_store_suite!(fresh);
}

mod in_memory {
    use togglebox_multitenancy::testkit::TenancyStores;
    use togglebox_storage::Sqlite;

    use super::tenancy_stores;

    async fn fresh() -> TenancyStores {
        tenancy_stores(&Sqlite::in_memory().await.unwrap())
    }

    togglebox_multitenancy::tenancy_store_suite!(fresh);
}

use std::sync::Arc;

use togglebox_multitenancy::testkit::TenancyStores;
use togglebox_storage::Sqlite;

fn tenancy_stores(store: &Sqlite) -> TenancyStores {
    TenancyStores::over(&Arc::new(store.clone()))
}
