//! The port: batches over one item or several.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};
use togglebox_ratelimit::{Batch, Grant, Health, LimitStore, MOST_UNITS, PerLimit, Receipt, Reply, Tag, Tat, Warning};

use super::super::key::Key;
use super::cell::{Found, Question};
use super::shards::{Layout, Part, told, turn_at};
use super::shelf::Kept;
use super::step::{Act, Entry};
use super::{Apart, DynamoDbLimits, key};

/// How many parts of a split limit are asked before it is denied.
const PARTS_ASKED: usize = 3;

/// A call, and what is known of its limits so far.
struct Call<'c> {
    limits: &'c DynamoDbLimits,
    operation: &'static str,
    batch: &'c Batch,
    /// Of each limit what it was told by: the entry, what stood there, and when.
    told: PerLimit<Option<(Entry, Option<Kept>, u64)>>,
    now_us: u64,
    /// What was taken, and how often.
    taken: Vec<(Place, u32, u64)>,
}

/// Entries in one item.
#[derive(Clone, Debug)]
struct Place {
    key: Key,
    shared: bool,
    limits: Vec<usize>,
    entries: Vec<Entry>,
    turn: Option<(u32, u32)>,
}

impl Place {
    fn of(tag: Tag, part: Part, turn: Option<u32>, operation: &'static str) -> StoreResult<Self> {
        let unknown = || StoreError::new(StoreErrorKind::Refused("tag"), operation);
        let key = key::shelf(tag, part.shard).ok_or_else(unknown)?;
        let turn = turn.map(|shards| (part.shard, shards));
        Ok(Self { key, shared: true, limits: part.limits, entries: part.entries, turn })
    }

    /// The item of one of its limits alone.
    fn own(&self, number: usize) -> Self {
        let entry = self.entries[number];
        Self {
            key: key::own(&self.key, entry.slot),
            shared: false,
            limits: vec![self.limits[number]],
            entries: vec![entry],
            turn: self.turn,
        }
    }
}

impl<'c> Call<'c> {
    fn new(limits: &'c DynamoDbLimits, operation: &'static str, batch: &'c Batch) -> Self {
        let told = batch.limits().iter().map(|_| None).collect();
        Self { limits, operation, batch, told, now_us: limits.moment(None).us, taken: Vec::new() }
    }

    fn place(&self, part: Part, turn: Option<u32>) -> StoreResult<Place> {
        Place::of(self.batch.tag(), part, turn, self.operation)
    }

    async fn act(&self, place: &Place, act: Act) -> StoreResult<Found> {
        let Place { key, shared, entries, turn, .. } = place;
        self.limits.act(&Question { operation: self.operation, key, shared: *shared, entries, act, turn: *turn }).await
    }

    /// Does something at a place, and at those where its limits are that are not there. How many units all of them gave.
    async fn act_through(&mut self, place: &Place, act: Act) -> StoreResult<(u32, bool)> {
        let found = self.act(place, act).await?;
        self.hear(place, &found, false);
        let (mut units, mut passed) = (found.units, found.passed);
        if units == 0 {
            return Ok((0, false));
        }
        let mut here = place.clone();
        here.limits = (0..place.limits.len()).filter(|n| !found.elsewhere.contains(n)).map(|n| place.limits[n]).collect();
        here.entries = (0..place.entries.len()).filter(|n| !found.elsewhere.contains(n)).map(|n| place.entries[n]).collect();
        self.taken.push((here, units, found.now_us));
        for number in found.elsewhere {
            let own = place.own(number);
            let act = if let Act::Take { .. } = act { Act::Take { asked: units } } else { act };
            let found = self.act(&own, act).await?;
            self.hear(&own, &found, true);
            passed &= found.passed;
            units = units.min(found.units);
            if units == 0 {
                break;
            }
            self.taken.push((own, found.units, found.now_us));
        }
        Ok((units, passed))
    }

    /// Takes in what was found: of several parts of a limit that which is furthest from having room.
    fn hear(&mut self, place: &Place, found: &Found, own: bool) {
        self.now_us = found.now_us;
        for (number, limit) in place.limits.iter().enumerate() {
            if !own && found.elsewhere.contains(&number) {
                continue;
            }
            let heard = (place.entries[number], found.before[number], found.now_us);
            let tat = |(entry, kept, at): &(Entry, Option<Kept>, u64)| told(&self.batch.limits()[*limit], entry, *kept, *at, *at);
            let further = self.told[*limit]
                .as_ref()
                .is_none_or(|earlier| tat(earlier).us().saturating_sub(earlier.2) <= tat(&heard).us().saturating_sub(heard.2));
            if further {
                self.told[*limit] = Some(heard);
            }
        }
    }

    /// Takes up to so many units, from all places or from none.
    async fn take(&mut self, asked: u32) -> StoreResult<u32> {
        let shards = self.limits.options.shards;
        let layout = Layout::of(self.batch, shards);
        let mut units = asked;
        for part in layout.fixed {
            let place = self.place(part, None)?;
            units = self.act_through(&place, Act::Take { asked: units }).await?.0.min(units);
            if units == 0 {
                break;
            }
        }
        if units > 0 && !layout.any.is_empty() {
            units = self.take_any(layout.any, units).await?;
        }
        self.give_back_beyond(units).await;
        Ok(units)
    }

