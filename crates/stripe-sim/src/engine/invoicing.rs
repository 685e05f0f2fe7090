//! Invoices: made, finalised, voided.

use crate::calendar::Interval;
use crate::model::invoice::{Invoice, InvoiceItem, InvoiceStatus, Line, Reason};
use crate::model::payment::PaymentStatus;
use crate::model::subscription::{Item, Subscription};
use crate::world::{Thing, World};

impl World {
    pub(crate) fn interval_of(&self, price: &str) -> Option<Interval> {
        Some(self.prices.get(price)?.recurring.as_ref()?.interval)
    }

    /// The line of an item for a period: in advance, or what was used in it. Without an id: it may be for a preview.
    pub(crate) fn line(&self, customer: &str, item: &Item, period: (i64, i64)) -> Line {
        let price = self.prices.get(&item.price);
        let meter = price.and_then(|price| self.meters.get(price.meter()?));
        let quantity = match (meter, item.quantity) {
            (Some(meter), _) => meter.usage(customer, period.0, period.1),
            (None, quantity) => quantity.unwrap_or(1),
        };
        Line {
            id: String::new(),
            amount: price.map_or(0, |price| price.amount(quantity)),
            description: format!("{quantity} × {}", self.name_of(&item.price)),
            period,
            quantity,
            price: item.price.clone(),
            item: item.id.clone(),
            proration: false,
            invoice_item: None,
            metered: meter.is_some(),
        }
    }

    pub(crate) fn name_of(&self, price: &str) -> String {
        let product = self.prices.get(price).and_then(|price| self.products.get(&price.product));
        product.map_or_else(|| price.to_owned(), |product| product.name.clone())
    }

    pub(crate) fn is_metered(&self, price: &str) -> bool {
        self.prices.get(price).is_some_and(|price| price.meter().is_some())
    }

    /// Lets lines wait for the next invoice.
    pub(crate) fn add_invoice_items(&mut self, subscription: &Subscription, lines: Vec<Line>) {
        for mut line in lines {
            let id = self.ids.next("ii");
            line.invoice_item = Some(id.clone());
            let item = InvoiceItem {
                id: id.clone(),
                customer: subscription.customer.clone(),
                subscription: subscription.id.clone(),
                created: self.now(),
                currency: subscription.currency.clone(),
                line,
                invoice: None,
            };
            self.invoice_items.insert(id.clone(), item);
            self.emit("invoiceitem.created", Thing::InvoiceItem(&id));
        }
    }

    /// The lines that wait for the next invoice of a subscription.
    pub(crate) fn waiting_lines(&self, subscription: &str) -> Vec<Line> {
        let waiting = |item: &&InvoiceItem| item.subscription == subscription && item.invoice.is_none();
        self.invoice_items.values().filter(waiting).map(|item| item.line.clone()).collect()
    }

    /// Makes a draft of these lines and those that wait.
    pub(crate) fn draft(
        &mut self,
        subscription_id: &str,
        reason: Reason,
        lines: Vec<Line>,
        period: (i64, i64),
    ) -> Option<String> {
        let id = self.ids.next("in");
        for item in self.invoice_items.values_mut() {
            if item.subscription == subscription_id && item.invoice.is_none() {
                item.invoice = Some(id.clone());
            }
        }
        let waited: Vec<Line> = self
            .invoice_items
            .values()
            .filter(|item| item.invoice.as_deref() == Some(&id))
            .map(|item| item.line.clone())
            .collect();
        let mut lines: Vec<Line> = waited.into_iter().chain(lines).collect();
        for line in &mut lines {
            line.id = self.ids.next("il");
        }
        let subscription = self.subscriptions.get_mut(subscription_id)?;
        let invoice = Invoice {
            id: id.clone(),
            customer: subscription.customer.clone(),
            subscription: subscription.id.clone(),
            metadata: subscription.metadata.clone(),
            status: InvoiceStatus::Draft,
            reason,
            created: self.clock.now(),
            currency: subscription.currency.clone(),
            lines,
            period,
            auto_advance: true,
            finalizes_at: None,
            finalized_at: None,
            paid_at: None,
            voided_at: None,
            starting_balance: self.customers.get(&subscription.customer).map_or(0, |customer| customer.balance),
            ending_balance: None,
            amount_due: 0,
            amount_paid: 0,
            attempts: 0,
            next_attempt: None,
            number: None,
            payment: None,
            processing: false,
        };
        subscription.latest_invoice = Some(id.clone());
        self.invoices.insert(id.clone(), invoice);
        Some(id)
    }

    /// From draft to open: usage is counted for the last time, and the customer's balance is used.
    pub(crate) fn finalize(&mut self, id: &str) {
        let Some(invoice) = self.invoices.get(id) else { return };
        if invoice.status != InvoiceStatus::Draft {
            return;
        }
        let mut lines = invoice.lines.clone();
        for line in lines.iter_mut().filter(|line| line.metered) {
            let item = Item {
                id: line.item.clone(),
                created: 0,
                price: line.price.clone(),
                quantity: None,
                metadata: crate::form::Pairs::new(),
                period_start: line.period.0,
                period_end: line.period.1,
            };
            let counted = self.line(&invoice.customer, &item, line.period);
            *line = Line { id: line.id.clone(), ..counted };
        }
        let now = self.now();
        let total: i64 = lines.iter().map(|line| line.amount).sum();
        let Some(customer) = self.customers.get_mut(&invoice.customer) else { return };
        let (due, balance) = Invoice::settle(total, customer.balance);
        let before = customer.balance;
        customer.balance = balance;
        customer.invoices += 1;
        let number = format!("{}-{:04}", customer.invoice_prefix(), customer.invoices);
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.lines = lines;
        invoice.status = InvoiceStatus::Open;
        invoice.starting_balance = before;
        invoice.ending_balance = Some(balance);
        invoice.amount_due = due;
        invoice.finalizes_at = None;
        invoice.finalized_at = Some(now);
        invoice.number = Some(number);
        self.emit("invoice.finalized", Thing::Invoice(id));
    }

    /// Nothing is owed any more.
    pub(crate) fn void(&mut self, id: &str) {
        let now = self.now();
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.status = InvoiceStatus::Void;
        invoice.voided_at = Some(now);
        invoice.next_attempt = None;
        invoice.auto_advance = false;
        // What was taken out of the balance goes back.
        let given_back = invoice.starting_balance - invoice.ending_balance.unwrap_or(invoice.starting_balance);
        let payment = invoice.payment.clone();
        if let Some(customer) = self.customers.get_mut(&invoice.customer) {
            customer.balance += given_back;
        }
        self.emit("invoice.voided", Thing::Invoice(id));
        let payment = payment.and_then(|payment| self.payments.get_mut(&payment));
        if let Some(payment) = payment.filter(|payment| payment.status != PaymentStatus::Succeeded) {
            payment.status = PaymentStatus::Canceled;
            let payment = payment.id.clone();
            self.emit("payment_intent.canceled", Thing::Intent(&payment));
        }
    }
}
