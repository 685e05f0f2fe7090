//! The promises of [`ChangeBus`], as tests that every bus runs.
//!
//! One function per promise, over two nodes. [`change_bus_suite!`](crate::change_bus_suite) makes a test of each:
//!
//! ```ignore
//! async fn fresh() -> Option<BusPair> { /* two nodes that hear each other; `None` where the server is missing */ }
//! togglebox_core::change_bus_suite!(fresh);
//! ```
//!
//! The nodes are in good health: what a bus does when its way to the others is broken is for its own tests to say.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::watched::Watched;
use crate::{Change, ChangeBus, ChangeListener, Revision, TenantId};

/// How long a promise may take before its test is given up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The buses of two nodes that hear each other already. Within one process, that may be one bus twice.
#[derive(Clone, Debug)]
pub struct BusPair {
    /// One node's.
    pub here: Arc<dyn ChangeBus>,
    /// The other's.
    pub there: Arc<dyn ChangeBus>,
}

/// So that what makes a pair may return more than the pair, such as the server behind it.
impl AsRef<Self> for BusPair {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A listener that remembers what it heard. Clones are the same listener.
#[derive(Clone)]
pub struct Ear(Arc<Watched<Vec<Change>>>);

impl Ear {
    /// A listener of this bus.
    pub fn of(bus: &dyn ChangeBus) -> Self {
        let ear = Self(Arc::new(Watched::new(Vec::new())));
        bus.subscribe(Arc::new(ear.clone()));
        ear
    }

    /// Everything so far, in the order in which it came.
    pub fn heard(&self) -> Vec<Change> {
        self.0.look(Clone::clone)
    }

    /// How often this change came so far.
    pub fn count(&self, change: &Change) -> usize {
        self.0.look(|heard| heard.iter().filter(|other| *other == change).count())
    }

