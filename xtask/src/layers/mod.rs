//! The order of the crates, as a rule over what their manifests declare.
//!
//! Every member of the workspace has a [`Room`]; the room says which other rooms it may depend on. Some third-party crates belong
//! to certain members only. Optional dependencies count like the others, so that no selection of features can break the order; test
//! dependencies have rules of their own, a little wider where a test needs the next layer.

use std::fmt;

use cargo_metadata::{DependencyKind, Metadata};

/// Where a package stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Values and traits that all share.
    Core,
    /// A domain with its store ports, usable without the rest.
    Library,
    /// A library that only the cloud program may contain.
    CloudLibrary,
    /// Adapters of the store ports.
    Storage,
    /// The HTTP surface.
    Http,
    /// What the programs share.
    Server,
    /// The open-source program.
    Program,
    /// The cloud program.
    CloudProgram,
    /// A stand-in for a service of others: uses nothing of ours, and only tests use it.
    Simulator,
    /// Tools of the workspace.
    Chores,
}

/// Every package that the workspace has or is meant to have.
const ROOMS: &[(&str, Room)] = &[
    ("togglebox-core", Room::Core),
    ("togglebox-toggles", Room::Library),
    ("togglebox-auth", Room::Library),
    ("togglebox-ratelimit", Room::Library),
    ("togglebox-multitenancy", Room::CloudLibrary),
    ("togglebox-metering", Room::CloudLibrary),
    ("togglebox-billing", Room::CloudLibrary),
    ("togglebox-storage", Room::Storage),
    ("togglebox-http", Room::Http),
    ("togglebox-server", Room::Server),
    ("togglebox", Room::Program),
    ("togglebox-cloud", Room::CloudProgram),
    ("togglebox-stripe-sim", Room::Simulator),
    ("xtask", Room::Chores),
];

/// Third-party crates with a place. A family is the crate of that name and all whose names begin with it and a hyphen.
struct Fence {
    families: &'static [&'static str],
    /// The packages that may depend on them, and no other. Of some there is none.
    homes: &'static [&'static str],
    /// The packages whose tests and examples may, too.
    shown_in: &'static [&'static str],
}

const FENCES: &[Fence] = &[
    Fence {
        families: &["sqlx", "libsqlite3-sys", "rusqlite", "tokio-postgres", "aws-config", "aws-sdk", "aws-smithy", "aws-types"],
        homes: &["togglebox-storage"],
        shown_in: &[],
    },
    // The rate limiter owns its script: that is what it is for.
    Fence { families: &["redis"], homes: &["togglebox-storage", "togglebox-ratelimit"], shown_in: &[] },
    // An example shows how a service that is not ours finds its tenants.
    Fence {
        families: &["actix", "tracing-actix-web"],
        homes: &["togglebox-http", "togglebox-server"],
        shown_in: &["togglebox-multitenancy"],
    },
    Fence { families: &["config", "figment", "lettre"], homes: &["togglebox-server"], shown_in: &[] },
    // Its types are what the simulator is compared with, by a package outside of the workspace; our client has readers of its own.
    Fence { families: &["async-stripe"], homes: &[], shown_in: &[] },
];

/// What the core never needs: a run time or the network.
const NEVER_IN_CORE: &[&str] = &["tokio", "async-std", "smol", "hyper", "reqwest"];

/// One declared dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's own name, not what it may be renamed to.
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
    pub(crate) optional: bool,
}

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// An arrow that must not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    from: String,
    to: Option<String>,
    why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "{} -> {to}: {}", self.from, self.why),
            None => write!(f, "{}: {}", self.from, self.why),
        }
    }
}

/// The members of the workspace, out of what cargo says.
pub(crate) fn members(metadata: &Metadata) -> Vec<Member> {
    let member = |package: &cargo_metadata::Package| Member {
        name: package.name.to_string(),
        dependencies: package
            .dependencies
            .iter()
            .map(|dependency| Dependency { name: dependency.name.clone(), kind: dependency.kind, optional: dependency.optional })
            .collect(),
    };
    metadata.workspace_packages().into_iter().map(member).collect()
}

