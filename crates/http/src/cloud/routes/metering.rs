//! What the operator's people see of usage.

use togglebox_core::{PageRequest, TenantId};
use togglebox_metering::store::{Bucket, UsageLedgerExt as _};
use togglebox_metering::{Grain, Period, Sealing, Span, forecast};
use togglebox_multitenancy::Tenant;
use togglebox_multitenancy::store::TenantFilter;

use super::super::failure::tenancy;
use super::super::metering::{Metering, REQUESTS};
use super::super::view::{NodeMeteringView, SpanView, UsageOverviewView, WorkspaceUsageView};
use super::PAGES;
use super::usage::{METER, allowance, meter_of, metering, minute_of, query};
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::failure;
use crate::paging::Window;
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};

const QUERY: &[Parameter] = &[METER, PAGES[0]];

/// Workspaces that are looked at together.
const STEP: usize = 500;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/admin/usage", "adminGetUsage", Access::Operator, handler!(overview))
            .about("Shows which workspaces have used the most in the current month, in UTC, and how far this node's metering is")
            .uncached()
            .query(QUERY)
            .one::<UsageOverviewView<'_>>()
            .errors(&[422]),
    ]
}

/// What all have used, as far as that is known without counting anew, and those who have used the most.
struct Survey {
    total: u64,
    top: Vec<Tenant>,
}

impl Survey {
    /// Looks at all workspaces, some at a time. How much one has used is what its roll-ups say, or what this node knows where that is more:
    /// neither is ever more than what was counted.
    async fn of(call: &Call, metering: &Metering, (meter, period): (&str, Span), most: usize) -> Result<Self> {
        let services = call.cloud()?;
        let id = meter.parse().map_err(|_| ApiError::internal())?;
        let (from, until) = (period.from().day(), period.until().day());
        let (mut total, mut top) = (0_u64, Vec::<(u64, Tenant)>::new());
        let mut page = PageRequest::first(STEP);
        loop {
            let part = services.tenancy.list(&TenantFilter::default(), &page).await.map_err(tenancy)?;
            let ids: Vec<TenantId> = part.items.iter().map(|tenant| tenant.id).collect();
            let sums = metering.ledger().added_up(&ids, id, from, until).await.map_err(failure::store)?;
            for (tenant, added_up) in part.items.into_iter().zip(sums) {
                let known =
                    if meter == REQUESTS { metering.period().known(tenant.id, Period::MONTH, call.now).unwrap_or(0) } else { 0 };
                let used = added_up.max(known);
                total = total.saturating_add(used);
                top.push((used, tenant));
            }
            top.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.subdomain.cmp(&other.subdomain)));
            top.truncate(most);
            match part.next {
                Some(next) => page = PageRequest::first(STEP).after(Some(next)),
                None => break,
            }
        }
        Ok(Self { total, top: top.into_iter().map(|(_, tenant)| tenant).collect() })
    }
}

async fn overview(call: Call) -> Result<Reply> {
    let (services, metering) = (call.cloud()?, metering(&call)?);
    let meter = meter_of(&call)?;
    let most = Window::read(&call.query).limit;
    metering.settle().await;
    let now = minute_of(call.now);
    let period = Period::MONTH.span(now);
    let Survey { total, top } = Survey::of(&call, metering, (meter, period), most).await?;
    let mut workspaces = Vec::with_capacity(top.len());
    let query = query(meter, period, Grain::Day)?;
    for tenant in &top {
        let used = Bucket::sum(&metering.store().series(tenant.id, &query).await.map_err(failure::store)?);
        workspaces.push(WorkspaceUsageView {
            id: *tenant.id.as_uuid(),
            subdomain: tenant.subdomain.as_str(),
            plan: tenant.plan.as_str(),
            used,
            limit: allowance(services, tenant)
                .filter(|_| meter == REQUESTS)
                .and_then(|allowance| allowance.at(call.now).included),
            forecast: forecast(used, period, now),
        });
    }
    workspaces.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.subdomain.cmp(b.subdomain)));
    let exact = workspaces.iter().fold(0, |sum: u64, workspace| sum.saturating_add(workspace.used));
    let sealing = metering.ledger().sealed_upto(call.now, Sealing::LOST_AFTER).await.map_err(failure::store)?;
    let view = UsageOverviewView {
        meter,
        period: SpanView::of(period),
        total: total.max(exact),
        sealed_until: sealing.upto.start(),
        lost_writers: sealing.gaps.len() as u64,
        workspaces,
        node: NodeMeteringView::of(metering, call.now),
    };
    Ok(Reply::data(call.now, &view))
}
