//! What a workspace pays, for its admins.

use serde_json::{Value, json};
use togglebox_billing::{Changed, Subscriber};
use togglebox_core::Cursor;

use super::super::super::billing::failure::billing;
use super::super::super::billing::input::{Change, Order, flow};
use super::super::super::billing::schema::{ChangeBody, ChangePreviewBody, CheckoutBody, PortalBody};
use super::super::super::billing::view::{
    ChangePreviewView, ChangedView, CheckoutView, EndingView, InvoiceView, PortalView, SubscriptionView,
};
use super::super::super::failure::tenancy;
use super::super::PAGES;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::CursorMeta;
use crate::reply::Reply;
use crate::route::{Access, Handler, Route, RouteClass, handler};

const INVOICES: &str = "billing-invoices";

pub(super) fn routes() -> Vec<Route> {
    let billed = |route: Route| route.class(RouteClass::Billing).stays_open().uncached();
    let get = |path, id, handler: Handler| billed(Route::get(path, id, Access::Admin, handler));
    let post = |path, id, handler: Handler| billed(Route::post(path, id, Access::Admin, handler)).small();
    vec![
        get("/api/v1/billing/subscription", "getSubscription", handler!(get_subscription))
            .about("Shows the workspace's subscription, what is used and what that costs, and the next bill")
            .one::<SubscriptionView<'_>>()
            .errors(&[404]),
        post("/api/v1/billing/checkout", "createCheckout", handler!(check_out))
            .about("Makes a page on which a plan is paid for, for a workspace without a subscription; the same again is the same page")
            .takes::<CheckoutBody>()
            .one::<CheckoutView<'_>>()
            .errors(&[404, 409, 502]),
        post("/api/v1/billing/subscription/change/preview", "previewSubscriptionChange", handler!(preview))
            .about("Shows what a change to another plan costs and when it holds, and changes nothing")
            .takes::<ChangePreviewBody>()
            .one::<ChangePreviewView<'_>>()
            .errors(&[404, 409, 502]),
        post("/api/v1/billing/subscription/change", "changeSubscription", handler!(change))
            .about("Changes the plan: to a greater one at once, for what the preview showed; to a lesser one with the next period")
            .takes::<ChangeBody>()
            .one::<ChangedView>()
            .errors(&[404, 409, 502]),
        post("/api/v1/billing/subscription/cancel", "cancelSubscription", handler!(cancel))
            .about("Ends the subscription with its period")
            .one::<EndingView>()
            .errors(&[404, 409, 502]),
        post("/api/v1/billing/subscription/resume", "resumeSubscription", handler!(resume))
            .about("Lets a subscription go on that was to end")
            .message()
            .errors(&[404, 409, 502]),
        post("/api/v1/billing/portal", "openPortal", handler!(portal))
            .about("Opens the customer portal, in which bills are seen and cards are changed")
            .may_take::<PortalBody>()
            .one::<PortalView<'_>>()
            .errors(&[404, 409, 502]),
        get("/api/v1/billing/invoices", "listInvoices", handler!(invoices))
            .about("Lists the workspace's bills, newest first")
            .query(PAGES)
            .paged::<InvoiceView<'_>, CursorMeta>()
            .errors(&[404, 409, 502]),
    ]
}

async fn get_subscription(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let overview = services.desk()?.billing.overview(call.tenant).await.map_err(billing)?;
    let tenant = services.tenancy.tenant(call.tenant).await.map_err(tenancy)?;
    Ok(Reply::data(call.now, &SubscriptionView::of(tenant.plan.as_str(), overview.as_ref())))
}

async fn check_out(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let Order { plan, interval } = Order::read(call.body()).map_err(ApiError::field_validation)?;
    let user = &call.user()?.user;
    let by = Subscriber { user: user.id, email: user.email.as_str().into() };
    let page = desk.billing.subscribe(call.tenant, by, plan.as_str(), interval).await.map_err(billing)?;
    desk.wake();
    note(&call, "billing.checkout", json!({ "plan": plan.as_str(), "interval": interval.as_str() })).await;
    Ok(Reply::data(call.now, &CheckoutView::from(&page)))
}

async fn preview(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let Order { plan, interval } = Order::read(call.body()).map_err(ApiError::field_validation)?;
    let preview = desk.billing.preview_change(call.tenant, plan.as_str(), interval).await.map_err(billing)?;
    Ok(Reply::data(call.now, &ChangePreviewView::from(&preview)))
}

async fn change(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let Change { order, proration_date } = Change::read(call.body()).map_err(ApiError::field_validation)?;
    let (plan, interval) = (order.plan.as_str(), order.interval);
    let changed = desk.billing.change(call.tenant, plan, interval, proration_date).await.map_err(billing)?;
    desk.wake();
    let at = match changed {
        Changed::At(at) => Some(at.to_string()),
        Changed::Now | Changed::Unpaid => None,
    };
    note(&call, "billing.change", json!({ "plan": plan, "interval": interval.as_str(), "effectiveAt": at })).await;
    Ok(Reply::data(call.now, &ChangedView::from(changed)))
}

async fn cancel(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let cancel_at = desk.billing.cancel(call.tenant).await.map_err(billing)?;
    desk.wake();
    note(&call, "billing.cancel", json!({ "cancelAt": cancel_at.map(|at| at.to_string()) })).await;
    Ok(Reply::data(call.now, &EndingView { cancel_at }))
}

async fn resume(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    desk.billing.resume(call.tenant).await.map_err(billing)?;
    desk.wake();
    note(&call, "billing.resume", json!({})).await;
    Ok(Reply::message(call.now, "The subscription goes on"))
}

async fn portal(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let flow = flow(call.body()).map_err(ApiError::field_validation)?;
    let url = desk.billing.portal(call.tenant, flow).await.map_err(billing)?;
    note(&call, "billing.portal", json!({})).await;
    Ok(Reply::data(call.now, &PortalView { url: &url.0 }))
}

async fn invoices(call: Call) -> Result<Reply> {
    let desk = call.cloud()?.desk()?;
    let page = call.page(INVOICES)?;
    let before = page.cursor().map(Cursor::as_str);
    let found = desk.billing.invoices(call.tenant, page.limit(), before).await.map_err(billing)?;
    let views: Vec<InvoiceView<'_>> = found.items.iter().map(Into::into).collect();
    let next = found.next.map(Cursor::new);
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(INVOICES, next.as_ref()))))
}

/// Notes in the workspace's audit log who did it. It is done: where that cannot be written, the log of this program has it.
async fn note(call: &Call, action: &'static str, after: Value) {
    let noted = match (call.cloud(), call.actor()) {
        (Ok(services), Ok(actor)) => services.tenancy.note(call.tenant, &actor, action, after).await.map_err(tenancy),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    if let Err(error) = noted {
        let (tenant, code) = (call.tenant, error.code().as_str());
        tracing::error!(%tenant, action, code, "What an admin of workspace {tenant} did about money is not in its audit log");
    }
}
