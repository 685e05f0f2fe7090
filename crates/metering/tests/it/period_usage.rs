//! Quotas that are checked against what a node knows.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use togglebox_core::{TenantId, Timestamp};
use togglebox_metering::store::UsageSink as _;
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{Cell, Check, Minute, Period, PeriodUsage, Quota, Series, Span, WriterId};
use uuid::Uuid;

use crate::support::{requests, store};

const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
const MONTHLY: Quota = Quota { limit: 100, period: Period::MONTH, warn_percent: 80 };

/// A process that counts, sends what it has counted, and reads what all have.
struct Node {
    usage: PeriodUsage,
    store: Arc<MemoryStore>,
    writer: WriterId,
    minute: Minute,
    /// In this minute.
    total: u64,
    sent: u64,
}

impl Node {
    fn new(store: &Arc<MemoryStore>, number: u128, at: Timestamp) -> Self {
        Self {
            usage: PeriodUsage::new(Arc::<MemoryStore>::clone(store), requests()),
            store: Arc::clone(store),
            writer: WriterId::from_u128((0xbeef << 64) + number),
            minute: Minute::of(at).unwrap(),
            total: 0,
            sent: 0,
        }
    }

    fn check(&self, at: Timestamp) -> Check {
        self.usage.check(A, &MONTHLY, 1, at)
    }

    fn count(&mut self, quantity: u64) {
        self.total += quantity;
        self.usage.add(A, quantity);
    }

    async fn flush(&mut self) {
        let series = Series::plain(requests());
        let cell = Cell { tenant: A, series, minute: self.minute, writer: self.writer, total: self.total };
        self.store.merge_cells(&[cell]).await.unwrap();
        self.sent = self.total;
    }

    async fn read(&self, at: Timestamp) -> usize {
        self.usage.read_due(at, 10).await.unwrap()
    }

