//! The promises of the port of `togglebox-billing`.

mod in_a_file {
    use togglebox_billing::testkit::BillingStores;

    use super::billing_stores;
    use crate::database::Lent;

    async fn fresh() -> Lent<BillingStores> {
        Lent::fresh(billing_stores).await
    }

    togglebox_billing::billing_store_suite!(fresh);
}

mod in_memory {
    use togglebox_billing::testkit::BillingStores;
    use togglebox_storage::Sqlite;

    use super::billing_stores;

    async fn fresh() -> BillingStores {
        billing_stores(&Sqlite::in_memory().await.unwrap())
    }

    togglebox_billing::billing_store_suite!(fresh);
}

use std::sync::Arc;

use togglebox_billing::testkit::BillingStores;
use togglebox_storage::Sqlite;

fn billing_stores(store: &Sqlite) -> BillingStores {
    BillingStores::over(&Arc::new(store.clone()))
}
