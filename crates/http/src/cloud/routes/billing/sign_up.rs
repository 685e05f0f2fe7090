//! Signing up for a plan that is paid for.

use actix_web::http::StatusCode;
use togglebox_auth::User;
use togglebox_billing::{BillingError, Interval, NewSignUp, SignUpStatus};
use togglebox_multitenancy::PlanName;
use togglebox_multitenancy::manage::TenancyError;

use super::super::super::billing::BillingDesk;
use super::super::super::billing::failure::{billing, not_sold};
use super::super::super::billing::input::is_session;
use super::super::super::billing::view::{PendingView, SignUpStatusView};
use super::super::super::failure::tenancy;
use super::super::super::input::NewWorkspace;
use super::super::super::services::CloudServices;
use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, RouteClass, handler};

const MISSING: &str = "Sign-up not found";

const QUERY: &[Parameter] =
    &[Parameter { name: "session_id", required: true, about: "What the payment page has put into the address: `cs_…`" }];

pub(super) fn routes() -> Vec<Route> {
    let complete = |route: Route| {
        route
            .class(RouteClass::Billing)
            .about("Looks at once at what was paid, for whoever comes back from the payment page; then as the sign-up itself")
            .uncached()
            .query(QUERY)
            .one::<SignUpStatusView<'_>>()
            .errors(&[404, 502])
    };
    vec![
        Route::get("/api/v1/onboarding/signup/{id}", "getSignUp", Access::Open, handler!(get))
            .about("Shows where a sign-up or a checkout stands, to whoever has its id")
            .uncached()
            .one::<SignUpStatusView<'_>>()
            .errors(&[404]),
        complete(Route::get("/api/v1/onboarding/complete", "getCompletedSignUp", Access::Open, handler!(complete_sign_up))),
        complete(Route::post("/api/v1/onboarding/complete", "completeSignUp", Access::Open, handler!(complete_sign_up)).small()),
    ]
}

/// A plan that is to be paid for before the workspace is there.
pub(in super::super) struct Purchase<'s> {
    desk: &'s BillingDesk,
    plan: PlanName,
    interval: Interval,
}

/// What is to be paid for first; `None` for the first plan, which costs nothing.
pub(in super::super) fn purchase<'s>(services: &'s CloudServices, form: &NewWorkspace) -> Result<Option<Purchase<'s>>> {
    let first = &services.settings.plans.first().name;
    let Some(plan) = form.plan.as_ref().filter(|plan| *plan != first) else { return Ok(None) };
    if services.settings.plans.find(plan).is_none() {
        return Err(tenancy(TenancyError::UnknownPlan(plan.clone())));
    }
    let Some(desk) = &services.billing else {
        let text = format!("A workspace begins with the plan {first}: change to {plan} once it is there");
        return Err(ApiError::new(Code::PaymentRequired, text));
    };
    if desk.billing.prices().sold(plan.as_str(), form.interval).is_none() {
        return Err(not_sold());
    }
    Ok(Some(Purchase { desk, plan: plan.clone(), interval: form.interval }))
}

/// Keeps the name for somebody, and says where it is paid for.
pub(in super::super) async fn begin(call: &Call, purchase: Purchase<'_>, owner: &User, form: NewWorkspace) -> Result<Reply> {
    let Purchase { desk, plan, interval } = purchase;
    let new = NewSignUp {
        name: form.name.as_str().into(),
        subdomain: form.subdomain.as_str().into(),
        owner: owner.id,
        email: owner.email.as_str().into(),
        plan: plan.as_str().into(),
        interval,
    };
    let pending = desk.billing.sign_up(new).await.map_err(|error| match error {
        // As where nothing is paid for.
        BillingError::SubdomainTaken => tenancy(TenancyError::SubdomainTaken(form.subdomain)),
        other => billing(other),
    })?;
    desk.wake();
    Ok(Reply::data(call.now, &PendingView::from(&pending)).status(StatusCode::ACCEPTED))
}

async fn get(call: Call) -> Result<Reply> {
    let id = call.id(0, MISSING)?;
    let status = call.cloud()?.desk()?.billing.sign_up_status(id).await.map_err(billing)?;
    shown(&call, &status)
}

async fn complete_sign_up(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let session =
        call.query.get("session_id").filter(|session| is_session(session)).ok_or_else(|| ApiError::not_found(MISSING))?;
    let status = desk.billing.complete(session).await.map_err(billing)?;
    desk.wake();
    shown(&call, &status)
}

fn shown(call: &Call, status: &SignUpStatus) -> Result<Reply> {
    let url = call.cloud()?.url_of(&status.subdomain);
    Ok(Reply::data(call.now, &SignUpStatusView::of(status, url)))
}