    fn unsent(&self) -> u64 {
        self.total - self.sent
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(after: Timestamp, seconds: u64) -> Timestamp {
    after.plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn alone_a_node_lets_exactly_the_limit_through() {
    let (store, now) = (store(), at("2028-02-29T10:00:30Z"));
    let mut node = Node::new(&store, 1, now);
    let mut passed = 0;
    for second in 0..200 {
        if !matches!(node.check(seconds(now, second)), Check::Deny { .. }) {
            node.count(1);
            passed += 1;
        }
        if second % 7 == 0 {
            node.flush().await;
            node.read(seconds(now, second)).await;
        }
    }
    assert_eq!(passed, 100);
    assert_eq!(node.usage.known(A, Period::MONTH, now), Some(100));
    let denied = Check::Deny { limit: 100, used: 100, resets_at: at("2028-03-01T00:00:00Z") };
    assert_eq!(node.check(seconds(now, 200)), denied);
}

#[tokio::test]
async fn what_others_have_counted_is_known_after_a_reading() {
    let (store, now) = (store(), at("2028-02-29T10:00:30Z"));
    let [mut one, mut other] = [1, 2].map(|number| Node::new(&store, number, now));
    other.count(90);
    other.flush().await;
    assert_eq!(one.check(now), Check::Allow { remaining: 99 }, "nothing is known yet");
    one.count(1);
    assert_eq!(one.usage.known(A, Period::MONTH, now), None);
    one.flush().await;
    assert_eq!(one.read(now).await, 1);
    assert_eq!(one.usage.known(A, Period::MONTH, now), Some(91));
    assert_eq!(one.check(now), Check::Warn { remaining: 8 });
    other.count(9);
    other.flush().await;
    assert_eq!(one.check(seconds(now, 9)), Check::Warn { remaining: 8 }, "the reading is not old enough");
    assert_eq!(one.read(seconds(now, 9)).await, 0);
    assert_eq!(one.read(seconds(now, 10)).await, 1);
    assert!(matches!(one.check(seconds(now, 10)), Check::Deny { used: 100, .. }));
    // Nobody asked since.
    assert_eq!(one.read(seconds(now, 10)).await, 0);
    assert_eq!(other.read(seconds(now, 10)).await, 0, "and there nobody ever did");
}

#[tokio::test]
async fn a_period_that_somebody_names_has_what_was_used_in_it_to_the_minute() {
    let (store, now) = (store(), at("2028-02-29T10:00:30Z"));
    let other = WriterId::from_u128((0xbeef << 64) + 7);
    for (moment, total) in [
        ("2028-02-10T10:59:00Z", 1000),
        ("2028-02-10T11:00:00Z", 1),
        ("2028-02-20T00:00:00Z", 20),
        ("2028-02-29T09:00:00Z", 30),
        ("2028-03-10T11:00:00Z", 7),
    ] {
        let minute = Minute::of(at(moment)).unwrap();
        let cell = Cell { tenant: A, series: Series::plain(requests()), minute, writer: other, total };
        store.merge_cells(&[cell]).await.unwrap();
    }
    let own = |from: &str, until: &str| {
        let [from, until] = [from, until].map(|moment| Minute::of(at(moment)).unwrap());
        Quota { period: Period::Of(Span::new(from, until).unwrap()), ..MONTHLY }
    };
    let node = Node::new(&store, 1, now);
    let quota = own("2028-02-10T11:00:00Z", "2028-03-10T11:00:00Z");
    assert_eq!(node.usage.check(A, &quota, 1, now), Check::Allow { remaining: 99 }, "nothing is known yet");
    assert_eq!(node.read(now).await, 1);
    assert_eq!(node.usage.known(A, quota.period, now), Some(51));
    assert_eq!(node.usage.known(A, Period::MONTH, now), None, "that is another one");
    let denied = Check::Deny { limit: 100, used: 51, resets_at: at("2028-03-10T11:00:00Z") };
    assert_eq!(node.usage.check(A, &quota, 50, now), denied);
    // The next one is told when it begins.
    let next = own("2028-03-10T11:00:00Z", "2028-04-10T11:00:00Z");
    let after = at("2028-03-10T11:00:00Z");
    assert_eq!(node.usage.check(A, &next, 1, after), Check::Allow { remaining: 99 });
    assert_eq!(node.read(after).await, 1);
    assert_eq!(node.usage.known(A, next.period, after), Some(7));
}

#[tokio::test]
async fn a_period_begins_with_nothing_and_is_not_left_again() {
    let (store, before) = (store(), at("2028-02-29T23:59:30Z"));
    let mut node = Node::new(&store, 1, before);
    assert!(matches!(node.check(before), Check::Allow { .. }));
    node.count(100);
    node.flush().await;
    node.read(before).await;
    assert!(matches!(node.check(before), Check::Deny { .. }));
    let after = at("2028-03-01T00:00:00Z");
    assert_eq!(node.check(after), Check::Allow { remaining: 99 });
    assert_eq!(node.read(after).await, 1, "it is read as soon as it begins");
    assert_eq!((node.usage.known(A, Period::MONTH, after), node.usage.known(A, Period::MONTH, before)), (Some(0), None));
    assert_eq!(node.check(before), Check::Allow { remaining: 99 }, "a clock that steps back changes nothing");
    // Another period is another quota.
    let daily = Quota { period: Period::Day, ..MONTHLY };
    assert_eq!(node.usage.check(A, &daily, 1, after), Check::Allow { remaining: 99 });
}

#[tokio::test]
async fn who_is_asked_about_no_more_is_forgotten() {
    let (store, now) = (store(), at("2028-02-29T10:00:30Z"));
    let mut node = Node::new(&store, 1, now);
    node.check(now);
    node.count(5);
    node.flush().await;
    node.read(now).await;
    node.read(seconds(now, 3599)).await;
    assert_eq!(node.usage.known(A, Period::MONTH, seconds(now, 3599)), Some(5));
    node.read(seconds(now, 3600)).await;
    assert_eq!(node.usage.known(A, Period::MONTH, seconds(now, 3600)), None);
}

/// What it has counted and the store has not: it waits in a queue, or the store was away.
#[tokio::test]
async fn a_reading_does_not_make_a_node_forget_its_own() {
    let (store, now) = (store(), at("2028-02-29T10:00:30Z"));
    let mut node = Node::new(&store, 1, now);
    node.check(now);
    node.count(100);
    assert_eq!(node.read(now).await, 1);
    assert!(matches!(node.check(now), Check::Deny { used: 100, .. }));
    let mut other = Node::new(&store, 2, now);
    other.count(3);
    other.flush().await;
    node.flush().await;
    assert_eq!(node.read(seconds(now, 10)).await, 1);
    assert_eq!(node.usage.known(A, Period::MONTH, now), Some(103));
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_no_reading_from_being_made() {
    let (store, now) = (store(), at("2028-02-29T10:00:30Z"));
    let node = Node::new(&store, 1, now);
    let ahead = seconds(now, 7200);
    node.check(ahead);
    assert_eq!(node.read(ahead).await, 1);
    node.check(now);
    assert_eq!(node.read(now).await, 1);
    assert_eq!(node.read(now).await, 0);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Count(usize, u64),
    Flush(usize),
    Read(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_usize, 1..20_u64).prop_map(|(node, quantity)| Act::Count(node, quantity)),
        2 => (0..3_usize).prop_map(Act::Flush),
        1 => (0..3_usize).prop_map(Act::Read),
    ]
}

proptest! {
    /// What a node does not know of is what others had not sent when it read, and what they have counted since. Nothing else: so that is
    /// all that can go beyond a limit.
    #[test]
    fn what_is_not_known_is_what_others_did_since(acts in prop::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (store, begin) = (store(), at("2028-02-29T10:00:30Z"));
        let mut nodes = [1, 2, 3].map(|number| Node::new(&store, number, begin));
        let (mut now, mut unknown) = (begin, [None; 3]);
        for node in &nodes {
            node.check(now);
        }
        for act in acts {
            match act {
                Act::Count(node, quantity) => {
                    nodes[node].count(quantity);
                    for (_, unknown) in unknown.iter_mut().enumerate().filter(|(other, _)| *other != node) {
                        *unknown = unknown.map(|unknown: u64| unknown + quantity);
                    }
                }
                Act::Flush(node) => runtime.block_on(nodes[node].flush()),
                Act::Read(node) => {
                    now = seconds(now, 600);
                    nodes[node].check(now);
                    now = seconds(now, 600);
                    runtime.block_on(nodes[node].flush());
                    prop_assert_eq!(runtime.block_on(nodes[node].read(now)), 1);
                    let others = nodes.iter().enumerate().filter(|(other, _)| *other != node);
                    unknown[node] = Some(others.map(|(_, other)| other.unsent()).sum());
                }
            }
            let all: u64 = nodes.iter().map(|node| node.total).sum();
            for (node, unknown) in nodes.iter().zip(unknown) {
                prop_assert_eq!(node.usage.known(A, Period::MONTH, now), unknown.map(|unknown| all - unknown));
            }
        }
    }
}
