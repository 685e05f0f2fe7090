//! The signed-in user, and users as admins see them.

use togglebox_auth::input::{NewUser, PasswordChange, ProfileUpdate, RoleChange};
use togglebox_auth::{Permission, UserQuery};

use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::paging::Window;
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};
use crate::schema::{NewUserBody, PasswordChangeBody, RoleBody, UserListMeta, UserPatchBody};
use crate::view::UserView;

const MISSING: &str = "User not found";

const QUERY: &[Parameter] = &[
    Parameter { name: "limit", required: false, about: "At most this many, 1 to 100; 20 without" },
    Parameter { name: "offset", required: false, about: "How many to pass over" },
    Parameter { name: "role", required: false, about: "Only users of this role" },
];

pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::UserManage);
    vec![
        Route::get("/api/v1/users/me", "getMe", Access::User, handler!(me))
            .stays_open()
            .about("Shows the signed-in user")
            .uncached()
            .one::<UserView<'_>>()
            .errors(&[404]),
        Route::patch("/api/v1/users/me", "updateMe", Access::User, handler!(update_me))
            .about("Changes the signed-in user's name")
            .small()
            .uncached()
            .takes::<UserPatchBody>()
            .one::<UserView<'_>>()
            .errors(&[404, 409]),
        Route::post("/api/v1/users/me/password", "changePassword", Access::User, handler!(change_password))
            .about("Changes the signed-in user's password and ends the other sessions")
            .small()
            .uncached()
            .takes::<PasswordChangeBody>()
            .message()
            .errors(&[404, 409, 429]),
        listing(Route::get("/api/v1/users", "listUsers", manage, handler!(list))),
        listing(Route::get("/api/v1/internal/users", "listUsersInternally", manage, handler!(list))),
        Route::post("/api/v1/internal/users", "createUser", manage, handler!(create))
            .about("Makes an account")
            .small()
            .takes::<NewUserBody>()
            .status(201)
            .one::<UserView<'_>>()
            .errors(&[409]),
        showing(Route::get("/api/v1/users/{id}", "getUser", manage, handler!(get))),
        showing(Route::get("/api/v1/internal/users/{id}", "getUserInternally", manage, handler!(get))),
        deleting(Route::delete("/api/v1/users/{id}", "deleteUser", manage, handler!(delete))),
        deleting(Route::delete("/api/v1/internal/users/{id}", "deleteUserInternally", manage, handler!(delete))),
        ranking(Route::patch("/api/v1/users/{id}/role", "changeRole", manage, handler!(change_role))),
        ranking(Route::patch("/api/v1/internal/users/{id}/role", "changeRoleInternally", manage, handler!(change_role))),
    ]
}

fn listing(route: Route) -> Route {
    route.about("Lists users, newest first").uncached().query(QUERY).paged::<UserView<'_>, UserListMeta>()
}

fn showing(route: Route) -> Route {
    route.about("Shows a user").uncached().one::<UserView<'_>>().errors(&[404])
}

fn deleting(route: Route) -> Route {
    route.about("Deletes a user with the user's sessions and keys").uncached().message().errors(&[400, 404, 409])
}

fn ranking(route: Route) -> Route {
    route.about("Changes a user's role").small().uncached().takes::<RoleBody>().one::<UserView<'_>>().errors(&[400, 404, 409])
}

async fn me(call: Call) -> Result<Reply> {
    let user = call.api.accounts.profile(call.tenant, call.user()?).await.map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &UserView::from(&user)))
}

async fn update_me(call: Call) -> Result<Reply> {
    let form = ProfileUpdate::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.update_profile(call.tenant, call.user()?, form).await.map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &UserView::from(&user)))
}

async fn change_password(call: Call) -> Result<Reply> {
    let form = PasswordChange::read(call.body()).map_err(ApiError::field_validation)?;
    call.api.accounts.change_password(call.tenant, call.user()?, form).await.map_err(failure::accounts)?;
    Ok(Reply::message(call.now, "Password changed successfully"))
}

async fn list(call: Call) -> Result<Reply> {
    let window = Window::read(&call.query);
    let query = UserQuery {
        role: call.query.get("role").filter(|role| !role.is_empty()).map(str::to_owned),
        offset: window.offset as u64,
        limit: window.limit as u64,
    };
    let list = call.api.accounts.users(call.tenant, &query).await.map_err(failure::accounts)?;
    let views: Vec<UserView<'_>> = list.users.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &UserListMeta { total: list.total, limit: query.limit, offset: query.offset }))
}

async fn create(call: Call) -> Result<Reply> {
    let form = NewUser::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.create_user(call.tenant, call.actor()?, form).await.map_err(failure::accounts)?;
    Ok(Reply::created(call.now, &UserView::from(&user)))
}

async fn get(call: Call) -> Result<Reply> {
    let user = call.api.accounts.user(call.tenant, call.id(0, MISSING)?).await.map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &UserView::from(&user)))
}

async fn delete(call: Call) -> Result<Reply> {
    call.api.accounts.delete_user(call.tenant, call.principal()?, call.id(0, MISSING)?).await.map_err(failure::accounts)?;
    Ok(Reply::message(call.now, "User deleted successfully"))
}

async fn change_role(call: Call) -> Result<Reply> {
    let form = RoleChange::read(call.body())
        .ok_or_else(|| ApiError::new(Code::BadRequest, "Invalid role. Must be admin, developer, or viewer"))?;
    let user = call
        .api
        .accounts
        .change_role(call.tenant, call.principal()?, call.id(0, MISSING)?, form)
        .await
        .map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &UserView::from(&user)))
}
