//! `expand[]`: objects in place of their ids.

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::version::Shape;
use crate::world::{Thing, World};

pub(super) fn expand(world: &World, value: &mut Value, path: &str, shape: Shape) -> ApiResult<()> {
    let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    if let Value::Array(all) = value {
        return all.iter_mut().try_for_each(|one| expand(world, one, path, shape));
    }
    let Some(object) = value.as_object_mut() else { return Ok(()) };
    if !object.contains_key(field) {
        let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = object.get("object").and_then(Value::as_str).unwrap_or_default();
        let extra = extra(world, kind, &id, field);
        let error = || ApiError::parameter("expand", format!("This property cannot be expanded ({field})."));
        object.insert(field.to_owned(), extra.ok_or_else(error)?);
    }
    let Some(inner) = object.get_mut(field) else { return Ok(()) };
    if let Some(found) = inner.as_str().and_then(|id| find(world, id, shape)) {
        *inner = found;
    }
    match rest {
        Some(rest) => expand(world, inner, rest, shape),
        None => Ok(()),
    }
}

/// Fields that are there only when they are asked for.
fn extra(world: &World, kind: &str, id: &str, field: &str) -> Option<Value> {
    let list = |data: Vec<Value>| json!({"object": "list", "data": data, "has_more": false, "url": format!("/v1/{field}")});
    match (kind, field) {
        ("price", "tiers") => world.prices.get(id).map(crate::model::catalog::Price::render_tiers),
        ("invoice", "payments") => {
            let payments = world.payments.values().filter(|payment| payment.invoice == id);
            Some(list(payments.map(|payment| payment.render_invoice_payment(world)).collect()))
        }
        ("customer", "subscriptions") => {
            let own = world.subscriptions.values().filter(|subscription| subscription.customer == id);
            Some(list(own.map(|subscription| subscription.render(world, Shape::Basil)).collect()))
        }
        ("checkout.session", "line_items") => {
            let session = world.sessions.get(id)?;
            let line = |line: &crate::model::checkout::LineItem| {
                let price = world.prices.get(&line.price)?;
                let amount = if price.meter().is_some() { 0 } else { price.amount(line.quantity.unwrap_or(1)) };
                Some(json!({
                    "id": format!("li_{}", line.price),
                    "object": "item",
                    "amount_discount": 0,
                    "amount_subtotal": amount,
                    "amount_tax": 0,
                    "amount_total": amount,
                    "currency": price.currency,
                    "description": world.name_of(&line.price),
                    "price": price.render(world.livemode),
                    "quantity": line.quantity,
                }))
            };
            Some(list(session.lines.iter().filter_map(line).collect()))
        }
        _ => None,
    }
}

fn find(world: &World, id: &str, shape: Shape) -> Option<Value> {
    let things = [
        Thing::Subscription(id),
        Thing::Customer(id),
        Thing::Invoice(id),
        Thing::Price(id),
        Thing::Product(id),
        Thing::Schedule(id),
        Thing::Intent(id),
        Thing::Session(id),
        Thing::Meter(id),
    ];
    let found = things.into_iter().map(|thing| world.render(thing, shape)).find(|value| !value.is_null());
    found.or_else(|| {
        let payment = world.payments.values().find(|payment| payment.charge.as_deref() == Some(id))?;
        Some(payment.render_charge(world.livemode))
    })
}
