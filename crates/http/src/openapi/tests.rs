//! What holds for the description of every route.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{describe, document, page};
use crate::reply::Caching;
use crate::route::{Access, Route, Shape};
use crate::routes::table;

fn described() -> Value {
    document(&table(), "1.2.3")
}

fn operation<'d>(document: &'d Value, route: &Route) -> &'d Value {
    let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
    assert_eq!(operation["operationId"], route.id, "{} {}", route.method, route.path);
    operation
}

fn walk<'d>(value: &'d Value, visit: &mut impl FnMut(&'d serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|member| walk(member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn every_name_means_one_schema() {
    let (_, clashes) = describe(&table(), "1.2.3");
    assert!(clashes.is_empty(), "different schemas share the names {clashes:?}");
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_needed() {
    let document = described();
    let mut targets = BTreeSet::new();
    walk(&document, &mut |object| {
        if let Some(reference) = object.get("$ref") {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            targets.insert(pointer.to_owned());
        }
    });
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(targets.contains(&format!("/components/{kind}/{name}")), "nothing refers to {name}");
        }
    }
}

#[test]
fn required_members_exist() {
    walk(&described(), &mut |object| {
        if let (Some(Value::Array(required)), Some(properties)) = (object.get("required"), object.get("properties")) {
            for name in required {
                assert!(properties.get(name.as_str().unwrap()).is_some(), "{name} is required but not described: {object:?}");
            }
        }
    });
}

#[test]
fn every_route_is_described_once_in_words() {
    let (table, document) = (table(), described());
    let mut ids = BTreeSet::new();
    for route in &table {
        assert!(ids.insert(route.id), "{} is the id of two operations", route.id);
        assert!(route.id.starts_with(|c: char| c.is_ascii_lowercase()) && route.id.chars().all(|c| c.is_ascii_alphanumeric()));
        assert!(route.summary.len() > 5 && !route.summary.ends_with('.'), "{} has no summary", route.id);
        operation(&document, route);
    }
    let described: usize = document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(described, table.len());
}

#[test]
fn every_area_is_a_tag_that_is_used() {
    let document = described();
    let declared: BTreeSet<&str> = document["tags"].as_array().unwrap().iter().filter_map(|tag| tag["name"].as_str()).collect();
    let used: BTreeSet<&str> = table().iter().filter_map(|route| operation(&document, route)["tags"][0].as_str()).collect();
    assert_eq!(declared, used);
}

#[test]
fn parameters_are_those_of_the_path_and_no_other() {
    let document = described();
    for route in table() {
        let parameters = operation(&document, &route)["parameters"].as_array().cloned().unwrap_or_default();
        let mut by_place: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for parameter in &parameters {
            by_place.entry(parameter["in"].as_str().unwrap()).or_default().push(parameter["name"].as_str().unwrap());
            assert!(parameter["in"] != "path" || parameter["required"] == true);
            assert!(parameter["schema"].is_object(), "{parameter}");
        }
        let names = route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(by_place.remove("path").unwrap_or_default(), names.collect::<Vec<_>>(), "{}", route.id);
        let query: Vec<&str> = route.query.iter().map(|parameter| parameter.name).collect();
        assert_eq!(by_place.remove("query").unwrap_or_default(), query, "{}", route.id);
        by_place.remove("header");
        assert!(by_place.is_empty(), "{by_place:?}");
    }
}

#[test]
fn every_status_that_the_dispatcher_can_answer_with_is_told() {
    let document = described();
    for route in table() {
        let answers = &operation(&document, &route)["responses"];
        let told = |status: u16| answers.get(status.to_string()).is_some();
        let gated = route.access != Access::Open;
        assert!(told(route.status) && told(400) && told(500) && told(503), "{}", route.id);
        assert!(told(401) == (gated || route.errors.contains(&401)), "{}", route.id);
        assert!(!told(402), "{}: nobody pays here", route.id);
        assert!(told(403) == (matches!(route.access, Access::Permission(_)) || route.errors.contains(&403)), "{}", route.id);
        assert!([408, 413, 415].iter().all(|status| told(*status) == route.body_limit.is_some()), "{}", route.id);
        assert!(told(422) || route.body.is_none(), "{}", route.id);
        assert_eq!(told(304), route.caching == Caching::Revalidate, "{}", route.id);
        assert!(route.errors.iter().all(|status| told(*status)), "{}", route.id);
    }
}

