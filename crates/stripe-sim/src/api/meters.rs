//! `/v1/billing/…`: meters, their events, adjustments and summaries.

use serde_json::{Value, json};

use super::list::Page;
use crate::calendar::{DAY, HOUR, MINUTE};
use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::model::meter::{Formula, Meter, MeterEvent, Window};
use crate::version::Shape;
use crate::world::{Thing, World};

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", ["meters"]) => create(world, form),
        ("GET", ["meters"]) => list(world, form),
        ("GET", ["meters", id]) => {
            form.finish()?;
            world.meters.get(*id).ok_or_else(|| ApiError::missing("meter", id))?;
            Ok(world.render(Thing::Meter(id), Shape::Basil))
        }
        ("POST", ["meters", id]) => rename(world, id, form),
        ("POST", ["meters", id, word @ ("deactivate" | "reactivate")]) => {
            form.finish()?;
            let now = world.now();
            let meter = world.meters.get_mut(*id).ok_or_else(|| ApiError::missing("meter", id))?;
            meter.deactivated_at = (*word == "deactivate").then_some(now);
            meter.updated = now;
            Ok(world.render(Thing::Meter(id), Shape::Basil))
        }
        ("GET", ["meters", id, "event_summaries"]) => summaries(world, id, form),
        ("POST", ["meter_events"]) => event(world, form),
        ("POST", ["meter_event_adjustments"]) => adjust(world, form),
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn create(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let display_name = form.required("display_name")?;
    let event_name = form.required("event_name")?;
    let mut aggregation = form.branch("default_aggregation")?;
    let formula =
        aggregation.word("formula", &Formula::WORDS)?.ok_or_else(|| ApiError::required("default_aggregation[formula]"))?;
    aggregation.finish()?;
    let mut mapping = form.branch("customer_mapping")?;
    mapping.word("type", &["by_id"])?;
    let customer_key = mapping.text("event_payload_key")?.unwrap_or_else(|| "stripe_customer_id".to_owned());
    mapping.finish()?;
    let mut settings = form.branch("value_settings")?;
    let value_key = settings.text("event_payload_key")?.unwrap_or_else(|| "value".to_owned());
    settings.finish()?;
    let window = form.word("event_time_window", &["hour", "day"])?.and_then(Window::parse);
    form.finish()?;
    if world.meters.values().any(|meter| meter.event_name == event_name && meter.deactivated_at.is_none()) {
        return Err(ApiError::parameter("event_name", format!("An active meter with event_name {event_name} already exists.")));
    }
    let now = world.now();
    let id = world.ids.next(if world.livemode { "mtr" } else { "mtr_test" });
    let meter = Meter {
        id: id.clone(),
        created: now,
        updated: now,
        display_name,
        event_name,
        formula: Formula::parse(formula),
        window,
        customer_key,
        value_key,
        deactivated_at: None,
        events: Vec::new(),
    };
    world.meters.insert(id.clone(), meter);
    world.emit("billing.meter.created", Thing::Meter(&id));
    Ok(world.render(Thing::Meter(&id), Shape::Basil))
}

fn rename(world: &mut World, id: &str, mut form: Form) -> ApiResult<Value> {
    let name = form.text("display_name")?;
    form.finish()?;
    let now = world.now();
    let meter = world.meters.get_mut(id).ok_or_else(|| ApiError::missing("meter", id))?;
    if let Some(name) = name {
        meter.display_name = name;
        meter.updated = now;
    }
    Ok(world.render(Thing::Meter(id), Shape::Basil))
}

fn list(world: &World, mut form: Form) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let active = form.word("status", &["active", "inactive"])?.map(|word| word == "active");
    form.finish()?;
    let matching =
        world.meters.values().rev().filter(|meter| active.is_none_or(|active| meter.deactivated_at.is_none() == active));
    let ids: Vec<String> = matching.map(|meter| meter.id.clone()).collect();
    page.cut("/v1/billing/meters", &ids, |id| world.render(Thing::Meter(id), Shape::Basil))
}

