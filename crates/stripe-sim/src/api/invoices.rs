//! `/v1/invoices` and `/v1/invoice_payments`.

use serde_json::Value;

use super::Context;
use super::list::{Page, Range};
use super::subscriptions::change_request;
use crate::engine::Charged;
use crate::engine::Force;
use crate::error::{ApiError, ApiResult};
use crate::form::{Form, Pairs};
use crate::model::checkout::LineItem;
use crate::model::invoice::{Invoice, InvoiceStatus, Line, Reason};
use crate::model::subscription::{Item, Subscription};
use crate::world::{Thing, World};

pub(super) fn route(
    world: &mut World,
    method: &str,
    rest: &[&str],
    form: Form,
    path: &str,
    context: Context,
) -> ApiResult<Value> {
    match (method, rest) {
        ("GET", []) => list(world, form, context),
        ("POST", ["create_preview"]) => preview(world, form, context),
        ("GET", [id]) => {
            form.finish()?;
            world.invoice(id)?;
            Ok(world.render(Thing::Invoice(id), context.shape))
        }
        ("GET", [id, "lines"]) => {
            form.finish()?;
            world.invoice(id)?;
            Ok(world.render(Thing::Invoice(id), context.shape)["lines"].clone())
        }
        ("POST", [id, "pay"]) => pay(world, id, form, context),
        ("POST", [id, "finalize"]) => {
            form.finish()?;
            if world.invoice(id)?.status != InvoiceStatus::Draft {
                return Err(ApiError::invalid("This invoice is already finalized."));
            }
            world.finalize(id);
            Ok(world.render(Thing::Invoice(id), context.shape))
        }
        ("POST", [id, "void"]) => {
            form.finish()?;
            if !matches!(world.invoice(id)?.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible) {
                return Err(ApiError::invalid("You can only void open or uncollectible invoices."));
            }
            world.void(id);
            Ok(world.render(Thing::Invoice(id), context.shape))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn pay(world: &mut World, id: &str, mut form: Form, context: Context) -> ApiResult<Value> {
    let out_of_band = form.boolean("paid_out_of_band")?.unwrap_or(false);
    form.ignore(&["payment_method", "off_session", "forgive"]);
    form.finish()?;
    match world.invoice(id)?.status {
        InvoiceStatus::Paid => return Err(ApiError::invalid("Invoice is already paid").with_code("invoice_already_paid")),
        InvoiceStatus::Draft => world.finalize(id),
        InvoiceStatus::Open => {}
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => {
            return Err(ApiError::invalid("This invoice can no longer be paid."));
        }
    }
    match world.charge(id, if out_of_band { Force::Succeed } else { Force::No }) {
        Charged::Paid => Ok(world.render(Thing::Invoice(id), context.shape)),
        Charged::Declined => Err(ApiError::declined()),
        Charged::RequiresAction => Err(ApiError::action_required()),
    }
}

fn list(world: &World, mut form: Form, context: Context) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let created = Range::read(&mut form, "created")?;
    let (customer, subscription) = (form.text("customer")?, form.text("subscription")?);
    let status = match form.text("status")?.as_deref() {
        None => None,
        Some(word) => {
            let known = InvoiceStatus::WORDS.iter().find(|(name, _)| *name == word).map(|(_, status)| *status);
            Some(known.ok_or_else(|| ApiError::parameter("status", "Invalid status"))?)
        }
    };
    form.ignore(&["collection_method"]);
    form.finish()?;
    let matching = world.invoices.values().rev().filter(|invoice| {
        created.has(invoice.created)
            && status.is_none_or(|status| invoice.status == status)
            && customer.as_ref().is_none_or(|customer| invoice.customer == *customer)
            && subscription.as_ref().is_none_or(|subscription| invoice.subscription == *subscription)
    });
    let ids: Vec<String> = matching.map(|invoice| invoice.id.clone()).collect();
    page.cut("/v1/invoices", &ids, |id| world.render(Thing::Invoice(id), context.shape))
}

/// The invoice that a change would make at once, or the next one with the change in it.
fn preview(world: &mut World, mut form: Form, context: Context) -> ApiResult<Value> {
    let customer = form.text("customer")?;
    let subscription = form.text("subscription")?;
    let mut details = form.branch("subscription_details")?;
    form.ignore(&["automatic_tax", "preview_mode"]);
    form.finish()?;
    let Some(id) = subscription else {
        let customer = customer.ok_or_else(|| ApiError::required("customer"))?;
        return preview_new(world, &customer, details, context);
    };
    let subscription = world.live(&id)?;
    if customer.is_some_and(|customer| customer != subscription.customer) {
        return Err(ApiError::missing_in("subscription", "subscription", &id));
    }
    let request = change_request(&mut details)?;
    details.finish()?;
    let change = world.compute_change(&subscription, &request)?;
    let mut lines = world.waiting_lines(&id);
    lines.extend(change.lines.clone());
    let mut after = subscription.clone();
    after.items = change.items;
    after.anchor = change.anchor;
    let (reason, period) = if change.bill_now {
        (Reason::Update, change.period)
    } else {
        lines.extend(next_lines(world, &after));
        (Reason::Cycle, (after.period_start(), after.period_end()))
    };
    Ok(render_preview(world, &subscription, lines, reason, period, context))
}

/// The lines of the renewal as things are now.
fn next_lines(world: &World, subscription: &Subscription) -> Vec<Line> {
    let end = subscription.period_end();
    let mut lines = Vec::new();
    for item in subscription.items.iter().filter(|item| item.period_end == end) {
        if world.is_metered(&item.price) {
            lines.push(world.line(&subscription.customer, item, (item.period_start, end)));
        } else if let Some(interval) = world.interval_of(&item.price)
            && !subscription.cancel_at_period_end
        {
            lines.push(world.line(&subscription.customer, item, (end, interval.next(subscription.anchor, end))));
        }
    }
    lines
}

fn preview_new(world: &mut World, customer: &str, mut details: Form, context: Context) -> ApiResult<Value> {
    let known = world.customers.get(customer).filter(|customer| !customer.deleted);
    known.ok_or_else(|| ApiError::missing_in("customer", "customer", customer))?;
    let now = world.now();
    let mut wanted = Vec::new();
    for mut branch in details.branches("items")? {
        wanted.push(LineItem { price: branch.required("price")?, quantity: branch.integer("quantity")? });
        branch.finish()?;
    }
    details.finish()?;
    let currency = world.check_lines(&wanted, "subscription_details[items]")?;
    let items: Vec<Item> = world.new_items(&wanted, now);
    let lines: Vec<Line> = items
        .iter()
        .filter(|item| !world.is_metered(&item.price))
        .map(|item| world.line(customer, item, (item.period_start, item.period_end)))
        .collect();
    let mut invoice = blank(customer, "", currency, now);
    invoice.lines = lines;
    invoice.reason = Reason::Create;
    let mut rendered = invoice.render(world, context.shape);
    rendered["parent"] = Value::Null;
    Ok(rendered)
}

fn render_preview(
    world: &World,
    subscription: &Subscription,
    lines: Vec<Line>,
    reason: Reason,
    period: (i64, i64),
    context: Context,
) -> Value {
    let mut invoice = blank(&subscription.customer, &subscription.id, subscription.currency.clone(), world.now());
    invoice.metadata.clone_from(&subscription.metadata);
    invoice.lines = lines;
    invoice.reason = reason;
    invoice.period = period;
    let balance = world.customers.get(&subscription.customer).map_or(0, |customer| customer.balance);
    let (due, after) = Invoice::settle(invoice.total(), balance);
    invoice.starting_balance = balance;
    invoice.ending_balance = Some(after);
    invoice.amount_due = due;
    invoice.render(world, context.shape)
}

fn blank(customer: &str, subscription: &str, currency: String, now: i64) -> Invoice {
    Invoice {
        id: "upcoming_in_sim".to_owned(),
        customer: customer.to_owned(),
        subscription: subscription.to_owned(),
        metadata: Pairs::new(),
        status: InvoiceStatus::Draft,
        reason: Reason::Update,
        created: now,
        currency,
        lines: Vec::new(),
        period: (now, now),
        auto_advance: true,
        finalizes_at: None,
        finalized_at: None,
        paid_at: None,
        voided_at: None,
        starting_balance: 0,
        ending_balance: None,
        amount_due: 0,
        amount_paid: 0,
        attempts: 0,
        next_attempt: None,
        number: None,
        payment: None,
        processing: false,
    }
}

pub(super) fn payments(world: &World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    if method != "GET" || !rest.is_empty() {
        return Err(ApiError::unknown_url(method, path));
    }
    let page = Page::read(&mut form)?;
    let invoice = form.text("invoice")?;
    form.ignore(&["status", "payment"]);
    form.finish()?;
    let matching = world.payments.values().rev().filter(|payment| invoice.as_ref().is_none_or(|id| payment.invoice == *id));
    let ids: Vec<String> = matching.map(|payment| payment.id.clone()).collect();
    page.cut("/v1/invoice_payments", &ids, |id| {
        world.payments.get(id).map_or(Value::Null, |payment| payment.render_invoice_payment(world))
    })
}
