//! The same sequence of calls, decided by a store and by the core.

use std::collections::BTreeMap;

use togglebox_core::{EntropyExt as _, SeededEntropy};

use super::{Limits, TENANT};
use crate::gcra::{self, Tat};
use crate::{Batch, Digest, Limit, PolicyName, Quota, Receipt, Reply, Stopwatch as _};

/// Calls of each sequence.
const CALLS: usize = 300;

/// What a store must do, over a map.
#[derive(Debug, Default)]
struct Model(BTreeMap<Digest, Tat>);

impl Model {
    fn get(&self, limit: &Limit) -> Option<Tat> {
        self.0.get(&limit.slot()).copied()
    }

    fn passes(&self, batch: &Batch, now: u64) -> bool {
        batch.limits().iter().all(|limit| gcra::consume(limit.quota(), self.get(limit), now, limit.cost()).is_some())
    }

    fn charge(&mut self, batch: &Batch, now: u64) {
        for limit in batch.limits() {
            self.0.insert(limit.slot(), gcra::charge(limit.quota(), self.get(limit), now, limit.cost()));
        }
    }

    fn refund(&mut self, receipt: &Receipt, now: u64) {
        for limit in receipt.batch().limits() {
            let after = gcra::refund(limit.quota(), self.get(limit), now, receipt.charged_at_us(), limit.cost());
            if let Some(after) = after {
                self.0.insert(limit.slot(), after);
            }
        }
    }

    fn grantable(&self, batch: &Batch, now: u64, asked: u32) -> u32 {
        let least = |units, limit: &Limit| gcra::grantable(limit.quota(), self.get(limit), now, limit.cost(), units);
        batch.limits().iter().fold(asked, least)
    }
}

struct Dice(SeededEntropy);

impl Dice {
    /// A number below `n`.
    fn below(&self, n: u32) -> u32 {
        u32::from_le_bytes(self.0.bytes()) % n
    }
}

/// Random batches, costs and pauses: consume, look, charge, grant and refund, with the same verdict each time and the same state in the
/// end. Stores that are not exact get intervals of whole microseconds.
pub async fn sequences_are_decided_as_the_core_decides(limits: &Limits) {
    for seed in 0..4 {
        sequence(limits, seed).await;
    }
}

async fn sequence(limits: &Limits, seed: u64) {
    let dice = Dice(SeededEntropy::new(seed));
    let names: Vec<PolicyName> = (0..5).map(|n| format!("s{seed}-{n}").parse().unwrap()).collect();
    let quotas: Vec<Quota> = names.iter().map(|_| quota(&dice, limits.exact)).collect();
    let (mut model, mut receipts) = (Model::default(), Vec::new());
    for call in 0..CALLS {
        limits.clock.advance(std::time::Duration::from_micros(pause(&dice)));
        let now = limits.clock.now_us();
        let batch = batch(&dice, &names, &quotas);
        let place = format!("seed {seed}, call {call}: {batch:?}");
        match dice.below(10) {
            0..=5 => {
                let expected = model.passes(&batch, now);
                let reply = consume(limits, &batch, call).await;
                assert_eq!((reply.passed, reply.charged), (expected, expected), "{place}");
                if expected {
                    model.charge(&batch, now);
                    receipts.extend(reply.receipt(&batch));
                }
            }
            6 => {
                let reply = limits.store.peek(&batch).await.unwrap();
                assert_eq!(reply.passed, model.passes(&batch, now), "{place}");
                for (limit, before) in batch.limits().iter().zip(&reply.before) {
                    let expected = gcra::reading(limit.quota(), model.get(limit), now);
                    assert_eq!(gcra::reading(limit.quota(), Some(*before), reply.now_us), expected, "{place}");
                }
            }
            7 => {
                let expected = model.passes(&batch, now);
                assert_eq!(limits.store.charge(&batch).await.unwrap().passed, expected, "{place}");
                model.charge(&batch, now);
            }
            8 => {
                let asked = 1 + dice.below(20);
                let expected = model.grantable(&batch, now, asked);
                let grant = limits.store.grant(&batch, asked).await.unwrap();
                assert_eq!(grant.units, expected, "{place}");
                if expected > 0 {
                    model.charge(&batch.times(expected), now);
                    let _ = receipts.len();
                    receipts.push(grant.receipt(&batch, dice.below(expected + 1)));
                }
            }
            _ => {
                let Some(receipt) = receipts.pop() else { continue };
                limits.store.refund(&receipt).await.unwrap();
                model.refund(&receipt, now);
            }
        }
    }
}

/// Every other time by the way for single limits, if there is one.
async fn consume(limits: &Limits, batch: &Batch, call: usize) -> Reply {
    if let ([limit], true) = (batch.limits(), call.is_multiple_of(2))
        && let Some(reply) = limits.store.consume_one_now(batch.tag(), limit)
    {
        return reply.unwrap().into();
    }
    limits.store.consume(batch).await.unwrap()
}

fn quota(dice: &Dice, exact: bool) -> Quota {
    let period_us = if exact { 1 + u64::from(dice.below(3_000_000)) } else { 1000 * u64::from(1 + dice.below(3_000)) };
    let limit = if exact { 1 + dice.below(500) } else { [1, 2, 5, 10, 100][dice.below(5) as usize] };
    let rate = Quota::rate(limit, std::time::Duration::from_micros(period_us));
    rate.burst(1 + dice.below(30)).unwrap().with_debt(dice.below(2) * dice.below(10)).unwrap()
}

fn batch(dice: &Dice, names: &[PolicyName], quotas: &[Quota]) -> Batch {
    let first = dice.below(5) as usize;
    let many = 1 + dice.below(3) as usize;
    let limits = (first..first + many).map(|n| n % names.len()).map(|n| {
        let cost = 1 + dice.below(quotas[n].burst().min(4));
        Limit::new(names[n], Digest::of([names[n].as_str().as_bytes()]), quotas[n], cost).unwrap()
    });
    Batch::new(TENANT, limits).unwrap()
}

fn pause(dice: &Dice) -> u64 {
    match dice.below(4) {
        0 => 0,
        1 => dice.below(1_000).into(),
        2 => dice.below(100_000).into(),
        _ => dice.below(1_000_000).into(),
    }
}
