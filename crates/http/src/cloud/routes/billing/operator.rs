//! What the operator's people see and do of billing.

use togglebox_billing::{Chore, lists};
use togglebox_core::input::Issue;

use super::super::super::billing::failure::{billing, state};
use super::super::super::billing::input::Resolution;
use super::super::super::billing::schema::ResolutionBody;
use super::super::super::billing::view::{ConflictView, EffectView, EventView, RevenueView, TaskRunView, TaskView};
use super::super::PAGES;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::CursorMeta;
use crate::reply::Reply;
use crate::route::{Access, Handler, Parameter, Route, handler};
use crate::schema::Count;

const EVENT_STATES: &[&str] = &[lists::WAITING, lists::DONE, lists::IGNORED, lists::QUARANTINED, lists::DEAD];
const EFFECT_STATES: &[&str] = &[lists::WAITING, lists::DONE, lists::DEAD];

const EVENTS: &[Parameter] = &[
    Parameter { name: "state", required: false, about: "`waiting`, `done`, `ignored`, `quarantined` or `dead`; `dead` without" },
    PAGES[0],
    PAGES[1],
];
const EFFECTS: &[Parameter] =
    &[Parameter { name: "state", required: false, about: "`waiting`, `done` or `dead`; `dead` without" }, PAGES[0], PAGES[1]];
const CONFLICTS: &[Parameter] = &[
    Parameter { name: "open", required: false, about: "`true` for what waits, `false` for what was decided; `true` without" },
    PAGES[0],
    PAGES[1],
];

pub(super) fn routes() -> Vec<Route> {
    let get = |path, id, handler: Handler| Route::get(path, id, Access::Operator, handler).uncached();
    let post = |path, id, handler: Handler| Route::post(path, id, Access::Operator, handler).small().uncached();
    vec![
        get("/api/v1/admin/billing/events", "adminListBillingEvents", handler!(events))
            .about("Lists the payment service's events in one state, newest first")
            .query(EVENTS)
            .paged::<EventView<'_>, CursorMeta>()
            .errors(&[404, 422]),
        post("/api/v1/admin/billing/events/{id}/requeue", "adminRequeueBillingEvent", handler!(requeue_event))
            .about("Has an event worked on again that was given up")
            .message()
            .errors(&[404, 409]),
        get("/api/v1/admin/billing/effects", "adminListBillingEffects", handler!(effects))
            .about("Lists mails and other things that happen elsewhere, in one state, newest first")
            .query(EFFECTS)
            .paged::<EffectView<'_>, CursorMeta>()
            .errors(&[404, 422]),
        post("/api/v1/admin/billing/effects/{key}/requeue", "adminRequeueBillingEffect", handler!(requeue_effect))
            .about("Has such a thing tried again that was given up")
            .message()
            .errors(&[404, 409]),
        get("/api/v1/admin/billing/conflicts", "adminListBillingConflicts", handler!(conflicts))
            .about("Lists what a person has to decide, or has decided, newest first")
            .query(CONFLICTS)
            .paged::<ConflictView<'_>, CursorMeta>()
            .errors(&[404, 422]),
        post("/api/v1/admin/billing/conflicts/{id}/resolve", "adminResolveBillingConflict", handler!(resolve))
            .about("Notes what was decided; ends the subscription that nobody should have and pays it back, if that is wanted")
            .takes::<ResolutionBody>()
            .one::<ConflictView<'_>>()
            .errors(&[404, 409, 502]),
        get("/api/v1/admin/billing/revenue", "adminGetRevenue", handler!(revenue))
            .about("Shows what comes in by month and plan, and how many leave")
            .one::<RevenueView<'_>>()
            .errors(&[404, 502]),
        get("/api/v1/admin/billing/tasks", "adminListBillingTasks", handler!(tasks))
            .about("Shows how regular work of billing stands")
            .paged::<TaskView<'_>, Count>()
            .errors(&[404]),
        post("/api/v1/admin/billing/tasks/{chore}/run", "adminRunBillingTask", handler!(run))
            .about("Does regular work at once, and tells what it found")
            .one::<TaskRunView<'_>>()
            .errors(&[404, 409, 502]),
    ]
}

/// The word of a parameter; the last of `words` without.
fn one_of(call: &Call, name: &str, words: &'static [&'static str]) -> Result<&'static str> {
    let last = words.last().copied().unwrap_or_default();
    let Some(given) = call.query.get(name).filter(|word| !word.is_empty()) else { return Ok(last) };
    let known = words.iter().copied().find(|word| *word == given);
    known.ok_or_else(|| ApiError::validation(&[Issue::new(name, format!("must be one of {}", words.join(", ")))]))
}

async fn events(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let state = one_of(&call, "state", EVENT_STATES)?;
    let name = format!("billing-events:{state}");
    let page = desk.billing.events(state, &call.page(&name)?).await.map_err(billing)?;
    let views: Vec<EventView<'_>> = page.items.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(&name, page.next.as_ref()))))
}

async fn requeue_event(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    desk.billing.requeue_event(call.param(0)).await.map_err(billing)?;
    desk.wake();
    told(&call, "event");
    Ok(Reply::message(call.now, "It is worked on again"))
}

async fn effects(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let state = one_of(&call, "state", EFFECT_STATES)?;
    let name = format!("billing-effects:{state}");
    let page = desk.billing.effects(state, &call.page(&name)?).await.map_err(billing)?;
    let views: Vec<EffectView<'_>> = page.items.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(&name, page.next.as_ref()))))
}

async fn requeue_effect(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    desk.billing.requeue_effect(call.param(0)).await.map_err(billing)?;
    desk.wake();
    told(&call, "effect");
    Ok(Reply::message(call.now, "It is tried again"))
}

async fn conflicts(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let open = one_of(&call, "open", &["false", "true"])?;
    let name = format!("billing-conflicts:{open}");
    let page = desk.billing.conflicts(open == "true", &call.page(&name)?).await.map_err(billing)?;
    let views: Vec<ConflictView<'_>> = page.items.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(&name, page.next.as_ref()))))
}

async fn resolve(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let Resolution { text, undo } = Resolution::read(call.body()).map_err(ApiError::field_validation)?;
    let resolved = desk.billing.resolve(call.param(0), &text, undo).await.map_err(billing)?;
    desk.wake();
    told(&call, "conflict");
    Ok(Reply::data(call.now, &ConflictView::from(&resolved)))
}

async fn revenue(call: Call) -> Result<Reply> {
    let revenue = call.cloud()?.desk()?.billing.revenue().await.map_err(billing)?;
    Ok(Reply::data(call.now, &RevenueView::from(&revenue)))
}

async fn tasks(call: Call) -> Result<Reply> {
    let tasks = call.cloud()?.desk()?.billing.tasks().await.map_err(billing)?;
    let views: Vec<TaskView<'_>> = tasks.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &Count { count: views.len() }))
}

async fn run(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let chore = Chore::parse(call.param(0)).ok_or_else(|| ApiError::not_found("There is no such work"))?;
    let outcome = desk.billing.run_now(chore).await.map_err(billing)?;
    let outcome = outcome.ok_or_else(|| state("running", "Another node has it in hand: look at the tasks for what it finds"))?;
    desk.wake();
    told(&call, "task");
    Ok(Reply::data(call.now, &TaskRunView::of(chore, &outcome)))
}

/// Leaves a line of who did it: what is not of one workspace is in no audit log.
fn told(call: &Call, what: &'static str) {
    let operator = call.user().map(|caller| caller.user.id).ok();
    tracing::info!(operator = ?operator, what, id = call.param(0), "One of the operator's people has changed billing");
}
