//! Nodes that share nothing but the table, at the same things.

use togglebox_core::{PageRequest, Revision, StoreErrorKind, StoreResult, Timestamp};
use togglebox_multitenancy::store::{DomainStore, InvitationStore, MemberStore, SUBDOMAIN_TAKEN, TenantDirectory, TenantStore};
use togglebox_multitenancy::{DomainName, Limit, Tenant, TenantName};
use togglebox_storage::DynamoDb;
use tokio::task::JoinSet;

use super::super::fixtures::audit;
use super::super::on_every_server;
use super::super::server::Server;
use super::fixtures::{claim, guest, id, invitation, invited, joined, late, made, member, purged, tenant, token};

const NODES: usize = 4;
const CROWD: u128 = 16;

on_every_server! {
    of_nodes_that_take_one_subdomain_exactly_one_gets_it
    the_last_places_of_a_plan_are_had_once_each
    invitations_and_claims_are_counted_exactly
    writes_of_many_nodes_are_one_sequence
    a_follower_misses_nothing_while_the_sequence_is_pruned
    nodes_that_sweep_together_count_each_member_out_once
}

/// Handles of different processes on one table.
async fn nodes(server: Server) -> Vec<DynamoDb> {
    let (first, options) = server.table().await;
    let mut nodes = vec![first];
    for _ in 1..NODES {
        nodes.push(DynamoDb::open(&options).await.unwrap());
    }
    nodes
}

/// Runs a crowd's calls at once, spread over the nodes.
async fn crowd<T, F>(nodes: &[DynamoDb], call: impl Fn(DynamoDb, u128) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for (n, node) in (0..CROWD).zip(nodes.iter().cycle()) {
        calls.spawn(call(node.clone(), n));
    }
    calls.join_all().await
}

/// What those that failed were told.
fn refusals<T>(outcomes: Vec<StoreResult<T>>) -> Vec<StoreErrorKind> {
    outcomes.into_iter().filter_map(Result::err).map(|error| error.kind().clone()).collect()
}

async fn of_nodes_that_take_one_subdomain_exactly_one_gets_it(server: Server) {
    let nodes = nodes(server).await;
    let renamed = made(&nodes[0], 99).await;
    let outcomes = crowd(&nodes, |node, n| {
        let renamed = renamed.clone();
        async move {
            let subdomain = "wanted".parse().unwrap();
            if n == 0 {
                let next = Tenant { subdomain, ..renamed };
                return node.change(next.id, &next, next.version, late(), &audit(1)).await;
            }
            let new = Tenant { subdomain, ..tenant(n) };
            TenantStore::create(&node, new.id, &new, &member(new.id, new.owner), &audit(1)).await
        }
    })
    .await;
    let won = outcomes.iter().find_map(|outcome| outcome.as_ref().ok()).unwrap().value.clone();
    assert_eq!(refusals(outcomes), vec![StoreErrorKind::Refused(SUBDOMAIN_TAKEN); 15]);
    assert_eq!(nodes[1].by_subdomain(&won.subdomain).await.unwrap(), Some(won.clone()));
    assert_eq!(TenantDirectory::revision(&nodes[2]).await.unwrap(), won.version, "who lost has taken no number");
    let old = nodes[3].by_subdomain(&renamed.subdomain).await.unwrap();
    assert_eq!(old.is_some(), won.id != renamed.id);
}

async fn the_last_places_of_a_plan_are_had_once_each(server: Server) {
    let nodes = nodes(server).await;
    let here = made(&nodes[0], 1).await.id;
    for n in 0..CROWD {
        invited(&nodes[0], here, n).await;
    }
    let accept = |node: DynamoDb, n| async move {
        node.accept(here, &token(n), &member(here, guest(n)), Limit::of(4).unwrap(), &audit(n)).await
    };
    let outcomes = crowd(&nodes, accept).await;
    assert_eq!(refusals(outcomes), vec![StoreErrorKind::QuotaReached { usage: 4, limit: 4 }; 13]);
    assert_eq!(nodes[1].count(here).await.unwrap(), 4);
    let page = PageRequest::first(100);
    assert_eq!(MemberStore::list(&nodes[2], here, &page).await.unwrap().items.len(), 4);
    assert_eq!(InvitationStore::list(&nodes[3], here, &page).await.unwrap().items.len(), 13, "who was refused keeps theirs");
}

