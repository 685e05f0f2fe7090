//! The promises of the port.

mod one_server {
    use togglebox_ratelimit::testkit::Limits;

    use crate::redis::{fresh_at, server};

    async fn fresh() -> Option<Limits> {
        Some(fresh_at(&server::shared()?).await)
    }

    togglebox_ratelimit::limit_store_suite!(maybe fresh);
}

mod cluster {
    use togglebox_ratelimit::testkit::Limits;

    use crate::redis::{fresh_at, server};

    async fn fresh() -> Option<Limits> {
        let addresses = server::variable("TOGGLEBOX_TEST_REDIS_CLUSTER")?;
        Some(fresh_at(&format!("redis-cluster://{addresses}")).await)
    }

    togglebox_ratelimit::limit_store_suite!(maybe fresh);
}
