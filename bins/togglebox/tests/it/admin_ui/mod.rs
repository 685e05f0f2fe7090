//! Every call that the original's admin UI makes, and what it reads of the answers.
//!
//! The UI takes `data` of a 2xx answer, treats 204 as nothing, ends the session on any 401, and shows `error` (with `details` as a
//! list of texts) of everything else.

mod shape;

use serde_json::{Value, json};

use self::shape::check;
use crate::client::{Client, INTERNAL, PUBLIC, experiment, make_environment, start_with_admin};
use crate::server::{Launch, Server};

async fn furnished() -> (Server, Client) {
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    (server, admin)
}

fn user() -> Value {
    json!({ "id": "text", "name": "text?", "email": "text", "role": "text", "createdAt": "time", "updatedAt": "time" })
}

#[tokio::test]
async fn the_pages_for_signing_in_find_what_they_read() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    let account = json!({ "name": "Vic", "email": "vic@example.com", "password": "Viewer123" });
    check(&admin.anonymous().post("/api/v1/auth/register", account.clone()).await.data(201), &user());
    let signed_in = admin.anonymous().post("/api/v1/auth/login", account).await.data(200);
    check(&signed_in, &json!({ "user": user(), "token": "text" }));
    let vic = admin.token(signed_in["token"].as_str().unwrap());
    check(&vic.get("/api/v1/users/me").await.data(200), &user());
    check(&vic.patch("/api/v1/users/me", json!({ "name": "Victor" })).await.data(200), &user());
    let wrong = json!({ "currentPassword": "Wrong1234", "newPassword": "Viewer456" });
    let refused = vic.post("/api/v1/users/me/password", wrong).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some("Current password is incorrect")));
    let right = json!({ "currentPassword": "Viewer123", "newPassword": "Viewer456" });
    check(
        &vic.post("/api/v1/users/me/password", right).await.expect(200).json(),
        &json!({ "success": "boolean", "message": "text" }),
    );
    vic.get("/api/v1/users/me").await.expect(200);
}

#[tokio::test]
async fn the_pages_of_platforms_and_environments_find_what_they_read() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    let platform = json!({ "id": "text", "name": "text", "description": "text", "createdBy": "text", "createdAt": "time" });
    let made = json!({ "name": "web", "description": "Shop" });
    check(&admin.post("/api/v1/internal/platforms", made).await.data(201), &platform);
    let changed = json!({ "description": "The shop" });
    check(&admin.patch("/api/v1/internal/platforms/web", changed.clone()).await.data(200), &platform);
    check(&admin.get("/api/v1/platforms").await.data(200), &json!([platform]));
    check(&admin.get("/api/v1/platforms/web").await.data(200), &platform);

    let environment =
        json!({ "platform": "text", "environment": "text", "description": "text?", "createdBy": "text", "createdAt": "time" });
    let made = json!({ "environment": "prod" });
    check(&admin.post("/api/v1/internal/platforms/web/environments", made).await.data(201), &environment);
    check(&admin.patch(INTERNAL, changed).await.data(200), &environment);
    check(&admin.get("/api/v1/platforms/web/environments").await.data(200), &json!([environment]));
    check(&admin.get(PUBLIC).await.data(200), &environment);
    admin.delete(INTERNAL).await.expect(204);
    admin.delete("/api/v1/internal/platforms/web").await.expect(204);
}

#[tokio::test]
async fn the_page_of_parameters_finds_what_it_reads() {
    let (_server, admin) = furnished().await;
    let configs = format!("{INTERNAL}/configs");
    let parameter = json!({
        "platform": "text", "environment": "text", "parameterKey": "text", "version": "text", "valueType": "text",
        "defaultValue": "text", "description": "text?", "parameterGroup": "text?", "isActive": "boolean", "createdBy": "text",
        "createdAt": "time",
    });
    let made = json!({ "parameterKey": "limit", "valueType": "number", "defaultValue": "5", "parameterGroup": "shop" });
    check(&admin.post(&configs, made).await.data(201), &parameter);
    let changed = json!({ "defaultValue": "6", "parameterGroup": null });
    check(&admin.patch(&format!("{configs}/limit"), changed).await.data(200), &parameter);
    check(&admin.get(&format!("{configs}/list")).await.data(200), &json!([parameter]));
    check(&admin.get(&format!("{PUBLIC}/configs/list")).await.data(200), &json!([parameter]));
    check(&admin.get(&format!("{PUBLIC}/configs/limit/versions")).await.data(200), &json!([parameter]));
    check(&admin.get(&format!("{PUBLIC}/configs/count")).await.data(200), &json!({ "count": "number" }));
    assert_eq!(admin.get(&format!("{PUBLIC}/configs")).await.data(200), json!({ "limit": 6 }));
    check(&admin.post(&format!("{configs}/limit/rollback"), json!({ "version": "1" })).await.data(200), &parameter);
    admin.delete(&format!("{configs}/limit")).await.expect(204);
}

