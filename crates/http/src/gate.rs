//! Who may pass.
//!
//! One gate for every route, and one kind of key for all of them. What it says to those it turns away differs by area only where
//! clients of the original could tell the areas apart.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use togglebox_auth::{Denied, Presented, Principal, Role};
use togglebox_core::TenantId;

use crate::api::Api;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::route::Access;

/// Tells who is calling a route that is not for everybody.
pub(crate) async fn authenticate(api: &Api, tenant: TenantId, request: &HttpRequest, path: &str) -> Result<Arc<Principal>> {
    let principal = api.authenticator.authenticate(tenant, presented(request.headers())).await;
    principal.map_err(|denied| refusal(api, path, denied))
}

/// Lets a caller through to a route.
pub(crate) fn admit(principal: &Principal, access: Access) -> Result<()> {
    match access {
        Access::Open | Access::Conditional => {}
        Access::User if principal.signed_in().is_some() => {}
        Access::User => return Err(ApiError::new(Code::Unauthorized, "Authentication required")),
        Access::Operator | Access::Admin if principal.role() == Some(Role::Admin) => {}
        Access::Operator | Access::Admin => return Err(ApiError::new(Code::Forbidden, "Insufficient permissions")),
        Access::Permission(permission) if principal.may(permission) => {}
        Access::Permission(permission) => {
            let error = ApiError::new(Code::Forbidden, "Insufficient permissions");
            return Err(error.with_meta("requiredPermission", permission.as_str()));
        }
    }
    Ok(())
}

/// Who is calling such a route, if that is remembered and they may.
pub(crate) fn admitted_at_once(api: &Api, tenant: TenantId, request: &HttpRequest, access: Access) -> Option<Arc<Principal>> {
    let principal = api.authenticator.remembered(tenant, presented(request.headers()))?;
    admit(&principal, access).is_ok().then_some(principal)
}

/// Whether everybody may pass, so that nobody needs to be asked who they are.
pub(crate) const fn is_open(api: &Api, access: Access) -> bool {
    match access {
        Access::Open => true,
        Access::Conditional => !api.config.authentication,
        Access::User | Access::Operator | Access::Admin | Access::Permission(_) => false,
    }
}

/// What a request to a path without a route is told. With authentication on, strangers learn nothing about which paths there are.
pub(crate) async fn unrouted(api: &Api, tenant: TenantId, request: &HttpRequest, path: &str) -> ApiError {
    let missing = ApiError::new(Code::RouteNotFound, "Route not found");
    if !(api.config.authentication && is_below(path, "/api/v1")) {
        return missing;
    }
    match api.authenticator.authenticate(tenant, presented(request.headers())).await {
        Ok(_) => missing,
        Err(denied) => refusal(api, path, denied),
    }
}

/// What a request carries.
pub(crate) fn presented(headers: &HeaderMap) -> Presented<'_> {
    // Names that are parsed already: a text would be parsed for each request.
    static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
    Presented { bearer: bearer(headers), api_key: headers.get(&API_KEY).and_then(|value| value.to_str().ok()) }
}

/// The token of it.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    // The scheme is matched as written, with one space: what the original takes.
    headers.get(&AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn refusal(api: &Api, path: &str, denied: Denied) -> ApiError {
    let internal = !api.config.authentication && is_below(path, "/api/v1/internal");
    let message = match denied {
        Denied::Store(error) => return failure::store(error),
        Denied::InvalidToken if internal => "Invalid or expired JWT token",
        Denied::InvalidKey if internal => "Invalid API key",
        Denied::Missing if internal => "Authentication required. Provide either Bearer token or X-API-Key header",
        _ => "Authentication required. Provide valid Bearer token or X-API-Key header",
    };
    ApiError::new(Code::Unauthorized, message)
}

/// Whether `path` is `area` or below it, without regard to case.
fn is_below(path: &str, area: &str) -> bool {
    path.get(..area.len()).is_some_and(|start| start.eq_ignore_ascii_case(area))
        && path.as_bytes().get(area.len()).is_none_or(|next| *next == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_end_at_a_slash() {
        assert!(is_below("/API/v1/nope", "/api/v1"));
        assert!(is_below("/api/v1", "/api/v1"));
        assert!(!is_below("/api/v10", "/api/v1"));
        assert!(!is_below("/api", "/api/v1"));
        assert!(!is_below("/äpi/v1", "/api/v1"));
    }
}
