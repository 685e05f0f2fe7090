//! The promises of the ports of `togglebox-auth`.

mod on_dynoxide {
    use togglebox_auth::testkit::AuthStores;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> Option<AuthStores> {
        if DYNOXIDE.is_there() { Some(DYNOXIDE.accounts().await) } else { None }
    }

    togglebox_auth::auth_store_suite!(maybe fresh);
}

mod on_ministack {
    use togglebox_auth::testkit::AuthStores;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> Option<AuthStores> {
        if MINISTACK.is_there() { Some(MINISTACK.accounts().await) } else { None }
    }

    togglebox_auth::auth_store_suite!(maybe fresh);
}
