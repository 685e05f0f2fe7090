//! Members, guests and sessions.

use actix_web::http::Method;
use serde_json::json;

use super::rig::{API, PASSWORD, Rig};

#[actix_web::test]
async fn people_join_by_invitation_in_the_role_that_it_names() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let cy = rig.join(&ann, "cy", "developer").await;
    rig.post(&cy.host, "/api/v1/internal/platforms", Some(&cy.token), json!({ "name": "web" })).await.expect(201);
    rig.get(&cy.host, "/api/v1/workspace/members", &cy.token).await.expect(403);
    let members = rig.get(&ann.host, "/api/v1/workspace/members", &ann.token).await.expect(200).json();
    let roles: Vec<_> = members["data"].as_array().unwrap().iter().map(|member| member["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["admin", "developer"]);
    // Somebody who has an account already.
    rig.sign_up("bob", "globex").await;
    let invite = json!({ "email": "bob@example.com" });
    let invited = rig.post(&ann.host, "/api/v1/workspace/invitations", Some(&ann.token), invite.clone()).await.expect(201).json();
    rig.post(&ann.host, "/api/v1/workspace/invitations", Some(&ann.token), invite).await.expect(409);
    let token = json!({ "token": invited["data"]["token"] });
    let offer = rig.post(API, "/api/v1/invitations/show", None, token.clone()).await.expect(200).json();
    assert_eq!((&offer["data"]["subdomain"], &offer["data"]["role"]), (&json!("acme"), &json!("viewer")));
    let (central, other) = (rig.signed_in("bob", API).await, rig.signed_in("cy", API).await);
    let accept = "/api/v1/invitations/accept";
    rig.post(API, accept, Some(&other.token), token.clone()).await.expect(403);
    rig.post(API, accept, Some(&central.token), token.clone()).await.expect(200);
    let again = rig.post(API, accept, Some(&central.token), token.clone()).await;
    assert_eq!(again.expect(400).json()["code"], "INVALID_INVITATION");
    let bob = rig.signed_in("bob", &ann.host).await;
    rig.get(&ann.host, "/api/v1/platforms", &bob.token).await.expect(200);
    rig.post(&ann.host, "/api/v1/internal/platforms", Some(&bob.token), json!({ "name": "x" })).await.expect(403);
    // Nobody joins in another way.
    let form = json!({ "name": "Eve", "email": "eve@example.com", "password": PASSWORD });
    rig.post(&ann.host, "/api/v1/auth/register", None, form.clone()).await.expect(403);
    rig.post(&ann.host, "/api/v1/internal/users", Some(&ann.token), form).await.expect(403);
    rig.post(API, "/api/v1/invitations/join", None, json!({ "token": "x", "name": "e", "password": "e" })).await.expect(422);
}

#[actix_web::test]
async fn a_role_counts_from_the_next_request_on_and_who_is_removed_is_out() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let cy = rig.join(&ann, "cy", "developer").await;
    let key = json!({ "name": "ci", "permissions": ["config:write", "config:read"] });
    let key = rig.post(&cy.host, "/api/v1/api-keys", Some(&cy.token), key).await.expect(201).json()["data"]["key"].clone();
    let with_key = [("x-api-key", key.as_str().unwrap())];
    let by_key = || rig.send((Method::GET, &cy.host, "/api/v1/platforms"), None, None, &with_key);
    by_key().await.expect(200);
    let member = format!("/api/v1/workspace/members/{}", cy.user);
    let patch = |role: &str| rig.send((Method::PATCH, &ann.host, &member), Some(&ann.token), Some(json!({ "role": role })), &[]);
    patch("viewer").await.expect(200);
    rig.post(&cy.host, "/api/v1/internal/platforms", Some(&cy.token), json!({ "name": "web" })).await.expect(403);
    // By the path of the open-source server.
    let role = format!("/api/v1/users/{}/role", cy.user);
    let body = Some(json!({ "role": "developer" }));
    rig.send((Method::PATCH, &ann.host, &role), Some(&ann.token), body, &[]).await.expect(200);
    rig.post(&cy.host, "/api/v1/internal/platforms", Some(&cy.token), json!({ "name": "web" })).await.expect(201);
    rig.send((Method::DELETE, &ann.host, &member), Some(&ann.token), None, &[]).await.expect(204);
    rig.get(&cy.host, "/api/v1/platforms", &cy.token).await.expect(401);
    by_key().await.expect(401);
    rig.sign_in("cy", &cy.host).await.expect(401);
    rig.sign_in("cy", API).await.expect(200);
    // The owner stays.
    let owner = format!("/api/v1/workspace/members/{}", ann.user);
    let removed = rig.send((Method::DELETE, &ann.host, &owner), Some(&ann.token), None, &[]).await;
    assert_eq!(removed.expect(400).json()["code"], "LAST_ADMIN");
    rig.post(&ann.host, "/api/v1/workspace/leave", Some(&ann.token), json!({})).await.expect(400);
}

#[actix_web::test]
async fn a_new_password_ends_what_the_old_one_opened_everywhere() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let central = rig.signed_in("ann", API).await;
    rig.post(API, "/api/v1/workspaces", Some(&central.token), json!({ "name": "B", "subdomain": "second" })).await.expect(201);
    let beta = rig.signed_in("ann", "second.localtest").await;
    rig.clock.advance(std::time::Duration::from_secs(1));
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "Parola124!" });
    let path = "/api/v1/users/me/password";
    rig.post(&ann.host, path, Some(&ann.token), json!({ "currentPassword": "no", "newPassword": "Parola124!" }))
        .await
        .expect(400);
    rig.post(&ann.host, path, Some(&ann.token), change).await.expect(200);
    rig.get(&ann.host, "/api/v1/users/me", &ann.token).await.expect(401);
    rig.get(&beta.host, "/api/v1/users/me", &beta.token).await.expect(401);
    rig.get(API, "/api/v1/users/me", &central.token).await.expect(401);
    rig.sign_in("ann", &ann.host).await.expect(401);
}

