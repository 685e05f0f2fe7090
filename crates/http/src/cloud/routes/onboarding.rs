//! From nothing to a workspace in one request.

use actix_web::http::StatusCode;
use togglebox_auth::User;
use togglebox_core::Actor;
use togglebox_multitenancy::manage::NewTenant;
use togglebox_multitenancy::{Person, Subdomain, Tenant};

use super::super::CENTRAL;
use super::super::billing::view::PendingView;
use super::super::failure::tenancy;
use super::super::input::{NewWorkspace, SignUp};
use super::super::schema::SignUpBody;
use super::super::services::CloudServices;
use super::super::view::{AvailabilityView, EntranceView};
use super::billing::sign_up::{begin, purchase};
use super::entrance;
use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/onboarding/signup", "signUp", Access::Open, handler!(sign_up))
            .class(RouteClass::Register)
            .about("Makes an account and its first workspace, and signs in there; for a plan that costs something, says where it is paid for first")
            .small()
            .uncached()
            .takes::<SignUpBody>()
            .status(201)
            .one::<EntranceView<'_>>()
            .or::<PendingView<'_>>(202)
            .errors(&[402, 403, 409, 502]),
        Route::get("/api/v1/onboarding/subdomains/{subdomain}", "getSubdomain", Access::Open, handler!(availability))
            .class(RouteClass::Read)
            .about("Says whether a subdomain can be had")
            .uncached()
            .one::<AvailabilityView<'_>>(),
    ]
}

async fn sign_up(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let form = SignUp::read(call.body()).map_err(ApiError::field_validation)?;
    if !services.settings.sign_up {
        return Err(ApiError::new(Code::RegistrationDisabled, "Sign-up is closed: ask for an invitation"));
    }
    let purchase = purchase(services, &form.workspace)?;
    // Nobody is left with an account and no workspace because of a name that is taken anyway.
    if let Some(reason) = taken(services, &form.workspace.subdomain).await? {
        return Err(ApiError::new(Code::AlreadyExists, reason));
    }
    let account = services.accounts.register(CENTRAL, form.account).await.map_err(failure::accounts)?;
    // Should this fail now, the account stands: signing in and making the workspace goes on from here.
    if let Some(purchase) = purchase {
        return begin(&call, purchase, &account, form.workspace).await;
    }
    let tenant = make(services, &account, form.workspace).await?;
    let entered = services.enter(tenant.id, &account).await?;
    Ok(entrance(&call, &tenant, &entered)?.status(StatusCode::CREATED))
}

/// Makes a workspace of somebody's, with its owner as a guest.
pub(super) async fn make(services: &CloudServices, owner: &User, form: NewWorkspace) -> Result<Tenant> {
    let actor = Actor::user(owner.id.to_string(), owner.email.as_str());
    let new = NewTenant {
        name: form.name,
        subdomain: form.subdomain,
        plan: form.plan,
        owner: Person { user: owner.id, email: owner.email.clone() },
        id: None,
        unpaid: false,
    };
    let tenant = services.tenancy.create(&actor, new).await.map_err(tenancy)?;
    let member = services.tenancy.member(tenant.id, owner.id).await.map_err(tenancy)?;
    services.seat(&member, &actor).await?;
    Ok(tenant)
}

async fn availability(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let asked = call.param(0);
    let reason = match Subdomain::new(asked) {
        Ok(subdomain) => taken(services, &subdomain).await?,
        Err(error) => Some(error.to_string()),
    };
    let view = AvailabilityView { subdomain: asked, available: reason.is_none(), reason };
    Ok(Reply::data(call.now, &view))
}

/// Why a subdomain cannot be had, as far as that can be said before it is asked for.
async fn taken(services: &CloudServices, subdomain: &Subdomain) -> Result<Option<String>> {
    match services.tenancy.expect_free(subdomain).await {
        Ok(()) => Ok(None),
        Err(error) => {
            let text = error.to_string();
            let told = tenancy(error);
            if told.code().status() == StatusCode::SERVICE_UNAVAILABLE || told.code() == Code::Internal {
                return Err(told);
            }
            Ok(Some(text))
        }
    }
}
