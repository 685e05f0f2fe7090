//! `/v1/refunds`, and the payments that they are of.

use serde_json::Value;

use super::list::{Page, Range};
use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::model::payment::{Payment, PaymentStatus, Refund};
use crate::version::Shape;
use crate::world::{Thing, World};

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => create(world, form),
        ("GET", []) => list(world, form),
        ("GET", [id]) => {
            form.finish()?;
            world.refunds.get(*id).ok_or_else(|| ApiError::missing("refund", id))?;
            Ok(world.render(Thing::Refund(id), Shape::Basil))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn create(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let (intent, charge) = (form.text("payment_intent")?, form.text("charge")?);
    let amount = form.integer("amount")?;
    let reason = form.word("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let metadata = form.pairs("metadata")?;
    form.finish()?;
    let is_meant =
        |payment: &&Payment| intent.as_ref().is_some_and(|id| payment.id == *id) || charge.is_some() && payment.charge == charge;
    let payment = world.payments.values().find(is_meant).cloned();
    let payment = match (payment, intent, charge) {
        (Some(payment), ..) => payment,
        (None, Some(id), _) => return Err(ApiError::missing_in("payment_intent", "payment_intent", &id)),
        (None, None, Some(id)) => return Err(ApiError::missing_in("charge", "charge", &id)),
        (None, None, None) => return Err(ApiError::required("payment_intent")),
    };
    if payment.status != PaymentStatus::Succeeded {
        return Err(ApiError::parameter("payment_intent", "This PaymentIntent does not have a successful charge to refund."));
    }
    let left = payment.amount - payment.refunded;
    if left == 0 {
        return Err(ApiError::invalid("Charge has already been refunded.").with_code("charge_already_refunded"));
    }
    let amount = amount.unwrap_or(left);
    if !(1..=left).contains(&amount) {
        return Err(ApiError::parameter(
            "amount",
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"),
        ));
    }
    let id = world.ids.next("re");
    let refund = Refund {
        id: id.clone(),
        created: world.now(),
        payment: payment.id.clone(),
        charge: payment.charge.clone(),
        amount,
        currency: payment.currency.clone(),
        reason: reason.map(ToOwned::to_owned),
        metadata,
    };
    world.refunds.insert(id.clone(), refund);
    let old = world.snapshot(Thing::Charge(&payment.id));
    if let Some(payment) = world.payments.get_mut(&payment.id) {
        payment.refunded += amount;
    }
    world.emit("refund.created", Thing::Refund(&id));
    world.emit_update("charge.refunded", Thing::Charge(&payment.id), &old);
    Ok(world.render(Thing::Refund(&id), Shape::Basil))
}

fn list(world: &World, mut form: Form) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let created = Range::read(&mut form, "created")?;
    let (intent, charge) = (form.text("payment_intent")?, form.text("charge")?);
    form.finish()?;
    let matching = world.refunds.values().rev().filter(|refund| {
        created.has(refund.created)
            && intent.as_ref().is_none_or(|intent| refund.payment == *intent)
            && (charge.is_none() || refund.charge == charge)
    });
    let ids: Vec<String> = matching.map(|refund| refund.id.clone()).collect();
    page.cut("/v1/refunds", &ids, |id| world.render(Thing::Refund(id), Shape::Basil))
}

/// `GET /v1/payment_intents/{id}` and `GET /v1/charges/{id}`.
pub(super) fn payments(world: &World, method: &str, segments: &[&str], form: Form, path: &str) -> ApiResult<Value> {
    let ("GET", [kind, id]) = (method, segments) else { return Err(ApiError::unknown_url(method, path)) };
    form.finish()?;
    if *kind == "charges" {
        let found = world.payments.values().find(|payment| payment.charge.as_deref() == Some(id));
        return found.map(|payment| payment.render_charge(world.livemode)).ok_or_else(|| ApiError::missing("charge", id));
    }
    let found = world.payments.get(*id).ok_or_else(|| ApiError::missing("payment_intent", id))?;
    Ok(found.render_intent(world.livemode))
}
