//! The tables of the central host and of workspaces' hosts.

mod accounts;
mod admin;
mod domains;
mod guests;
mod invitations;
mod members;
mod onboarding;
mod plans;
mod workspace;
mod workspaces;

use togglebox_core::{Cursor, PageRequest};
use togglebox_multitenancy::Tenant;

use super::services::CloudServices;
use super::view::WorkspaceView;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::{List, Window};
use crate::route::{Parameter, Route};
use crate::routes;

/// Of lists by cursor.
const PAGES: &[Parameter] = &[
    Parameter { name: "limit", required: false, about: "At most this many, 1 to 100; 20 without" },
    Parameter { name: "nextToken", required: false, about: "Where the page before ended" },
];

/// What the central host answers: accounts, sign-up, workspaces of one's own, the operator's work.
pub(super) fn central() -> Vec<Route> {
    let shared = routes::table().into_iter().filter(|route| accounts::SHARED.contains(&route.id));
    shared
        .chain(accounts::routes())
        .chain(onboarding::routes())
        .chain(plans::routes())
        .chain(workspaces::routes())
        .chain(invitations::central())
        .chain(admin::routes())
        .collect()
}

/// What a workspace's host answers: the API of the open-source server, with its accounts' routes replaced by those of guests, and what is
/// done to the workspace itself.
pub(super) fn workspace() -> Vec<Route> {
    let own = guests::routes();
    let kept: Vec<Route> = routes::table().into_iter().filter(|route| own.iter().all(|own| own.id != route.id)).collect();
    kept.into_iter()
        .chain(own)
        .chain(workspace::routes())
        .chain(members::routes())
        .chain(invitations::routes())
        .chain(domains::routes())
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

fn shown<'a>(services: &CloudServices, tenant: &'a Tenant) -> WorkspaceView<'a> {
    WorkspaceView::of(tenant, services.url_of(tenant.subdomain.as_str()))
}
