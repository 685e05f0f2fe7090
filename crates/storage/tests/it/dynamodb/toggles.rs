//! The promises of the ports of `togglebox-toggles`.

mod on_dynoxide {
    use togglebox_toggles::testkit::ToggleStores;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> ToggleStores {
        DYNOXIDE.stores().await
    }

    fn available() -> bool {
        DYNOXIDE.is_there()
    }

    togglebox_toggles::toggle_store_suite!(records of fresh, if available);
}

mod on_ministack {
    use togglebox_toggles::testkit::ToggleStores;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> ToggleStores {
        MINISTACK.stores().await
    }

    fn available() -> bool {
        MINISTACK.is_there()
    }

    togglebox_toggles::toggle_store_suite!(records of fresh, if available);
}
