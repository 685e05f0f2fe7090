//! `/v1/test_helpers/test_clocks`: names for the simulator's one clock.

use serde_json::{Value, json};

use crate::calendar::DAY;
use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::world::{TestClock, World};

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => {
            let frozen = form.integer("frozen_time")?.ok_or_else(|| ApiError::required("frozen_time"))?;
            let name = form.text("name")?;
            form.finish()?;
            world.run_until(frozen);
            let id = world.ids.next("clock");
            let clock = TestClock { id: id.clone(), created: world.now(), name };
            world.test_clocks.insert(id.clone(), clock);
            render(world, &id)
        }
        ("GET", [id]) => {
            form.finish()?;
            render(world, id)
        }
        ("POST", [id, "advance"]) => {
            let to = form.integer("frozen_time")?.ok_or_else(|| ApiError::required("frozen_time"))?;
            form.finish()?;
            render(world, id)?;
            if to <= world.now() {
                return Err(ApiError::parameter("frozen_time", "The time must be after the clock's current time."));
            }
            world.run_until(to);
            render(world, id)
        }
        ("DELETE", [id]) => {
            form.finish()?;
            world.test_clocks.shift_remove(*id).ok_or_else(|| ApiError::missing("test clock", id))?;
            Ok(json!({"id": id, "object": "test_helpers.test_clock", "deleted": true}))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn render(world: &World, id: &str) -> ApiResult<Value> {
    let clock = world.test_clocks.get(id).ok_or_else(|| ApiError::missing("test clock", id))?;
    Ok(json!({
        "id": clock.id,
        "object": "test_helpers.test_clock",
        "created": clock.created,
        "deletes_after": clock.created + 30 * DAY,
        "frozen_time": world.now(),
        "livemode": world.livemode,
        "name": clock.name,
        "status": "ready",
        "status_details": {},
    }))
}