#[test]
fn security_is_that_of_the_gate() {
    let document = described();
    for route in table() {
        let security = &operation(&document, &route)["security"];
        let schemes: Vec<&str> =
            security.as_array().unwrap().iter().map(|one| one.as_object().unwrap().keys().next().map_or("", |s| s)).collect();
        let expected: &[&str] = match route.access {
            Access::Open => &[],
            Access::Conditional => &["", "token", "apiKey"],
            Access::User | Access::Operator | Access::Admin => &["token"],
            Access::Permission(permission) => {
                assert_eq!(security[0]["token"][0], permission.as_str(), "{}", route.id);
                &["token", "apiKey"]
            }
        };
        assert_eq!(schemes, expected, "{}", route.id);
    }
}

#[test]
fn successes_are_shown_in_their_envelope() {
    let document = described();
    for route in table() {
        let answer = &operation(&document, &route)["responses"][route.status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let has = |name: &str| required.iter().any(|member| member == name);
        match &route.shape {
            Shape::One(_) | Shape::Many(_, None) => {
                assert!(has("success") && has("data") && has("timestamp") && !has("meta"), "{}", route.id);
            }
            Shape::Many(_, Some(_)) => assert!(has("data") && has("meta"), "{}", route.id),
            Shape::Message => assert!(has("message") && !has("data"), "{}", route.id),
            Shape::Bare(_) => assert!(schema["$ref"].is_string(), "{}", route.id),
            Shape::Empty => assert!(answer.get("content").is_none(), "{}", route.id),
            Shape::Text(content_type) => assert!(answer["content"].get(content_type).is_some(), "{}", route.id),
            #[cfg(feature = "cloud")]
            Shape::Download(content_type) => assert!(answer["content"].get(content_type).is_some(), "{}", route.id),
        }
    }
}

#[test]
fn changes_of_what_has_a_revision_can_name_it() {
    let document = described();
    let conditional: BTreeSet<&str> = table()
        .iter()
        .filter(|route| {
            let parameters = operation(&document, route)["parameters"].as_array().cloned().unwrap_or_default();
            parameters.iter().any(|parameter| parameter["name"] == "If-Match")
        })
        .map(|route| route.id)
        .collect();
    let expected = [
        "updatePlatform",
        "deletePlatform",
        "updateEnvironment",
        "deleteEnvironment",
        "updateConfig",
        "deleteConfig",
        "rollBackConfig",
        "updateFlag",
        "toggleFlag",
        "rollOutFlag",
        "rollBackFlag",
        "deleteFlag",
        "updateExperiment",
        "shareExperimentTraffic",
        "startExperiment",
        "pauseExperiment",
        "resumeExperiment",
        "completeExperiment",
        "archiveExperiment",
        "deleteExperiment",
    ];
    assert_eq!(conditional, BTreeSet::from(expected));
}

#[test]
fn the_document_does_not_depend_on_when_it_is_made() {
    assert_eq!(described().to_string(), described().to_string());
    assert_eq!(described()["openapi"], "3.1.0");
}

#[test]
fn the_page_shows_every_operation_and_every_link_leads_somewhere() {
    let html = page(&described());
    let mut anchors: BTreeSet<&str> = BTreeSet::new();
    for part in html.split(" id=\"").skip(1) {
        let anchor = part.split('"').next().unwrap();
        assert!(anchors.insert(anchor), "{anchor} is there twice");
    }
    for route in table() {
        assert!(anchors.contains(route.id), "{} is missing", route.id);
    }
    for part in html.split("href=\"#").skip(1) {
        let target = part.split('"').next().unwrap();
        assert!(anchors.contains(target), "#{target} leads nowhere");
    }
    assert!(!html.contains("<script") && !html.contains("src="), "the page loads nothing");
}
