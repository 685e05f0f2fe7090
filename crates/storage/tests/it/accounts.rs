//! The promises of the ports of `togglebox-auth`.

mod in_a_file {
    use togglebox_auth::testkit::AuthStores;

    use crate::database::{Lent, auth_stores};

    async fn fresh() -> Lent<AuthStores> {
        Lent::fresh(auth_stores).await
    }

    togglebox_auth::auth_store_suite!(fresh);
}

mod long_lists {
    use togglebox_auth::testkit::AuthStores;
    use togglebox_storage::Durability;

    use crate::database::{Lent, auth_stores};

    /// Makes long lists without waiting for the disk.
    async fn fresh() -> Lent<AuthStores> {
        Lent::fresh_with(|options| options.with_durability(Durability::ProcessEnd), auth_stores).await
    }

    togglebox_auth::auth_paging_suite!(fresh);
}

mod in_memory {
    use togglebox_auth::testkit::AuthStores;
    use togglebox_storage::Sqlite;

    use crate::database::auth_stores;

    async fn fresh() -> AuthStores {
        auth_stores(&Sqlite::in_memory().await.unwrap())
    }

    togglebox_auth::auth_store_suite!(fresh);
}