    /// Waits until this change has come.
    pub async fn hears(&self, change: &Change) {
        self.0.until(|heard| heard.contains(change).then_some(())).await;
    }
}

impl ChangeListener for Ear {
    fn changed(&self, change: &Change) {
        self.0.change(|heard| heard.push(change.clone()));
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ear").field(&self.heard()).finish()
    }
}

/// A change of the directory, to this revision.
pub fn change(revision: u64) -> Change {
    Change::Directory { tenant: TenantId::DEFAULT, revision: Revision::new(revision) }
}

/// Before `publish` returns, and by every listener.
pub async fn a_change_is_heard_on_its_own_node_at_once(buses: &BusPair) {
    let (one, two) = (Ear::of(&*buses.here), Ear::of(&*buses.here));
    buses.here.publish(change(1)).await.unwrap();
    assert_eq!(one.heard(), [change(1)]);
    assert_eq!(two.heard(), [change(1)]);
}

/// In both directions, and by every listener.
pub async fn a_change_reaches_the_other_node(buses: &BusPair) {
    let (here, there, too) = (Ear::of(&*buses.here), Ear::of(&*buses.there), Ear::of(&*buses.there));
    buses.here.publish(change(1)).await.unwrap();
    there.hears(&change(1)).await;
    too.hears(&change(1)).await;
    buses.there.publish(change(2)).await.unwrap();
    here.hears(&change(2)).await;
}

/// Every kind, the largest numbers, and names of any script and length that a name may have.
pub async fn a_change_arrives_as_it_was_sent(buses: &BusPair) {
    let there = Ear::of(&*buses.there);
    let tenants = [TenantId::DEFAULT, TenantId::from_uuid(Uuid::max()), TenantId::from_uuid(Uuid::nil())];
    let names = ["web", "\"'\\{}\n\t\u{0}$1%s", "Überwachung 監視 \u{1f6a6}\u{200d}", &"n".repeat(256)];
    let revisions = [0, 1, (1 << 53) + 1, u64::MAX].map(Revision::new);
    let mut sent = Vec::new();
    for tenant in tenants {
        for revision in revisions {
            sent.extend([
                Change::Directory { tenant, revision },
                Change::Accounts { tenant, revision },
                Change::Members { tenant, revision },
            ]);
            // As long as it gets, and as short.
            let (subdomains, domains) = (vec!["s".repeat(63); 2], vec!["d".repeat(242); 10]);
            sent.push(Change::Tenant { tenant, version: revision, subdomains, domains });
            sent.push(Change::Tenant { tenant, version: revision, subdomains: Vec::new(), domains: Vec::new() });
            sent.extend(names.map(|name| Change::Environment {
                tenant,
                platform: name.to_owned(),
                environment: name.to_owned(),
                revision,
            }));
        }
    }
    for change in &sent {
        buses.here.publish(change.clone()).await.unwrap();
    }
    for change in &sent {
        there.hears(change).await;
    }
    assert!(there.heard().iter().all(|heard| sent.contains(heard)), "nothing else came");
}

/// It does not come back from the others.
pub async fn a_node_hears_its_own_change_once(buses: &BusPair) {
    let (here, there) = (Ear::of(&*buses.here), Ear::of(&*buses.there));
    for revision in 1..=20 {
        buses.here.publish(change(revision)).await.unwrap();
    }
    // Sent last, and on the same way: what would come back has come by now.
    there.hears(&change(20)).await;
    buses.there.publish(change(21)).await.unwrap();
    here.hears(&change(21)).await;
    for revision in 1..=20 {
        assert_eq!(here.count(&change(revision)), 1, "revision {revision}");
    }
}

/// And not what came before them.
pub async fn a_listener_hears_what_comes_after_it(buses: &BusPair) {
    let (first, there) = (Ear::of(&*buses.here), Ear::of(&*buses.there));
    buses.here.publish(change(1)).await.unwrap();
    there.hears(&change(1)).await;
    let second = Ear::of(&*buses.here);
    buses.here.publish(change(2)).await.unwrap();
    buses.there.publish(change(3)).await.unwrap();
    second.hears(&change(3)).await;
    first.hears(&change(3)).await;
    assert_eq!((first.count(&change(1)), second.count(&change(1))), (1, 0));
    assert_eq!((first.count(&change(2)), second.count(&change(2))), (1, 1));
}

/// A listener may add another one while it is told.
pub async fn a_listener_may_subscribe_another(buses: &BusPair) {
    struct Recruiter(Arc<dyn ChangeBus>, Watched<Option<Ear>>);
    impl ChangeListener for Recruiter {
        fn changed(&self, _: &Change) {
            if self.1.look(Option::is_none) {
                let ear = Ear::of(&*self.0);
                self.1.change(|recruit| *recruit = Some(ear));
            }
        }
    }
    let recruiter = Arc::new(Recruiter(Arc::clone(&buses.here), Watched::new(None)));
    buses.here.subscribe(Arc::<Recruiter>::clone(&recruiter));
    buses.there.publish(change(1)).await.unwrap();
    let recruit = recruiter.1.until(Clone::clone).await;
    buses.here.publish(change(2)).await.unwrap();
    recruit.hears(&change(2)).await;
}

/// Makes a `#[tokio::test]` of every promise of a change bus.
///
/// `$fresh` is the path of an `async fn()` that gives a [`BusPair`](crate::testkit::BusPair), or what lends one ([`AsRef`]); `None`
/// when there is no server to run over, and then the tests pass without trying anything. The calling crate needs tokio with `macros`,
/// `rt-multi-thread` and `time`.
#[macro_export]
macro_rules! change_bus_suite {
    ($fresh:path) => {
        $crate::change_bus_suite! { @each $fresh:
            a_change_is_heard_on_its_own_node_at_once
            a_change_reaches_the_other_node
            a_change_arrives_as_it_was_sent
            a_node_hears_its_own_change_once
            a_listener_hears_what_comes_after_it
            a_listener_may_subscribe_another
        }
    };
    (@each $fresh:path: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let Some(buses) = $fresh().await else { return };
                let buses = ::core::convert::AsRef::<$crate::testkit::BusPair>::as_ref(&buses);
                let kept = ::tokio::time::timeout($crate::testkit::PATIENCE, $crate::testkit::$promise(buses)).await;
                assert!(kept.is_ok(), "a notice did not arrive");
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A promise that the macro leaves out would be checked by nobody.
    #[test]
    fn the_suite_runs_every_promise() {
        let source = include_str!("bus.rs");
        for line in source.lines() {
            let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
            let name = rest.split('(').next().unwrap();
            assert!(source.contains(&format!("            {name}\n")), "{name} is not in change_bus_suite!");
        }
    }
}
