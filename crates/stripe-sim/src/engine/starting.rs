//! Subscriptions begin.

use crate::error::{ApiError, ApiResult};
use crate::form::Pairs;
use crate::model::checkout::LineItem;
use crate::model::invoice::{Line, Reason};
use crate::model::subscription::{Item, MissingPaymentMethod, Status, Subscription};
use crate::world::{Thing, World};

use super::payment::{Charged, Force};

/// What a new subscription is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewSubscription {
    pub(crate) customer: String,
    pub(crate) lines: Vec<LineItem>,
    pub(crate) metadata: Pairs,
    pub(crate) description: Option<String>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) missing_payment_method: MissingPaymentMethod,
    pub(crate) cancel_at_period_end: bool,
}

/// How its first invoice is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstPayment {
    /// Charged at once.
    Charge(Force),
    /// Left open.
    Wait,
    /// The bank has it.
    Processing,
}

impl World {
    /// Checks the prices of a subscription: there, recurring, active, one currency. Answers the currency.
    pub(crate) fn check_lines(&self, lines: &[LineItem], param: &str) -> ApiResult<String> {
        let mut currency: Option<&str> = None;
        for (index, line) in lines.iter().enumerate() {
            let name = |key: &str| format!("{param}[{index}][{key}]");
            let price = self.prices.get(&line.price).ok_or_else(|| ApiError::missing_in(name("price"), "price", &line.price))?;
            if !price.active {
                return Err(ApiError::parameter(name("price"), format!("The price specified is inactive: {}", price.id)));
            }
            if price.recurring.is_none() {
                let message =
                    "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.";
                return Err(ApiError::parameter(name("price"), message));
            }
            if price.meter().is_some() && line.quantity.is_some() {
                let message = "You cannot specify `quantity` on a line with a metered price.";
                return Err(ApiError::parameter(name("quantity"), message));
            }
            if *currency.get_or_insert(&price.currency) != price.currency {
                return Err(ApiError::parameter(name("price"), "All prices must have the same currency."));
            }
        }
        currency.map(ToOwned::to_owned).ok_or_else(|| ApiError::required(param))
    }

    /// The items of `lines`, their first periods beginning at the anchor.
    pub(crate) fn new_items(&mut self, lines: &[LineItem], anchor: i64) -> Vec<Item> {
        let now = self.now();
        let mut items = Vec::new();
        for line in lines {
            let Some(interval) = self.interval_of(&line.price) else { continue };
            items.push(Item {
                id: self.ids.next("si"),
                created: now,
                price: line.price.clone(),
                quantity: if self.is_metered(&line.price) { None } else { Some(line.quantity.unwrap_or(1)) },
                metadata: Pairs::new(),
                period_start: anchor,
                period_end: interval.after(anchor, 1),
            });
        }
        items
    }

    /// What the first invoice of these lines is about: licensed prices in advance.
    pub(crate) fn first_amount(&self, lines: &[LineItem]) -> i64 {
        let amount = |line: &LineItem| {
            let price = self.prices.get(&line.price)?;
            price.meter().is_none().then(|| price.amount(line.quantity.unwrap_or(1)))
        };
        lines.iter().filter_map(amount).sum()
    }

    /// Begins a subscription, with its first invoice. The lines were checked.
    pub(crate) fn start_subscription(
        &mut self,
        new: NewSubscription,
        currency: String,
        first: FirstPayment,
    ) -> (String, Charged) {
        let now = self.now();
        let id = self.ids.next("sub");
        let mut items = self.new_items(&new.lines, now);
        if let Some(trial_end) = new.trial_end {
            for item in &mut items {
                item.period_end = trial_end;
            }
        }
        let customer = new.customer.clone();
        let subscription = Subscription {
            id: id.clone(),
            customer: new.customer,
            status: if new.trial_end.is_some() { Status::Trialing } else { Status::Incomplete },
            created: now,
            anchor: new.trial_end.unwrap_or(now),
            cancel_at_period_end: new.cancel_at_period_end,
            cancel_at: new.cancel_at_period_end.then(|| items.iter().map(|item| item.period_end).min()).flatten(),
            canceled_at: new.cancel_at_period_end.then_some(now),
            ended_at: None,
            cancel_reason: new.cancel_at_period_end.then_some("cancellation_requested"),
            trial_start: new.trial_end.map(|_| now),
            trial_end: new.trial_end,
            trial_warned: false,
            missing_payment_method: new.missing_payment_method,
            metadata: new.metadata,
            description: new.description,
            latest_invoice: None,
            pending_update: None,
            schedule: None,
            payment_method: self.customers.get(&customer).and_then(|customer| customer.payment_method.clone()),
            currency: currency.clone(),
            items: items.clone(),
        };
        self.subscriptions.insert(id.clone(), subscription);
        if let Some(customer) = self.customers.get_mut(&customer) {
            customer.currency.get_or_insert(currency);
        }
        let lines =
            items.iter().filter(|item| !self.is_metered(&item.price)).map(|item| self.first_line(&customer, item, new.trial_end));
        let lines = lines.collect();
        let invoice = self.draft(&id, Reason::Create, lines, (now, now)).unwrap_or_default();
        self.emit("customer.subscription.created", Thing::Subscription(&id));
        self.emit("invoice.created", Thing::Invoice(&invoice));
        self.finalize(&invoice);
        let free = self.invoices.get(&invoice).is_none_or(|invoice| invoice.amount_due == 0);
        let charged = match first {
            _ if free => self.charge(&invoice, Force::No),
            FirstPayment::Charge(force) => self.charge(&invoice, force),
            FirstPayment::Wait => Charged::RequiresAction,
            FirstPayment::Processing => {
                self.begin_processing(&id, &invoice);
                Charged::Paid
            }
        };
        (id, charged)
    }

    fn first_line(&self, customer: &str, item: &Item, trial_end: Option<i64>) -> Line {
        let line = self.line(customer, item, (item.period_start, item.period_end));
        if trial_end.is_none() {
            return line;
        }
        Line { amount: 0, description: format!("Trial period for {}", self.name_of(&item.price)), ..line }
    }

    /// The subscription of an incomplete first payment is over.
    pub(super) fn expire_incomplete(&mut self, id: &str) {
        let old = self.snapshot(Thing::Subscription(id));
        let now = self.now();
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.status = Status::IncompleteExpired;
        subscription.ended_at = Some(now);
        let invoice = subscription.latest_invoice.clone();
        if let Some(invoice) = invoice {
            self.void(&invoice);
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
    }
}
