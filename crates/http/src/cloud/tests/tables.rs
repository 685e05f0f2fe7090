//! What the two tables of routes promise.

use std::collections::BTreeSet;

use crate::cloud::routes;
use crate::openapi;
use crate::route::{Access, Route, RouteClass};

fn ids(routes: &[Route]) -> BTreeSet<&'static str> {
    routes.iter().map(|route| route.id).collect()
}

#[test]
fn a_workspace_has_every_route_of_the_open_source_server_just_as_it_is_there() {
    let (own, open) = (routes::workspace(), crate::routes::table());
    for route in &open {
        let here = own.iter().find(|here| here.id == route.id).unwrap_or_else(|| panic!("{} is missing", route.id));
        assert_eq!((&here.method, here.path, here.access), (&route.method, route.path, route.access), "{}", route.id);
    }
    assert!(ids(&own).is_superset(&ids(&open)));
}

#[test]
fn what_is_answered_in_another_way_is_there() {
    let open = ids(&crate::routes::table());
    assert!(routes::replaced_ids().all(|id| open.contains(id)));
}

#[test]
fn ids_are_unique_and_described() {
    for table in [routes::central(), routes::workspace()] {
        assert_eq!(ids(&table).len(), table.len());
        let document = openapi::document(&table, "1");
        for route in &table {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert_eq!(operation["operationId"], route.id);
            assert!(!route.summary.is_empty(), "{}", route.id);
        }
    }
}

#[test]
fn every_route_of_a_workspace_tells_that_it_may_have_to_be_paid_for() {
    let table = routes::workspace();
    let document = openapi::document(&table, "1");
    for route in &table {
        let answers = &document["paths"][route.path][route.method.as_str().to_lowercase()]["responses"];
        assert_eq!(answers.get("402").is_some(), route.class != RouteClass::Service, "{}", route.id);
    }
}

/// Who owes something can come in, see what it is about, and go; and only what is changed by paying stays open otherwise.
#[test]
fn what_stays_open_to_those_who_owe_something_is_for_people_who_are_signed_in() {
    let table = routes::workspace();
    for route in table.iter().filter(|route| route.stays_open) {
        assert!(!matches!(route.access, Access::Open | Access::Conditional), "{}", route.id);
    }
    for id in ["refresh", "logout", "getMe", "getWorkspace"] {
        assert!(table.iter().any(|route| route.id == id && route.stays_open), "{id}");
    }
}

#[test]
fn what_the_operator_does_is_done_on_the_central_host_by_the_operator() {
    assert!(routes::workspace().iter().all(|route| route.access != Access::Operator && !route.path.contains("/admin")));
    for route in routes::central() {
        assert_eq!(route.path.contains("/admin/"), route.access == Access::Operator, "{}", route.id);
    }
}

#[test]
fn nothing_of_the_central_host_reads_what_workspaces_keep_but_an_export() {
    for route in routes::central() {
        assert_eq!(route.class == RouteClass::Export, route.id == "exportOwnWorkspace", "{}", route.id);
        assert!(!matches!(route.access, Access::Conditional | Access::Permission(_)), "{}", route.id);
        assert!(!route.path.contains("/platforms"), "{}", route.id);
    }
}
