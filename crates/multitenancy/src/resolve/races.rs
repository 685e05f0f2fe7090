//! Loads against notices, in every order that shuttle finds.
//!
//! Under test is [`Memory`] itself, with shuttle's lock and atomics (see [`sync`](super::sync)): a store that changes, somebody who tells
//! of it afterwards, some who load, some who read. What must hold: *whoever asks after a notice gets nothing older than it*, neither out
//! of memory nor out of a load that has begun before.

use std::sync::Arc as StdArc;

use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;
use togglebox_core::TenantId;
use uuid::Uuid;

use super::claims::Claims;
use super::memory::{Begin, Landed, Loaded, Look, Memory};
use super::notice::Notice;
use super::options::ResolveOptions;
use super::{HostKey, HostRef, Versioned};

const KEY: HostRef<'static> = HostRef::Subdomain("acme");
const OTHER: HostRef<'static> = HostRef::Domain("flags.acme.test");

/// Orders of each kind, for each scene.
const ORDERS: usize = 4_000;

/// A tenant as one version of the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tenant: u128,
    version: u64,
}

impl Versioned for Entry {
    fn tenant(&self) -> TenantId {
        tenant(self.tenant)
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn outlasts_outage(&self) -> bool {
        true
    }
}

const fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

type Shared = Arc<Node>;

/// What a thread does.
type Act = Box<dyn FnOnce(&Node) + Send>;

/// A node, and what the store shows under [`KEY`]: the number of a tenant and a version, or zeros for nobody.
struct Node {
    memory: Memory<Entry, ()>,
    stored: AtomicU64,
    /// The highest version that the node has been told of.
    told: AtomicU64,
}

impl Node {
    fn new(tenant: u64, version: u64, options: ResolveOptions) -> Shared {
        let stored = AtomicU64::new(tenant << 32 | version);
        Arc::new(Self { memory: Memory::new(options), stored, told: AtomicU64::new(0) })
    }

    fn write(&self, tenant: u64, version: u64) {
        self.stored.store(tenant << 32 | version, Ordering::SeqCst);
    }

    fn tell(&self, tenant: u64, version: u64, names: &[HostRef<'_>]) {
        self.memory.hear(&notice(tenant, version, names), 0);
        self.told.fetch_max(version, Ordering::SeqCst);
    }

    /// What the store shows; there is a moment between that and what becomes of it.
    fn read(&self) -> Loaded<Entry> {
        let stored = self.stored.load(Ordering::SeqCst);
        match (u128::from(stored >> 32), stored & 0xffff_ffff) {
            (0, _) => Loaded::Absent,
            (tenant, version) => Loaded::Found(StdArc::new(Entry { tenant, version })),
        }
    }

    /// What a request that finds nothing does.
    fn load(&self, key: HostRef<'_>) {
        self.fly(self.memory.begin(key, 0, None, || ()));
    }

    /// What a node does that knows the name from a list.
    fn load_listed(&self, key: HostRef<'_>) {
        self.fly(self.memory.begin_listed(key, 0, || ()));
    }

    fn fly(&self, begun: Begin<()>) {
        let Begin::Lead(ticket) = begun else { return };
        loop {
            let loaded = self.read();
            // Those who ask from now on do not get what comes of this.
            let told = self.told.load(Ordering::SeqCst);
            match self.memory.land(&ticket, &loaded, 0) {
                Landed::Again => {}
                Landed::Behind => return,
                Landed::Done => {
                    let Loaded::Found(entry) = loaded else { return };
                    assert!(entry.version >= told, "a load hands out {entry:?} after a notice of {told}");
                    return;
                }
            }
        }
    }

    /// What a request that asks now gets out of memory.
    fn ask(&self, key: HostRef<'_>) {
        let told = self.told.load(Ordering::SeqCst);
        match self.memory.look(key, 0, None) {
            Look::Fresh(entry) => assert!(entry.version >= told, "memory has {entry:?} after a notice of {told}"),
            Look::Absent => assert!(told < 2, "memory has nobody after a notice of {told}"),
            _ => {}
        }
    }
}

fn notice(number: u64, version: u64, names: &[HostRef<'_>]) -> Notice {
    let names: Vec<HostKey> = names.iter().map(|name| name.to_key()).collect();
    Notice { tenant: tenant(u128::from(number)), version, names }
}

/// Orders at random, orders with few changes of threads, and the first ones of all that there are: 12,000 together.
fn explore(scene: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(scene.clone(), ORDERS);
    shuttle::check_pct(scene.clone(), ORDERS, 3);
    shuttle::check_dfs(scene, Some(ORDERS));
}

fn run(node: &Shared, threads: Vec<Act>) {
    let threads: Vec<_> = threads
        .into_iter()
        .map(|act| {
            let node = Arc::clone(node);
            thread::spawn(move || act(&node))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn nothing_older_than_a_notice_is_kept_or_handed_out() {
    explore(|| {
        let node = Node::new(1, 1, ResolveOptions::default());
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.write(1, 2);
                    // It names the tenant alone: of an older node, or of a domain that this one does not know.
                    node.tell(1, 2, &[]);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
            ],
        );
        node.ask(KEY);
        node.load(KEY);
        assert!(matches!(node.memory.look(KEY, 0, None), Look::Fresh(entry) if entry.version == 2));
        assert_eq!(node.memory.sizes().loads, 0);
    });
}

#[test]
fn a_name_that_has_gone_to_another_tenant_does_not_lead_back() {
    explore(|| {
        let node = Node::new(1, 1, ResolveOptions::default());
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    // The notice of the first one's loss is lost.
                    node.write(2, 3);
                    node.tell(2, 3, &[KEY]);
                    node.ask(KEY);
                }),
            ],
        );
        node.ask(KEY);
        node.load(KEY);
        assert!(matches!(node.memory.look(KEY, 0, None), Look::Fresh(entry) if entry.tenant == 2));
    });
}

