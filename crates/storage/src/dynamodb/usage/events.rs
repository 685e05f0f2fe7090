//! What other services report, each event with an id of its own: claimed and counted in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use togglebox_core::{EntropyExt as _, OsEntropy, StoreResult, TenantId, Timestamp};
use togglebox_metering::store::{AHEAD, check_events};
use togglebox_metering::{Cell, Hour, Ingested, Minute, Rejection, UsageEvent, WriterId};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::super::patience::Patience;
use super::borders::Border;
use super::hour::{HourItem, Marking};
use super::key::{self, Metered};
use super::row::{self, Minutes, Row};
use super::{BY, IDS, MINUTE};

const OPERATION: &str = "usage.ingest";
/// The most actions of one transaction: a limit of the service.
const ACTIONS: usize = 100;

/// An event, and where it goes.
#[derive(Clone, Debug)]
struct Event<'e> {
    told: &'e UsageEvent,
    known_by: [u8; 32],
    claim: Key,
    of: Metered,
    hour: Hour,
    row: Key,
}

/// A call under way.
struct Intake<'i> {
    store: &'i DynamoDb,
    tenant: TenantId,
    now: Timestamp,
    /// What this call's claims are known by: one that is found after an answer got lost is its own.
    call: Uuid,
    /// What it has counted.
    counted: HashSet<Key>,
}

/// What a transaction is to do.
#[derive(Default)]
struct Plan {
    answers: Vec<Ingested>,
    claims: Vec<Action>,
    /// What is claimed, by minute.
    lists: BTreeMap<Minute, Vec<u8>>,
    /// Totals of rows, of those minutes that are raised.
    raised: BTreeMap<Key, Minutes>,
    counted: HashSet<Key>,
}

impl DynamoDb {
    pub(super) async fn ingest_events(
        &self,
        tenant: TenantId,
        events: &[UsageEvent],
        now: Timestamp,
    ) -> StoreResult<Vec<Ingested>> {
        check_events(events, OPERATION)?;
        // Calls of this process for the same tenant count in the same rows: they come one after the other.
        let _turn = self.queue(OPERATION, &key::claim(tenant, &[]), &self.patience()).await?;
        let writer = WriterId::events(self.counts_as);
        let events: Vec<Event<'_>> = events.iter().map(|event| Event::of(tenant, event, writer)).collect();
        let call = Uuid::from_bytes(OsEntropy.bytes());
        let mut intake = Intake { store: self, tenant, now, call, counted: HashSet::new() };
        let mut answers = Vec::with_capacity(events.len());
        while answers.len() < events.len() {
            let left = &events[answers.len()..];
            answers.extend(intake.take(&left[..fitting(left)]).await?);
        }
        Ok(answers)
    }
}

impl<'e> Event<'e> {
    fn of(tenant: TenantId, event: &'e UsageEvent, writer: WriterId) -> Self {
        let known_by = key::known_by(event.source(), event.id());
        let of = Metered { tenant, meter: event.series().meter };
        let hour = event.minute().hour();
        let row = key::row(of, hour, &event.series().labels, writer);
        Self { told: event, known_by, claim: key::claim(tenant, &known_by), of, hour, row }
    }
}

/// How many of these events are sure to fit into one transaction, which is at least one.
fn fitting(events: &[Event<'_>]) -> usize {
    let (mut claims, mut minutes, mut rows, mut hours) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let fits = |event: &&Event<'_>| {
        claims.insert(event.known_by);
        minutes.insert(event.told.minute());
        rows.insert(event.row.clone());
        hours.insert((event.of, event.hour));
        claims.len() + minutes.len() + rows.len() + Marking::ACTIONS * hours.len() <= ACTIONS
    };
    events.iter().take_while(fits).count().max(1)
}

