use super::*;

fn on(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), kind: DependencyKind::Normal, optional: false }
}

fn optionally_on(name: &str) -> Dependency {
    Dependency { optional: true, ..on(name) }
}

fn tested_with(name: &str) -> Dependency {
    Dependency { kind: DependencyKind::Development, ..on(name) }
}

fn member(name: &str, dependencies: impl Into<Vec<Dependency>>) -> Member {
    Member { name: name.to_owned(), dependencies: dependencies.into() }
}

/// The arrows that are complained about, as `from -> to`.
fn forbidden(members: &[Member]) -> Vec<String> {
    let arrow = |violation: Violation| match violation.to {
        Some(to) => format!("{} -> {to}", violation.from),
        None => violation.from,
    };
    violations(members).into_iter().map(arrow).collect()
}

#[test]
fn the_intended_workspace_passes() {
    let workspace = [
        member("togglebox-core", [on("serde"), on("chrono")]),
        member("togglebox-toggles", [on("togglebox-core"), on("tokio"), tested_with("togglebox-toggles")]),
        member("togglebox-auth", [on("togglebox-core"), on("argon2")]),
        member("togglebox-ratelimit", [on("togglebox-core"), on("redis")]),
        member("togglebox-billing", [on("togglebox-core")]),
        member(
            "togglebox-storage",
            [on("togglebox-auth"), optionally_on("sqlx"), optionally_on("aws-sdk-dynamodb"), tested_with("togglebox-toggles")],
        ),
        member(
            "togglebox-http",
            [on("togglebox-toggles"), on("actix-web"), optionally_on("togglebox-billing"), tested_with("togglebox-storage")],
        ),
        member("togglebox-server", [on("togglebox-http"), on("togglebox-storage"), on("config"), on("lettre"), on("actix-web")]),
        member("togglebox", [on("togglebox-server"), on("clap"), tested_with("togglebox-toggles")]),
        member("togglebox-cloud", [on("togglebox-server"), tested_with("togglebox-metering")]),
        member("xtask", [on("cargo_metadata")]),
    ];
    assert_eq!(forbidden(&workspace), Vec::<String>::new());
}

#[test]
fn a_library_sees_only_the_core() {
    let library = member(
        "togglebox-toggles",
        ["togglebox-core", "togglebox-auth", "togglebox-storage", "togglebox-http", "togglebox-server", "togglebox"].map(on),
    );
    assert_eq!(
        forbidden(&[library]),
        [
            "togglebox-toggles -> togglebox-auth",
            "togglebox-toggles -> togglebox-storage",
            "togglebox-toggles -> togglebox-http",
            "togglebox-toggles -> togglebox-server",
            "togglebox-toggles -> togglebox",
        ]
    );
}

#[test]
fn the_tests_of_a_library_are_as_narrow_as_the_library() {
    let library =
        member("togglebox-auth", ["togglebox-core", "togglebox-storage", "togglebox-server", "togglebox"].map(tested_with));
    assert_eq!(
        forbidden(&[library]),
        ["togglebox-auth -> togglebox-storage", "togglebox-auth -> togglebox-server", "togglebox-auth -> togglebox"]
    );
}

#[test]
fn http_meets_storage_in_its_tests_only() {
    assert_eq!(forbidden(&[member("togglebox-http", [on("togglebox-storage")])]), ["togglebox-http -> togglebox-storage"]);
    assert_eq!(
        forbidden(&[member("togglebox-http", [optionally_on("togglebox-storage")])]),
        ["togglebox-http -> togglebox-storage"]
    );
    assert_eq!(forbidden(&[member("togglebox-http", [tested_with("togglebox-storage")])]), Vec::<String>::new());
}

#[test]
fn storage_knows_no_surface() {
    let storage = member("togglebox-storage", [on("togglebox-http"), tested_with("togglebox-server")]);
    assert_eq!(forbidden(&[storage]), ["togglebox-storage -> togglebox-http", "togglebox-storage -> togglebox-server"]);
}

#[test]
fn the_program_uses_the_server_and_nothing_else_of_ours() {
    let program = member("togglebox", [on("togglebox-server"), on("togglebox-toggles"), tested_with("togglebox-billing")]);
    assert_eq!(forbidden(&[program]), ["togglebox -> togglebox-toggles", "togglebox -> togglebox-billing"]);
}

