//! One operation of the API.

use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{ContentBuilder, Required, SecurityRequirement};

use super::area::Area;
use super::component::{API_KEY, Components, TOKEN};
use super::{answer, parameter};
use crate::route::{Access, Route};

/// What is said of a route.
pub(super) fn of(route: &Route, components: &mut Components) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.id))
        .tag(Area::of(route.path).name())
        .summary(Some(route.summary))
        .description(Some(access(route.access)))
        .securities(Some(securities(route.access)))
        .request_body(body(route, components))
        .responses(answer::of(route, components));
    for parameter in parameter::of(route, components) {
        operation = operation.parameter(parameter);
    }
    operation.build()
}

/// Who may call, for people.
fn access(access: Access) -> String {
    match access {
        Access::Open => "Anybody may call this.".to_owned(),
        Access::Conditional => {
            "Anybody may call this, unless authentication is switched on: then every valid credential.".to_owned()
        }
        Access::User => "A signed-in user may call this; a key may not.".to_owned(),
        Access::Operator => "The operator's people may call this, signed in; a key may not.".to_owned(),
        Access::Admin => "An admin of the workspace may call this, signed in; a key may not.".to_owned(),
        Access::Permission(permission) => format!("Needs the permission `{permission}`."),
    }
}

/// Who may call, for programs. The empty requirement is the one that everybody meets.
fn securities(access: Access) -> Vec<SecurityRequirement> {
    let needs = |scheme: &str, roles: &[&str]| SecurityRequirement::new(scheme, roles.iter().copied());
    match access {
        Access::Open => Vec::new(),
        Access::Conditional => vec![SecurityRequirement::default(), needs(TOKEN, &[]), needs(API_KEY, &[])],
        Access::User | Access::Operator | Access::Admin => vec![needs(TOKEN, &[])],
        Access::Permission(permission) => {
            let roles = [permission.as_str()];
            vec![needs(TOKEN, &roles), needs(API_KEY, &roles)]
        }
    }
}

fn body(route: &Route, components: &mut Components) -> Option<RequestBody> {
    let schema = components.refer(route.body.as_ref()?);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let required = if route.body_required { Required::True } else { Required::False };
    Some(RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build())
}
