//! What a store learns of those who are limited.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use togglebox_core::StoreResult;
use togglebox_ratelimit::{Batch, Digest, Fact, Grant, Health, LimitStore, Limiter, Policy, Receipt, Reply, Subject, Tag, Tat};

use super::*;

/// A store in another process, which lets everything through and remembers what it was asked.
#[derive(Debug, Default)]
struct Elsewhere(Mutex<Vec<Batch>>);

#[async_trait]
impl LimitStore for Elsewhere {
    async fn consume(&self, batch: &Batch) -> StoreResult<Reply> {
        self.0.lock().unwrap().push(batch.clone());
        let before = batch.limits().iter().map(|_| Tat::of_us(1)).collect();
        Ok(Reply { now_us: 1, passed: true, charged: true, before })
    }

    async fn peek(&self, batch: &Batch) -> StoreResult<Reply> {
        self.consume(batch).await
    }

    async fn charge(&self, batch: &Batch) -> StoreResult<Reply> {
        self.consume(batch).await
    }

    async fn grant(&self, batch: &Batch, asked: u32) -> StoreResult<Grant> {
        Ok(Grant { units: asked, reply: self.consume(batch).await? })
    }

    async fn refund(&self, _: &Receipt) -> StoreResult<()> {
        Ok(())
    }

    async fn health(&self) -> StoreResult<Health> {
        Ok(Health::default())
    }
}

fn one_of(digest: Digest, other: Digest) -> [u8; 16] {
    std::array::from_fn(|place| digest.as_bytes()[place] ^ other.as_bytes()[place])
}

/// By SHA-256 alone, and by the same one for ever: nodes of several versions share a store, and find the same limits there.
#[tokio::test(start_paused = true)]
async fn a_store_elsewhere_does_not_learn_who_is_limited() {
    let store = Arc::new(Elsewhere::default());
    let by_address = Policy::new("ip", &[Fact::Address], per_second(10, 3)).unwrap();
    let limiter = Limiter::over(Arc::<Elsewhere>::clone(&store)).policies([by_address, tenants("tenant", per_second(10, 3))]);
    let limiter = limiter.build().unwrap();
    let (address, tenant) = (IpAddr::from([192, 0, 2, 7]), *TENANT.as_uuid().as_bytes());
    let subject = Subject::of("reads").tenant(TENANT).address(address);
    assert!(limiter.for_route("reads").unwrap().pass_now(&subject).is_none() && limiter.acquire_now(&subject).is_none());
    assert!(limiter.acquire(&subject).await.is_allowed());
    let octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
    let [of_address, of_tenant] = [[&[0b1_0000], &octets[..]], [&[0b1], &tenant[..]]].map(Digest::of);
    let asked: Vec<(Tag, [u8; 16])> = {
        let asked = store.0.lock().unwrap();
        asked.iter().map(|batch| (batch.tag(), *batch.limits()[0].slot().as_bytes())).collect()
    };
    let name = |name: &str| Digest::of([name.as_bytes()]);
    assert_eq!(
        asked,
        [(Tag::Address(of_address), one_of(of_address, name("ip"))), (Tag::Tenant(TENANT), one_of(of_tenant, name("tenant")))]
    );
}
