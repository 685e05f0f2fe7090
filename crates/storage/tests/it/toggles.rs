//! The promises of the ports of `togglebox-toggles`.

mod in_a_file {
    use togglebox_toggles::testkit::ToggleStores;

    use crate::database::{Lent, toggle_stores};

    async fn fresh() -> Lent<ToggleStores> {
        Lent::fresh(toggle_stores).await
    }

    togglebox_toggles::toggle_store_suite!(fresh);
}

mod long_lists {
    use togglebox_storage::Durability;
    use togglebox_toggles::testkit::ToggleStores;

    use crate::database::{Lent, toggle_stores};

    /// Makes long lists without waiting for the disk.
    async fn fresh() -> Lent<ToggleStores> {
        Lent::fresh_with(|options| options.with_durability(Durability::ProcessEnd), toggle_stores).await
    }

    togglebox_toggles::toggle_paging_suite!(fresh);
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
