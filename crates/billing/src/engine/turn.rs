//! One round of all the work that is due.

use togglebox_core::StoreResult;

use super::Billing;

/// How much there was to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Events.
    pub events: usize,
    /// Things outside of the store.
    pub effects: usize,
    /// Tenants who were given something.
    pub accounts: usize,
    /// Sign-ups.
    pub sign_ups: usize,
}

impl Turn {
    /// Everything together. Nothing: there is nothing to do before somebody writes, or time passes.
    pub const fn count(&self) -> usize {
        self.events + self.effects + self.accounts + self.sign_ups
    }
}

impl Billing {
    /// Does what is due. To be called again and again, on every node: what one has in hand the others leave.
    ///
    /// # Errors
    /// The store fails. What was begun is done by whoever calls next, here or elsewhere.
    pub async fn turn(&self) -> StoreResult<Turn> {
        let (events, sign_ups) = (self.work_events().await?, self.work_sign_ups().await?);
        let (accounts, effects) = (self.work_accounts().await?, self.work_effects().await?);
        Ok(Turn { events, effects, accounts, sign_ups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node works on billing in a task of its own.
    #[test]
    fn a_turn_may_go_from_thread_to_thread() {
        const fn goes<F: Send>(_: fn(&'static Billing) -> F) {}
        goes(Billing::turn);
        goes(Billing::schedule);
        goes(Billing::dead);
        goes(|billing| billing.end_all(togglebox_core::TenantId::DEFAULT));
    }
}
