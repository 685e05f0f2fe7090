//! `/v1/subscription_schedules`.

use serde_json::Value;

use super::list::Page;
use crate::calendar::{Interval, Unit};
use crate::error::{ApiError, ApiResult};
use crate::form::{Form, Pairs, merge};
use crate::model::checkout::LineItem;
use crate::model::schedule::{Phase, PhaseItem, Schedule, ScheduleStatus};
use crate::version::Shape;
use crate::world::{Thing, World};

pub(super) fn route(world: &mut World, method: &str, rest: &[&str], mut form: Form, path: &str) -> ApiResult<Value> {
    match (method, rest) {
        ("POST", []) => create(world, form),
        ("GET", []) => {
            let page = Page::read(&mut form)?;
            let customer = form.text("customer")?;
            form.finish()?;
            let matching = world.schedules.values().rev().filter(|one| customer.as_ref().is_none_or(|id| one.customer == *id));
            let ids: Vec<String> = matching.map(|schedule| schedule.id.clone()).collect();
            page.cut("/v1/subscription_schedules", &ids, |id| world.render(Thing::Schedule(id), Shape::Basil))
        }
        ("GET", [id]) => {
            form.finish()?;
            world.schedules.get(*id).ok_or_else(|| ApiError::missing("subscription_schedule", id))?;
            Ok(world.render(Thing::Schedule(id), Shape::Basil))
        }
        ("POST", [id]) => update(world, id, form),
        ("POST", [id, "release"]) => {
            form.ignore(&["preserve_cancel_date"]);
            form.finish()?;
            active(world, id)?;
            world.release_schedule(id);
            Ok(world.render(Thing::Schedule(id), Shape::Basil))
        }
        ("POST", [id, "cancel"]) => {
            let invoice_now = form.boolean("invoice_now")?.unwrap_or(true);
            let prorate = form.boolean("prorate")?.unwrap_or(true);
            form.finish()?;
            let subscription = active(world, id)?.subscription.clone();
            match subscription {
                Some(subscription) => world.cancel_now(&subscription, invoice_now, prorate),
                None => world.cancel_schedule_record(id),
            }
            Ok(world.render(Thing::Schedule(id), Shape::Basil))
        }
        _ => Err(ApiError::unknown_url(method, path)),
    }
}

fn active<'a>(world: &'a World, id: &str) -> ApiResult<&'a Schedule> {
    let schedule = world.schedules.get(id).ok_or_else(|| ApiError::missing("subscription_schedule", id))?;
    if schedule.status != ScheduleStatus::Active {
        let message = format!("This subscription schedule is {} and can no longer be changed.", status(schedule));
        return Err(ApiError::invalid(message));
    }
    Ok(schedule)
}

fn status(schedule: &Schedule) -> &'static str {
    match schedule.status {
        ScheduleStatus::Active => "active",
        ScheduleStatus::Completed => "completed",
        ScheduleStatus::Released => "released",
        ScheduleStatus::Canceled => "canceled",
    }
}

/// From a subscription: one phase, its current period.
fn create(world: &mut World, mut form: Form) -> ApiResult<Value> {
    let from = form.required("from_subscription")?;
    form.finish()?;
    let subscription = world.subscriptions.get(&from).filter(|one| !one.status.has_ended());
    let subscription = subscription.ok_or_else(|| ApiError::missing_in("from_subscription", "subscription", &from))?.clone();
    if let Some(schedule) = subscription.schedule {
        let message = format!("You cannot migrate a subscription that is already attached to a schedule: {schedule}");
        return Err(ApiError::parameter("from_subscription", message));
    }
    let id = world.ids.next("sub_sched");
    let items = subscription.items.iter().map(|item| PhaseItem { price: item.price.clone(), quantity: item.quantity }).collect();
    let schedule = Schedule {
        id: id.clone(),
        created: world.now(),
        customer: subscription.customer.clone(),
        subscription: Some(from.clone()),
        released_subscription: None,
        status: ScheduleStatus::Active,
        cancels_at_end: subscription.cancel_at_period_end,
        phases: vec![Phase {
            start: subscription.period_start(),
            end: subscription.period_end(),
            items,
            proration_behavior: "create_prorations",
            metadata: Pairs::new(),
        }],
        current: 0,
        canceled_at: None,
        completed_at: None,
        released_at: None,
        metadata: Pairs::new(),
    };
    world.schedules.insert(id.clone(), schedule);
    let old = world.snapshot(Thing::Subscription(&from));
    let subscription = world.subscription_mut(&from)?;
    subscription.schedule = Some(id.clone());
    // The schedule says now when it ends.
    subscription.cancel_at_period_end = false;
    subscription.cancel_at = None;
    world.emit("subscription_schedule.created", Thing::Schedule(&id));
    world.emit_update("customer.subscription.updated", Thing::Subscription(&from), &old);
    Ok(world.render(Thing::Schedule(&id), Shape::Basil))
}

