//! One act on one item.

use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure};
use togglebox_core::StoreResult;
use togglebox_ratelimit::Digest;

use super::super::error::{Crowded, Trouble, trouble};
use super::super::item::Item;
use super::super::key::Key;
use super::super::patience::Patience;
use super::DynamoDbLimits;
use super::plan::{Belief, Change, Plan, plan};
use super::shelf::{Kept, Shelf};
use super::step::{Act, Entry, Moment, Step};

/// How many requests a call makes for one item. Whoever meets others that often is told that the store is not available.
const REQUESTS: u32 = 3;

/// What is asked of one item.
#[derive(Clone, Debug)]
pub(super) struct Question<'q> {
    pub(super) operation: &'static str,
    pub(super) key: &'q Key,
    /// Whether limits of the tag come and go there.
    pub(super) shared: bool,
    pub(super) entries: &'q [Entry],
    pub(super) act: Act,
    /// The shard, and of how many, that has to be told from the time of the act.
    pub(super) turn: Option<(u32, u32)>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) now_us: u64,
    /// How many times the costs were taken: none where there was no room.
    pub(super) units: u32,
    /// Whether there was room for them. Says nothing of a refund.
    pub(super) passed: bool,
    /// How each limit stood before.
    pub(super) before: Vec<Option<Kept>>,
    /// Limits that stand in items of their own, and still have to be asked.
    pub(super) elsewhere: Vec<usize>,
}

/// What came of a conditional write.
enum Written {
    /// Done; this stood there before.
    Done(Option<Item>),
    /// Not done, since this stood there, where that was told.
    Not(Option<Item>),
    /// Not done, for another writer was there at the same moment.
    Collided,
}

impl DynamoDbLimits {
    pub(super) async fn act(&self, question: &Question<'_>) -> StoreResult<Found> {
        let Question { operation, key, shared, entries, act, .. } = *question;
        let patience = Patience::new(self.options.deadline);
        // Several units at once are as many as there are: those of this process take turns, or each would find fewer than it saw.
        let mut turn = match act {
            Act::Take { asked: 2.. } => Some(self.store.queue(operation, key, &patience).await?),
            _ => None,
        };
        let (hint, mut truth): (Option<Arc<Shelf>>, Option<Shelf>) = (self.hints.get(key), None);
        let mut requests = 0;
        loop {
            let now = self.moment(question.turn);
            let now_us = now.us;
            let belief = match (&truth, &hint) {
                (Some(truth), _) => Belief::Truth(truth),
                (None, Some(hint)) => Belief::Hint(hint),
                (None, None) => Belief::None,
            };
            let plan = plan(act, entries, belief, shared, now);
            let (change, units, elsewhere) = match plan {
                Plan::Nothing { elsewhere } => {
                    let units = if let Act::Take { asked } = act { asked } else { 1 };
                    let before = standing(entries, truth.as_ref());
                    // Or everybody who comes after would have to find it out anew.
                    if let Some(shelf) = truth {
                        self.hints.put(key, shelf);
                    }
                    return Ok(Found { now_us, units, passed: true, before, elsewhere });
                }
                Plan::Denied(clamps) => {
                    let shelf = truth.unwrap_or_default();
                    let before = standing(entries, Some(&shelf));
                    self.bring_back(question, shelf, clamps, now).await?;
                    return Ok(Found { now_us, units: 0, passed: false, before, elsewhere: Vec::new() });
                }
                _ if requests == REQUESTS => return Err(Trouble::Contended.error(operation, Crowded)),
                Plan::Look => {
                    requests += 1;
                    truth = Some(self.look(operation, key).await?);
                    continue;
                }
                // Those of this process whose first guess went wrong do not get into each other's way.
                Plan::Write { .. } if requests > 0 && turn.is_none() => {
                    turn = Some(self.store.queue(operation, key, &patience).await?);
                    continue;
                }
                Plan::Write { change, units, elsewhere } => (change, units, elsewhere),
            };
            requests += 1;
            match self.write(operation, key, entries, &change).await? {
                Written::Done(item) => {
                    let shelf = Shelf::read(item.as_ref(), operation)?;
                    let before = standing(entries, Some(&shelf));
                    let there = |number: &usize| !elsewhere.contains(number);
                    let passed = (0..entries.len()).filter(there).all(|n| entries[n].room(before[n], now_us, 1) > 0);
                    self.hints.put(key, change.after(entries, shelf));
                    return Ok(Found { now_us, units, passed, before, elsewhere });
                }
                Written::Not(Some(item)) => truth = Some(Shelf::read(Some(&item), operation)?),
                // There is none, or the server keeps it to itself.
                Written::Not(None) if requests < REQUESTS => {
                    requests += 1;
                    truth = Some(self.look(operation, key).await?);
                }
                Written::Not(None) => return Err(Trouble::Contended.error(operation, Crowded)),
                Written::Collided => {}
            }
        }
    }

