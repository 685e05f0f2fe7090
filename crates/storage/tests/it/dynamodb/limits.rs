//! Rate limits: the promises of the port, what calls cost, many nodes, and more limits than an item holds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{EntropyExt as _, SeededEntropy, StoreErrorKind, TenantId};
use togglebox_ratelimit::testkit::{self, Limits};
use togglebox_ratelimit::{Batch, Digest, Limit, LimitStore as _, ManualStopwatch, Quota, Stopwatch as _, Tag};
use togglebox_storage::DynamoDb;
use togglebox_storage::dynamodb::{DynamoDbLimits, DynamoDbLimitsOptions};
use tokio::task::JoinSet;

use super::on_every_server;
use super::server::Server;

const TENANT: Tag = Tag::Tenant(TenantId::DEFAULT);
const NOW: u64 = 1_795_000_000_000_000;

/// The clock of a test is not the server's, and a slow machine is no outage.
fn options() -> DynamoDbLimitsOptions {
    DynamoDbLimitsOptions::default().with_clock_watch(false).with_deadline(Duration::from_secs(30))
}

fn node(store: &DynamoDb, options: DynamoDbLimitsOptions, clock: &Arc<ManualStopwatch>) -> Arc<DynamoDbLimits> {
    Arc::new(DynamoDbLimits::with_clock(store, options, Arc::<ManualStopwatch>::clone(clock)))
}

/// A store of limits on a new table.
async fn limits(server: Server, options: DynamoDbLimitsOptions) -> (Limits, Arc<DynamoDbLimits>) {
    let (store, clock) = (server.table().await.0, Arc::new(ManualStopwatch::new(NOW)));
    let node = node(&store, options, &clock);
    (Limits { store: Arc::<DynamoDbLimits>::clone(&node), clock, exact: true }, node)
}

mod on_dynoxide_suite {
    use togglebox_ratelimit::testkit::Limits;

    use crate::dynamodb::server::DYNOXIDE;

    async fn fresh() -> Option<Limits> {
        if DYNOXIDE.is_there() { Some(super::limits(DYNOXIDE, super::options()).await.0) } else { None }
    }

    togglebox_ratelimit::limit_store_suite!(maybe fresh);
}

mod on_ministack_suite {
    use togglebox_ratelimit::testkit::Limits;

    use crate::dynamodb::server::MINISTACK;

    async fn fresh() -> Option<Limits> {
        if MINISTACK.is_there() { Some(super::limits(MINISTACK, super::options()).await.0) } else { None }
    }

    togglebox_ratelimit::limit_store_suite!(maybe fresh);
}

on_every_server! {
    a_decision_costs_a_request
    many_at_once_take_hardly_more_requests_than_decisions
    a_bucket_that_is_now_full_and_now_empty_gives_no_more_than_it_may
    nodes_that_share_nothing_but_the_table_share_the_limit
    clocks_that_disagree_let_through_no_more_than_they_disagree
    more_limits_than_an_item_holds_are_all_kept
    full_buckets_make_room
    where_limits_stand_is_asked_for_once
    what_an_item_of_its_own_denies_is_charged_nowhere
    limits_that_are_split_keep_the_promises
    a_split_limit_gives_its_burst_and_its_rate
    a_cost_that_no_part_can_save_up_takes_from_all
    what_was_taken_from_a_part_is_given_back_to_it
}

fn quota(limit: u32, burst: u32) -> Quota {
    Quota::rate(limit, Duration::from_secs(1)).burst(burst).unwrap()
}

/// So slow that no unit comes back while a test runs.
fn burst_only(burst: u32) -> Quota {
    Quota::rate(1, Duration::from_hours(24)).burst(burst).unwrap()
}

fn limit(name: &str, quota: Quota, cost: u32) -> Limit {
    Limit::new("any".parse().unwrap(), Digest::of([name.as_bytes()]), quota, cost).unwrap()
}

fn one(name: &str, quota: Quota, cost: u32) -> Batch {
    Batch::one(TENANT, limit(name, quota, cost))
}