fn update(world: &mut World, id: &str, mut form: Form) -> ApiResult<Value> {
    let schedule = active(world, id)?.clone();
    let end_behavior = form.word("end_behavior", &["release", "cancel"])?;
    let metadata = form.pairs("metadata")?;
    let branches = form.branches("phases")?;
    form.ignore(&["proration_behavior", "default_settings"]);
    form.finish()?;
    let phases = if branches.is_empty() { schedule.phases.clone() } else { phases(world, branches)? };
    let now = world.now();
    let current = phases.iter().position(|phase| phase.start <= now && now < phase.end);
    let current = current.ok_or_else(|| ApiError::parameter("phases", "One of the phases must be the current one."))?;
    if phases[current].start > schedule.phases[schedule.current].start {
        return Err(ApiError::parameter("phases[0][start_date]", "You can not modify the start date of the current phase."));
    }
    let old = world.snapshot(Thing::Schedule(id));
    if let Some(changed) = world.schedules.get_mut(id) {
        changed.phases = phases;
        changed.current = current;
        changed.cancels_at_end = end_behavior.map_or(changed.cancels_at_end, |word| word == "cancel");
        merge(&mut changed.metadata, metadata);
    }
    world.emit_update("subscription_schedule.updated", Thing::Schedule(id), &old);
    Ok(world.render(Thing::Schedule(id), Shape::Basil))
}

fn phases(world: &World, branches: Vec<Form>) -> ApiResult<Vec<Phase>> {
    let mut phases: Vec<Phase> = Vec::new();
    for mut branch in branches {
        let mut lines = Vec::new();
        for mut item in branch.branches("items")? {
            lines.push(LineItem { price: item.required("price")?, quantity: item.integer("quantity")? });
            item.ignore(&["metadata"]);
            item.finish()?;
        }
        world.check_lines(&lines, "phases[items]")?;
        let given = match branch.text("start_date")?.as_deref() {
            None => None,
            Some("now") => Some(world.now()),
            Some(text) => Some(text.parse().map_err(|_| branch.error("start_date", "Invalid timestamp"))?),
        };
        let start = given.or(phases.last().map(|phase| phase.end)).ok_or_else(|| ApiError::required("phases[0][start_date]"))?;
        if phases.last().is_some_and(|phase| phase.end != start) {
            return Err(branch.error("start_date", "Phases must follow each other without a gap."));
        }
        let end = phase_end(world, &mut branch, &lines, start)?;
        let proration_behavior =
            branch.word("proration_behavior", &["create_prorations", "always_invoice", "none"])?.unwrap_or("create_prorations");
        let metadata = branch.pairs("metadata")?;
        branch.ignore(&["billing_cycle_anchor", "collection_method", "currency", "description"]);
        branch.finish()?;
        let items = lines.into_iter().map(|line| PhaseItem { price: line.price, quantity: line.quantity }).collect();
        phases.push(Phase { start, end, items, proration_behavior, metadata });
    }
    Ok(phases)
}

/// A date, so many intervals of the price, or a duration; one interval when nothing is said.
fn phase_end(world: &World, branch: &mut Form, lines: &[LineItem], start: i64) -> ApiResult<i64> {
    let end = branch.integer("end_date")?;
    let iterations = branch.integer("iterations")?;
    let mut duration = branch.branch("duration")?;
    let unit = duration.word("interval", &Unit::WORDS)?.and_then(Unit::parse);
    let count = duration.integer("interval_count")?.unwrap_or(1);
    duration.finish()?;
    let small = |number: i64| u32::try_from(number).ok().filter(|number| (1..=1_000).contains(number));
    let wrong = || branch.error("end_date", "The end of a phase must be after its start.");
    let end = match (end, unit) {
        (Some(end), _) => end,
        (None, Some(unit)) => Interval { unit, count: small(count).ok_or_else(wrong)? }.after(start, 1),
        (None, None) => {
            let times = small(iterations.unwrap_or(1)).ok_or_else(wrong)?;
            let interval = lines.iter().find_map(|line| world.interval_of(&line.price)).ok_or_else(wrong)?;
            interval.after(start, times)
        }
    };
    if end > start { Ok(end) } else { Err(wrong()) }
}
