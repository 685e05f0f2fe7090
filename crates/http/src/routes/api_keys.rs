//! The signed-in user's API keys.

use secrecy::ExposeSecret as _;
use togglebox_auth::Permission;
use togglebox_auth::input::NewApiKey;

use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::failure;
use crate::reply::{Reply, envelope};
use crate::route::{Access, Route, handler};
use crate::schema::NewApiKeyBody;
use crate::view::{ApiKeyView, CreatedApiKeyView};

const MISSING: &str = "API key not found";

pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::ApiKeyManage);
    vec![
        listing(Route::get("/api/v1/api-keys", "listApiKeys", Access::User, handler!(list))),
        listing(Route::get("/api/v1/internal/api-keys", "listApiKeysInternally", manage, handler!(list))),
        creating(Route::post("/api/v1/api-keys", "createApiKey", Access::User, handler!(create))),
        creating(Route::post("/api/v1/internal/api-keys", "createApiKeyInternally", manage, handler!(create))),
        showing(Route::get("/api/v1/api-keys/{id}", "getApiKey", Access::User, handler!(get))),
        showing(Route::get("/api/v1/internal/api-keys/{id}", "getApiKeyInternally", manage, handler!(get))),
        revoking(Route::delete("/api/v1/api-keys/{id}", "revokeApiKey", Access::User, handler!(revoke))),
        revoking(Route::delete("/api/v1/internal/api-keys/{id}", "revokeApiKeyInternally", manage, handler!(revoke))),
    ]
}

fn listing(route: Route) -> Route {
    route.about("Lists one's own API keys, newest first").uncached().many::<ApiKeyView<'_>>()
}

fn creating(route: Route) -> Route {
    let route = route.about("Makes an API key and shows it, this once").small().uncached();
    route.takes::<NewApiKeyBody>().status(201).one::<CreatedApiKeyView<'_>>().errors(&[403, 404])
}

fn showing(route: Route) -> Route {
    route.about("Shows one of one's own API keys").uncached().one::<ApiKeyView<'_>>().errors(&[404])
}

fn revoking(route: Route) -> Route {
    route.about("Revokes one of one's own API keys, on every node at once").uncached().message().errors(&[404])
}

async fn list(call: Call) -> Result<Reply> {
    let keys = call.api.accounts.keys(call.tenant, call.user()?).await.map_err(failure::accounts)?;
    let views: Vec<ApiKeyView<'_>> = keys.iter().map(Into::into).collect();
    Ok(Reply::data(call.now, &views))
}

pub(crate) async fn create(call: Call) -> Result<Reply> {
    let user = call.user()?;
    let form = NewApiKey::read(call.body()).map_err(ApiError::field_validation)?;
    let created = call.api.accounts.create_key(call.tenant, user, form).await.map_err(failure::accounts)?;
    let view = CreatedApiKeyView { record: ApiKeyView::from(&created.key), key: created.secret.expose_secret() };
    let message = "API key created. This is the only time you will see the full key.";
    let body = envelope(Some(&view), Some(message), None::<&()>, call.now);
    Ok(Reply::json(actix_web::http::StatusCode::CREATED, body))
}

async fn get(call: Call) -> Result<Reply> {
    let key = call.api.accounts.key(call.tenant, call.user()?, call.id(0, MISSING)?).await.map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &ApiKeyView::from(&key)))
}

async fn revoke(call: Call) -> Result<Reply> {
    call.api.accounts.revoke_key(call.tenant, call.user()?, call.id(0, MISSING)?).await.map_err(failure::accounts)?;
    Ok(Reply::message(call.now, "API key revoked successfully"))
}
