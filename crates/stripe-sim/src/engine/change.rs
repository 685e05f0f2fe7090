//! Changes of a subscription: computed first, so that a preview and the real thing cannot differ, and then applied.

use crate::calendar::Interval;
use crate::error::{ApiError, ApiResult};
use crate::form::{Pairs, merge};
use crate::model::event::Snapshot;
use crate::model::invoice::{Line, Reason};
use crate::model::subscription::{Item, PendingUpdate, Status, Subscription};
use crate::money::prorate;
use crate::world::{Thing, World};

use super::payment::{Charged, Force};
use super::{GRACE, TO_PAY};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Proration {
    #[default]
    Create,
    InvoiceNow,
    None,
}

impl Proration {
    pub(crate) const WORDS: [&'static str; 3] = ["create_prorations", "always_invoice", "none"];

    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "always_invoice" => Self::InvoiceNow,
            "none" => Self::None,
            _ => Self::Create,
        }
    }
}

/// What happens when the payment for a change does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::enum_variant_names, reason = "the words of the API")]
pub(crate) enum PaymentBehavior {
    #[default]
    AllowIncomplete,
    DefaultIncomplete,
    ErrorIfIncomplete,
    PendingIfIncomplete,
}

impl PaymentBehavior {
    pub(crate) const WORDS: [&'static str; 4] =
        ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"];

    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "default_incomplete" => Self::DefaultIncomplete,
            "error_if_incomplete" => Self::ErrorIfIncomplete,
            "pending_if_incomplete" => Self::PendingIfIncomplete,
            _ => Self::AllowIncomplete,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ItemChange {
    pub(crate) id: Option<String>,
    pub(crate) price: Option<String>,
    pub(crate) quantity: Option<i64>,
    pub(crate) deleted: bool,
    pub(crate) metadata: Pairs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrialEnd {
    Now,
    At(i64),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeRequest {
    pub(crate) items: Vec<ItemChange>,
    pub(crate) proration: Proration,
    pub(crate) proration_date: Option<i64>,
    pub(crate) anchor_now: bool,
    pub(crate) trial_end: Option<TrialEnd>,
}

impl ChangeRequest {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.anchor_now && self.trial_end.is_none()
    }
}

/// A change, computed.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) items: Vec<Item>,
    pub(crate) anchor: i64,
    pub(crate) trial_end: Option<i64>,
    pub(crate) status: Status,
    pub(crate) lines: Vec<Line>,
    /// Billed at once, rather than with the next invoice.
    pub(crate) bill_now: bool,
    /// The period of that invoice.
    pub(crate) period: (i64, i64),
}

impl World {
    /// What `request` would make of a subscription.
    pub(crate) fn compute_change(&mut self, subscription: &Subscription, request: &ChangeRequest) -> ApiResult<Change> {
        let now = self.now();
        let at = request.proration_date.unwrap_or(now);
        if !(subscription.period_start()..=subscription.period_end()).contains(&at) {
            return Err(ApiError::parameter(
                "proration_date",
                "Invalid proration_date: must be within the current billing period.",
            ));
        }
        let mut items = self.changed_items(subscription, request)?;
        let trialing = subscription.status == Status::Trialing;
        let mut change = Change {
            items: Vec::new(),
            anchor: subscription.anchor,
            trial_end: subscription.trial_end,
            status: subscription.status,
            lines: Vec::new(),
            bill_now: false,
            period: (at, at),
        };
        if let Some(TrialEnd::At(end)) = request.trial_end {
            if end <= now {
                return Err(ApiError::parameter(
                    "trial_end",
                    "Invalid timestamp: must be an integer Unix timestamp in the future",
                ));
            }
            if !trialing && request.proration != Proration::None {
                change.lines = self.credit_lines(subscription, &subscription.items, at);
            }
            for item in &mut items {
                item.period_start = now;
                item.period_end = end;
            }
            change.trial_end = Some(end);
            change.status = Status::Trialing;
            change.anchor = end;
        } else if trialing && request.trial_end.is_none() && !request.anchor_now {
            // Nothing has been paid: nothing is given back.
        } else if trialing || request.anchor_now || self.main_interval(&items) != self.main_interval(&subscription.items) {
            change.lines = self.new_cycle(subscription, &mut items, at, request.proration != Proration::None && !trialing);
            change.anchor = at;
            change.bill_now = true;
            if trialing {
                change.trial_end = Some(now);
                change.status = Status::Active;
            }
        } else if request.proration != Proration::None {
            change.lines = self.proration_lines(subscription, &items, at);
        }
        if request.proration == Proration::InvoiceNow {
            change.bill_now |= !change.lines.is_empty() || !self.waiting_lines(&subscription.id).is_empty();
        }
        change.items = items;
        Ok(change)
    }

    /// The interval of what is paid in advance.
    pub(super) fn main_interval(&self, items: &[Item]) -> Option<Interval> {
        let licensed = items.iter().find(|item| !self.is_metered(&item.price)).or(items.first());
        licensed.and_then(|item| self.interval_of(&item.price))
    }

    fn changed_items(&mut self, subscription: &Subscription, request: &ChangeRequest) -> ApiResult<Vec<Item>> {
        let now = self.now();
        let mut items = subscription.items.clone();
        for (index, change) in request.items.iter().enumerate() {
            let name = |key: &str| format!("items[{index}][{key}]");
            let metered = match &change.price {
                None => false,
                Some(id) => {
                    let price = self.prices.get(id).ok_or_else(|| ApiError::missing_in(name("price"), "price", id))?;
                    if price.recurring.is_none() || !price.active || price.currency != subscription.currency {
                        return Err(ApiError::parameter(name("price"), format!("The price specified cannot be used here: {id}")));
                    }
                    price.meter().is_some()
                }
            };
            if metered && change.quantity.is_some() {
                return Err(ApiError::parameter(name("quantity"), "You cannot specify `quantity` with a metered price."));
            }
            let Some(id) = &change.id else {
                let price = change.price.clone().ok_or_else(|| ApiError::required(name("price")))?;
                if items.iter().any(|item| item.price == price) {
                    let message = "Cannot add multiple subscription items with the same plan.";
                    return Err(ApiError::parameter(name("price"), message));
                }
                // Periods as the others have them, where they are billed alike.
                let interval = self.interval_of(&price);
                let alike = items.iter().find(|item| self.interval_of(&item.price) == interval);
                let end = alike.map_or_else(|| interval.map_or(now, |interval| interval.after(now, 1)), |item| item.period_end);
                let start = alike.map_or(now, |item| item.period_start);
                items.push(Item {
                    id: self.ids.next("si"),
                    created: now,
                    price,
                    quantity: if metered { None } else { Some(change.quantity.unwrap_or(1)) },
                    metadata: change.metadata.clone(),
                    period_start: start,
                    period_end: end,
                });
                continue;
            };
            let place = items.iter().position(|item| item.id == *id);
            let place = place.ok_or_else(|| ApiError::missing_in(name("id"), "subscription_item", id))?;
            if change.deleted {
                items.remove(place);
                continue;
            }
            let item = &mut items[place];
            if let Some(price) = &change.price {
                item.price.clone_from(price);
                item.quantity = if metered { None } else { item.quantity.or(Some(1)) };
            }
            if change.quantity.is_some() {
                item.quantity = change.quantity;
            }
            merge(&mut item.metadata, change.metadata.clone());
        }
        if items.is_empty() {
            return Err(ApiError::parameter("items", "A subscription must have at least one active plan."));
        }
        Ok(items)
    }

    /// Credit for what goes and charge for what comes, for the seconds that are left. Metered items are not prorated.
    pub(super) fn proration_lines(&self, subscription: &Subscription, items: &[Item], at: i64) -> Vec<Line> {
        let same = |one: &Item, other: &Item| one.id == other.id && one.price == other.price && one.quantity == other.quantity;
        let gone: Vec<Item> = subscription.items.iter().filter(|old| !items.iter().any(|new| same(old, new))).cloned().collect();
        let come = items.iter().filter(|new| !subscription.items.iter().any(|old| same(old, new)));
        let mut lines = self.credit_lines(subscription, &gone, at);
        lines.extend(come.filter(|item| !self.is_metered(&item.price)).map(|item| {
            let line = self.line(&subscription.customer, item, (at, item.period_end));
            let amount = prorate(line.amount, item.period_end - at, item.period_end - item.period_start);
            Line { amount, proration: true, description: format!("Remaining time on {}", line.description), ..line }
        }));
        lines
    }

    fn credit_lines(&self, subscription: &Subscription, items: &[Item], at: i64) -> Vec<Line> {
        let licensed = items.iter().filter(|item| !self.is_metered(&item.price));
        licensed
            .map(|item| {
                let line = self.line(&subscription.customer, item, (at, item.period_end));
                let amount = -prorate(line.amount, item.period_end - at, item.period_end - item.period_start);
                Line { amount, proration: true, description: format!("Unused time on {}", line.description), ..line }
            })
            .collect()
    }

    /// Periods begin anew at `at`: credit for the rest of the old ones, usage so far, the whole new ones.
    fn new_cycle(&self, subscription: &Subscription, items: &mut [Item], at: i64, with_credit: bool) -> Vec<Line> {
        let mut lines = if with_credit { self.credit_lines(subscription, &subscription.items, at) } else { Vec::new() };
        if subscription.status.renews() {
            let metered = subscription.items.iter().filter(|item| self.is_metered(&item.price) && item.period_start < at);
            lines.extend(metered.map(|item| self.line(&subscription.customer, item, (item.period_start, at))));
        }
        for item in items {
            let Some(interval) = self.interval_of(&item.price) else { continue };
            item.period_start = at;
            item.period_end = interval.after(at, 1);
            if !self.is_metered(&item.price) {
                lines.push(self.line(&subscription.customer, item, (item.period_start, item.period_end)));
            }
        }
        lines
    }

    /// Carries a change out; `old` is the subscription before anything of the request.
    pub(crate) fn apply_change(&mut self, id: &str, change: &Change, behavior: PaymentBehavior, old: &Snapshot) -> ApiResult<()> {
        let subscription = self.subscription(id)?.clone();
        if !change.bill_now {
            self.add_invoice_items(&subscription, change.lines.clone());
            self.put(id, change);
            self.emit_update("customer.subscription.updated", Thing::Subscription(id), old);
            return Ok(());
        }
        let waiting: i64 = self.waiting_lines(id).iter().map(|line| line.amount).sum();
        let total = waiting + change.lines.iter().map(|line| line.amount).sum::<i64>();
        let balance = self.customers.get(&subscription.customer).map_or(0, |customer| customer.balance);
        let costs = total + balance > 0;
        // The bank is asked before anything is changed, where its word decides about the change.
        let decides = matches!(behavior, PaymentBehavior::ErrorIfIncomplete | PaymentBehavior::PendingIfIncomplete);
        let word = (decides && costs).then(|| self.bank_says(&subscription.customer));
        match word {
            Some(Charged::Declined) if behavior == PaymentBehavior::ErrorIfIncomplete => return Err(ApiError::declined()),
            Some(Charged::RequiresAction) if behavior == PaymentBehavior::ErrorIfIncomplete => {
                return Err(ApiError::action_required());
            }
            Some(Charged::Declined | Charged::RequiresAction) => {}
            Some(Charged::Paid) | None => self.put(id, change),
        }
        let Some(invoice) = self.draft(id, Reason::Update, change.lines.clone(), change.period) else { return Ok(()) };
        if word.is_some_and(|word| word != Charged::Paid) {
            self.suspend(id, change, &invoice);
        }
        let waits = behavior == PaymentBehavior::DefaultIncomplete && costs;
        if let Some(subscription) = self.subscriptions.get_mut(id).filter(|_| waits) {
            subscription.status = Status::PastDue;
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), old);
        self.emit("invoice.created", Thing::Invoice(&invoice));
        self.finalize(&invoice);
        match word {
            Some(word) => {
                self.record_charge(&invoice, word);
            }
            None if waits => {}
            None => {
                self.charge(&invoice, Force::No);
            }
        }
        Ok(())
    }

    fn put(&mut self, id: &str, change: &Change) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.items.clone_from(&change.items);
        subscription.anchor = change.anchor;
        subscription.trial_end = change.trial_end;
        subscription.status = change.status;
        if change.status == Status::Trialing {
            subscription.trial_start.get_or_insert(self.clock.now());
            subscription.trial_warned = false;
        }
        if subscription.cancel_at_period_end {
            subscription.cancel_at = Some(subscription.period_end());
        }
    }