fn event(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let now = world.now();
    let livemode = world.livemode;
    let event_name = form.required("event_name")?;
    let timestamp = form.integer("timestamp")?.unwrap_or(now);
    let identifier = form.text("identifier")?;
    let payload = form.pairs("payload")?;
    form.finish()?;
    if identifier.as_ref().is_some_and(|identifier| identifier.is_empty() || identifier.len() > 100) {
        return Err(ApiError::parameter("identifier", "Invalid identifier: 1 to 100 characters"));
    }
    if timestamp < now - 35 * DAY {
        let error = ApiError::parameter("timestamp", "The timestamp must be within the past 35 calendar days.");
        return Err(error.with_code("timestamp_too_far_in_past"));
    }
    if timestamp > now + 5 * MINUTE {
        let error = ApiError::parameter("timestamp", "The timestamp must not be more than 5 minutes in the future.");
        return Err(error.with_code("timestamp_in_future"));
    }
    let identifier = identifier.unwrap_or_else(|| world.ids.next("mev"));
    let meter = world.meters.values_mut().find(|meter| meter.event_name == event_name && meter.deactivated_at.is_none());
    let meter = meter
        .ok_or_else(|| ApiError::missing_in("event_name", "active meter with event name", &event_name).with_code("no_meter"))?;
    // Unique for a day, across everything that is sent.
    if meter.events.iter().any(|event| event.identifier == identifier && event.received + DAY > now) {
        let message = format!("An event already exists with identifier {identifier}.");
        return Err(ApiError::parameter("identifier", message).with_code("duplicate_meter_event"));
    }
    let customer = payload.get(&meter.customer_key).filter(|customer| !customer.is_empty());
    let customer = customer.cloned().ok_or_else(|| ApiError::required(format!("payload[{}]", meter.customer_key)))?;
    let value = match (payload.get(&meter.value_key), meter.formula) {
        (None, Formula::Count) => 1,
        (None, Formula::Sum | Formula::Last) => return Err(ApiError::required(format!("payload[{}]", meter.value_key))),
        (Some(text), _) => whole(text).ok_or_else(|| {
            let param = format!("payload[{}]", meter.value_key);
            ApiError::parameter(param, format!("Invalid value {text}: a whole number")).with_code("meter_event_invalid_value")
        })?,
    };
    let event = MeterEvent { identifier, customer, value, timestamp, received: now, payload, canceled: false };
    let rendered = json!({
        "object": "billing.meter_event",
        "created": now,
        "event_name": event_name,
        "identifier": event.identifier,
        "livemode": livemode,
        "payload": event.payload,
        "timestamp": timestamp,
    });
    // A customer that is not there is found out later, when nobody waits for the answer: the event counts for nobody.
    meter.events.push(event);
    Ok(rendered)
}

fn whole(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn adjust(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let now = world.now();
    let livemode = world.livemode;
    let event_name = form.required("event_name")?;
    form.word("type", &["cancel"])?.ok_or_else(|| ApiError::required("type"))?;
    let mut cancel = form.branch("cancel")?;
    let identifier = cancel.required("identifier")?;
    cancel.finish()?;
    form.finish()?;
    let meter = world.meters.values_mut().find(|meter| meter.event_name == event_name);
    let meter = meter.ok_or_else(|| ApiError::missing_in("event_name", "meter", &event_name))?;
    let event = meter.events.iter_mut().rev().find(|event| event.identifier == identifier);
    let event = event.ok_or_else(|| ApiError::missing_in("cancel[identifier]", "meter event", &identifier))?;
    if event.received + DAY <= now {
        return Err(ApiError::parameter("cancel[identifier]", "Only events of the past 24 hours can be canceled."));
    }
    event.canceled = true;
    Ok(json!({
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": event_name,
        "livemode": livemode,
        "status": "pending",
        "type": "cancel",
    }))
}

fn summaries(world: &World, id: &str, mut form: Form) -> ApiResult<Value> {
    let page = Page::read(&mut form)?;
    let customer = form.required("customer")?;
    let start = form.integer("start_time")?.ok_or_else(|| ApiError::required("start_time"))?;
    let end = form.integer("end_time")?.ok_or_else(|| ApiError::required("end_time"))?;
    let grouping = form.word("value_grouping_window", &["hour", "day"])?.map(|word| if word == "hour" { HOUR } else { DAY });
    form.finish()?;
    let meter = world.meters.get(id).ok_or_else(|| ApiError::missing("meter", id))?;
    let aligned = grouping.unwrap_or(MINUTE);
    for (name, moment) in [("start_time", start), ("end_time", end)] {
        if moment % aligned != 0 {
            return Err(ApiError::parameter(name, format!("{name} must be aligned with boundaries of {aligned} seconds.")));
        }
    }
    if end <= start {
        return Err(ApiError::parameter("end_time", "end_time must be after start_time."));
    }
    let step = grouping.unwrap_or(end - start);
    let windows = (end - start) / step;
    // Newest first; a window without events is left out.
    let starts = (0..windows).rev().map(|index| start + index * step);
    let found = starts.filter(|start| meter.has_usage(&customer, *start, start + step));
    let ids: Vec<String> = found.map(|start| format!("mtrusg_{id}_{start}")).collect();
    page.cut(&format!("/v1/billing/meters/{id}/event_summaries"), &ids, |summary| {
        let start: i64 = summary.rsplit('_').next().and_then(|start| start.parse().ok()).unwrap_or_default();
        json!({
            "id": summary,
            "object": "billing.meter_event_summary",
            "aggregated_value": meter.usage(&customer, start, start + step),
            "end_time": start + step,
            "livemode": world.livemode,
            "meter": id,
            "start_time": start,
        })
    })
}
