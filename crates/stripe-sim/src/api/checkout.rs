//! `/v1/checkout/sessions` and `/v1/billing_portal/sessions`.

use serde_json::{Value, json};

use super::list::{Page, Range};
use crate::calendar::{DAY, HOUR, MINUTE};
use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::model::checkout::{LineItem, Session, SessionStatus, Trial};
use crate::model::subscription::MissingPaymentMethod;
use crate::version::Shape;
use crate::world::{Thing, World};

/// Of recurring prices.
const MOST_LINES: usize = 20;

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => create(world, form),
        ("GET", []) => list(world, form),
        ("GET", [id]) => {
            form.finish()?;
            world.session(id)?;
            Ok(world.render(Thing::Session(id), Shape::Basil))
        }
        ("POST", [id, "expire"]) => {
            form.finish()?;
            if world.session(id)?.status != SessionStatus::Open {
                let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
                return Err(ApiError::invalid(message));
            }
            world.expire_session(id);
            Ok(world.render(Thing::Session(id), Shape::Basil))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn create(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let now = world.now();
    match form.required("mode")?.as_str() {
        "subscription" => {}
        "payment" | "setup" => return Err(form.error("mode", "The simulator knows the mode `subscription` only.")),
        _ => return Err(form.error("mode", "Invalid mode: must be one of payment, setup, or subscription")),
    }
    if form.has("customer_creation") {
        return Err(form.error("customer_creation", "`customer_creation` can only be used in `payment` mode."));
    }
    let lines = lines(&mut form)?;
    let currency = world.check_lines(&lines, "line_items")?;
    let expires_at = form.integer("expires_at")?.unwrap_or(now + DAY);
    if !(now + 30 * MINUTE..=now + 24 * HOUR).contains(&expires_at) {
        let message =
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.";
        return Err(form.error("expires_at", message));
    }
    let customer = form.text("customer")?;
    let customer_email = form.text("customer_email")?;
    if customer.is_some() && customer_email.is_some() {
        return Err(ApiError::invalid("You may only specify one of these parameters: customer, customer_email."));
    }
    if let Some(id) = &customer {
        let known = world.customers.get(id).filter(|customer| !customer.deleted);
        known.ok_or_else(|| ApiError::missing_in("customer", "customer", id))?;
    }
    if form.has("customer_update") && customer.is_none() {
        return Err(form.error("customer_update", "`customer_update` can only be used with `customer`."));
    }
    let if_required = form.word("payment_method_collection", &["always", "if_required"])? == Some("if_required");
    let mut data = form.branch("subscription_data")?;
    let trial = trial(&mut data, now)?;
    let missing_payment_method = missing_payment_method(&mut data)?;
    let subscription_metadata = data.pairs("metadata")?;
    let subscription_description = data.text("description")?;
    data.ignore(&["billing_mode", "default_tax_rates", "invoice_settings"]);
    data.finish()?;
    let amount = if trial.is_some() { 0 } else { world.first_amount(&lines) };
    let ui_mode = form.word("ui_mode", &["hosted", "hosted_page", "embedded", "embedded_page", "custom"])?;
    if ui_mode.is_some_and(|mode| !mode.starts_with("hosted")) {
        return Err(form.error("ui_mode", "The simulator knows the hosted page only."));
    }
    let success_url = Some(form.required("success_url")?);
    let cancel_url = form.text("cancel_url")?;
    let session = Session {
        id: world.ids.next(if world.livemode { "cs_live" } else { "cs_test" }),
        created: now,
        expires_at,
        status: SessionStatus::Open,
        payment_status: if amount == 0 && if_required { "no_payment_required" } else { "unpaid" },
        lines,
        currency,
        amount,
        customer,
        customer_email,
        email: None,
        client_reference_id: form.text("client_reference_id")?,
        metadata: form.pairs("metadata")?,
        subscription: None,
        subscription_metadata,
        subscription_description,
        trial,
        missing_payment_method,
        if_required,
        invoice: None,
        success_url,
        cancel_url,
        locale: form.text("locale")?,
        allow_promotion_codes: form.boolean("allow_promotion_codes")?,
        billing_address_collection: form.word("billing_address_collection", &["auto", "required"])?,
        automatic_tax: automatic_tax(&mut form)?,
    };
    form.ignore(&[
        "consent_collection",
        "custom_fields",
        "custom_text",
        "customer_update",
        "discounts",
        "payment_method_options",
        "payment_method_types",
        "phone_number_collection",
        "saved_payment_method_options",
        "submit_type",
        "tax_id_collection",
    ]);
    form.finish()?;
    let id = session.id.clone();
    world.sessions.insert(id.clone(), session);
    Ok(world.render(Thing::Session(&id), Shape::Basil))
}

fn lines(form: &mut Form) -> ApiResult<Vec<LineItem>> {
    let mut lines = Vec::new();
    for mut branch in form.branches("line_items")? {
        if branch.has("price_data") {
            return Err(branch.error("price_data", "The simulator knows prices by id only."));
        }
        let price = branch.required("price")?;
        let quantity = branch.integer("quantity")?;
        if quantity.is_some_and(|quantity| quantity < 1) {
            return Err(branch.error("quantity", "This value must be greater than or equal to 1."));
        }
        branch.ignore(&["adjustable_quantity", "tax_rates", "metadata"]);
        branch.finish()?;
        lines.push(LineItem { price, quantity });
    }
    if lines.len() > MOST_LINES {
        return Err(ApiError::parameter("line_items", "At most 20 recurring line items are possible."));
    }
    Ok(lines)
}

/// `trial_period_days` or `trial_end`, with their limits.
fn trial(data: &mut Form, now: i64) -> ApiResult<Option<Trial>> {
    let days = data.integer("trial_period_days")?;
    let end = data.integer("trial_end")?;
    match (days, end) {
        (None, None) => Ok(None),
        (Some(days), None) if (1..=730).contains(&days) => Ok(Some(Trial::Days(days))),
        (Some(_), None) => Err(data.error("trial_period_days", "The minimum number of trial period days is 1, the maximum 730.")),
        (None, Some(end)) if end >= now + 48 * HOUR => Ok(Some(Trial::Until(end))),
        (None, Some(_)) => Err(data.error("trial_end", "The `trial_end` date has to be at least 2 days in the future.")),
        (Some(_), Some(_)) => {
            Err(ApiError::invalid("You may only specify one of these parameters: trial_period_days, trial_end."))
        }
    }
}

pub(super) fn missing_payment_method(form: &mut Form) -> ApiResult<MissingPaymentMethod> {
    let mut settings = form.branch("trial_settings")?;
    let mut end = settings.branch("end_behavior")?;
    let word = end.word("missing_payment_method", &MissingPaymentMethod::WORDS)?;
    end.finish()?;
    settings.finish()?;
    Ok(MissingPaymentMethod::parse(word.unwrap_or_default()))
}

fn automatic_tax(form: &mut Form) -> ApiResult<bool> {
    let mut tax = form.branch("automatic_tax")?;
    let enabled = tax.boolean("enabled")?.unwrap_or(false);
    tax.ignore(&["liability"]);
    tax.finish()?;
    Ok(enabled)
}

fn list(world: &World, mut form: Form) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let created = Range::read(&mut form, "created")?;
    let status = form.text("status")?;
    let status = match status.as_deref() {
        None => None,
        Some(word) => {
            let found = SessionStatus::WORDS.iter().find(|(name, _)| *name == word).map(|(_, status)| *status);
            Some(found.ok_or_else(|| ApiError::parameter("status", "Invalid status"))?)
        }
    };
    let (customer, subscription) = (form.text("customer")?, form.text("subscription")?);
    form.finish()?;
    let matching = world.sessions.values().rev().filter(|session| {
        created.has(session.created)
            && status.is_none_or(|status| session.status == status)
            && (customer.is_none() || session.customer == customer)
            && (subscription.is_none() || session.subscription == subscription)
    });
    let ids: Vec<String> = matching.map(|session| session.id.clone()).collect();
    page.cut("/v1/checkout/sessions", &ids, |id| world.render(Thing::Session(id), Shape::Basil))
}

