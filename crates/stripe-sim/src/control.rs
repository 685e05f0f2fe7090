//! The control plane: `/_sim/…`, JSON in and out.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::calendar::DAY;
use crate::delivery::Delivery;
use crate::engine::Outcome;
use crate::error::{ApiError, ApiResult};
use crate::faults::{Effect, Fault, Hold, Matcher, Moment};
use crate::model::customer::Card;
use crate::model::meter::Window;
use crate::seed::SeedPrice;
use crate::shared::Shared;
use crate::version::{Shape, Version};
use crate::world::{Dunning, Thing};

/// Answers a request to the control plane.
pub(crate) async fn route(shared: &Arc<Shared>, method: &str, path: &str, body: Value) -> (u16, Value) {
    let segments: Vec<&str> = path.trim_start_matches("/_sim/").split('/').collect();
    let answer = match (method, segments.as_slice()) {
        ("POST", ["clock", "advance"]) => advance(shared, body).await,
        ("POST", ["webhooks", "settle"]) => {
            shared.deliver().await;
            Ok(json!({}))
        }
        (_, ["webhooks", rest @ ..]) => webhooks(shared, method, rest, body, path),
        (_, ["faults" | "holds", ..]) => faults(shared, method, &segments, body, path),
        _ => act(shared, method, &segments, body, path),
    };
    shared.deliver_soon();
    match answer {
        Ok(answer) => (200, answer),
        Err(error) => (error.status, error.body()),
    }
}