impl Intake<'_> {
    /// Takes events in that fit into one transaction.
    async fn take(&mut self, events: &[Event<'_>]) -> StoreResult<Vec<Ingested>> {
        let mut patience = self.store.patience();
        let wanted: HashSet<Key> = events
            .iter()
            .flat_map(|event| {
                let (hour, border) = (key::hour(event.of, event.hour), key::border_of(event.of));
                [event.claim.clone(), event.row.clone(), hour, border]
            })
            .collect();
        loop {
            let items = self.store.get_all(OPERATION, &mut patience, wanted.iter().cloned()).await?;
            let plan = self.plan(events, &items)?;
            if plan.claims.is_empty() || self.commit(&mut patience, events, &items, &plan).await? {
                self.counted.extend(plan.counted);
                return Ok(plan.answers);
            }
        }
    }

    /// What becomes of each event, from what stands.
    fn plan(&self, events: &[Event<'_>], items: &HashMap<Key, Item>) -> StoreResult<Plan> {
        let mut plan = Plan::default();
        for event in events {
            let answer = self.answer(event, items, &mut plan)?;
            plan.answers.push(answer);
        }
        Ok(plan)
    }

    fn answer(&self, event: &Event<'_>, items: &HashMap<Key, Item>, plan: &mut Plan) -> StoreResult<Ingested> {
        let (claim, minute) = (&event.claim, event.told.minute());
        if self.counted.contains(claim) || plan.counted.contains(claim) {
            return Ok(Ingested::Duplicate);
        }
        if let Some(item) = items.get(claim) {
            if Attributes::new(item, OPERATION).get::<Uuid>(BY)? != self.call {
                return Ok(Ingested::Duplicate);
            }
            plan.counted.insert(claim.clone());
            return Ok(Ingested::New);
        }
        let from = Border::among(items, event.of, OPERATION)?.minutes;
        if minute < from {
            return Ok(Ingested::Rejected(Rejection::TooLate { from }));
        }
        if minute.start() > self.now.plus(AHEAD) {
            return Ok(Ingested::Rejected(Rejection::Ahead));
        }
        let stands = items.get(&event.row).map(|item| Row::read(item, OPERATION)).transpose()?;
        let stands = stands.and_then(|row| row.minutes.get(&minute).copied()).unwrap_or(0);
        let raised = plan.raised.get(&event.row).and_then(|row| row.get(&minute).copied());
        let total = raised.unwrap_or(stands).saturating_add(event.told.quantity());
        if total > Cell::MOST {
            return Ok(Ingested::Rejected(Rejection::Overflow));
        }
        plan.raised.entry(event.row.clone()).or_default().insert(minute, total);
        let draft = Draft::new(claim).with(MINUTE, u64::from(minute.number())).with(BY, self.call);
        plan.claims.push(Action::Put { item: draft.finish(OPERATION)?, when: Condition::absent() });
        plan.lists.entry(minute).or_default().extend(event.known_by);
        plan.counted.insert(claim.clone());
        Ok(Ingested::New)
    }

    /// Claims and counts, as long as everything is as it was read.
    async fn commit(
        &self,
        patience: &mut Patience,
        events: &[Event<'_>],
        items: &HashMap<Key, Item>,
        plan: &Plan,
    ) -> StoreResult<bool> {
        let mut actions = plan.claims.clone();
        for (minute, ids) in &plan.lists {
            let list = Draft::new(&key::claimed(self.tenant, *minute, OsEntropy.bytes())).with(IDS, ids.clone());
            actions.push(Action::Put { item: list.finish(OPERATION)?, when: Condition::none() });
        }
        let mut marked: BTreeMap<(Metered, Hour), u64> = BTreeMap::new();
        for (key, minutes) in &plan.raised {
            let stands = items.get(key).map(|item| Row::read(item, OPERATION)).transpose()?;
            let (stale, read) = stands.map_or_else(|| (false, Minutes::new()), |row| (row.stale, row.minutes));
            let when = row::as_read(minutes.keys(), &read);
            if stale {
                actions.push(row::raise(key, minutes, when));
            } else if let Some(event) = events.iter().find(|event| event.row == *key) {
                actions.push(row::mark(key, minutes, when));
                *marked.entry((event.of, event.hour)).or_default() += 1;
            }
        }
        let mut marking = Marking::default();
        for ((of, hour), rows) in marked {
            let stands = items.get(&key::hour(of, hour)).map(|item| HourItem::read(item, OPERATION)).transpose()?;
            marking.hour(OPERATION, of, hour, stands.as_ref(), rows)?;
        }
        actions.extend(marking.actions());
        self.store.commit(OPERATION, patience, actions).await
    }
}

#[cfg(test)]
mod tests {
    use togglebox_metering::Series;

    use super::*;

    fn events(minutes: impl Iterator<Item = u32>) -> Vec<UsageEvent> {
        let event = |(id, minute): (usize, u32)| {
            let at = Minute::from_number(minute).start();
            UsageEvent::new("tests", &id.to_string(), Series::plain("m".parse().unwrap()), 1, at).unwrap()
        };
        minutes.enumerate().map(event).collect()
    }

    fn parts(events: &[UsageEvent]) -> Vec<usize> {
        let events: Vec<_> = events.iter().map(|event| Event::of(TenantId::DEFAULT, event, WriterId::events(0))).collect();
        let (mut parts, mut done) = (Vec::new(), 0);
        while done < events.len() {
            parts.push(fitting(&events[done..]));
            done += parts.last().unwrap();
        }
        parts
    }

    #[test]
    fn as_many_events_go_together_as_a_transaction_has_room_for() {
        // A list of claims, a row, and an hour that has to be marked.
        assert_eq!(parts(&events(std::iter::repeat_n(0, 200))), [94, 94, 12]);
        assert_eq!(parts(&events((0..60).map(|n| n * 60))), [14, 14, 14, 14, 4]);
        let again: Vec<UsageEvent> = std::iter::repeat_n(events([0].into_iter()).remove(0), 500).collect();
        assert_eq!(parts(&again), [500], "one event is claimed once");
    }
}
