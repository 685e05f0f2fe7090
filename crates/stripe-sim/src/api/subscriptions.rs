//! `/v1/subscriptions`.

use serde_json::Value;

use super::list::{Page, Range};
use super::{Context, checkout, optional};
use crate::calendar::DAY;
use crate::engine::Force;
use crate::engine::change::{ChangeRequest, ItemChange, PaymentBehavior, Proration, TrialEnd};
use crate::engine::starting::{FirstPayment, NewSubscription};
use crate::error::{ApiError, ApiResult};
use crate::form::{Form, merge};
use crate::model::checkout::LineItem;
use crate::model::subscription::Status;
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
        ("POST", []) => create(world, form, context),
        ("GET", []) => list(world, form, context),
        ("GET", [id]) => {
            form.finish()?;
            world.subscription(id)?;
            Ok(world.render(Thing::Subscription(id), context.shape))
        }
        ("POST", [id]) => update(world, id, form, context),
        ("DELETE", [id]) => cancel(world, id, form, context),
        ("POST", [id, "resume"]) => resume(world, id, form, context),
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn create(world: &mut World, mut form: Form, context: Context) -> ApiResult<Value> {
    let now = world.now();
    let customer = form.required("customer")?;
    let known = world.customers.get(&customer).filter(|customer| !customer.deleted);
    let has_card = known.ok_or_else(|| ApiError::missing_in("customer", "customer", &customer))?.payment_method.is_some();
    let mut lines = Vec::new();
    for mut branch in form.branches("items")? {
        let line = LineItem { price: branch.required("price")?, quantity: branch.integer("quantity")? };
        branch.ignore(&["metadata"]);
        branch.finish()?;
        lines.push(line);
    }
    let currency = world.check_lines(&lines, "items")?;
    let days = form.integer("trial_period_days")?;
    let trial_end = form.integer("trial_end")?.or(days.map(|days| now + days * DAY));
    if trial_end.is_some_and(|end| end <= now) {
        return Err(form.error("trial_end", "Invalid timestamp: must be an integer Unix timestamp in the future"));
    }
    let behavior = PaymentBehavior::parse(form.word("payment_behavior", &PaymentBehavior::WORDS)?.unwrap_or_default());
    let new = NewSubscription {
        customer: customer.clone(),
        metadata: form.pairs("metadata")?,
        description: form.text("description")?.and_then(optional),
        trial_end,
        missing_payment_method: checkout::missing_payment_method(&mut form)?,
        cancel_at_period_end: form.boolean("cancel_at_period_end")?.unwrap_or(false),
        lines,
    };
    form.ignore(&["collection_method", "currency", "default_payment_method", "off_session", "payment_settings", "billing_mode"]);
    form.finish()?;
    let costs = trial_end.is_none() && world.first_amount(&new.lines) > 0;
    if !has_card && costs && behavior == PaymentBehavior::AllowIncomplete {
        let message = "This customer has no attached payment source or default payment method.";
        return Err(ApiError::invalid(message).with_code("resource_missing"));
    }
    let first = match behavior {
        PaymentBehavior::DefaultIncomplete => FirstPayment::Wait,
        PaymentBehavior::ErrorIfIncomplete if costs => {
            match world.bank_says(&customer) {
                crate::engine::Charged::Paid => {}
                crate::engine::Charged::Declined => return Err(ApiError::declined()),
                crate::engine::Charged::RequiresAction => return Err(ApiError::action_required()),
            }
            FirstPayment::Charge(Force::Succeed)
        }
        PaymentBehavior::AllowIncomplete | PaymentBehavior::ErrorIfIncomplete | PaymentBehavior::PendingIfIncomplete => {
            FirstPayment::Charge(Force::No)
        }
    };
    let (id, _) = world.start_subscription(new, currency, first);
    Ok(world.render(Thing::Subscription(&id), context.shape))
}

/// What `pending_if_incomplete` may be combined with.
const PENDABLE: [&str; 7] =
    ["items", "proration_behavior", "proration_date", "billing_cycle_anchor", "trial_end", "payment_behavior", "off_session"];

/// Reads the parameters that change what is billed, here and in previews.
pub(super) fn change_request(form: &mut Form) -> ApiResult<ChangeRequest> {
    let mut items = Vec::new();
    for mut branch in form.branches("items")? {
        let change = ItemChange {
            id: branch.text("id")?,
            price: branch.text("price")?,
            quantity: branch.integer("quantity")?,
            deleted: branch.boolean("deleted")?.unwrap_or(false),
            metadata: branch.pairs("metadata")?,
        };
        if change.quantity.is_some_and(|quantity| quantity < 0) {
            return Err(branch.error("quantity", "This value must be greater than or equal to 0."));
        }
        branch.ignore(&["clear_usage"]);
        branch.finish()?;
        items.push(change);
    }
    let proration = Proration::parse(form.word("proration_behavior", &Proration::WORDS)?.unwrap_or_default());
    let proration_date = form.integer("proration_date")?;
    if proration == Proration::None && proration_date.is_some() {
        return Err(form.error("proration_date", "You cannot pass `proration_date` when `proration_behavior` is `none`."));
    }
    let anchor_now = form.word("billing_cycle_anchor", &["now", "unchanged"])? == Some("now");
    let trial_end = match form.text("trial_end")?.as_deref() {
        None => None,
        Some("now") => Some(TrialEnd::Now),
        Some(text) => Some(TrialEnd::At(text.parse().map_err(|_| form.error("trial_end", "Invalid timestamp"))?)),
    };
    Ok(ChangeRequest { items, proration, proration_date, anchor_now, trial_end })
}

