//! The tables of the central host and of workspaces' hosts.

mod accounts;
mod admin;
mod billing;
mod domains;
mod export;
mod guests;
mod invitations;
mod members;
mod metering;
mod onboarding;
mod plans;
mod usage;
mod workspace;
mod workspaces;

use secrecy::ExposeSecret as _;
use togglebox_auth::SignedIn;
use togglebox_core::{Cursor, PageRequest};
use togglebox_multitenancy::Tenant;

use super::services::CloudServices;
use super::view::{EntranceView, WorkspaceView};
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::{List, Window};
use crate::reply::Reply;
use crate::route::{Handler, Parameter, Route};
use crate::routes;
use crate::view::UserView;

/// Of lists by cursor.
const PAGES: &[Parameter] = &[
    Parameter { name: "limit", required: false, about: "At most this many, 1 to 100; 20 without" },
    Parameter { name: "nextToken", required: false, about: "Where the page before ended" },
];

/// What answers a route of the open-source server in its place.
type Answers = &'static [(&'static str, Handler, Option<&'static str>)];

/// A route of the open-source server: as it is there, or with the answer, and the sentence for people, that stand in its place.
fn replaced(route: Route, answers: Answers) -> Route {
    let Some((_, handler, about)) = answers.iter().find(|(id, ..)| *id == route.id) else { return route };
    let route = route.answered_by(*handler);
    match about {
        Some(about) => route.about(about),
        None => route,
    }
}

/// The ids of the open-source server's routes that one of the hosts names.
#[cfg(test)]
pub(super) fn replaced_ids() -> impl Iterator<Item = &'static str> {
    let answered = accounts::ANSWERS.iter().chain(guests::ANSWERS).map(|(id, ..)| *id);
    answered.chain(accounts::ROUTES.iter().copied())
}

/// What the central host answers: accounts, sign-up, workspaces of one's own, the operator's work.
pub(super) fn central() -> Vec<Route> {
    let accounts = routes::table().into_iter().filter(|route| accounts::ROUTES.contains(&route.id));
    accounts
        .map(|route| replaced(route, accounts::ANSWERS))
        .chain(onboarding::routes())
        .chain(plans::routes())
        .chain(workspaces::routes())
        .chain(export::central())
        .chain(invitations::central())
        .chain(domains::central())
        .chain(admin::routes())
        .chain(metering::routes())
        .chain(billing::central())
        .collect()
}

/// What a workspace's host answers: the API of the open-source server, where accounts are those of guests, and what is done to the
/// workspace itself.
pub(super) fn workspace() -> Vec<Route> {
    let table = routes::table().into_iter().map(|route| replaced(route, guests::ANSWERS));
    table
        .chain(workspace::routes())
        .chain(export::routes())
        .chain(members::routes())
        .chain(invitations::routes())
        .chain(domains::routes())
        .chain(usage::routes())
        .chain(billing::routes())
        .map(Route::charged)
        .collect()
}

impl Call {
    /// What only a service of many workspaces has.
    fn cloud(&self) -> Result<&CloudServices> {
        self.api.extras.as_ref().ok_or_else(|| {
            tracing::error!("A route of the cloud is mounted without its services");
            ApiError::internal()
        })
    }

    /// Which part of the list `name` is asked for.
    fn page(&self, name: &str) -> Result<PageRequest> {
        let token = self.query.get("nextToken").filter(|token| !token.is_empty());
        let after = token.map(|token| self.list(name).unseal(token)).transpose()?;
        Ok(PageRequest::first(Window::read(&self.query).limit).after(after))
    }

    /// What a client gets of where a list goes on.
    fn sealed(&self, name: &str, next: Option<&Cursor>) -> Option<String> {
        next.map(|next| self.list(name).seal(next))
    }

    fn list<'a>(&'a self, name: &'a str) -> List<'a> {
        List { tenant: self.tenant, name, tokens: &self.api.page_tokens }
    }
}

/// The answer to somebody who has come into a workspace.
fn entrance(call: &Call, tenant: &Tenant, entered: &SignedIn) -> Result<Reply> {
    let (user, token) = (UserView::from(&entered.user), entered.token.expose_secret());
    Ok(Reply::data(call.now, &EntranceView { user, token, workspace: shown(call.cloud()?, tenant) }))
}

fn shown<'a>(services: &CloudServices, tenant: &'a Tenant) -> WorkspaceView<'a> {
    WorkspaceView::of(tenant, services.url_of(tenant.subdomain.as_str()))
}