#[test]
fn nobody_is_forgotten_when_somebody_comes() {
    explore(|| {
        let node = Node::new(0, 0, ResolveOptions::default());
        run(
            &node,
            vec![
                Box::new(|node| node.load(KEY)),
                Box::new(|node| {
                    node.write(1, 2);
                    node.tell(1, 2, &[KEY]);
                    node.ask(KEY);
                }),
                Box::new(|node| node.load(KEY)),
            ],
        );
        node.ask(KEY);
    });
}

#[test]
fn a_floor_that_was_forgotten_still_holds_for_loads_that_were_under_way() {
    explore(|| {
        // Room for one floor beside those of entries.
        let node = Node::new(1, 1, ResolveOptions::default().capacity(8, 8, 1));
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.write(1, 2);
                    node.tell(1, 2, &[]);
                    for stranger in 7..9 {
                        node.memory.hear(&notice(stranger, 1, &[]), 0);
                    }
                    assert!(node.memory.sizes().floors <= 2);
                    node.ask(KEY);
                }),
            ],
        );
        node.ask(KEY);
    });
}

#[test]
fn doubt_reaches_what_is_on_its_way() {
    explore(|| {
        let node = Node::new(1, 1, ResolveOptions::default());
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.write(1, 2);
                    // No notice arrives: the list of changes has a gap.
                    node.memory.doubt();
                    node.told.fetch_max(2, Ordering::SeqCst);
                    node.ask(KEY);
                }),
            ],
        );
        node.ask(KEY);
    });
}

#[test]
fn two_names_of_one_tenant_never_show_two_versions_for_long() {
    explore(|| {
        let node = Node::new(1, 1, ResolveOptions::default());
        node.load(KEY);
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.write(1, 2);
                    node.load(OTHER);
                }),
                Box::new(|node| node.load(KEY)),
            ],
        );
        // No notice at all: what was seen under one name counts for the other.
        if let (Look::Fresh(one), Look::Fresh(other)) = (node.memory.look(KEY, 0, None), node.memory.look(OTHER, 0, None)) {
            assert_eq!(one.version, other.version);
        }
    });
}

/// A token of version 1, from where the list of changes has one.
const TOKEN: Claims<'static> = Claims { tenant: tenant(1), version: 1, name: Some(KEY), as_of: Some(1) };

#[test]
fn a_token_vouches_for_nothing_that_a_notice_has_ended() {
    explore(|| {
        // Room for one floor beside those of entries: the tenant's is forgotten.
        let node = Node::new(1, 1, ResolveOptions::default().capacity(8, 8, 1));
        node.memory.listen(0);
        node.memory.reach(1);
        assert!(node.memory.confirms(&TOKEN));
        let claim = |node: &Node| {
            let told = node.told.load(Ordering::SeqCst);
            assert!(told < 2 || !node.memory.confirms(&TOKEN), "a token of version 1 counts after a notice of {told}");
        };
        run(
            &node,
            vec![
                Box::new(move |node| {
                    claim(node);
                    node.load(KEY);
                    claim(node);
                }),
                Box::new(|node| {
                    node.write(1, 2);
                    node.tell(1, 2, &[]);
                }),
                Box::new(move |node| {
                    for stranger in 7..9 {
                        node.memory.hear(&notice(stranger, 1, &[]), 0);
                    }
                    claim(node);
                    // The next part of the list.
                    node.memory.listen(2);
                    node.memory.reach(2);
                    claim(node);
                }),
            ],
        );
        claim(&node);
        assert!(!node.memory.confirms(&TOKEN));
    });
}

#[test]
fn what_a_list_names_is_loaded_by_the_same_rules() {
    explore(|| {
        // One stranger is looked up, and no second one may be: only what is listed is.
        let node = Node::new(1, 1, ResolveOptions::default().strangers(1, 1));
        assert!(matches!(node.memory.begin(OTHER, 0, None, || ()), Begin::Lead(_)));
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.load_listed(KEY);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.write(1, 2);
                    node.tell(1, 2, &[KEY]);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
            ],
        );
        node.ask(KEY);
        node.load_listed(KEY);
        assert!(matches!(node.memory.look(KEY, 0, None), Look::Fresh(entry) if entry.version == 2));
    });
}

#[test]
fn a_change_that_is_heard_ends_what_need_not_be_looked_at_again() {
    explore(|| {
        // Old enough that only hearing all changes keeps the entry fresh.
        let options = ResolveOptions::default().lives(std::time::Duration::ZERO, std::time::Duration::ZERO);
        let node = Node::new(1, 1, options);
        node.memory.heard(0);
        run(
            &node,
            vec![
                Box::new(|node| {
                    node.load(KEY);
                    node.ask(KEY);
                }),
                Box::new(|node| {
                    node.write(1, 2);
                    node.tell(1, 2, &[]);
                    node.memory.heard(0);
                    node.ask(KEY);
                }),
            ],
        );
        node.ask(KEY);
        node.load(KEY);
        assert!(matches!(node.memory.look(KEY, 0, None), Look::Fresh(entry) if entry.version == 2));
    });
}