fn update(world: &mut World, id: &str, mut form: Form, context: Context) -> ApiResult<Value> {
    let subscription = world.subscription(id)?.clone();
    let old = world.snapshot(Thing::Subscription(id));
    let behavior = form.clone().word("payment_behavior", &PaymentBehavior::WORDS)?;
    if behavior == Some("pending_if_incomplete") {
        let mut rest = form.clone();
        rest.ignore(&PENDABLE);
        let message = "This parameter cannot be used with `payment_behavior=pending_if_incomplete`.";
        rest.finish().map_err(|_| ApiError::parameter("payment_behavior", message))?;
    }
    form.ignore(&["payment_behavior"]);
    let behavior = PaymentBehavior::parse(behavior.unwrap_or_default());
    let request = change_request(&mut form)?;
    let at_period_end = form.boolean("cancel_at_period_end")?;
    let cancel_at = form.text("cancel_at")?;
    let metadata = form.pairs("metadata")?;
    let description = form.text("description")?;
    let missing = form.has("trial_settings").then(|| checkout::missing_payment_method(&mut form)).transpose()?;
    form.ignore(&["cancellation_details", "collection_method", "default_payment_method", "off_session", "payment_settings"]);
    form.finish()?;
    if subscription.status.has_ended() {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(ApiError::parameter("subscription", message));
    }
    if (at_period_end.is_some() || cancel_at.is_some()) && subscription.schedule.is_some() {
        let message = "The subscription is managed by a subscription schedule, and updating any cancelation behavior directly is not allowed. Please update the schedule instead.";
        return Err(ApiError::invalid(message));
    }
    if !request.is_empty() && subscription.status == Status::Incomplete {
        return Err(ApiError::invalid("This subscription is incomplete: its first invoice is to be paid before it is changed."));
    }
    let change = if request.is_empty() { None } else { Some(world.compute_change(&subscription, &request)?) };
    let cancel_at = cancel_at.map(|text| cancellation_date(&text, world.now())).transpose()?;

    let changed = world.subscription_mut(id)?;
    merge(&mut changed.metadata, metadata);
    if let Some(description) = description {
        changed.description = optional(description);
    }
    changed.missing_payment_method = missing.unwrap_or(changed.missing_payment_method);
    if let Some(cancel_at) = cancel_at {
        plan_at(world, id, cancel_at);
    }
    if let Some(planned) = at_period_end {
        world.plan_cancellation(id, planned);
    }
    match change {
        None => world.emit_update("customer.subscription.updated", Thing::Subscription(id), &old),
        Some(change) => {
            if let Err(error) = world.apply_change(id, &change, behavior, &old) {
                // Nothing of the request has happened.
                world.subscriptions.insert(id.to_owned(), subscription);
                return Err(error);
            }
        }
    }
    Ok(world.render(Thing::Subscription(id), context.shape))
}

/// A date to cancel at; nothing takes it back.
fn cancellation_date(text: &str, now: i64) -> ApiResult<Option<i64>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || ApiError::parameter("cancel_at", "Invalid timestamp: must be an integer Unix timestamp in the future");
    text.parse().ok().filter(|at| *at > now).map(Some).ok_or_else(wrong)
}

fn plan_at(world: &mut World, id: &str, cancel_at: Option<i64>) {
    let now = world.now();
    if let Some(subscription) = world.subscriptions.get_mut(id) {
        subscription.cancel_at_period_end = false;
        subscription.cancel_at = cancel_at;
        subscription.canceled_at = cancel_at.map(|_| now);
        subscription.cancel_reason = cancel_at.map(|_| "cancellation_requested");
    }
}

fn cancel(world: &mut World, id: &str, mut form: Form, context: Context) -> ApiResult<Value> {
    let invoice_now = form.boolean("invoice_now")?.unwrap_or(false);
    let prorate = form.boolean("prorate")?.unwrap_or(false);
    form.ignore(&["cancellation_details"]);
    form.finish()?;
    world.live(id)?;
    world.cancel_now(id, invoice_now, prorate);
    Ok(world.render(Thing::Subscription(id), context.shape))
}

fn resume(world: &mut World, id: &str, mut form: Form, context: Context) -> ApiResult<Value> {
    form.ignore(&["billing_cycle_anchor", "proration_behavior", "proration_date"]);
    form.finish()?;
    if world.live(id)?.status != Status::Paused {
        return Err(ApiError::invalid("Only paused subscriptions can be resumed."));
    }
    world.resume_paused(id);
    Ok(world.render(Thing::Subscription(id), context.shape))
}

fn list(world: &World, mut form: Form, context: Context) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let created = Range::read(&mut form, "created")?;
    let (customer, price) = (form.text("customer")?, form.text("price")?);
    let status = form.text("status")?;
    form.ignore(&["test_clock", "collection_method"]);
    form.finish()?;
    let wanted = |found: Status| match status.as_deref() {
        // Without a filter, what is canceled is left out.
        None => Ok(found != Status::Canceled),
        Some("all") => Ok(true),
        Some("ended") => Ok(found.has_ended()),
        Some(word) => {
            let known = Status::WORDS.iter().find(|(name, _)| *name == word);
            known.map(|(_, status)| *status == found).ok_or_else(|| ApiError::parameter("status", "Invalid status"))
        }
    };
    wanted(Status::Active)?;
    let matching = world.subscriptions.values().rev().filter(|subscription| {
        created.has(subscription.created)
            && wanted(subscription.status).unwrap_or(false)
            && customer.as_ref().is_none_or(|customer| subscription.customer == *customer)
            && price.as_ref().is_none_or(|price| subscription.items.iter().any(|item| item.price == *price))
    });
    let ids: Vec<String> = matching.map(|subscription| subscription.id.clone()).collect();
    page.cut("/v1/subscriptions", &ids, |id| world.render(Thing::Subscription(id), context.shape))
}
