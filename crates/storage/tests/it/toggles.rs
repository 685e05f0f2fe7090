//! The promises of the ports of `togglebox-toggles`.

mod in_a_file {
    use togglebox_toggles::testkit::ToggleStores;

    use crate::database::{Lent, toggle_stores};

    async fn fresh() -> Lent<ToggleStores> {
        Lent::fresh(toggle_stores).await
    }

    togglebox_toggles::toggle_store_suite!(fresh);
}

mod in_memory {
    use togglebox_storage::Sqlite;
    use togglebox_toggles::testkit::ToggleStores;

    use crate::database::toggle_stores;

    async fn fresh() -> ToggleStores {
        toggle_stores(&Sqlite::in_memory().await.unwrap())
    }

    togglebox_toggles::toggle_store_suite!(fresh);
}
