//! Units of quotas, and who holds them: one item for each pool, which is written on the condition that it is as it was read.

use aws_sdk_dynamodb::types::ReturnValue;
use togglebox_core::StoreResult;
use togglebox_metering::store::pools_from;
use togglebox_metering::{Leased, Minute, Pool, Step};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::{Crowded, Trouble};
use super::super::item::{Attributes, Item};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::store::{Range, Wanted};
use super::change::Changed;
use super::key::{self, Metered};

const OPERATION: &str = "usage.lease";

const GRANTED: &str = "granted";
const HOLDERS: &str = "holders";
/// How often it was written.
const VERSION: &str = "version";

/// A pool, and how often it was written.
fn read(item: &Item) -> StoreResult<(Pool, u64)> {
    let attributes = Attributes::new(item, OPERATION);
    let holders: String = attributes.get(HOLDERS)?;
    let pool = Pool::stored(attributes.get(GRANTED)?, &holders);
    Ok((pool.map_err(|error| attributes.unreadable(HOLDERS, error))?, attributes.get(VERSION)?))
}

/// What writes a pool that was read at `version`, or was not there.
fn write(key: Key, pool: &Pool, version: Option<u64>) -> Action {
    let next = version.map_or(1, |version| version + 1);
    let set = vec![(GRANTED, pool.granted().into()), (HOLDERS, pool.holders().into()), (VERSION, next.into())];
    let when = version.map_or_else(Condition::absent, |version| Condition::is(VERSION, version));
    Action::Update { key, set, remove: Vec::new(), when }
}

impl DynamoDb {
    pub(super) async fn lease_units(&self, of: Metered, step: &Step) -> StoreResult<Option<Leased>> {
        let mut patience = self.patience();
        let key = key::pool(of, step.period);
        let mut stands = self.get(OPERATION, &mut patience, &key).await?;
        loop {
            let (before, version) = stands.as_ref().map(read).transpose()?.unzip();
            let mut pool = match (&before, step.used) {
                (Some(pool), _) => Pool::clone(pool),
                (None, Some(used)) => Pool::begun(used),
                (None, None) => return Ok(None),
            };
            let leased = pool.take(step);
            if before.as_ref() == Some(&pool) {
                return Ok(Some(leased));
            }
            match self.change(OPERATION, &mut patience, write(key.clone(), &pool, version), ReturnValue::None).await? {
                Changed::Made(_) => {
                    if before.is_none() {
                        self.remove_pools(&mut patience, of, pools_from(step.period)).await?;
                    }
                    return Ok(Some(leased));
                }
                // Another holder was faster, or this step was: its answer got lost, and it changes nothing now.
                Changed::Not(now) => stands = now,
            }
            if !patience.pause(Trouble::Contended).await {
                return Err(Trouble::Contended.error(OPERATION, Crowded));
            }
        }
    }

    /// Removes pools of periods that began before `from`. What is left because of a crash goes the next time.
    async fn remove_pools(&self, patience: &mut Patience, of: Metered, from: Minute) -> StoreResult<()> {
        let Some(last) = from.number().checked_sub(1).map(Minute::from_number) else { return Ok(()) };
        let wanted = Wanted::Between(key::pool(of, Minute::EPOCH).sk, key::pool(of, last).sk);
        let old = self.query(OPERATION, patience, Range { wanted, ..Range::all(key::sums(of)) }).await?;
        self.remove(OPERATION, patience, old.iter().filter_map(Key::of)).await
    }
}

#[cfg(test)]
mod tests {
    use togglebox_core::{TenantId, Timestamp};
    use togglebox_metering::{Ask, WriterId};

    use super::*;

    #[test]
    fn a_pool_is_written_on_the_condition_that_it_is_as_it_was_read() {
        let of = Metered { tenant: TenantId::DEFAULT, meter: "m".parse().unwrap() };
        let (period, mut pool) = (Minute::from_number(1440), Pool::begun(3));
        let step = Step {
            meter: of.meter,
            period,
            holder: WriterId::from_u128(7),
            number: 1,
            limit: 10,
            used: None,
            now: Timestamp::EPOCH,
            ask: Ask::Hold(2),
        };
        pool.take(&step);
        let condition = |version| {
            let update = write(key::pool(of, period), &pool, version).build("table").unwrap().update.unwrap();
            update.condition_expression.unwrap()
        };
        assert_eq!(condition(None), "attribute_not_exists(#PK)");
        assert_eq!(condition(Some(4)), "#version = :v3");
    }
}
