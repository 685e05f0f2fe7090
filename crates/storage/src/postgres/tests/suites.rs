//! The promises of the ports.

mod accounts {
    use std::sync::Arc;

    use togglebox_auth::testkit::AuthStores;

    use super::super::server::Opened;

    struct Lent {
        stores: AuthStores,
        _opened: Opened,
    }

    impl AsRef<AuthStores> for Lent {
        fn as_ref(&self) -> &AuthStores {
            &self.stores
        }
    }

    async fn fresh() -> Option<Lent> {
        let opened = Opened::fresh().await?;
        let stores = AuthStores::over(&Arc::new(opened.store.clone()));
        Some(Lent { stores, _opened: opened })
    }

    togglebox_auth::auth_store_suite!(maybe fresh);
    togglebox_auth::auth_paging_suite!(maybe fresh);
}

mod toggles {
    use std::sync::Arc;

    use togglebox_toggles::testkit::ToggleStores;

    use super::super::server::Opened;

    struct Lent {
        stores: ToggleStores,
        _opened: Opened,
    }

    impl AsRef<ToggleStores> for Lent {
        fn as_ref(&self) -> &ToggleStores {
            &self.stores
        }
    }

    async fn fresh() -> Option<Lent> {
        let opened = Opened::fresh().await?;
        let stores = ToggleStores::over(&Arc::new(opened.store.clone()));
        Some(Lent { stores, _opened: opened })
    }

    togglebox_toggles::toggle_store_suite!(maybe fresh);
    togglebox_toggles::toggle_paging_suite!(maybe fresh);
}

#[cfg(feature = "tenancy")]
mod tenancy {
    use std::sync::Arc;

    use togglebox_multitenancy::testkit::TenancyStores;

    use super::super::server::Opened;

    struct Lent {
        stores: TenancyStores,
        _opened: Opened,
    }

    impl AsRef<TenancyStores> for Lent {
        fn as_ref(&self) -> &TenancyStores {
            &self.stores
        }
    }

    async fn fresh() -> Option<Lent> {
        let opened = Opened::fresh().await?;
        let stores = TenancyStores::over(&Arc::new(opened.store.clone()));
        Some(Lent { stores, _opened: opened })
    }

    togglebox_multitenancy::tenancy_store_suite!(maybe fresh);
}

#[cfg(feature = "metering")]
mod usage {
    use std::sync::Arc;

    use togglebox_metering::testkit::UsageStores;

    use super::super::server::Opened;

    struct Lent {
        stores: UsageStores,
        _opened: Opened,
    }

    impl AsRef<UsageStores> for Lent {
        fn as_ref(&self) -> &UsageStores {
            &self.stores
        }
    }

    async fn fresh() -> Option<Lent> {
        let opened = Opened::fresh().await?;
        let stores = UsageStores::over(&Arc::new(opened.store.clone()));
        Some(Lent { stores, _opened: opened })
    }

    togglebox_metering::usage_store_suite!(maybe fresh);
}

#[cfg(feature = "billing")]
mod billing {
    use std::sync::Arc;

    use togglebox_billing::testkit::BillingStores;

    use super::super::server::Opened;

    struct Lent {
        stores: BillingStores,
        _opened: Opened,
    }

    impl AsRef<BillingStores> for Lent {
        fn as_ref(&self) -> &BillingStores {
            &self.stores
        }
    }

    async fn fresh() -> Option<Lent> {
        let opened = Opened::fresh().await?;
        let stores = BillingStores::over(&Arc::new(opened.store.clone()));
        Some(Lent { stores, _opened: opened })
    }

    togglebox_billing::billing_store_suite!(maybe fresh);
}
