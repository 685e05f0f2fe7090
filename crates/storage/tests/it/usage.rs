//! The promises of the ports of `togglebox-metering`.

mod in_a_file {
    use togglebox_metering::testkit::UsageStores;

    use super::usage_stores;
    use crate::database::Lent;

    async fn fresh() -> Lent<UsageStores> {
        Lent::fresh(usage_stores).await
    }

    togglebox_metering::usage_store_suite!(fresh);
}

mod in_memory {
    use togglebox_metering::testkit::UsageStores;
    use togglebox_storage::Sqlite;

    use super::usage_stores;

    async fn fresh() -> UsageStores {
        usage_stores(&Sqlite::in_memory().await.unwrap())
    }

    togglebox_metering::usage_store_suite!(fresh);
}

use std::sync::Arc;

use togglebox_metering::testkit::UsageStores;
use togglebox_storage::Sqlite;

fn usage_stores(store: &Sqlite) -> UsageStores {
    UsageStores::over(&Arc::new(store.clone()))
}
