//! The description of the API: OpenAPI 3.1, made from the route table.
//!
//! What the dispatcher does for every route (gate, body, conditions, headers) is said here once, in the same words for all of them; what
//! is particular to a route stands in the table. So the description cannot know routes that do not exist, nor miss one that does.

mod answer;
mod area;
mod component;
mod operation;
mod page;
mod parameter;
#[cfg(test)]
mod tests;

use serde_json::Value;
use utoipa::openapi::info::LicenseBuilder;
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

pub(crate) use self::page::page;

use self::area::Area;
use self::component::Components;
use crate::route::Route;

const ABOUT: &str = "Remote configs, feature flags and experiments.

- Every answer carries `X-Request-ID`; a request may bring its own (1 to 128 visible ASCII characters).
- Unknown members of bodies and unknown parameters of queries are ignored.
- Lengths of texts are counted in UTF-16 code units.
- Bodies may be compressed with gzip, deflate or br, and so are answers, for those who ask.
- What is read-only works with `HEAD` too.
- Paths are found without regard to case, and with one trailing slash.";

/// The description of `routes` as an OpenAPI document.
pub(crate) fn document(routes: &[Route], version: &str) -> Value {
    let (document, _) = describe(routes, version);
    serde_json::to_value(document).expect("a description holds texts, numbers and lists only")
}

/// The description, and the names that two different schemas share: none, as the tests see to.
fn describe(routes: &[Route], version: &str) -> (OpenApi, Vec<String>) {
    let mut components = Components::default();
    let mut paths = Paths::new();
    for route in routes {
        if let Some(method) = method(route) {
            paths.add_path_operation(route.path, vec![method], operation::of(route, &mut components));
        }
    }
    let (components, clashes) = components.finish();
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new().title("ToggleBox").version(version).description(Some(ABOUT)).license(Some(license)).build();
    let tags: Vec<_> = Area::ALL
        .iter()
        .filter(|area| routes.iter().any(|route| Area::of(route.path) == **area))
        .map(|area| area.tag())
        .collect();
    let document = OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).tags(Some(tags)).build();
    (document, clashes)
}

/// `None` for a method that OpenAPI has no word for; the table holds none.
fn method(route: &Route) -> Option<HttpMethod> {
    Some(match route.method.as_str() {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => return None,
    })
}