async fn invitations_and_claims_are_counted_exactly(server: Server) {
    let nodes = nodes(server).await;
    let here = made(&nodes[0], 1).await.id;
    let issue = |node: DynamoDb, n| async move { node.issue(here, &invitation(n), 5, &audit(n)).await };
    assert_eq!(refusals(crowd(&nodes, issue).await), vec![StoreErrorKind::LimitReached { limit: 5 }; 11]);
    let limit = DomainName::MAX_PER_TENANT;
    let claims =
        |node: DynamoDb, n| async move { node.claim(here, &claim(&format!("d{n}.example.com")), &audit(0x100 + n)).await };
    assert_eq!(refusals(crowd(&nodes, claims).await), vec![StoreErrorKind::LimitReached { limit }; 6]);
    // One goes while others want its place: as many are there as may be.
    let waiting = InvitationStore::list(&nodes[0], here, &PageRequest::first(100)).await.unwrap().items;
    let outcomes = crowd(&nodes, |node, n| {
        let gone = waiting[0].id;
        async move {
            if n == 0 {
                return node.revoke(here, gone, &audit(0x200)).await;
            }
            node.issue(here, &invitation(100 + n), 5, &audit(0x200 + n)).await.map(drop)
        }
    })
    .await;
    let lost = refusals(outcomes).len();
    let page = PageRequest::first(100);
    let there = InvitationStore::list(&nodes[0], here, &page).await.unwrap().items.len();
    assert_eq!(there + lost, 4 + 15, "four, and those who came into a place");
    assert!(there == 4 || there == 5, "{there}");
    let next = nodes[1].issue(here, &invitation(200), 5, &audit(0x300)).await;
    assert_eq!(next.is_ok(), there == 4);
}

async fn writes_of_many_nodes_are_one_sequence(server: Server) {
    let nodes = nodes(server).await;
    let versions = crowd(&nodes, |node, n| async move {
        let mut stands = made(&node, n).await;
        let mut versions = vec![stands.version];
        for round in 0..2 {
            let next = Tenant { name: TenantName::new(&format!("Round {round}")).unwrap(), ..stands.clone() };
            stands = node.change(stands.id, &next, stands.version, late(), &audit(round)).await.unwrap().value;
            versions.push(stands.version);
        }
        versions
    })
    .await;
    let mut versions = versions.concat();
    versions.sort_unstable();
    let changes = nodes[0].changes_since(Revision::ZERO, 1000).await.unwrap();
    assert!(changes.follow(Revision::ZERO));
    assert_eq!(changes.changes.iter().map(|change| change.revision).collect::<Vec<_>>(), versions);
    assert_eq!(changes.revision, Revision::new(3 * u64::try_from(CROWD).unwrap()));
}

/// It is told what it has missed, or nothing is missing; never is there a gap that it is not told of.
async fn a_follower_misses_nothing_while_the_sequence_is_pruned(server: Server) {
    let nodes = nodes(server).await;
    let (writer, pruner) = (nodes[1].clone(), nodes[2].clone());
    let mut stands = made(&writer, 1).await;
    let last = Revision::new(40);
    let writing = tokio::spawn(async move {
        for n in 1..last.get() {
            let (next, record) = (stands.clone(), audit(n.into()));
            stands = writer.change(stands.id, &next, stands.version, late(), &record).await.unwrap().value;
        }
    });
    let pruning = tokio::spawn(async move {
        let mut pruned = 0;
        while pruned < 30 {
            // Only so much that the follower is caught now and then, and not always.
            if TenantDirectory::revision(&pruner).await.unwrap().get() > pruned as u64 + 5 {
                pruned += pruner.prune_changes(late(), 3).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
        pruned
    });
    let (mut since, mut seen) = (Revision::ZERO, 0);
    while since < last {
        let part = nodes[0].changes_since(since, 2).await.unwrap();
        let revisions: Vec<_> = part.changes.iter().map(|change| change.revision).collect();
        assert!(revisions.windows(2).all(|pair| pair[1] == pair[0].next()), "{revisions:?}");
        assert!(part.revision >= since && revisions.last().is_none_or(|last| *last <= part.revision));
        seen += revisions.len();
        since = match revisions.last() {
            Some(last) => *last,
            None if part.follow(since) => since,
            None => part.revision,
        };
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert!(pruning.await.unwrap() >= 30 && seen > 0);
    let left = nodes[3].changes_since(Revision::ZERO, 1000).await.unwrap();
    assert!(!left.follow(Revision::ZERO) && left.changes.len() <= 10);
    assert_eq!(left.changes.last().map(|change| change.revision), Some(last));
}

async fn nodes_that_sweep_together_count_each_member_out_once(server: Server) {
    let nodes = nodes(server).await;
    let here = made(&nodes[0], 1).await;
    for n in 0..9 {
        joined(&nodes[0], here.id, n).await;
        invited(&nodes[0], here.id, 100 + n).await;
    }
    purged(&nodes[0], &here, 1).await;
    let outcomes = crowd(&nodes, |node, _| async move { TenantStore::sweep(&node, here.id, 3).await.unwrap() }).await;
    assert_eq!(outcomes.iter().sum::<usize>(), 10 + 9);
    assert_eq!(nodes[1].count(here.id).await.unwrap(), 0);
    nodes[2].forget(here.id).await.unwrap();
    assert_eq!(TenantStore::find(&nodes[3], id(1)).await.unwrap(), None);
    assert_eq!(nodes[3].prune_changes(Timestamp::EPOCH, 10).await.unwrap(), 0, "nothing is from before");
}