async fn passes(node: &DynamoDbLimits, batch: &Batch) -> bool {
    let reply = node.consume(batch).await.unwrap();
    // What the caller is told of each limit must agree.
    let told = (0..batch.limits().len()).all(|n| reply.standing(batch, n).unwrap().passed);
    assert_eq!(told, reply.passed, "{reply:?}");
    reply.passed
}

async fn passing(node: &DynamoDbLimits, batch: &Batch, times: u32) -> u32 {
    let mut passed = 0;
    for _ in 0..times {
        passed += u32::from(passes(node, batch).await);
    }
    passed
}

async fn a_decision_costs_a_request(server: Server) {
    let (_, node) = limits(server, options()).await;
    let batch = Batch::new(TENANT, [limit("a", burst_only(20), 1), limit("b", burst_only(40), 2)]).unwrap();
    assert_eq!(passing(&node, &batch, 25).await, 20);
    assert!(node.requests() <= 27, "{}", node.requests());
}

async fn many_at_once_take_hardly_more_requests_than_decisions(server: Server) {
    let (_, node) = limits(server, options()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let node = Arc::clone(&node);
        tasks.spawn(async move { passing(&node, &one("a", burst_only(20), 1), 8).await });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<u32>(), 20);
    assert!(node.requests() <= 128 * 11 / 10, "{} requests for 128 decisions", node.requests());
}

/// Guesses go wrong all the time; what they go wrong by is never a unit too many.
async fn a_bucket_that_is_now_full_and_now_empty_gives_no_more_than_it_may(server: Server) {
    let (limits, node) = limits(server, options()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (node, clock) = (Arc::clone(&node), Arc::clone(&limits.clock));
        tasks.spawn(async move {
            let mut outcomes = [0_u64; 3];
            for _ in 0..20 {
                let outcome = node.consume(&one("b", quota(1000, 3), 1)).await;
                match outcome {
                    Ok(reply) => outcomes[usize::from(reply.passed)] += 1,
                    Err(error) if *error.kind() == StoreErrorKind::Unavailable => outcomes[2] += 1,
                    Err(error) => panic!("{error}"),
                }
                clock.advance(Duration::from_micros(900));
            }
            outcomes
        });
    }
    let sum = |sums: [u64; 3], each: [u64; 3]| std::array::from_fn(|n| sums[n] + each[n]);
    let [denied, passed, unavailable] = tasks.join_all().await.into_iter().fold([0; 3], sum);
    let what = format!("{denied} denied, {passed} passed, {unavailable} met others too often; {} requests", node.requests());
    assert!(passed <= 3 + 320 * 900 / 1000, "{what}");
    assert!(passed > 100 && unavailable < 160, "{what}");
    assert!(node.requests() <= 320 * 3, "{what}");
}

async fn nodes_that_share_nothing_but_the_table_share_the_limit(server: Server) {
    let (store, clock) = (server.table().await.0, Arc::new(ManualStopwatch::new(NOW)));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let node = node(&store, options(), &clock);
        for _ in 0..4 {
            let node = Arc::clone(&node);
            tasks.spawn(async move { passing(&node, &one("a", burst_only(50), 1), 8).await });
        }
    }
    assert_eq!(tasks.join_all().await.iter().sum::<u32>(), 50);
}

