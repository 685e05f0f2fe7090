//! Workspaces go and come back, and their subscriptions with them.
//!
//! A workspace and its subscription are in two places, and a process may end between the two. So that its subscription ends is written down
//! first (billing does it then, whatever happens here), and then the workspace is deleted: what a crash leaves between the two is a workspace
//! whose subscription ends with its period, which its admins see and can take back. In the other order it would be one that is gone and goes
//! on being charged, which nobody sees. After a deletion that was refused, the subscription goes on.

use togglebox_core::{Actor, Revision, TenantId};
use togglebox_multitenancy::Tenant;

use super::super::failure::tenancy;
use super::super::services::CloudServices;
use super::failure::billing;
use crate::error::Result;

impl CloudServices {
    /// Deletes a workspace; its subscription ends with the period.
    pub(in crate::cloud) async fn delete(&self, tenant: TenantId, actor: &Actor, expected: Option<Revision>) -> Result<Tenant> {
        let delete = || self.tenancy.delete(tenant, actor, expected);
        let Some(desk) = &self.billing else { return delete().await.map_err(tenancy) };
        let found = self.tenancy.tenant(tenant).await.map_err(tenancy)?;
        if found.standing.deletion.is_some() || expected.is_some_and(|expected| expected != found.version) {
            return delete().await.map_err(tenancy);
        }
        desk.billing.leave(tenant).await.map_err(billing)?;
        let deleted = delete().await;
        match &deleted {
            // Somebody whose deletion was refused at the same time may have taken it back.
            Ok(_) => {
                if let Err(error) = desk.billing.leave(tenant).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(%tenant, error, "Whether the subscription of workspace {tenant} ends is not known");
                }
            }
            Err(_) => self.stay(tenant).await,
        }
        desk.wake();
        deleted.map_err(tenancy)
    }

    /// Brings a deleted workspace back; its subscription goes on. Where that cannot be done now, its admins can.
    pub(in crate::cloud) async fn restore(&self, tenant: TenantId, actor: &Actor, expected: Option<Revision>) -> Result<Tenant> {
        let restored = self.tenancy.restore(tenant, actor, expected).await.map_err(tenancy)?;
        self.come_back(tenant).await;
        Ok(restored)
    }

    /// Takes back that the subscription ends, of a workspace that is there after all.
    async fn stay(&self, tenant: TenantId) {
        let is_there = self.tenancy.tenant(tenant).await.is_ok_and(|tenant| tenant.standing.deletion.is_none());
        // Otherwise it is gone, or nobody knows: then its admins see that it ends.
        if is_there {
            self.come_back(tenant).await;
        }
    }

    async fn come_back(&self, tenant: TenantId) {
        let Some(desk) = &self.billing else { return };
        if let Err(error) = desk.billing.come_back(tenant).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%tenant, error, "The subscription of workspace {tenant} ends unless an admin resumes it");
        }
        desk.wake();
    }
}