/// A portal session: only its address matters.
pub(super) fn portal(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let customer = form.required("customer")?;
    let known = world.customers.get(&customer).filter(|customer| !customer.deleted);
    known.ok_or_else(|| ApiError::missing_in("customer", "customer", &customer))?;
    let return_url = form.text("return_url")?;
    let configuration = form.text("configuration")?.unwrap_or_else(|| "bpc_1Sim".to_owned());
    let locale = form.text("locale")?;
    let flow = flow(world, &mut form, &customer)?;
    form.finish()?;
    let id = world.ids.next("bps");
    Ok(json!({
        "id": id,
        "object": "billing_portal.session",
        "configuration": configuration,
        "created": world.now(),
        "customer": customer,
        "flow": flow,
        "livemode": world.livemode,
        "locale": locale,
        "on_behalf_of": null,
        "return_url": return_url,
        "url": format!("https://billing.stripe.com/p/session/{id}"),
    }))
}

fn flow(world: &World, form: &mut Form, customer: &str) -> ApiResult<Value> {
    const KINDS: [&str; 4] =
        ["payment_method_update", "subscription_cancel", "subscription_update", "subscription_update_confirm"];
    let mut data = form.branch("flow_data")?;
    if data.is_empty() {
        return Ok(Value::Null);
    }
    let kind = data.word("type", &KINDS)?.ok_or_else(|| ApiError::required("flow_data[type]"))?;
    data.ignore(&["after_completion"]);
    let mut flow = json!({
        "after_completion": {"hosted_confirmation": null, "redirect": null, "type": "portal_homepage"},
        "subscription_cancel": null,
        "subscription_update": null,
        "subscription_update_confirm": null,
        "type": kind,
    });
    if kind != "payment_method_update" {
        let mut branch = data.branch(kind)?;
        let subscription = branch.required("subscription")?;
        let own = world.subscriptions.get(&subscription).filter(|found| found.customer == customer);
        own.ok_or_else(|| ApiError::missing_in(format!("flow_data[{kind}][subscription]"), "subscription", &subscription))?;
        branch.ignore(&["items", "discounts", "retention"]);
        branch.finish()?;
        flow[kind] = match kind {
            "subscription_cancel" => json!({"retention": null, "subscription": subscription}),
            "subscription_update_confirm" => json!({"discounts": null, "items": [], "subscription": subscription}),
            _ => json!({"subscription": subscription}),
        };
    }
    data.finish()?;
    Ok(flow)
}
