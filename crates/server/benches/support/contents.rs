//! What is asked for while a service is measured.

use serde_json::{Value, json};
use togglebox_core::{Actor, TenantId};
use togglebox_server::ManagingServices;
use togglebox_toggles::input::{NewEnvironment, NewFlag, NewPlatform};

/// The environment, as clients find it.
pub(crate) const PLACE: &str = "/api/v1/platforms/web/environments/prod";

/// The path of an evaluation of the flag of this number.
pub(crate) fn evaluation(flag: usize) -> String {
    format!("{PLACE}/flags/flag-{flag}/evaluate?userId=user-42&country=CH&language=fr")
}

/// One environment with so many flags.
pub(crate) async fn fill(services: &ManagingServices, tenant: TenantId, flags: usize) {
    let actor = Actor::system();
    let platform = NewPlatform::read(Some(&json!({ "name": "web" }))).unwrap();
    let platform = services.directories.create_platform(tenant, platform, &actor).await.unwrap().value;
    let environment = NewEnvironment::read(Some(&json!({ "environment": "prod" }))).unwrap();
    let environment = services.directories.create_environment(tenant, &platform.name, environment, &actor).await.unwrap().value;
    for n in 0..flags {
        let flag: Value = json!({
            "flagKey": format!("flag-{n}"), "name": format!("Flag {n}"), "enabled": true, "rolloutEnabled": true,
            "targeting": { "countries": [{ "country": "CH", "serveValue": "A", "languages": [{ "language": "fr", "serveValue": "B" }] }] },
        });
        services.flags.create(tenant, &environment.scope(), NewFlag::read(Some(&flag)).unwrap(), &actor).await.unwrap();
    }
}