#[test]
fn what_both_programs_share_takes_cloud_libraries_only_as_an_option() {
    for shared in ["togglebox-storage", "togglebox-http", "togglebox-server"] {
        assert_eq!(forbidden(&[member(shared, [on("togglebox-metering")])]), [format!("{shared} -> togglebox-metering")]);
        assert_eq!(forbidden(&[member(shared, [optionally_on("togglebox-metering")])]), Vec::<String>::new());
    }
}

#[test]
fn drivers_stay_in_storage_even_for_tests() {
    for driver in ["sqlx", "sqlx-sqlite", "redis", "aws-sdk-dynamodb", "aws-config", "aws-smithy-runtime"] {
        for outside in ["togglebox-auth", "togglebox-http", "togglebox-server", "togglebox", "xtask"] {
            assert_eq!(forbidden(&[member(outside, [on(driver)])]), [format!("{outside} -> {driver}")]);
            assert_eq!(forbidden(&[member(outside, [tested_with(driver)])]), [format!("{outside} -> {driver}")]);
        }
        assert_eq!(forbidden(&[member("togglebox-storage", [on(driver)])]), Vec::<String>::new());
    }
}

#[test]
fn a_family_is_not_a_prefix() {
    // TLS and look-alikes, which are no drivers.
    let server = member("togglebox-server", [on("aws-lc-rs"), on("redistribute")]);
    assert_eq!(forbidden(&[server]), Vec::<String>::new());
}

#[test]
fn actix_mail_and_configuration_have_their_places() {
    for (dependency, wrong) in [
        ("actix-web", "togglebox-toggles"),
        ("actix-web-lab", "togglebox"),
        ("lettre", "togglebox-auth"),
        ("config", "togglebox-http"),
        ("async-stripe-shared", "togglebox-billing"),
        ("async-stripe", "togglebox-server"),
    ] {
        assert_eq!(forbidden(&[member(wrong, [on(dependency)])]), [format!("{wrong} -> {dependency}")]);
    }
}

#[test]
fn an_example_may_show_what_its_library_never_uses() {
    assert_eq!(forbidden(&[member("togglebox-multitenancy", [tested_with("actix-web")])]), Vec::<String>::new());
    assert_eq!(
        forbidden(&[member("togglebox-multitenancy", [on("actix-web")]), member("togglebox-auth", [tested_with("actix-web")])]),
        ["togglebox-multitenancy -> actix-web", "togglebox-auth -> actix-web"]
    );
}

#[test]
fn the_core_has_no_run_time() {
    assert_eq!(
        forbidden(&[member("togglebox-core", [on("tokio"), on("reqwest")])]),
        ["togglebox-core -> tokio", "togglebox-core -> reqwest"]
    );
    assert_eq!(forbidden(&[member("togglebox-core", [on("togglebox-auth")])]), ["togglebox-core -> togglebox-auth"]);
}

#[test]
fn a_simulator_is_for_tests_only_and_uses_nothing_of_ours() {
    for user in ["togglebox-billing", "togglebox-storage", "togglebox-http", "togglebox-server", "togglebox-cloud"] {
        assert_eq!(forbidden(&[member(user, [tested_with("togglebox-stripe-sim")])]), Vec::<String>::new());
        assert_eq!(forbidden(&[member(user, [on("togglebox-stripe-sim")])]), [format!("{user} -> togglebox-stripe-sim")]);
    }
    assert_eq!(
        forbidden(&[member("togglebox-stripe-sim", [on("togglebox-core"), tested_with("togglebox-billing"), on("tokio")])]),
        ["togglebox-stripe-sim -> togglebox-core", "togglebox-stripe-sim -> togglebox-billing"]
    );
}

#[test]
fn a_member_without_a_room_is_reported() {
    assert_eq!(forbidden(&[member("togglebox-helpers", [])]), ["togglebox-helpers"]);
}

#[test]
fn cloud_only_packages_are_known_by_name() {
    for package in ["togglebox-billing", "togglebox-multitenancy", "togglebox-metering", "togglebox-cloud", "async-stripe-core"] {
        assert!(is_cloud_only(package), "{package}");
    }
    for package in ["togglebox-ratelimit", "togglebox-auth", "togglebox", "serde"] {
        assert!(!is_cloud_only(package), "{package}");
    }
}