    /// Takes from one of the parts of split limits: from that which seems to have the most room first.
    async fn take_any(&mut self, parts: Vec<Part>, asked: u32) -> StoreResult<u32> {
        let shards = self.limits.options.shards;
        let mut places = Vec::new();
        for part in parts {
            places.push(self.place(part, Some(shards))?);
        }
        let next = usize::try_from(self.limits.next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        let start = next % places.len();
        places.rotate_left(start);
        let now_us = self.limits.moment(None).us;
        places.sort_by_cached_key(|place| std::cmp::Reverse(self.limits.believed_room(place, now_us)));
        // Parts that are believed to be empty are not asked but for one: what it says is the denial.
        let promising = places.iter().filter(|place| self.limits.believed_room(place, now_us) > 0).count();
        places.truncate(promising.clamp(1, PARTS_ASKED));
        let fixed = self.taken.len();
        for place in places {
            let units = self.act_through(&place, Act::Take { asked }).await?.0.min(asked);
            if units > 0 {
                return Ok(units);
            }
            // What an item of a limit alone denied was taken from the part's item.
            let partly = self.taken.split_off(fixed);
            self.refund_all(partly.into_iter()).await;
        }
        Ok(0)
    }

    /// Gives back what was taken beyond so many units. What cannot be given back is lost: that errs to the strict side.
    async fn give_back_beyond(&mut self, units: u32) {
        let taken = std::mem::take(&mut self.taken);
        let beyond =
            taken.into_iter().filter(|(_, taken, _)| *taken > units).map(|(place, taken, at)| (place, taken - units, at));
        self.refund_all(beyond).await;
    }

    async fn refund_all(&self, taken: impl Iterator<Item = (Place, u32, u64)>) {
        for (mut place, units, charged_at_us) in taken {
            for entry in &mut place.entries {
                entry.cost = entry.cost.saturating_mul(units);
            }
            if let Err(error) = self.act(&place, Act::Refund { charged_at_us }).await {
                tracing::debug!(operation = self.operation, error = &error as &dyn std::error::Error, "Units are lost");
            }
        }
    }

    fn reply(&self, passed: bool, charged: bool) -> Reply {
        let now_us = self.now_us;
        let before = self.batch.limits().iter().zip(&self.told).map(|(limit, told_by)| match told_by {
            Some((entry, kept, found_us)) => told(limit, entry, *kept, *found_us, now_us),
            // Nobody asked, since another one had denied already.
            None => Tat::of_us(now_us),
        });
        Reply { now_us, passed, charged, before: before.collect() }
    }
}

impl DynamoDbLimits {
    /// How often there is room at a place, as it was last seen.
    fn believed_room(&self, place: &Place, now_us: u64) -> u32 {
        let hint = self.hints.get(&place.key);
        let kept = |entry: &Entry| hint.as_ref().and_then(|hint| hint.slots.get(&entry.slot).copied());
        place.entries.iter().fold(u32::MAX, |units, entry| entry.room(kept(entry), now_us, units))
    }

    /// Refuses to work by a clock that is wrong. It is compared anew, so that one that was put right is noticed.
    async fn check_clock(&self, operation: &'static str, tag: Tag) -> StoreResult<()> {
        if self.is_apart().is_none() {
            return Ok(());
        }
        if let Some(key) = key::shelf(tag, 0) {
            self.look(operation, &key).await?;
        }
        self.agree(operation)
    }

    fn agree(&self, operation: &'static str) -> StoreResult<()> {
        match self.is_apart() {
            None => Ok(()),
            Some(ahead) => Err(StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(Apart(ahead))),
        }
    }

    async fn take(&self, operation: &'static str, batch: &Batch, asked: u32) -> StoreResult<Grant> {
        self.within_deadline(operation, async {
            self.check_clock(operation, batch.tag()).await?;
            let mut call = Call::new(self, operation, batch);
            let units = call.take(asked).await?;
            Ok(Grant { units, reply: call.reply(units > 0, units > 0) })
        })
        .await
    }

    async fn charge_all(&self, operation: &'static str, batch: &Batch) -> StoreResult<Reply> {
        self.check_clock(operation, batch.tag()).await?;
        let mut call = Call::new(self, operation, batch);
        let (shards, mut passed) = (self.options.shards, true);
        let layout = Layout::of(batch, shards);
        let next = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        let any = layout.any.len();
        let chosen = layout.any.into_iter().nth(next.checked_rem(any).unwrap_or_default());
        let places = layout.fixed.into_iter().map(|part| (part, None)).chain(chosen.map(|part| (part, Some(shards))));
        for (part, turn) in places {
            let place = call.place(part, turn)?;
            passed &= call.act_through(&place, Act::Charge).await?.1;
        }
        Ok(call.reply(passed, true))
    }