    fn suspend(&mut self, id: &str, change: &Change, invoice: &str) {
        let expires_at = self.now() + TO_PAY;
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.pending_update = Some(PendingUpdate {
            expires_at: expires_at.min(subscription.period_end().max(self.clock.now() + GRACE)),
            invoice: invoice.to_owned(),
            items: change.items.clone(),
            anchor: change.anchor,
            trial_end: change.trial_end.filter(|_| change.trial_end != subscription.trial_end),
        });
    }

    /// The invoice of a pending update is paid: it happens.
    pub(super) fn apply_pending_update(&mut self, id: &str, invoice: &str) {
        let old = self.snapshot(Thing::Subscription(id));
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let Some(pending) = subscription.pending_update.take_if(|pending| pending.invoice == invoice) else { return };
        subscription.items = pending.items;
        subscription.anchor = pending.anchor;
        if pending.trial_end.is_some() {
            subscription.trial_end = pending.trial_end;
        }
        if subscription.status == Status::Trialing && pending.trial_end.is_some_and(|end| end <= self.clock.now()) {
            subscription.status = Status::Active;
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
        self.emit("customer.subscription.pending_update_applied", Thing::Subscription(id));
    }

    /// Nobody paid: the change is off, and its invoice void.
    pub(super) fn expire_pending_update(&mut self, id: &str) {
        let old = self.snapshot(Thing::Subscription(id));
        let Some(pending) = self.subscriptions.get_mut(id).and_then(|subscription| subscription.pending_update.take()) else {
            return;
        };
        self.void(&pending.invoice);
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
        self.emit("customer.subscription.pending_update_expired", Thing::Subscription(id));
    }
}
