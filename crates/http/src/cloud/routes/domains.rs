//! Domains of the workspace's own.

use togglebox_auth::Permission;
use togglebox_multitenancy::DomainName;

use super::super::failure::tenancy;
use super::super::input;
use super::super::schema::DomainBody;
use super::super::view::{DomainView, ServedDomainView, WorkspaceView};
use super::shown;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};
use crate::schema::Count;

pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::UserManage);
    vec![
        Route::get("/api/v1/workspace/domains", "listDomains", manage, handler!(list))
            .about("Lists the domains that the workspace claims")
            .uncached()
            .paged::<DomainView<'_>, Count>(),
        Route::post("/api/v1/workspace/domains", "claimDomain", manage, handler!(claim))
            .about("Claims a domain, and says which TXT record shows that it is the workspace's")
            .small()
            .uncached()
            .takes::<DomainBody>()
            .status(201)
            .one::<DomainView<'_>>()
            .errors(&[409]),
        Route::post("/api/v1/workspace/domains/{domain}/verify", "verifyDomain", manage, handler!(verify))
            .about("Looks for that record; if it is there, the domain leads to the workspace from then on")
            .small()
            .uncached()
            .one::<WorkspaceView<'_>>()
            .errors(&[404, 409]),
        Route::delete("/api/v1/workspace/domains/{domain}", "releaseDomain", manage, handler!(release))
            .about("Drops a domain: it leads nowhere from then on")
            .uncached()
            .errors(&[404]),
    ]
}

pub(super) fn central() -> Vec<Route> {
    vec![
        Route::get("/api/v1/domains/served", "getServedDomain", Access::Open, handler!(served))
            .about("Says whether a domain leads to a workspace: what a front end asks before it gets a certificate for it")
            .query(&[Parameter { name: "domain", required: true, about: "The domain" }])
            .uncached()
            .one::<ServedDomainView<'_>>()
            .errors(&[404]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let claims = call.cloud()?.tenancy.domains(call.tenant).await.map_err(tenancy)?;
    let views: Vec<DomainView<'_>> = claims.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &Count { count: views.len() }))
}

async fn claim(call: Call) -> Result<Reply> {
    let domain = input::domain(call.body()).map_err(ApiError::field_validation)?;
    let claim = call.cloud()?.tenancy.claim_domain(call.tenant, &call.actor()?, domain).await.map_err(tenancy)?;
    Ok(Reply::created(call.now, &DomainView::from(&claim)))
}

async fn verify(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let tenant = services.tenancy.verify_domain(call.tenant, &call.actor()?, &domain(&call)?).await.map_err(tenancy)?;
    Ok(Reply::data(call.now, &shown(services, &tenant)))
}

async fn release(call: Call) -> Result<Reply> {
    call.cloud()?.tenancy.release_domain(call.tenant, &call.actor()?, &domain(&call)?).await.map_err(tenancy)?;
    Ok(Reply::no_content())
}

async fn served(call: Call) -> Result<Reply> {
    let nobodys = || ApiError::not_found("The domain leads to no workspace");
    let domain = DomainName::new(call.query.get("domain").unwrap_or_default()).map_err(|_| nobodys())?;
    if !call.cloud()?.tenancy.serves(&domain).await.map_err(tenancy)? {
        return Err(nobodys());
    }
    Ok(Reply::data(call.now, &ServedDomainView { domain: domain.as_str() }))
}

/// What is no domain is nobody's.
fn domain(call: &Call) -> Result<DomainName> {
    DomainName::new(call.param(0)).map_err(|_| ApiError::not_found("Domain not found"))
}