    async fn give_back(&self, operation: &'static str, receipt: &Receipt) -> StoreResult<()> {
        let (batch, charged_at_us) = (receipt.batch(), receipt.charged_at_us());
        self.check_clock(operation, batch.tag()).await?;
        let mut call = Call::new(self, operation, batch);
        let layout = Layout::of_receipt(batch, self.options.shards);
        let turn = turn_at(self.options.shards, charged_at_us);
        let chosen = layout.any.into_iter().find(|part| part.shard == turn);
        for part in layout.fixed.into_iter().chain(chosen) {
            let place = call.place(part, None)?;
            call.act_through(&place, Act::Refund { charged_at_us }).await?;
        }
        Ok(())
    }

    /// Reads a place and the items of limits that are not there.
    async fn look_through(&self, call: &mut Call<'_>, place: &Place) -> StoreResult<()> {
        let shelf = self.look(call.operation, &place.key).await?;
        let now = self.moment(None);
        let now_us = now.us;
        let is_elsewhere = |n: usize| place.shared && !shelf.slots.contains_key(&place.entries[n].slot) && shelf.spills(now_us);
        let elsewhere: Vec<usize> = (0..place.entries.len()).filter(|n| is_elsewhere(*n)).collect();
        let before: Vec<Option<Kept>> = place.entries.iter().map(|entry| shelf.slots.get(&entry.slot).copied()).collect();
        let clamps = place.entries.iter().enumerate().filter_map(|(n, entry)| Some((n, entry.clamp(before[n], now)?))).collect();
        let Place { key, shared, entries, turn, .. } = place;
        let question = Question { operation: call.operation, key, shared: *shared, entries, act: Act::Charge, turn: *turn };
        self.bring_back(&question, shelf, clamps, now).await?;
        let passed = entries.iter().zip(&before).all(|(entry, kept)| entry.room(*kept, now_us, 1) > 0);
        call.hear(place, &Found { now_us, units: 0, passed, before, elsewhere: elsewhere.clone() }, !*shared);
        for number in elsewhere {
            Box::pin(self.look_through(call, &place.own(number))).await?;
        }
        Ok(())
    }

    async fn peek_all(&self, operation: &'static str, batch: &Batch) -> StoreResult<Reply> {
        let mut call = Call::new(self, operation, batch);
        let layout = Layout::of(batch, self.options.shards);
        for part in layout.fixed {
            let place = call.place(part, None)?;
            self.look_through(&mut call, &place).await?;
        }
        if let Some(first) = layout.any.first().cloned() {
            // All parts are looked at, and that one counts which has the most room.
            let mut best = call.place(first, None)?;
            for part in layout.any {
                let place = call.place(part, None)?;
                let shelf = self.look(operation, &place.key).await?;
                self.hints.put(&place.key, shelf);
                let now_us = self.moment(None).us;
                if self.believed_room(&place, now_us) > self.believed_room(&best, now_us) {
                    best = place;
                }
            }
            self.look_through(&mut call, &best).await?;
        }
        self.agree(operation)?;
        let mut reply = call.reply(false, false);
        let places = 0..batch.limits().len();
        reply.passed = places.into_iter().all(|number| reply.standing(batch, number).is_some_and(|standing| standing.passed));
        Ok(reply)
    }
}

#[async_trait]
impl LimitStore for DynamoDbLimits {
    async fn consume(&self, batch: &Batch) -> StoreResult<Reply> {
        Ok(self.take("limits.consume", batch, 1).await?.reply)
    }

    async fn peek(&self, batch: &Batch) -> StoreResult<Reply> {
        const OPERATION: &str = "limits.peek";
        self.within_deadline(OPERATION, self.peek_all(OPERATION, batch)).await
    }

    async fn charge(&self, batch: &Batch) -> StoreResult<Reply> {
        const OPERATION: &str = "limits.charge";
        self.within_deadline(OPERATION, self.charge_all(OPERATION, batch)).await
    }

    async fn grant(&self, batch: &Batch, asked: u32) -> StoreResult<Grant> {
        self.take("limits.grant", batch, asked.clamp(1, MOST_UNITS)).await
    }

    async fn refund(&self, receipt: &Receipt) -> StoreResult<()> {
        const OPERATION: &str = "limits.refund";
        self.within_deadline(OPERATION, self.give_back(OPERATION, receipt)).await
    }

    async fn health(&self) -> StoreResult<Health> {
        const OPERATION: &str = "limits.health";
        let nobody = Tag::Tenant(togglebox_core::TenantId::DEFAULT);
        if let Some(key) = key::shelf(nobody, 0) {
            self.within_deadline(OPERATION, self.look(OPERATION, &key)).await?;
        }
        let mut health = Health::default();
        health.clock_ahead_us = self.watch.ahead_us();
        if let Some(ahead) = self.is_apart() {
            health.warnings.push(Warning::ClockApart(ahead.unsigned_abs() / 1000));
        }
        Ok(health)
    }
}