    /// Replaces states that lie beyond what their quotas can reach, unless they are not as they were any more.
    pub(super) async fn bring_back(
        &self,
        question: &Question<'_>,
        shelf: Shelf,
        steps: Vec<(usize, Step)>,
        now: Moment,
    ) -> StoreResult<()> {
        let Question { operation, key, entries, .. } = *question;
        if steps.is_empty() {
            self.hints.put(key, shelf);
            return Ok(());
        }
        let change = Change { steps, now, ..Change::default() };
        if let Written::Done(_) = self.write(operation, key, entries, &change).await? {
            self.hints.put(key, change.after(entries, shelf));
        }
        Ok(())
    }

    /// The item as it stands now.
    pub(super) async fn look(&self, operation: &'static str, key: &Key) -> StoreResult<Shelf> {
        let get = self.store.client.get_item().table_name(&*self.store.table).set_key(Some(key.item())).consistent_read(true);
        let get = get.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let got = self.store.home.run(get.customize().interceptor(self.watch.listener()).send()).await;
        let got = got.map_err(|ended| Trouble::Unusable.error(operation, ended))?;
        let got = got.map_err(|error| trouble(&error).error(operation, error))?;
        self.store.meter.read(got.consumed_capacity());
        Shelf::read(got.item(), operation)
    }

    /// Writes once. An answer that gets lost is an error: the write may have been made, and is not repeated.
    async fn write(&self, operation: &'static str, key: &Key, entries: &[Entry], change: &Change) -> StoreResult<Written> {
        let words = change.express(entries);
        let update = self.store.client.update_item().table_name(&*self.store.table).set_key(Some(key.item()));
        let update = update
            .update_expression(words.update())
            .condition_expression(words.condition.join(" AND "))
            .set_expression_attribute_names(Some(words.names))
            .set_expression_attribute_values(Some(words.values))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let error = match self.store.home.run(update.customize().interceptor(self.watch.listener()).send()).await {
            Ok(Ok(output)) => {
                self.store.meter.write(output.consumed_capacity());
                return Ok(Written::Done(output.attributes));
            }
            Ok(Err(error)) => error,
            Err(ended) => return Err(Trouble::Unusable.error(operation, ended)),
        };
        if let SdkError::ServiceError(context) = &error
            && let UpdateItemError::ConditionalCheckFailedException(failed) = context.err()
        {
            return Ok(Written::Not(failed.item.clone()));
        }
        match trouble(&error) {
            Trouble::Contended => Ok(Written::Collided),
            trouble => Err(trouble.error(operation, error)),
        }
    }
}

/// How the limits stand there.
fn standing(entries: &[Entry], shelf: Option<&Shelf>) -> Vec<Option<Kept>> {
    let kept = |slot: Digest| shelf?.slots.get(&slot).copied();
    entries.iter().map(|entry| kept(entry.slot)).collect()
}
