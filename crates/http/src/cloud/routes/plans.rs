//! What can be had.

use super::super::view::PlanView;
use crate::call::Call;
use crate::error::Result;
use crate::reply::Reply;
use crate::route::{Access, Route, handler};
use crate::schema::Count;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/plans", "listPlans", Access::Open, handler!(list))
            .about("Lists the plans and what each allows")
            .uncached()
            .paged::<PlanView<'_>, Count>(),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let plans: Vec<PlanView<'_>> = call.cloud()?.settings.plans.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &plans, &Count { count: plans.len() }))
}
