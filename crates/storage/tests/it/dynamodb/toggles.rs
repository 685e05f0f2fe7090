//! The promises of the ports of `togglebox-toggles`.

mod on_dynoxide {
    use togglebox_toggles::testkit::ToggleStores;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> Option<ToggleStores> {
        if DYNOXIDE.is_there() { Some(DYNOXIDE.stores().await) } else { None }
    }

    togglebox_toggles::toggle_store_suite!(maybe fresh);
}

mod on_ministack {
    use togglebox_toggles::testkit::ToggleStores;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> Option<ToggleStores> {
        if MINISTACK.is_there() { Some(MINISTACK.stores().await) } else { None }
    }

    togglebox_toggles::toggle_store_suite!(maybe fresh);
}