/// Two nodes whose clocks differ by δ, in turns and at random: in no window more than `B + floor(W / T) + R·δ + 1`.
async fn clocks_that_disagree_let_through_no_more_than_they_disagree(server: Server) {
    let store = server.table().await.0;
    for (seed, apart_ms) in [(1, 0), (2, 37), (3, 400), (4, 2_000)] {
        let dice = SeededEntropy::new(seed);
        let below = |n: u32| u32::from_le_bytes(dice.bytes()) % n;
        let (rate, burst) = (50_u64, 8_u64);
        let batch = one(&format!("seed-{seed}"), quota(50, 8), 1);
        let clocks = [NOW, NOW + apart_ms * 1000].map(|us| Arc::new(ManualStopwatch::new(us)));
        let nodes = clocks.each_ref().map(|clock| node(&store, options(), clock));
        let mut passed: Vec<u64> = Vec::new();
        for _ in 0..250 {
            let pause = Duration::from_micros(below(40_000).into());
            for clock in &clocks {
                clock.advance(pause);
            }
            let node = &nodes[below(2) as usize];
            for _ in 0..below(4) {
                if node.consume(&batch).await.unwrap().passed {
                    passed.push(clocks[0].now_us());
                }
            }
        }
        assert!(passed.len() > 100, "{}", passed.len());
        let extra = rate * apart_ms / 1000 + 1;
        for (first, from) in passed.iter().enumerate() {
            for (units, to) in (1_u64..).zip(&passed[first..]) {
                let bound = burst + (to - from) * rate / 1_000_000 + extra;
                assert!(units <= bound, "{apart_ms} ms apart: {units} of {bound} from {from} to {to}");
            }
        }
    }
}

/// Names of limits.
fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

async fn more_limits_than_an_item_holds_are_all_kept(server: Server) {
    let (limits, node) = limits(server, options()).await;
    let names = names("slot", 70);
    for round in 0..3 {
        for name in &names {
            assert_eq!(passes(&node, &one(name, burst_only(2), 1)).await, round < 2, "{name} in round {round}");
        }
    }
    // Together with others, wherever they are; also as a node sees it that knows nothing yet, and by looking.
    let two = |a: &str, b: &str| Batch::new(TENANT, [limit(a, burst_only(3), 1), limit(b, burst_only(3), 1)]).unwrap();
    assert!(passes(&node, &two("slot-0", "slot-69")).await);
    assert!(!passes(&node, &two("slot-1", "slot-69")).await);
    assert!(!node.peek(&two("slot-2", "slot-69")).await.unwrap().passed);
    assert!(node.peek(&two("slot-2", "slot-68")).await.unwrap().passed);
    let reply = node.consume(&two("slot-1", "slot-68")).await.unwrap();
    assert!(reply.passed, "what was denied has charged nothing");
    node.refund(&reply.receipt(&two("slot-1", "slot-68")).unwrap()).await.unwrap();
    assert!(passes(&node, &two("slot-1", "slot-68")).await);
    // When all are full, nobody stands anywhere: all of them have their burst again and no more.
    limits.pass(1000 * 3600 * 24 * 4);
    for name in names.iter().rev().take(20) {
        assert_eq!(passing(&node, &one(name, burst_only(2), 1), 3).await, 2, "{name}");
    }
}

async fn full_buckets_make_room(server: Server) {
    let (store, table) = server.table().await;
    let clock = Arc::new(ManualStopwatch::new(NOW));
    let node = node(&store, options(), &clock);
    // Full after a second, and by everybody's clock four seconds later: at any time some forty are not.
    for name in names("short", 200) {
        assert!(passes(&node, &one(&name, quota(1, 1), 1)).await);
        clock.advance(Duration::from_millis(125));
    }
    assert_eq!(server.count_all(table.table()).await, 1, "none of them stands in an item of its own");
    assert!(node.requests() <= 220, "each takes one request but for a few: {}", node.requests());
}

/// What is remembered of items is forgotten when others come; what has to be asked for again is remembered again.
async fn where_limits_stand_is_asked_for_once(server: Server) {
    let (store, clock) = (server.table().await.0, Arc::new(ManualStopwatch::new(NOW)));
    let before = node(&store, options(), &clock);
    for name in names("filler", 60) {
        assert!(passes(&before, &one(&name, burst_only(2), 1)).await);
    }
    let node = node(&store, options(), &clock);
    for name in names("later", 20) {
        assert!(passes(&node, &one(&name, burst_only(2), 1)).await);
    }
    assert!(node.requests() <= 22, "one more for the first: {}", node.requests());
}

