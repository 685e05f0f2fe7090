//! Callers that stop at any request, before the server gets it or after it has done it, on a real server.

use std::time::Duration;

use togglebox_multitenancy::store::DomainStore;
use togglebox_multitenancy::{DomainClaim, Invitation, Step};

use super::super::crash::{numbered, stopping};
use super::*;

/// A tenant of its own for each time that a call is stopped.
#[derive(Clone)]
struct Scene {
    id: TenantId,
    given: Tenant,
    owner: Member,
    guest: Member,
}

impl Scene {
    fn new() -> Self {
        let entropy = OsEntropy;
        let id = TenantId::from_uuid(entropy.uuid());
        let subdomain = format!("t{}", id.as_uuid().as_simple()).parse().unwrap();
        let guest = Member { tenant: id, ..member(entropy.uuid(), 0) };
        let owner = Member { tenant: id, role: MemberRole::Admin, ..member(entropy.uuid(), 0) };
        let given = Tenant { id, subdomain, owner: owner.user, ..tenant(0) };
        Self { id, given, owner, guest }
    }

    fn invitation(&self) -> Invitation {
        Invitation {
            id: INVITED,
            email: self.guest.email.clone(),
            role: MemberRole::Viewer,
            token_hash: TOKEN,
            inviter: self.owner.user,
            invited_by: "any".to_owned(),
            created_at: Timestamp::EPOCH,
            sent_at: Timestamp::EPOCH,
            expires_at: Timestamp::from_ms(1_000_000),
        }
    }

    fn claim(&self) -> DomainClaim {
        let domain = format!("{}.example.com", self.given.subdomain).parse().unwrap();
        DomainClaim {
            domain,
            token: "any".to_owned(),
            claimed_at: Timestamp::EPOCH,
            verified_at: None,
            checked_at: None,
            misses: 0,
        }
    }

    /// The numbers that writes to this tenant have got: the same for the same call, whether it was made before or not.
    async fn numbers(&self, store: &DynamoDb) -> StoreResult<Vec<Revision>> {
        let changes = store.changes_since(Revision::ZERO, 1000).await?.changes;
        Ok(changes.iter().filter(|change| change.tenant == self.id).map(|change| change.revision).collect())
    }

    /// The life of a tenant: each call leaves to the next what it needs.
    async fn call(&self, store: &DynamoDb, step: usize) -> StoreResult<()> {
        let (id, record) = (self.id, numbered(100 + step as u128));
        match step {
            0 => store.create(id, &self.given, &self.owner, &record).await.map(drop),
            1 => store.issue(id, &self.invitation(), 1, &record).await.map(drop),
            2 => store.accept(id, &TOKEN, &self.guest, Limit::of(2).unwrap(), &record).await.map(drop),
            3 => store.claim(id, &self.claim(), &record).await.map(drop),
            4 => store.verify(id, &self.claim().domain, &record).await.map(drop),
            5 => {
                let (expected, delete) = (self.numbers(store).await?[2], Step::Delete { grace: Duration::ZERO });
                let standing = Standing::default().after(&delete, record.at).unwrap();
                let subdomain = format!("{}x", self.given.subdomain).parse().unwrap();
                let next = Tenant { subdomain, standing, ..self.given.clone() };
                store.change(id, &next, expected, record.at, &record).await.map(drop)
            }
            6 => store.purge(id, self.numbers(store).await?[3], record.at, &record).await.map(drop),
            7 => TenantStore::sweep(store, id, 10).await.map(drop),
            _ => store.forget(id).await,
        }
    }
}

const STEPS: usize = 9;
/// Those that take a number of the register: to create, join, verify, delete, purge.
const NUMBERS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_stops_anywhere_and_asks_again_has_done_each_thing_once() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    let mut stopped = 0;
    for answer_lost in [false, true] {
        for requests in 0..4 {
            let scene = Scene::new();
            let before = TenantDirectory::revision(&store).await.unwrap().get();
            for step in 0..STEPS {
                let first = scene.call(&stopping(&endpoint, &table, requests, answer_lost), step).await;
                stopped += usize::from(first.is_err());
                scene.call(&store, step).await.unwrap();
                if step < 7 {
                    scene.call(&store, step).await.unwrap();
                }
                let members = MemberStore::list(&store, scene.id, &PageRequest::first(10)).await.unwrap().items.len() as u64;
                assert_eq!(MemberStore::count(&store, scene.id).await.unwrap(), members, "step {step} after {requests}");
            }
            let after = TenantDirectory::revision(&store).await.unwrap();
            assert_eq!(after.get() - before, NUMBERS, "after {requests} requests");
            let changes = store.changes_since(Revision::new(before), 1000).await.unwrap();
            assert!(changes.follow(Revision::new(before)));
            assert_eq!(changes.changes.len() as u64, NUMBERS);
            assert_eq!(TenantStore::find(&store, scene.id).await.unwrap(), None);
        }
    }
    assert!(stopped > 40, "{stopped}");
}
