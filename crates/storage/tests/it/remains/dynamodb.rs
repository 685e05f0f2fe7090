//! One table for all tenants.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use togglebox_core::TenantId;
use togglebox_metering::store::UsageSink as _;
use togglebox_metering::{Cell, Minute, Series, WriterId};
use togglebox_storage::DynamoDb;

use super::{A, B, Kit, billed, metered};
use crate::dynamodb::server::{DYNOXIDE, MINISTACK, Server};

struct OverDynamoDb {
    store: Arc<DynamoDb>,
    client: Client,
    table: String,
}

impl OverDynamoDb {
    async fn fresh(server: Server) -> Option<Self> {
        if !server.is_there() {
            return None;
        }
        let (store, options) = server.table().await;
        let kit = Self { store: Arc::new(store), client: server.client(), table: options.table().to_owned() };
        for tenant in [A, B] {
            kit.known(tenant, false).await;
        }
        Some(kit)
    }

    /// The register's record of a tenant, as far as the end of a tenant looks at it.
    async fn known(&self, tenant: TenantId, purged: bool) {
        let mut put = self.client.put_item().table_name(&self.table);
        put = put.item("PK", AttributeValue::S(format!("T#{tenant}#TENANT"))).item("SK", AttributeValue::S("META".to_owned()));
        if purged {
            put = put.item("purged_at", AttributeValue::N("0".to_owned()));
        }
        put.send().await.unwrap();
    }
}

impl Kit for OverDynamoDb {
    type Store = DynamoDb;
    const KINDS: &'static [&'static str] = &[
        "ACCOUNTS", "ATTEMPTS", "AUDIT", "BATCH", "BILLING", "DIR", "EMAIL", "ENV", "EVENT", "KEY", "KEYHASH", "KEYS", "RESET",
        "SESSION", "SESSIONS", "STAT", "USAGE", "USER", "USERS",
    ];

    fn store(&self) -> &Arc<DynamoDb> {
        &self.store
    }

    async fn give_up(&self) {
        self.known(A, true).await;
    }

    async fn meter(&self, owner: TenantId) {
        metered(&*self.store, owner).await;
        // An hour that is still to be rolled up stands in a list of the installation.
        let series = Series::plain("api.requests".parse().unwrap());
        let (minute, writer) = (Minute::EPOCH.plus(60), WriterId::from_u128(owner.as_uuid().as_u128() << 64));
        self.store.merge_cells(&[Cell { tenant: owner, series, minute, writer, total: 5 }]).await.unwrap();
    }

    async fn bill(&self, owner: TenantId) {
        billed(&*self.store, owner).await;
    }
}

async fn dynoxide() -> Option<OverDynamoDb> {
    OverDynamoDb::fresh(DYNOXIDE).await
}

async fn ministack() -> Option<OverDynamoDb> {
    OverDynamoDb::fresh(MINISTACK).await
}

mod on_dynoxide {
    super::super::ends_of_tenants!(super::dynoxide);
}

mod on_ministack {
    super::super::ends_of_tenants!(super::ministack);
}