#[actix_web::test]
async fn a_session_that_an_old_password_opened_is_not_prolonged() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    rig.post(&ann.host, "/api/v1/auth/refresh", Some(&ann.token), json!({})).await.expect(200);
    // As if the node had died after the account was written.
    let central = rig.signed_in("ann", API).await;
    rig.clock.advance(std::time::Duration::from_secs(1));
    let form = json!({ "currentPassword": PASSWORD, "newPassword": "Parola124!" });
    let form = togglebox_auth::input::PasswordChange::read(Some(&form)).unwrap();
    let account = rig.services.accounts.user(crate::cloud::CENTRAL, central.user.parse().unwrap()).await.unwrap();
    let caller = togglebox_auth::SignedInUser { user: account, session: None };
    rig.services.accounts.change_password(crate::cloud::CENTRAL, &caller, form).await.unwrap();
    rig.get(&ann.host, "/api/v1/users/me", &ann.token).await.expect(200);
    rig.post(&ann.host, "/api/v1/auth/refresh", Some(&ann.token), json!({})).await.expect(401);
}

#[actix_web::test]
async fn guests_follow_members_whose_change_was_not_finished() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let (cy, di) = (rig.join(&ann, "cy", "developer").await, rig.join(&ann, "di", "viewer").await);
    rig.cloud.poll().await.unwrap();
    let tenant = ann.workspace["id"].as_str().unwrap().parse().unwrap();
    let actor = togglebox_core::Actor::system();
    // As if the node had died after the register was written.
    rig.services.tenancy.remove_member(tenant, &actor, cy.user.parse().unwrap(), None).await.unwrap();
    let developer = togglebox_multitenancy::MemberRole::Developer;
    rig.services.tenancy.change_role(tenant, &actor, di.user.parse().unwrap(), developer, None).await.unwrap();
    rig.get(&cy.host, "/api/v1/platforms", &cy.token).await.expect(200);
    rig.cloud.poll().await.unwrap();
    rig.get(&cy.host, "/api/v1/platforms", &cy.token).await.expect(401);
    rig.post(&di.host, "/api/v1/internal/platforms", Some(&di.token), json!({ "name": "web" })).await.expect(201);
}

#[actix_web::test]
async fn a_workspace_is_handed_over_and_left() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let cy = rig.join(&ann, "cy", "viewer").await;
    let transfer = "/api/v1/workspace/transfer";
    let to = |user: &str| json!({ "userId": user });
    rig.post(&ann.host, transfer, Some(&ann.token), to("nobody")).await.expect(422);
    rig.post(&ann.host, transfer, Some(&ann.token), to(&cy.user)).await.expect(422);
    let member = format!("/api/v1/workspace/members/{}", cy.user);
    let admin = Some(json!({ "role": "admin" }));
    rig.send((Method::PATCH, &ann.host, &member), Some(&ann.token), admin, &[]).await.expect(200);
    rig.post(&ann.host, transfer, Some(&cy.token), to(&cy.user)).await.expect(403);
    rig.post(&ann.host, transfer, Some(&ann.token), to(&cy.user)).await.expect(200);
    rig.post(&ann.host, "/api/v1/workspace/leave", Some(&ann.token), json!({})).await.expect(200);
    rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(401);
    rig.send((Method::DELETE, &cy.host, "/api/v1/workspace"), Some(&cy.token), None, &[]).await.expect(200);
    rig.get(&cy.host, "/api/v1/workspace", &cy.token).await.expect(404);
    let central = rig.signed_in("cy", API).await;
    rig.post(API, "/api/v1/workspaces/acme/restore", Some(&central.token), json!({})).await.expect(200);
    rig.get(&cy.host, "/api/v1/workspace", &cy.token).await.expect(200);
}

#[actix_web::test]
async fn the_invitations_of_who_was_an_admin_end_with_that() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let cy = rig.join(&ann, "cy", "admin").await;
    let invitations = "/api/v1/workspace/invitations";
    let invite = async |email: &str| {
        let body = json!({ "email": email, "role": "admin" });
        rig.post(&cy.host, invitations, Some(&cy.token), body).await.expect(201).json()["data"].clone()
    };
    let (kept, lost) = (invite("di@example.com").await, invite("eve@example.com").await);
    // Sent again by another admin, it is that one's.
    let again = format!("{invitations}/{}/resend", kept["id"].as_str().unwrap());
    let kept = rig.post(&ann.host, &again, Some(&ann.token), json!({})).await.expect(200).json()["data"].clone();
    assert_eq!(kept["invitedBy"], "ann@example.com");
    let member = format!("/api/v1/workspace/members/{}", cy.user);
    rig.send((Method::DELETE, &ann.host, &member), Some(&ann.token), None, &[]).await.expect(204);
    let waiting = rig.get(&ann.host, invitations, &ann.token).await.expect(200).json();
    let waiting: Vec<_> = waiting["data"].as_array().unwrap().iter().map(|each| each["email"].clone()).collect();
    assert_eq!(waiting, ["di@example.com"]);
    let join = async |invited: &serde_json::Value, name: &str| {
        let body = json!({ "token": invited["token"], "name": name, "password": PASSWORD });
        rig.post(API, "/api/v1/invitations/join", None, body).await
    };
    assert_eq!(join(&lost, "eve").await.expect(400).json()["code"], "INVALID_INVITATION");
    join(&kept, "di").await.expect(201);
}