async fn what_an_item_of_its_own_denies_is_charged_nowhere(server: Server) {
    let (_, node) = limits(server, options()).await;
    for name in names("filler", 49) {
        assert!(passes(&node, &one(&name, burst_only(2), 1)).await);
    }
    let with = |own: &str| Batch::new(TENANT, [limit("all", burst_only(20), 1), limit(own, burst_only(3), 1)]).unwrap();
    let mut passed = 0;
    for own in ["x", "y", "z"] {
        passed += passing(&node, &with(own), 6).await;
    }
    assert_eq!(passed, 9);
    let left = node.grant(&one("all", burst_only(20), 1), 100).await.unwrap();
    assert_eq!(left.units, 11, "denials have charged nothing");
    let grant = node.grant(&with("w"), 100).await.unwrap();
    assert_eq!(grant.units, 0);
}

fn split() -> DynamoDbLimitsOptions {
    options().with_shards(4)
}

/// All but two that are about many units at once, of which a part has only some.
async fn limits_that_are_split_keep_the_promises(server: Server) {
    macro_rules! keep {
        ($($promise:ident)*) => {$(
            testkit::$promise(&limits(server, split()).await.0).await;
        )*};
    }
    keep! {
        a_full_bucket_gives_its_burst_and_no_more
        units_come_back_one_interval_after_another
        who_waits_as_told_passes
        a_batch_is_charged_as_a_whole_or_not_at_all
        a_denial_changes_nothing
        eight_limits_are_asked_at_once
        slots_and_tags_do_not_know_each_other
        a_charge_goes_into_debt_and_no_deeper
        a_grant_is_what_all_limits_have_room_for
        units_given_back_at_once_are_there_again
        a_refund_does_not_give_what_time_has_given
        nobody_waits_longer_than_a_full_bucket_after_a_step_of_the_clock
        of_many_at_once_exactly_the_burst_passes
        a_lost_answer_never_lets_more_through
    }
}

async fn a_split_limit_gives_its_burst_and_its_rate(server: Server) {
    let (limits, node) = limits(server, split()).await;
    let batch = Batch::new(TENANT, [limit("wide", quota(100, 102), 1), limit("narrow", burst_only(2000), 1)]).unwrap();
    let (mut passed, began) = (Vec::new(), limits.clock.now_us());
    for _ in 0..300 {
        for _ in 0..2 {
            if passes(&node, &batch).await {
                passed.push(limits.clock.now_us());
            }
        }
        limits.pass(7);
    }
    let elapsed = limits.clock.now_us() - began;
    let most = 102 + elapsed / 10_000;
    assert!(passed.len() as u64 <= most, "{} of {most}", passed.len());
    assert!(passed.len() as u64 >= most - 4 - 4, "a part may be short of a whole unit: {} of {most}", passed.len());
    for (first, from) in passed.iter().enumerate() {
        for (units, to) in (1_u64..).zip(&passed[first..]) {
            assert!(units <= 102 + (to - from) / 10_000, "{units} from {from} to {to}");
        }
    }
}

async fn a_cost_that_no_part_can_save_up_takes_from_all(server: Server) {
    let (_, node) = limits(server, split()).await;
    let all = |cost| one("a", burst_only(102), cost);
    assert!(passes(&node, &all(50)).await);
    assert!(!passes(&node, &all(60)).await);
    assert!(passes(&node, &all(52)).await);
    assert_eq!(passing(&node, &all(1), 5).await, 0);
}

async fn what_was_taken_from_a_part_is_given_back_to_it(server: Server) {
    let (limits, node) = limits(server, split()).await;
    let batch = one("a", burst_only(100), 1);
    let mut receipts = Vec::new();
    for _ in 0..100 {
        let reply = node.consume(&batch).await.unwrap();
        receipts.push(reply.receipt(&batch).unwrap());
    }
    let moments: BTreeSet<u64> = receipts.iter().map(|receipt| receipt.charged_at_us() % 4).collect();
    assert_eq!(moments.len(), 4);
    assert_eq!(passing(&node, &batch, 3).await, 0);
    for receipt in &receipts[..10] {
        node.refund(receipt).await.unwrap();
    }
    // Some were charged a few microseconds early.
    limits.pass(1);
    assert_eq!(passing(&node, &batch, 40).await, 10);
}
