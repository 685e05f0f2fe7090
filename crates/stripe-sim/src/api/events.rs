//! `/v1/events`: thirty days of them.

use serde_json::Value;

use super::list::{Page, Range};
use crate::calendar::DAY;
use crate::error::{ApiError, ApiResult};
use crate::faults::glob;
use crate::form::Form;
use crate::model::event::Event;
use crate::world::World;

const RETENTION: i64 = 30 * DAY;

pub(super) fn route(world: &World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    let oldest = world.now() - RETENTION;
    match (method, rest) {
        ("GET", []) => {
            let page = Page::read(&mut form)?;
            let created = Range::read(&mut form, "created")?;
            let kind = form.text("type")?;
            let kinds = form.texts("types")?;
            let delivered = form.boolean("delivery_success")?;
            form.finish()?;
            if kinds.len() > 20 || kind.is_some() && !kinds.is_empty() {
                return Err(ApiError::parameter("types", "Up to 20 types, and not together with type."));
            }
            let matching = world.events.values().rev().filter(|event| {
                event.created >= oldest
                    && created.has(event.created)
                    && kind.as_ref().is_none_or(|kind| glob(kind, &event.kind))
                    && (kinds.is_empty() || kinds.iter().any(|kind| glob(kind, &event.kind)))
                    && delivered.is_none_or(|delivered| (world.outbox.pending(&event.id) == 0) == delivered)
            });
            let ids: Vec<String> = matching.map(|event| event.id.clone()).collect();
            page.cut("/v1/events", &ids, |id| world.events.get(id).map_or(Value::Null, |event| render(world, event)))
        }
        ("GET", [id]) => {
            form.finish()?;
            let found = world.events.get(*id).filter(|event| event.created >= oldest);
            Ok(render(world, found.ok_or_else(|| ApiError::missing("event", id))?))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

/// In the shape of the account's version when it happened, whatever the request's is.
fn render(world: &World, event: &Event) -> Value {
    event.render(&event.version, world.outbox.pending(&event.id))
}
