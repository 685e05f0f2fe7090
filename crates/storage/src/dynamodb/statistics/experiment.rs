//! What an experiment has found out.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::store::{ExperimentDay, ExperimentStatistics, MetricDay, MetricSample, VariationTotals};
use togglebox_toggles::{ExperimentKey, Scope, VariationKey};

use super::super::DynamoDb;
use super::super::item::{Attributes, Item};
use super::super::key::{Key, Kind};
use super::super::store::Range;
use super::change::Counter;
use super::exact::Exact;
use super::key::{BUCKETS, DAYS, METRICS, bucket};
use super::read::{Counted, add, count, digits, last_at, sum};

const OPERATION: &str = "statistics.experiment";

/// So many subjects of a bucket are in memory at once.
const PAGE: usize = 2_000;

type Samples = BTreeMap<(VariationKey, String), MetricSample>;

impl DynamoDb {
    pub(super) async fn experiment_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
    ) -> StoreResult<Option<ExperimentStatistics>> {
        let Some(of) = self.counted_record(OPERATION, tenant, scope, Kind::Experiment, key.as_str()).await? else {
            return Ok(None);
        };
        let Some(updated_at) = last_at(&self.totals(of).await?, OPERATION)? else { return Ok(None) };
        let days = days(&self.shards(of, DAYS, None).await?)?;
        let metric_days = metric_days(&self.shards(of, METRICS, None).await?)?;
        let buckets = try_join_all((0..BUCKETS).map(|number| self.samples(of, number))).await?;
        let samples = buckets.into_iter().fold(Samples::new(), merged).into_values().collect();
        let variations = variations(&days);
        Ok(Some(ExperimentStatistics { variations, metric_days, days, samples, updated_at: Some(updated_at) }))
    }

    /// What the exposed subjects of a bucket did.
    async fn samples(&self, of: Counted, number: u8) -> StoreResult<Samples> {
        let mut samples = Samples::new();
        let mut exposed = None;
        let mut after = None;
        loop {
            let range = Range { after, limit: Some(PAGE), ..Range::all(bucket(of.tenant, of.incarnation, number)) };
            let items = self.query(OPERATION, &mut self.patience(), range).await?;
            for item in &items {
                add_subject(&mut samples, &mut exposed, item)?;
            }
            after = items.last().and_then(Key::of).map(|key| key.sk);
            if items.len() < PAGE {
                return Ok(samples);
            }
        }
    }
}

/// Takes in the next item of a bucket: that a subject was exposed, or what it did, which comes after that.
fn add_subject(samples: &mut Samples, exposed: &mut Option<String>, item: &Item) -> StoreResult<()> {
    let attributes = Attributes::new(item, OPERATION);
    let key = Key::of(item).ok_or_else(|| attributes.unreadable("SK", "the item has no key"))?;
    let Some(metric) = attributes.maybe::<String>("metric")? else {
        *exposed = Some(key.sk);
        return Ok(());
    };
    // Who converted without having been exposed is left out.
    if !exposed.as_ref().is_some_and(|exposed| key.sk.strip_prefix(exposed.as_str()).is_some_and(|rest| rest.starts_with('#'))) {
        return Ok(());
    }
    let variation: VariationKey = attributes.get("variation")?;
    let (conversions, values) = (count(item, OPERATION, Counter::Conversions)?, count(item, OPERATION, Counter::Values)?);
    let total = sum(&digits(item, OPERATION)?);
    let own = sample(variation.clone(), metric.clone(), conversions, values, total);
    let all = samples.entry((variation.clone(), metric.clone())).or_insert_with(|| sample(variation, metric, 0, 0, 0.0));
    add_sample(all, &own);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "squares of counts are floats")]
fn sample(variation: VariationKey, metric: String, conversions: u64, values: u64, sum: f64) -> MetricSample {
    let (n, valued) = (conversions as f64, values as f64);
    MetricSample {
        variation,
        metric,
        converted_users: u64::from(conversions > 0),
        conversions: n,
        conversions_squared: n * n,
        sum,
        sum_squared: sum * sum,
        values,
        values_squared: valued * valued,
        sum_values: sum * valued,
    }
}

fn add_sample(all: &mut MetricSample, own: &MetricSample) {
    all.converted_users += own.converted_users;
    all.conversions += own.conversions;
    all.conversions_squared += own.conversions_squared;
    all.sum += own.sum;
    all.sum_squared += own.sum_squared;
    all.values = all.values.saturating_add(own.values);
    all.values_squared += own.values_squared;
    all.sum_values += own.sum_values;
}

fn merged(mut all: Samples, bucket: Samples) -> Samples {
    for (key, own) in bucket {
        match all.get_mut(&key) {
            Some(sample) => add_sample(sample, &own),
            None => drop(all.insert(key, own)),
        }
    }
    all
}

/// By day and variation.
fn days(items: &[Item]) -> StoreResult<Vec<ExperimentDay>> {
    let mut days = BTreeMap::<(String, VariationKey), [u64; 3]>::new();
    for item in items {
        let attributes = Attributes::new(item, OPERATION);
        let counts = days.entry((attributes.get("day")?, attributes.get("variation")?)).or_default();
        for (sum, counter) in counts.iter_mut().zip([Counter::NewUsers, Counter::Exposures, Counter::Conversions]) {
            *sum = add(*sum, count(item, OPERATION, counter)?);
        }
    }
    let days = days.into_iter().map(|((day, variation), [new_users, exposures, conversions])| ExperimentDay {
        variation,
        day,
        new_users,
        exposures,
        conversions,
    });
    Ok(days.collect())
}

/// By variation, metric and day.
fn metric_days(items: &[Item]) -> StoreResult<Vec<MetricDay>> {
    let mut days = BTreeMap::<(VariationKey, String, String), (u64, Exact)>::new();
    for item in items {
        let attributes = Attributes::new(item, OPERATION);
        let key = (attributes.get("variation")?, attributes.get("metric")?, attributes.get("day")?);
        let (conversions, sum) = days.entry(key).or_default();
        *conversions = add(*conversions, count(item, OPERATION, Counter::Conversions)?);
        sum.merge(&digits(item, OPERATION)?);
    }
    let day =
        |((variation, metric, day), (conversions, total))| MetricDay { variation, metric, day, conversions, sum: sum(&total) };
    Ok(days.into_iter().map(day).collect())
}

/// The totals of each variation that was seen, by key.
fn variations(days: &[ExperimentDay]) -> Vec<VariationTotals> {
    let mut totals = BTreeMap::<&VariationKey, (u64, u64)>::new();
    for day in days {
        let (exposures, users) = totals.entry(&day.variation).or_default();
        *exposures = exposures.saturating_add(day.exposures);
        *users = users.saturating_add(day.new_users);
    }
    let seen = totals.into_iter().filter(|(_, totals)| *totals != (0, 0));
    seen.map(|(variation, (exposures, users))| VariationTotals { variation: variation.clone(), exposures, users }).collect()
}
