//! What the script computes and writes, against the core: also where numbers are as large as they may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{EntropyExt as _, SeededEntropy, SystemClock, TenantId};
use togglebox_ratelimit::gcra::{self, Tat};
use togglebox_ratelimit::{
    Batch, Digest, Limit, LimitStore as _, MOST_UNITS, ManualStopwatch, Quota, Receipt, RedisOptions, RedisStore, Stopwatch as _,
    Tag,
};

use super::read;
use super::server::{self, Raw};

const TAG: Tag = Tag::Tenant(TenantId::DEFAULT);

/// Calls of each sequence.
const CALLS: usize = 400;

struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, n: u64) -> u64 {
        u64::from_le_bytes(self.0.bytes()) % n
    }

    /// From 1 to `most`; each order of magnitude as often as the others.
    fn wide(&self, most: u64) -> u64 {
        let bits = self.below(u64::from(most.ilog2()) + 1);
        (1 + self.below(1 << (bits + 1).min(62))).min(most)
    }

    fn wide_u32(&self, most: u32) -> u32 {
        u32::try_from(self.wide(most.into())).unwrap()
    }

    /// Any that there may be.
    fn quota(&self) -> Quota {
        loop {
            let period = Duration::from_micros(self.wide(1 << 52));
            let rate = Quota::rate(self.wide_u32(i32::MAX as u32), period);
            let Ok(quota) = rate.burst(self.wide_u32(i32::MAX as u32)) else { continue };
            let debt = if self.below(2) == 0 { 0 } else { self.wide_u32(1 << 30) };
            return quota.with_debt(debt).unwrap_or(quota);
        }
    }
}

/// What must stand in Redis.
#[derive(Default)]
struct Model(BTreeMap<Digest, Tat>);

impl Model {
    fn get(&self, limit: &Limit) -> Option<Tat> {
        self.0.get(&limit.slot()).copied()
    }

    /// How the limits stand before a call, which sees to those that stand too far ahead.
    fn look(&mut self, batch: &Batch, now: u64) -> Vec<Tat> {
        let stands = |limit: &Limit| {
            let (quota, there) = (limit.quota(), self.get(limit));
            let stands = gcra::rebase(quota, there, now);
            if there.is_some_and(|there| gcra::is_beyond(quota, there, now)) {
                self.0.insert(limit.slot(), stands);
            }
            stands
        };
        batch.limits().iter().map(stands).collect()
    }

    fn refund(&mut self, receipt: &Receipt, now: u64) {
        for limit in receipt.batch().limits() {
            let after = gcra::refund(limit.quota(), self.get(limit), now, receipt.charged_at_us(), limit.cost());
            if let Some(after) = after {
                self.0.insert(limit.slot(), after);
            }
        }
    }

    fn charge(&mut self, batch: &Batch, now: u64, times: u32) {
        for limit in batch.limits() {
            let after = gcra::charge(limit.quota(), self.get(limit), now, limit.cost().saturating_mul(times));
            self.0.insert(limit.slot(), after);
        }
    }
}

#[tokio::test]
async fn decisions_and_values_are_those_of_the_core_for_any_quota() {
    let Some(url) = server::shared() else { return };
    let mut raw = Raw::to(&url).await;
    for seed in 0..server::trials(6).into() {
        sequence(&url, &mut raw, seed).await;
    }
}

