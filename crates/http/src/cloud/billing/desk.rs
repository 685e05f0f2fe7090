//! Where routes bring what is about money.

use std::sync::Arc;

use togglebox_billing::Billing;
use tokio::sync::Notify;

use super::super::services::CloudServices;
use crate::error::{ApiError, Code, Result};

/// Billing, and what wakes whoever works on what routes have written down for it.
#[derive(Clone, Debug)]
pub struct BillingDesk {
    /// Billing.
    pub billing: Arc<Billing>,
    /// Told whenever there may be something to do: [`Billing::turn`] need not wait for its time. One wake is kept for a loop that is busy
    /// (`notify_one`), so that one loop on each node may wait for it.
    pub wake: Arc<Notify>,
}

impl BillingDesk {
    /// Of this billing; nobody waits yet.
    pub fn new(billing: Arc<Billing>) -> Self {
        Self { billing, wake: Arc::default() }
    }

    /// Something was written down.
    pub(in crate::cloud) fn wake(&self) {
        self.wake.notify_one();
    }
}

impl CloudServices {
    /// Where what is about money is brought.
    pub(in crate::cloud) fn desk(&self) -> Result<&BillingDesk> {
        self.billing.as_ref().ok_or_else(|| ApiError::new(Code::NotFound, "Nothing is charged here"))
    }
}
