//! From deltas to changes of items. No reads, no clock.

use std::collections::{BTreeMap, HashMap};

use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_toggles::statistics::Sketch;
use togglebox_toggles::store::{Delta, MAX_SUM, StatisticsBatch, Subject, SubjectSums};
use togglebox_toggles::{Scope, Side, VariationKey};
use uuid::Uuid;

use super::super::key::{Key, Kind};
use super::OPERATION;
use super::change::{About, Change, Counter, Counts};
use super::hours::{expiry, hour, is_kept};
use super::key::{Figures, shard_of};

/// A record that deltas are about.
pub(super) type Named = (Scope, Kind, String);

/// The record that a delta is about.
pub(super) fn named(scope: &Scope, delta: &Delta) -> StoreResult<Named> {
    let (kind, key) = match delta {
        Delta::Parameter { key, .. } => (Kind::Parameter, key.as_str()),
        Delta::Flag { key, .. } | Delta::FlagUsers { key, .. } => (Kind::Flag, key.as_str()),
        Delta::Exposure { key, .. } | Delta::Conversion { key, .. } => (Kind::Experiment, key.as_str()),
        // A kind that is added to the port must be added here, too.
        _ => return Err(StoreError::new(StoreErrorKind::Refused("unknown-delta"), OPERATION)),
    };
    Ok((scope.clone(), kind, key.to_owned()))
}

/// All that a batch does, by item. Deltas of what is not among the `incarnations` of existing records are left out.
pub(super) fn changes(
    tenant: TenantId,
    batch: &StatisticsBatch,
    incarnations: &HashMap<Named, Uuid>,
) -> StoreResult<BTreeMap<Key, Change>> {
    let mut plan = Plan { at: batch.at, ..Plan::default() };
    for scoped in &batch.deltas {
        let Some(incarnation) = incarnations.get(&named(&scoped.scope, &scoped.delta)?) else { continue };
        plan.add(Figures { tenant, incarnation: *incarnation, shard: shard_of(batch.id) }, &scoped.delta);
    }
    Ok(plan.finish())
}

/// Changes in the making. No two kinds of items share a key.
#[derive(Default)]
struct Plan {
    /// When the batch was closed.
    at: Timestamp,
    counts: BTreeMap<Key, Counts>,
    sketches: BTreeMap<Key, (Sketch, i64)>,
    exposures: BTreeMap<Key, Change>,
}

impl Plan {
    fn add(&mut self, of: Figures, delta: &Delta) {
        match delta {
            Delta::Parameter { fetches, last_at, clients, .. } => {
                let total = self.total(of, *last_at);
                total.add(Counter::Fetches, *fetches);
                self.merge(of, None, clients);
            }
            Delta::Flag { day, country, served_a, served_b, last_at, .. } => {
                let count = |counts: &mut Counts| {
                    counts.add(Counter::ServedA, *served_a);
                    counts.add(Counter::ServedB, *served_b);
                };
                count(self.total(of, *last_at));
                count(self.counts(of.day(day), || About { day: Some(day.clone()), ..About::default() }));
                if let Some(country) = country {
                    count(self.counts(of.country(country), || About { country: Some(country.clone()), ..About::default() }));
                }
            }
            Delta::FlagUsers { side, users, .. } => self.merge(of, Some(*side), users),
            Delta::Exposure { variation, day, exposures, subjects, last_at, .. } => {
                self.total(of, *last_at);
                self.variation_day(of, variation, day).add(Counter::Exposures, *exposures);
                self.expose(of, variation, day, subjects);
            }
            Delta::Conversion { variation, metric, day, subjects, last_at, .. } => {
                self.total(of, *last_at);
                self.convert(of, variation, metric, day, subjects);
            }
            // `named` has refused it.
            _ => {}
        }
    }

    fn finish(self) -> BTreeMap<Key, Change> {
        let counts = self.counts.into_iter().map(|(key, counts)| (key, Change::Count(counts)));
        let sketches = self
            .sketches
            .into_iter()
            .map(|(key, (sketch, expires_at))| (key, Change::Merge { sketch: sketch.to_bytes(), expires_at }));
        counts.chain(sketches).chain(self.exposures).collect()
    }

    fn counts(&mut self, key: Key, about: impl FnOnce() -> About) -> &mut Counts {
        self.counts.entry(key).or_insert_with(|| Counts::about(about()))
    }

    fn total(&mut self, of: Figures, last_at: Timestamp) -> &mut Counts {
        let total = self.counts(of.total(), About::default);
        total.at(last_at);
        total
    }

    fn variation_day(&mut self, of: Figures, variation: &VariationKey, day: &str) -> &mut Counts {
        self.counts(of.variation_day(day, variation), || About {
            day: Some(day.to_owned()),
            variation: Some(variation.clone()),
            ..About::default()
        })
    }

    /// Hours that nobody will read are left out; so are sketches of an unknown form, because no repetition would make them known.
    fn merge(&mut self, of: Figures, side: Option<Side>, hours: &[(u64, Vec<u8>)]) {
        for (number, bytes) in hours {
            let Ok(number) = i64::try_from(*number) else { continue };
            if !is_kept(number, hour(self.at)) {
                continue;
            }
            let Some(added) = Sketch::from_bytes(bytes) else {
                tracing::warn!("Left out a distinct-count sketch of an unknown form");
                continue;
            };
            let entry = self.sketches.entry(of.sketch(side, number));
            entry.or_insert_with(|| (Sketch::new(), expiry(number))).0.merge(&added);
        }
    }

    /// The first day that is told of a subject counts.
    fn expose(&mut self, of: Figures, variation: &VariationKey, day: &str, subjects: &[Subject]) {
        for subject in subjects {
            self.exposures.entry(of.exposure(subject, variation)).or_insert_with(|| Change::Expose {
                variation: variation.clone(),
                day: day.to_owned(),
                tally: of.variation_day(day, variation),
            });
        }
    }

    fn convert(&mut self, of: Figures, variation: &VariationKey, metric: &str, day: &str, subjects: &[SubjectSums]) {
        let about = |day: Option<&str>| About {
            day: day.map(str::to_owned),
            variation: Some(variation.clone()),
            metric: Some(metric.to_owned()),
            ..About::default()
        };
        // Also without subjects there is a day, which then has no conversions.
        self.variation_day(of, variation, day);
        self.counts(of.metric_day(day, variation, metric), || about(Some(day)));
        for added in subjects {
            let sum = kept(added.sum);
            let own = self.counts(of.conversions(&added.subject, variation, metric), || about(None));
            own.add(Counter::Conversions, added.conversions);
            own.add(Counter::Values, added.values);
            own.sum.add(sum);
            let all = self.counts(of.metric_day(day, variation, metric), || about(Some(day)));
            all.add(Counter::Conversions, added.conversions);
            all.sum.add(sum);
            self.variation_day(of, variation, day).add(Counter::Conversions, added.conversions);
        }
    }
}

/// A sum as it is kept. One that is not a number counts as nothing.
pub(super) const fn kept(sum: f64) -> f64 {
    if sum.is_nan() { 0.0 } else { sum.clamp(-MAX_SUM, MAX_SUM) }
}