#[tokio::test]
async fn the_pages_of_flags_find_what_they_read() {
    let (_server, admin) = furnished().await;
    let flags = format!("{INTERNAL}/flags");
    let flag = json!({
        "platform": "text", "environment": "text", "flagKey": "text", "name": "text", "description": "text?", "enabled": "boolean",
        "flagType": "text", "valueA": "any", "valueB": "any",
        "targeting": { "countries": "list", "forceIncludeUsers": "list", "forceExcludeUsers": "list" },
        "defaultValue": "text", "rolloutEnabled": "boolean", "rolloutPercentageA": "number", "rolloutPercentageB": "number",
        "version": "text", "isActive": "boolean", "createdBy": "text", "createdAt": "time", "updatedAt": "time",
    });
    let made = json!({ "flagKey": "dark", "name": "Dark", "flagType": "string", "valueA": "on", "valueB": "off" });
    check(&admin.post(&flags, made).await.data(201), &flag);
    let one = format!("{flags}/dark");
    check(&admin.put(&one, json!({ "name": "Darker" })).await.data(200), &flag);
    check(&admin.patch(&format!("{one}/toggle"), json!({ "enabled": true })).await.data(200), &flag);
    let rollout = json!({ "rolloutEnabled": true, "rolloutPercentageA": 100, "rolloutPercentageB": 0 });
    check(&admin.patch(&format!("{one}/rollout"), rollout).await.data(200), &flag);
    check(&admin.get(&format!("{PUBLIC}/flags")).await.data(200), &json!([flag]));
    check(&admin.get(&format!("{PUBLIC}/flags/dark")).await.data(200), &flag);
    check(&admin.get(&format!("{one}/versions")).await.data(200), &json!([flag]));

    let evaluated = admin.get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u1&country=DE")).await.data(200);
    let evaluation = json!({ "flagKey": "text", "value": "text", "servedValue": "text", "reason": "text", "enabled": "boolean", "variant": "text" });
    check(&evaluated, &evaluation);
    let totals = json!({
        "totalEvaluations": "number", "valueACount": "number", "valueBCount": "number", "uniqueUsersA24h": "number",
        "uniqueUsersB24h": "number", "lastEvaluatedAt": "time?", "updatedAt": "time|null",
    });
    check(&admin.get(&format!("{one}/stats")).await.data(200), &totals);
    let counts =
        |by: &str| json!([{ by: "text", "valueACount": "number", "valueBCount": "number", "totalEvaluations": "number" }]);
    check(&admin.get(&format!("{one}/stats/by-country")).await.data(200), &counts("country"));
    check(&admin.get(&format!("{one}/stats/daily?days=30")).await.data(200), &counts("date"));

    let refused = admin.post(&flags, json!({ "flagKey": "Dark Mode", "name": "" })).await;
    check(&refused.expect(422).json(), &json!({ "error": "text", "details": ["text"] }));
    admin.delete(&one).await.expect(204);
}