fn read<T: DeserializeOwned>(body: Value) -> ApiResult<T> {
    let body = if body.is_null() { json!({}) } else { body };
    serde_json::from_value(body).map_err(|error| ApiError::invalid(error.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: Option<i64>,
    to: Option<i64>,
}

async fn advance(shared: &Arc<Shared>, body: Value) -> ApiResult<Value> {
    let wanted: Advance = read(body)?;
    let now = shared.world().now();
    let moment = match (wanted.seconds, wanted.to) {
        (Some(seconds), None) if seconds >= 0 => now + seconds,
        (None, Some(to)) if to >= now => to,
        _ => return Err(ApiError::invalid("either `seconds`, not negative, or `to`, not in the past")),
    };
    shared.advance_to(moment).await;
    Ok(json!({"now": shared.world().now()}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedMeter {
    id: String,
    event_name: String,
    #[serde(default)]
    window: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Complete {
    outcome: Outcome,
    email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delayed {
    succeeded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CardState {
    state: Card,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    times: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPlan {
    price: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    at_period_end: Option<bool>,
}

fn act(shared: &Arc<Shared>, method: &str, segments: &[&str], body: Value, path: &str) -> ApiResult<Value> {
    let mut world = shared.world();
    match (method, segments) {
        ("GET", ["clock"]) => Ok(json!({"now": world.now()})),
        ("GET", ["state"]) => Ok(world.truth()),
        ("GET", ["calls"]) => Ok(json!(world.calls)),
        ("GET", ["events"]) => Ok(Value::Array(world.all_events())),
        ("POST", ["reset"]) => {
            world.reset();
            Ok(json!({}))
        }
        ("POST", ["dunning"]) => {
            world.dunning = read::<Dunning>(body)?;
            Ok(json!(world.dunning))
        }
        ("POST", ["prices"]) => {
            let price: SeedPrice = read(body)?;
            let id = price.id.clone();
            world.seed_price(price)?;
            Ok(world.render(Thing::Price(&id), Shape::Basil))
        }
        ("POST", ["meters"]) => {
            let meter: SeedMeter = read(body)?;
            world.seed_meter(&meter.id, &meter.event_name, meter.window.as_deref().and_then(Window::parse));
            Ok(world.render(Thing::Meter(&meter.id), Shape::Basil))
        }
        ("POST", ["checkout", id, what]) => {
            match *what {
                "complete" => {
                    let wanted: Complete = read(body)?;
                    world.complete_checkout(id, wanted.outcome, wanted.email.as_deref())?;
                }
                "delayed" => world.finish_delayed(id, read::<Delayed>(body)?.succeeded)?,
                "expire" => world.abandon(id)?,
                _ => return Err(ApiError::unknown_url(method, path)),
            }
            Ok(world.render(Thing::Session(id), Shape::Basil))
        }
        ("POST", ["customers", id, what]) => {
            world.customer(id)?;
            match *what {
                "card" => world.set_card(id, read::<CardState>(body)?.state),
                "fail_next" => world.customer(id)?.failures = read::<Times>(body)?.times,
                _ => return Err(ApiError::unknown_url(method, path)),
            }
            Ok(world.render(Thing::Customer(id), Shape::Basil))
        }
        ("POST", ["invoices", id, "pay"]) => {
            world.pay_invoice(id)?;
            Ok(world.render(Thing::Invoice(id), Shape::Basil))
        }
        ("POST", ["portal", id, what]) => {
            match *what {
                "change" => world.portal_change_plan(id, &read::<NewPlan>(body)?.price)?,
                "cancel" => world.portal_cancel(id, read::<Cancel>(body)?.at_period_end.unwrap_or(true))?,
                "resume" => world.portal_resume(id)?,
                _ => return Err(ApiError::unknown_url(method, path)),
            }
            Ok(world.render(Thing::Subscription(id), Shape::Basil))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    url: Option<String>,
    secret: Option<String>,
    events: Option<Vec<String>>,
    api_version: Option<String>,
    #[serde(default)]
    manual: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    manual: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    overlap_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    id: String,
}

fn webhooks(shared: &Arc<Shared>, method: &str, rest: &[&str], body: Value, path: &str) -> ApiResult<Value> {
    let mut world = shared.world();
    let now = world.now();
    match (method, rest) {
        ("GET", []) => Ok(world.describe_endpoints()),
        ("POST", []) => {
            let new: NewEndpoint = read(body)?;
            let version = new.api_version.map(|text| Version::parse(&text).ok_or_else(|| ApiError::invalid("no API version")));
            let events = new.events.unwrap_or_else(|| vec!["*".to_owned()]);
            let id = world.add_endpoint(new.url, new.secret, events, version.transpose()?);
            let endpoint = world.endpoint(&id)?;
            endpoint.manual |= new.manual;
            Ok(json!({"id": id, "secret": endpoint.secrets[0].value}))
        }
        ("POST", ["take"]) => {
            let world = &mut *world;
            Ok(world.outbox.take(&world.events, world.clock).iter().map(render_delivery).collect())
        }
        ("POST", ["refuse"]) => {
            let id = read::<Refuse>(body)?.id;
            if world.outbox.settle(&id, false, now) { Ok(json!({})) } else { Err(ApiError::missing("delivery", &id)) }
        }
        ("POST", [id, "mode"]) => {
            world.endpoint(id)?.manual = read::<Mode>(body)?.manual;
            Ok(json!({}))
        }
        ("POST", [id, "roll"]) => {
            let overlap = read::<Roll>(body)?.overlap_seconds.unwrap_or(DAY);
            Ok(json!({"secret": world.roll_secret(id, overlap)?}))
        }
        ("POST", [id, "chaos"]) => {
            world.set_chaos(id, read(body)?)?;
            Ok(json!({}))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn render_delivery(delivery: &Delivery) -> Value {
    let headers: serde_json::Map<String, Value> =
        delivery.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "id": delivery.id,
        "event_id": delivery.event_id,
        "endpoint": delivery.endpoint,
        "body": String::from_utf8_lossy(&delivery.body),
        "headers": headers,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    Status,
    Drop,
    Hold,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFault {
    method: Option<String>,
    path: Option<String>,
    times: Option<u32>,
    kind: FaultKind,
    status: Option<u16>,
    should_retry: Option<bool>,
    #[serde(default)]
    after: bool,
    stored: Option<bool>,
    name: Option<String>,
}

fn faults(shared: &Arc<Shared>, method: &str, segments: &[&str], body: Value, path: &str) -> ApiResult<Value> {
    let mut world = shared.world();
    match (method, segments) {
        ("POST", ["faults"]) => {
            let new: NewFault = read(body)?;
            let moment = if new.after { Moment::After } else { Moment::Before };
            let effect = match new.kind {
                FaultKind::Status => {
                    let status = new.status.unwrap_or(500);
                    let stored = new.stored.unwrap_or(status >= 500);
                    Effect::Status { status, should_retry: new.should_retry, moment, stored }
                }
                FaultKind::Drop => Effect::Drop(moment),
                FaultKind::Hold => Effect::Hold(Hold::new(new.name.as_deref().unwrap_or("hold")), moment),
            };
            let matcher = Matcher { method: new.method, path: new.path };
            world.faults.arm(Fault::new(matcher, effect).times(new.times.unwrap_or(1)));
            Ok(json!({}))
        }
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Ok(json!({}))
        }
        ("GET", ["holds", name]) => {
            let hold = world.faults.hold(name).ok_or_else(|| ApiError::missing("hold", name))?;
            Ok(json!({"waiting": hold.waiting()}))
        }
        ("POST", ["holds", name, "release"]) => {
            world.faults.hold(name).ok_or_else(|| ApiError::missing("hold", name))?.release();
            Ok(json!({}))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}