async fn sequence(url: &str, raw: &mut Raw, seed: u64) {
    let (dice, clock, prefix) =
        (Dice(SeededEntropy::new(seed)), Arc::new(ManualStopwatch::new(1_795_000_000_000_000)), server::prefix());
    let options = RedisOptions::parse(url).unwrap().with_timeout(Duration::from_secs(20)).with_prefix(&prefix).unwrap();
    let store = RedisStore::new(options, Arc::new(SystemClock), Arc::new(SeededEntropy::new(seed)));
    let store = store.with_stopwatch(Arc::<ManualStopwatch>::clone(&clock));
    store.connected().await;
    let (mut model, mut receipts, mut passed) = (Model::default(), Vec::<Receipt>::new(), 0);
    let mut quotas: Vec<Quota> = (0..6).map(|_| dice.quota()).collect();
    for call in 0..CALLS {
        // Mostly as long as some bucket needs, sometimes back, sometimes another quota.
        let pause = dice.wide(u64::try_from(quotas[0].full_after().as_micros()).unwrap().max(2));
        match dice.below(20) {
            0 => clock.set_us(clock.now_us().saturating_sub(pause).max(1_700_000_000_000_000)),
            1 => quotas[usize::try_from(dice.below(6)).unwrap()] = dice.quota(),
            2..=10 => clock.set_us((clock.now_us() + pause).min(2_000_000_000_000_000)),
            _ => {}
        }
        let now = clock.now_us();
        let first = usize::try_from(dice.below(6)).unwrap();
        let limits = (first..=first + usize::try_from(dice.below(3)).unwrap()).map(|number| {
            let number = number % 6;
            let cost = dice.wide_u32(quotas[number].burst());
            Limit::new(format!("p{number}").parse().unwrap(), Digest::of([number.to_le_bytes().as_slice()]), quotas[number], cost)
                .unwrap()
        });
        let batch = Batch::new(TAG, limits).unwrap();
        let place = format!("seed {seed}, call {call} at {now}: {batch:?} where {:?}", model.0);
        let mode = dice.below(8);
        if mode == 7 {
            let Some(receipt) = receipts.pop() else { continue };
            model.look(receipt.batch(), now);
            store.refund(&receipt).await.unwrap();
            model.refund(&receipt, now);
            check(&model, receipt.batch(), raw, &prefix, &place).await;
            continue;
        }
        let (limits, before) = (batch.limits(), model.look(&batch, now));
        let has_room = limits.iter().all(|limit| gcra::consume(limit.quota(), model.get(limit), now, limit.cost()).is_some());
        match mode {
            0..=2 => {
                let reply = store.consume(&batch).await.unwrap();
                assert_eq!((reply.passed, reply.charged, reply.before.to_vec()), (has_room, has_room, before), "{place}");
                receipts.extend(reply.receipt(&batch));
                if has_room {
                    model.charge(&batch, now, 1);
                    passed += 1;
                }
            }
            3 => {
                let reply = store.peek(&batch).await.unwrap();
                assert_eq!((reply.passed, reply.charged, reply.before.to_vec()), (has_room, false, before), "{place}");
            }
            4 => {
                let reply = store.charge(&batch).await.unwrap();
                assert_eq!((reply.passed, reply.charged, reply.before.to_vec()), (has_room, true, before), "{place}");
                model.charge(&batch, now, 1);
            }
            _ => {
                let asked = dice.wide_u32(2 * MOST_UNITS);
                let least = |units, limit: &Limit| gcra::grantable(limit.quota(), model.get(limit), now, limit.cost(), units);
                let units = limits.iter().fold(asked.min(MOST_UNITS), least);
                let grant = store.grant(&batch, asked).await.unwrap();
                assert_eq!((grant.units, grant.reply.before.to_vec()), (units, before), "{place}, asked for {asked}");
                if units > 0 {
                    model.charge(&batch, now, units);
                    receipts.push(grant.receipt(&batch, 1 + dice.wide_u32(units) % units));
                }
            }
        }
        check(&model, &batch, raw, &prefix, &place).await;
    }
    assert!(passed > CALLS / 20, "only {passed} passed: the sequence says little");
}

/// What stands in Redis is what must stand there.
async fn check(model: &Model, batch: &Batch, raw: &mut Raw, prefix: &str, place: &str) {
    for limit in batch.limits() {
        let key = format!("{prefix}:rl:2:{{{TAG}}}:{}:{}", limit.policy(), limit.slot());
        let expected = model.get(limit).map(|tat| (tat.us(), tat.part()));
        let value: Option<Vec<u8>> = raw.ask(&["GET", &key]).await;
        let value = value.map(|value| read(&value)).map(|(us, part, _)| (us, part));
        assert_eq!(value, expected, "{place}");
    }
}