#[tokio::test]
async fn the_pages_of_experiments_find_what_they_read() {
    let (_server, admin) = furnished().await;
    let experiments = format!("{INTERNAL}/experiments");
    let shape = json!({
        "platform": "text", "environment": "text", "experimentKey": "text", "name": "text", "description": "text?", "hypothesis": "text",
        "status": "text", "startedAt": "time?", "completedAt": "time?", "winner": "text?",
        "variations": [{ "key": "text", "name": "text", "value": "any", "isControl": "boolean" }],
        "controlVariation": "text", "trafficAllocation": [{ "variationKey": "text", "percentage": "number" }],
        "targeting": { "countries": "list", "forceIncludeUsers": "list", "forceExcludeUsers": "list" },
        "primaryMetric": { "id": "text", "name": "text", "eventName": "text", "metricType": "text", "successDirection": "text" },
        "confidenceLevel": "number", "version": "text", "isActive": "boolean", "createdBy": "text", "createdAt": "time", "updatedAt": "time",
    });
    check(&admin.post(&experiments, experiment("cta")).await.data(201), &shape);
    let one = format!("{experiments}/cta");
    check(&admin.put(&one, json!({ "name": "Button" })).await.data(200), &shape);
    let halves = json!([{ "variationKey": "control", "percentage": 40 }, { "variationKey": "green", "percentage": 60 }]);
    check(&admin.patch(&format!("{one}/traffic"), json!({ "trafficAllocation": halves })).await.data(200), &shape);
    check(&admin.post(&format!("{one}/start"), json!({ "startedBy": "admin@example.com" })).await.data(200), &shape);
    check(&admin.get(&format!("{PUBLIC}/experiments")).await.data(200), &json!([shape]));
    check(&admin.get(&format!("{PUBLIC}/experiments/cta")).await.data(200), &shape);

    let empty = admin.get(&format!("{one}/results")).await.data(200);
    check(&empty, &json!({ "experiment": shape, "stats": "object|null", "analysis": "object|null", "message": "text" }));
    assert!(empty["stats"].is_null() && empty["analysis"].is_null());
    for user in 0..40 {
        let assigned = admin.get(&format!("{PUBLIC}/experiments/cta/assign?userId=u{user}")).await.data(200);
        check(&assigned, &json!({ "experimentKey": "text", "variationKey": "text", "isControl": "boolean", "reason": "text" }));
        if user % 3 == 0 {
            let conversion =
                json!({ "metricId": "click", "variationKey": assigned["variationKey"], "userId": format!("u{user}") });
            admin.post(&format!("{one}/conversions"), conversion).await.expect(200);
        }
    }
    let comparison = json!({
        "relativeLift": "number", "confidenceInterval": ["number"], "pValue": "number", "isSignificant": "boolean",
        "controlRate": "number", "treatmentRate": "number",
    });
    let results = json!({
        "experiment": shape,
        "stats": {
            "variations": [{ "variationKey": "text", "views": "number", "users": "number", "participants": "number" }],
            "dailyData": [{ "date": "text", "variationKey": "text", "participants": "number", "conversions": "number" }],
            "updatedAt": "time",
        },
        "analysis": {
            "variationData": [{ "variationKey": "text", "participants": "number", "conversions": "number" }],
            "perVariation": { "green": comparison }, "significance": comparison, "srm": { "hasMismatch": "boolean" },
        },
    });
    check(&admin.get(&format!("{one}/results")).await.data(200), &results);

    for step in ["pause", "resume"] {
        check(&admin.post(&format!("{one}/{step}"), json!({})).await.data(200), &shape);
    }
    let winner = json!({ "winner": "green", "completedBy": "admin@example.com" });
    check(&admin.post(&format!("{one}/complete"), winner).await.data(200), &shape);
    check(&admin.post(&format!("{one}/archive"), json!({})).await.data(200), &shape);
    admin.delete(&one).await.expect(204);
}

#[tokio::test]
async fn the_pages_of_users_and_keys_find_what_they_read() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    let account = json!({ "name": "Dee", "email": "dee@example.com", "password": "Developer1", "role": "developer" });
    let made = admin.post("/api/v1/internal/users", account).await.data(201);
    check(&made, &user());
    check(&admin.get("/api/v1/internal/users?limit=20&offset=0&role=developer").await.data(200), &json!([user()]));
    let one = format!("/api/v1/internal/users/{}", made["id"].as_str().unwrap());
    check(&admin.patch(&format!("{one}/role"), json!({ "role": "viewer" })).await.data(200), &user());
    admin.patch(&format!("{one}/role"), json!({ "role": "developer" })).await.expect(200);

    let login = json!({ "email": "dee@example.com", "password": "Developer1" });
    let token = admin.anonymous().post("/api/v1/auth/login", login).await.data(200)["token"].as_str().unwrap().to_owned();
    let developer = admin.token(&token);
    let key = json!({
        "id": "text", "name": "text", "keyPrefix": "text", "keyLast4": "text", "permissions": ["text"], "expiresAt": "time|null",
        "lastUsedAt": "time|null", "createdAt": "time",
    });
    // What the UI's form starts with.
    let permissions = ["config:read", "config:write", "config:update", "config:delete", "cache:invalidate"];
    let made = developer.post("/api/v1/internal/api-keys", json!({ "name": "CI", "permissions": permissions })).await.data(201);
    check(&made, &key);
    check(&made, &json!({ "key": "text" }));
    check(&developer.get("/api/v1/internal/api-keys").await.data(200), &json!([key]));
    developer.delete(&format!("/api/v1/internal/api-keys/{}", made["id"].as_str().unwrap())).await.expect(200);
    admin.delete(&one).await.expect(200);
}

#[tokio::test]
async fn the_page_of_caches_finds_what_it_reads() {
    let (_server, admin) = furnished().await;
    for target in [json!({ "platform": "web" }), json!({ "platform": "web", "environment": "prod" })] {
        let purged = admin.post("/api/v1/internal/cache/invalidate", target).await.data(200);
        check(&purged, &json!({ "invalidationId": "text|null", "paths": "list", "duration": "number" }));
    }
    let all = admin.post("/api/v1/internal/cache/invalidate-all", json!({})).await.expect(200).json();
    check(&all, &json!({ "success": "boolean", "message": "text", "invalidatedPaths": ["text"] }));
    let past = admin.get("/api/v1/internal/webhook/cache/invalidations?maxItems=20").await.data(200);
    check(&past, &json!({ "invalidations": "list", "isTruncated": "boolean", "maxItems": "number" }));
    let unknown = admin.get("/api/v1/internal/webhook/cache/invalidations/I1").await;
    check(&unknown.expect(404).json(), &json!({ "error": "text" }));
}
