//! Renewals: licensed items in advance, metered ones for the period that has ended.

use crate::model::event::Snapshot;
use crate::model::invoice::{Line, Reason};
use crate::model::subscription::{Item, Status};
use crate::world::{Thing, World};

use super::GRACE;

impl World {
    /// The next period of all items whose period is over.
    pub(super) fn renew(&mut self, id: &str) {
        let old = self.snapshot(Thing::Subscription(id));
        let Some(items) = self.subscriptions.get(id).map(|subscription| subscription.items.clone()) else { return };
        self.renew_into(id, items, &old);
    }

    /// A renewal after which the subscription has other items: what was used is billed by the old ones.
    pub(super) fn renew_into(&mut self, id: &str, items: Vec<Item>, old: &Snapshot) {
        let now = self.now();
        let Some(subscription) = self.subscriptions.get(id) else { return };
        let mut subscription = subscription.clone();
        let end = subscription.period_end();
        let over = |item: &&Item| item.period_end <= end;
        let start = subscription.items.iter().filter(over).map(|item| item.period_start).min().unwrap_or(end);
        let metered = subscription.items.iter().filter(over).filter(|item| self.is_metered(&item.price));
        let mut lines: Vec<Line> =
            metered.map(|item| self.line(&subscription.customer, item, (item.period_start, item.period_end))).collect();
        if self.main_interval(&items) != self.main_interval(&subscription.items) {
            subscription.anchor = end;
        }
        subscription.items = items;
        for item in subscription.items.iter_mut().filter(|item| item.period_end <= end) {
            let Some(interval) = self.interval_of(&item.price) else { continue };
            item.period_start = end;
            item.period_end = interval.next(subscription.anchor, end);
            if !self.is_metered(&item.price) {
                lines.push(self.line(&subscription.customer, item, (item.period_start, item.period_end)));
            }
        }
        let is_collected = subscription.status != Status::Unpaid;
        self.subscriptions.insert(id.to_owned(), subscription);
        let invoice = self.draft(id, Reason::Cycle, lines, (start, end)).unwrap_or_default();
        if let Some(invoice) = self.invoices.get_mut(&invoice) {
            invoice.auto_advance = is_collected;
            invoice.finalizes_at = is_collected.then_some(now + GRACE);
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), old);
        self.emit("invoice.created", Thing::Invoice(&invoice));
    }
}
