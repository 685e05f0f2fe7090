//! The audit log.

use togglebox_auth::Permission;
use togglebox_core::{AuditFilter, PageRequest};

use crate::call::Call;
use crate::error::Result;
use crate::failure;
use crate::paging::{CursorMeta, List, Window};
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};
use crate::view::AuditView;

/// What restricts the log, and where its page begins.
pub(crate) const QUERY: &[Parameter] = &[
    Parameter { name: "platform", required: false, about: "Only below this platform" },
    Parameter { name: "environment", required: false, about: "Only in this environment" },
    Parameter { name: "target", required: false, about: "Only of this key, name or id" },
    Parameter { name: "limit", required: false, about: "At most this many, 1 to 100; 20 without" },
    Parameter { name: "nextToken", required: false, about: "Where the page before ended" },
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        // Who did what, with e-mail addresses: for those who manage users.
        Route::get("/api/v1/internal/audit", "listAuditRecords", Access::Permission(Permission::UserManage), handler!(list))
            .about("Lists every change, newest first")
            .query(QUERY)
            .paged::<AuditView<'_>, CursorMeta>(),
    ]
}

/// The audit log of the tenant that the call is for.
pub(crate) async fn list(call: Call) -> Result<Reply> {
    let get = |name: &str| call.query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let mut filter = AuditFilter::default();
    filter.platform = get("platform");
    filter.environment = get("environment");
    filter.target = get("target");
    // Quoted, so that no two filters have one name.
    let name = format!("audit:{:?}", (&filter.platform, &filter.environment, &filter.target));
    let list = List { tenant: call.tenant, name: &name, tokens: &call.api.page_tokens };
    let after = get("nextToken").map(|token| list.unseal(&token)).transpose()?;
    let page = PageRequest::first(Window::read(&call.query).limit).after(after);
    let page = call.api.audit.list(call.tenant, &filter, &page).await.map_err(failure::store)?;
    let views: Vec<AuditView<'_>> = page.items.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(page.next.as_ref().map(|next| list.seal(next)))))
}
