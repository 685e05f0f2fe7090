//! `/v1/customers`.

use serde_json::Value;

use super::list::{Page, Range};
use super::optional;
use crate::error::{ApiError, ApiResult};
use crate::form::{Form, merge};
use crate::model::customer::{Card, Customer};
use crate::version::Shape;
use crate::world::{Thing, World};

/// Payment methods that tests name without making them.
const TEST_METHODS: [(&str, Card); 4] = [
    ("pm_card_visa", Card::Ok),
    ("pm_card_mastercard", Card::Ok),
    ("pm_card_chargeCustomerFail", Card::Declining),
    ("pm_card_authenticationRequired", Card::RequiresAction),
];

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => create(world, form),
        ("GET", []) => list(world, form),
        ("GET", [id]) => {
            form.finish()?;
            world.customer(id)?;
            Ok(world.render(Thing::Customer(id), Shape::Basil))
        }
        ("POST", [id]) => update(world, id, form),
        ("DELETE", [id]) => delete(world, id, form),
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

/// What may be given at creation and changed later.
fn read(world: &World, form: &mut Form, customer: &mut Customer) -> ApiResult<Option<(String, Card)>> {
    if let Some(email) = form.text("email")? {
        if !email.is_empty() && !email.contains('@') {
            return Err(ApiError::parameter("email", format!("Invalid email address: {email}")).with_code("email_invalid"));
        }
        customer.email = optional(email);
    }
    if let Some(name) = form.text("name")? {
        customer.name = optional(name);
    }
    if let Some(phone) = form.text("phone")? {
        customer.phone = optional(phone);
    }
    if let Some(description) = form.text("description")? {
        customer.description = optional(description);
    }
    merge(&mut customer.metadata, form.pairs("metadata")?);
    if let Some(balance) = form.integer("balance")? {
        customer.balance = balance;
    }
    let mut settings = form.branch("invoice_settings")?;
    let chosen = settings.text("default_payment_method")?;
    settings.finish()?;
    let chosen = form.text("payment_method")?.or(chosen);
    form.ignore(&["address", "shipping", "preferred_locales", "tax_exempt"]);
    let Some(chosen) = chosen else { return Ok(None) };
    let known = TEST_METHODS.iter().find(|(name, _)| *name == chosen).map(|(_, card)| *card);
    let own = world.customers.values().find(|other| other.payment_method.as_deref() == Some(&chosen)).map(|other| other.card);
    let card = known.or(own).ok_or_else(|| ApiError::missing_in("payment_method", "PaymentMethod", &chosen))?;
    Ok(Some((chosen, card)))
}

fn create(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let mut customer = Customer::default();
    let chosen = read(world, &mut form, &mut customer)?;
    customer.test_clock = form.text("test_clock")?;
    if let Some(clock) = &customer.test_clock
        && !world.test_clocks.contains_key(clock)
    {
        return Err(ApiError::missing_in("test_clock", "test clock", clock));
    }
    form.finish()?;
    let id = world.ids.next("cus");
    customer.id.clone_from(&id);
    customer.created = world.now();
    world.customers.insert(id.clone(), customer);
    if let Some((_, card)) = chosen {
        let method = world.ids.next("pm");
        if let Some(customer) = world.customers.get_mut(&id) {
            customer.card = card;
            customer.payment_method = Some(method);
        }
    }
    world.emit("customer.created", Thing::Customer(&id));
    Ok(world.render(Thing::Customer(&id), Shape::Basil))
}

fn update(world: &mut World, id: &str, mut form: Form) -> ApiResult<Value> {
    let mut customer = world.customer(id)?.clone();
    if customer.deleted {
        return Err(ApiError::missing("customer", id));
    }
    let chosen = read(world, &mut form, &mut customer)?;
    form.finish()?;
    let old = world.snapshot(Thing::Customer(id));
    if let Some((_, card)) = chosen {
        customer.card = card;
        customer.payment_method = Some(world.ids.next("pm"));
    }
    world.customers.insert(id.to_owned(), customer);
    world.emit_update("customer.updated", Thing::Customer(id), &old);
    Ok(world.render(Thing::Customer(id), Shape::Basil))
}

/// Deleting a customer ends its subscriptions at once.
fn delete(world: &mut World, id: &str, form: Form) -> ApiResult<Value> {
    form.finish()?;
    if world.customer(id)?.deleted {
        return Err(ApiError::missing("customer", id));
    }
    let of_customer = world.subscriptions.values().filter(|subscription| subscription.customer == id);
    let live: Vec<String> = of_customer.filter(|one| !one.status.has_ended()).map(|one| one.id.clone()).collect();
    for subscription in live {
        world.end_subscription(&subscription, "cancellation_requested");
    }
    world.emit("customer.deleted", Thing::Customer(id));
    world.customer(id)?.deleted = true;
    Ok(world.render(Thing::Customer(id), Shape::Basil))
}

fn list(world: &World, mut form: Form) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let created = Range::read(&mut form, "created")?;
    let email = form.text("email")?;
    form.ignore(&["test_clock"]);
    form.finish()?;
    let matching =
        world.customers.values().rev().filter(|customer| {
            !customer.deleted && created.has(customer.created) && (email.is_none() || customer.email == email)
        });
    let ids: Vec<String> = matching.map(|customer| customer.id.clone()).collect();
    page.cut("/v1/customers", &ids, |id| world.render(Thing::Customer(id), Shape::Basil))
}
