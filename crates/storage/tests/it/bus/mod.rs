//! The change buses against their suite, and what each promises by itself.

#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_server;

mod local {
    use std::sync::Arc;

    use togglebox_core::testkit::BusPair;
    use togglebox_core::{ChangeBus, LocalBus};

    #[expect(clippy::unused_async, reason = "as the suite asks for it")]
    async fn fresh() -> Option<BusPair> {
        let here: Arc<dyn ChangeBus> = Arc::new(LocalBus::default());
        Some(BusPair { there: Arc::clone(&here), here })
    }

    togglebox_core::change_bus_suite!(fresh);
}
