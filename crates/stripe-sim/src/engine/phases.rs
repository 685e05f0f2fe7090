//! Schedules: from phase to phase.

use crate::model::schedule::{Phase, ScheduleStatus};
use crate::model::subscription::{Item, Subscription};
use crate::world::{Thing, World};

impl World {
    /// The current phase is over: the next one, or the schedule's end.
    pub(super) fn end_phase(&mut self, id: &str) {
        let old = self.snapshot(Thing::Schedule(id));
        let Some(schedule) = self.schedules.get_mut(id) else { return };
        let Some(subscription) = schedule.subscription.clone() else { return };
        if schedule.current + 1 < schedule.phases.len() {
            schedule.current += 1;
            let phase = schedule.phases[schedule.current].clone();
            self.enter_phase(&subscription, &phase);
            self.emit_update("subscription_schedule.updated", Thing::Schedule(id), &old);
        } else if schedule.cancels_at_end {
            self.finish_schedule(id);
            if let Some(subscription) = self.subscriptions.get_mut(&subscription) {
                subscription.schedule = None;
            }
            self.cancel_as_planned(&subscription);
        } else {
            self.release_schedule(id);
        }
    }

    fn finish_schedule(&mut self, id: &str) {
        let now = self.now();
        if let Some(schedule) = self.schedules.get_mut(id) {
            schedule.status = ScheduleStatus::Completed;
            schedule.completed_at = Some(now);
        }
        self.emit("subscription_schedule.completed", Thing::Schedule(id));
    }

    /// The subscription has what the phase says. Prorated where the phase does not begin with a period.
    fn enter_phase(&mut self, id: &str, phase: &Phase) {
        let old = self.snapshot(Thing::Subscription(id));
        let Some(subscription) = self.subscriptions.get(id) else { return };
        let mut subscription = subscription.clone();
        let items = self.phase_items(&subscription, phase);
        for (key, value) in &phase.metadata {
            subscription.metadata.insert(key.clone(), value.clone());
        }
        if subscription.status.renews() && subscription.period_end() <= phase.start {
            self.subscriptions.insert(id.to_owned(), subscription);
            return self.renew_into(id, items, &old);
        }
        if phase.proration_behavior != "none" && subscription.status.renews() {
            let lines = self.proration_lines(&subscription, &items, phase.start);
            self.add_invoice_items(&subscription, lines);
        }
        subscription.items = items;
        self.subscriptions.insert(id.to_owned(), subscription);
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
    }

    /// The items of the phase: in place of those that are there, in order.
    fn phase_items(&mut self, subscription: &Subscription, phase: &Phase) -> Vec<Item> {
        let now = self.now();
        let mut items = Vec::new();
        for (index, wanted) in phase.items.iter().enumerate() {
            let same = subscription.items.iter().find(|item| item.price == wanted.price);
            let metered = self.is_metered(&wanted.price);
            let place = same.or_else(|| subscription.items.get(index).filter(|item| self.is_metered(&item.price) == metered));
            let quantity = if metered { None } else { Some(wanted.quantity.unwrap_or(1)) };
            let fresh = Item {
                id: String::new(),
                created: now,
                price: wanted.price.clone(),
                quantity,
                metadata: crate::form::Pairs::new(),
                period_start: subscription.period_start(),
                period_end: subscription.period_end(),
            };
            let mut item = place.cloned().map_or(fresh, |item| Item { price: wanted.price.clone(), quantity, ..item });
            if item.id.is_empty() {
                item.id = self.ids.next("si");
            }
            items.push(item);
        }
        items
    }

    /// The subscription goes on without its schedule.
    pub(crate) fn release_schedule(&mut self, id: &str) {
        let now = self.now();
        let Some(schedule) = self.schedules.get_mut(id) else { return };
        schedule.status = ScheduleStatus::Released;
        schedule.released_at = Some(now);
        schedule.released_subscription = schedule.subscription.take();
        let subscription = schedule.released_subscription.clone();
        self.emit("subscription_schedule.released", Thing::Schedule(id));
        let Some(subscription) = subscription else { return };
        let old = self.snapshot(Thing::Subscription(&subscription));
        if let Some(subscription) = self.subscriptions.get_mut(&subscription) {
            subscription.schedule = None;
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(&subscription), &old);
    }

    /// The schedule is over because its subscription is.
    pub(crate) fn cancel_schedule_record(&mut self, id: &str) {
        let now = self.now();
        let Some(schedule) = self.schedules.get_mut(id) else { return };
        if schedule.status == ScheduleStatus::Active {
            schedule.status = ScheduleStatus::Canceled;
            schedule.canceled_at = Some(now);
            self.emit("subscription_schedule.canceled", Thing::Schedule(id));
        }
    }
}