/// Every forbidden arrow between `members`, or from them to a fenced crate.
pub(crate) fn violations(members: &[Member]) -> Vec<Violation> {
    members.iter().flat_map(member_violations).collect()
}

/// Whether only the cloud program may contain this package.
pub(crate) fn is_cloud_only(package: &str) -> bool {
    matches!(room(package), Some(Room::CloudLibrary | Room::CloudProgram)) || in_family(package, "async-stripe")
}

fn member_violations(member: &Member) -> Vec<Violation> {
    let Some(from) = room(&member.name) else {
        let why = "has no room: give it one in xtask/src/layers/mod.rs".to_owned();
        return vec![Violation { from: member.name.clone(), to: None, why }];
    };
    let forbidden = |dependency: &Dependency| {
        reason(&member.name, from, dependency).map(|why| Violation {
            from: member.name.clone(),
            to: Some(dependency.name.clone()),
            why,
        })
    };
    member.dependencies.iter().filter_map(forbidden).collect()
}

/// Why this dependency is forbidden, or `None` when it is fine.
fn reason(member: &str, from: Room, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let for_tests = dependency.kind == DependencyKind::Development;
    if name == member {
        // A package may depend on itself for its tests, to turn a feature on.
        return (!for_tests).then(|| "a package cannot need itself".to_owned());
    }
    if let Some(to) = room(name) {
        let allowed = if for_tests { may_test_with(from, to) } else { may_use(from, to) };
        if !allowed {
            let verb = if for_tests { "test with" } else { "use" };
            return Some(format!("{from:?} may not {verb} {to:?}"));
        }
        let shared = matches!(from, Room::Storage | Room::Http | Room::Server);
        if shared && to == Room::CloudLibrary && !for_tests && !dependency.optional {
            return Some("the open-source program would contain it: make it optional, behind a feature".to_owned());
        }
        return None;
    }
    if from == Room::Core && NEVER_IN_CORE.iter().any(|family| in_family(name, family)) {
        return Some("the core has no run time and does no I/O".to_owned());
    }
    let fence = FENCES.iter().find(|fence| fence.families.iter().any(|family| in_family(name, family)))?;
    let shown = for_tests && fence.shown_in.contains(&member);
    (!shown && !fence.homes.contains(&member)).then(|| match fence.homes {
        [] => "belongs to no package of the workspace".to_owned(),
        homes => format!("belongs to {} only", homes.join(" and ")),
    })
}

/// Whether `from` may depend on `to` in what it ships.
fn may_use(from: Room, to: Room) -> bool {
    use Room::{Chores, CloudLibrary, CloudProgram, Core, Http, Library, Program, Server, Simulator, Storage};
    match from {
        Core | Simulator | Chores => false,
        Library | CloudLibrary => to == Core,
        Storage | Http => matches!(to, Core | Library | CloudLibrary),
        Server => matches!(to, Core | Library | CloudLibrary | Storage | Http),
        Program | CloudProgram => to == Server,
    }
}

/// Whether the tests of `from` may depend on `to`.
///
/// A library's tests stay as narrow as the library: its conformance suites run where the adapters are. A simulator is for all.
fn may_test_with(from: Room, to: Room) -> bool {
    use Room::{Chores, CloudLibrary, CloudProgram, Core, Http, Library, Program, Server, Simulator, Storage};
    if to == Simulator {
        return !matches!(from, Core | Chores);
    }
    match from {
        Core | Simulator | Chores | Library | CloudLibrary | Storage | Server => may_use(from, to),
        Http => may_use(from, to) || to == Storage,
        Program => matches!(to, Core | Library | Storage | Http | Server),
        CloudProgram => matches!(to, Core | Library | CloudLibrary | Storage | Http | Server),
    }
}

fn room(package: &str) -> Option<Room> {
    ROOMS.iter().find(|(name, _)| *name == package).map(|(_, room)| *room)
}

fn in_family(package: &str, family: &str) -> bool {
    package.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests;
