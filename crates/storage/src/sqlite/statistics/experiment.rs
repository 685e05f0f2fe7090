//! Exposures and conversions of experiments.

use std::fmt::Write as _;

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{
    ExperimentDay, ExperimentStatistics, MetricDay, MetricSample, Subject, SubjectSums, VariationTotals,
};
use togglebox_toggles::{ExperimentKey, Scope, VariationKey};

use super::super::cells::Cells;
use super::super::error::failed;
use super::super::{Sqlite, bind};
use super::about;
use super::batch::{Batch, Place};

/// The largest sum that is kept per subject and metric, and per day. Squares of it, over as many subjects as there may ever be, are
/// finite, so that no figure is ever "not a number".
const MAX_SUM: f64 = 1e145;

const SEEN: &str = "-- statistics.seen
INSERT INTO experiment_statistics (tenant, environment, key, last_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant, environment, key) DO UPDATE SET last_at = max(last_at, excluded.last_at)";

// One statement for all subjects of a delta. `WHERE true` keeps ON from being read as a join's.
const ADD_SUBJECTS: &str = "-- statistics.add_subjects
INSERT INTO experiment_subjects (tenant, environment, key, variation, subject, first_day)
SELECT ?1, ?2, ?3, ?4, unhex(value), ?5 FROM json_each(?6) WHERE true
ON CONFLICT (tenant, environment, key, variation, subject) DO NOTHING";

const ADD_DAY: &str = "-- statistics.add_experiment_day
INSERT INTO experiment_days (tenant, environment, key, variation, day, exposures, new_users, conversions)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, environment, key, variation, day) DO UPDATE
SET exposures = exposures + min(excluded.exposures, 9223372036854775807 - exposures),
    new_users = new_users + excluded.new_users,
    conversions = conversions + min(excluded.conversions, 9223372036854775807 - conversions)";

const ADD_METRIC_DAY: &str = "-- statistics.add_metric_day
INSERT INTO experiment_metric_days (tenant, environment, key, variation, metric, day, conversions, total)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, environment, key, variation, metric, day) DO UPDATE
SET conversions = conversions + min(excluded.conversions, 9223372036854775807 - conversions),
    total = max(-1e145, min(1e145, total + excluded.total))";

const ADD_CONVERSION: &str = "-- statistics.add_conversion
INSERT INTO experiment_conversions (tenant, environment, key, variation, metric, subject, conversions, valued, total)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (tenant, environment, key, variation, metric, subject) DO UPDATE
SET conversions = conversions + min(excluded.conversions, 9223372036854775807 - conversions),
    valued = valued + min(excluded.valued, 9223372036854775807 - valued),
    total = max(-1e145, min(1e145, total + excluded.total))";

const LAST: &str = "-- statistics.experiment
SELECT s.key, s.last_at FROM environments AS e
JOIN experiment_statistics AS s ON s.tenant = e.tenant AND s.environment = e.id
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND s.key = ?4";

const DAYS: &str = "-- statistics.experiment_days
SELECT d.key, d.variation, d.day, d.exposures, d.new_users, d.conversions FROM environments AS e
JOIN experiment_days AS d ON d.tenant = e.tenant AND d.environment = e.id
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND d.key = ?4
ORDER BY d.day, d.variation";

const METRIC_DAYS: &str = "-- statistics.metric_days
SELECT d.key, d.variation, d.metric, d.day, d.conversions, d.total FROM environments AS e
JOIN experiment_metric_days AS d ON d.tenant = e.tenant AND d.environment = e.id
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND d.key = ?4
ORDER BY d.variation, d.metric, d.day";

// The join leaves out who converted without having been exposed. total() adds as floating point: no overflow.
pub(in super::super) const SAMPLES: &str = "-- statistics.samples
SELECT c.key, c.variation, c.metric,
    count(CASE WHEN c.conversions > 0 THEN 1 END) AS converted_users,
    total(c.conversions) AS conversions, total(1.0 * c.conversions * c.conversions) AS conversions_squared,
    total(c.total) AS total, total(c.total * c.total) AS total_squared,
    total(c.valued) AS valued, total(1.0 * c.valued * c.valued) AS valued_squared, total(c.total * c.valued) AS total_valued
FROM environments AS e
JOIN experiment_conversions AS c ON c.tenant = e.tenant AND c.environment = e.id
JOIN experiment_subjects AS s ON s.tenant = c.tenant AND s.environment = c.environment AND s.key = c.key
    AND s.variation = c.variation AND s.subject = c.subject
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND c.key = ?4
GROUP BY c.variation, c.metric
ORDER BY c.variation, c.metric";

/// A sum as it is kept. One that is not a number counts as nothing.
fn kept(sum: f64) -> f64 {
    if sum.is_nan() { 0.0 } else { sum.clamp(-MAX_SUM, MAX_SUM) }
}

/// The subjects as a JSON list of hexadecimal texts.
fn list(subjects: &[Subject]) -> String {
    let mut json = String::with_capacity(subjects.len() * 35 + 2);
    json.push('[');
    for (i, subject) in subjects.iter().enumerate() {
        json.push_str(if i == 0 { "\"" } else { ",\"" });
        for byte in subject.0 {
            let _ = write!(json, "{byte:02x}");
        }
        json.push('"');
    }
    json.push(']');
    json
}

impl Batch {
    pub(super) async fn add_exposures(
        &mut self,
        place: Place<'_>,
        variation: &VariationKey,
        day: &str,
        exposures: u64,
        subjects: &[Subject],
        last_at: Timestamp,
    ) -> StoreResult<()> {
        self.write.execute(place.query(SEEN).bind(last_at.as_ms())).await?;
        let (variation, day) = (variation.as_str().to_owned(), day.to_owned());
        let add = place.query(ADD_SUBJECTS).bind(variation.clone()).bind(day.clone()).bind(list(subjects));
        let new_users = self.write.execute(add).await?;
        let query = place.query(ADD_DAY).bind(variation).bind(day);
        self.write.execute(query.bind(bind::count(exposures)).bind(bind::count(new_users)).bind(0_i64)).await?;
        Ok(())
    }

    pub(super) async fn add_conversions(
        &mut self,
        place: Place<'_>,
        variation: &VariationKey,
        metric: &str,
        day: &str,
        subjects: &[SubjectSums],
        last_at: Timestamp,
    ) -> StoreResult<()> {
        self.write.execute(place.query(SEEN).bind(last_at.as_ms())).await?;
        let (mut conversions, mut total) = (0_u64, 0.0_f64);
        for added in subjects {
            conversions = conversions.saturating_add(added.conversions);
            total = kept(total + kept(added.sum));
            let query = place.query(ADD_CONVERSION).bind(variation.as_str().to_owned()).bind(metric.to_owned());
            let query = query.bind(added.subject.0.to_vec()).bind(bind::count(added.conversions));
            self.write.execute(query.bind(bind::count(added.values)).bind(kept(added.sum))).await?;
        }
        let query = place.query(ADD_METRIC_DAY).bind(variation.as_str().to_owned()).bind(metric.to_owned());
        self.write.execute(query.bind(day.to_owned()).bind(bind::count(conversions)).bind(total)).await?;
        let query = place.query(ADD_DAY).bind(variation.as_str().to_owned()).bind(day.to_owned());
        self.write.execute(query.bind(0_i64).bind(0_i64).bind(bind::count(conversions))).await?;
        Ok(())
    }
}

impl Sqlite {
    pub(super) async fn experiment_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
    ) -> StoreResult<Option<ExperimentStatistics>> {
        const OPERATION: &str = "statistics.experiment";
        let mut moment = self.moment(OPERATION).await?;
        let about = |sql| about(sql, tenant, scope, key.as_str());
        let Some(row) = about(LAST).fetch_optional(&mut *moment).await.map_err(failed(OPERATION))? else { return Ok(None) };
        let updated_at = Some(Cells::new(&row, OPERATION, "experiment_statistics", "key").get("last_at")?);

        let rows = about(DAYS).fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let days = rows.iter().map(|row| {
            let cells = Cells::new(row, OPERATION, "experiment_days", "key");
            Ok(ExperimentDay {
                variation: cells.get("variation")?,
                day: cells.get("day")?,
                new_users: cells.get("new_users")?,
                exposures: cells.get("exposures")?,
                conversions: cells.get("conversions")?,
            })
        });
        let days: Vec<ExperimentDay> = days.collect::<StoreResult<_>>()?;

        let rows = about(METRIC_DAYS).fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let metric_days = rows.iter().map(|row| {
            let cells = Cells::new(row, OPERATION, "experiment_metric_days", "key");
            Ok(MetricDay {
                variation: cells.get("variation")?,
                metric: cells.get("metric")?,
                day: cells.get("day")?,
                conversions: cells.get("conversions")?,
                sum: cells.get("total")?,
            })
        });
        let metric_days = metric_days.collect::<StoreResult<_>>()?;

        let rows = about(SAMPLES).fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let samples = rows.iter().map(|row| {
            let cells = Cells::new(row, OPERATION, "experiment_conversions", "key");
            Ok(MetricSample {
                variation: cells.get("variation")?,
                metric: cells.get("metric")?,
                converted_users: cells.get("converted_users")?,
                conversions: cells.get("conversions")?,
                conversions_squared: cells.get("conversions_squared")?,
                sum: cells.get("total")?,
                sum_squared: cells.get("total_squared")?,
                values: whole(cells.get("valued")?),
                values_squared: cells.get("valued_squared")?,
                sum_values: cells.get("total_valued")?,
            })
        });
        let samples = samples.collect::<StoreResult<_>>()?;

        Ok(Some(ExperimentStatistics { variations: variations(&days), metric_days, days, samples, updated_at }))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that total() has turned into a float")]
const fn whole(count: f64) -> u64 {
    count as u64
}

/// The totals of each variation that was seen, by key.
fn variations(days: &[ExperimentDay]) -> Vec<VariationTotals> {
    let mut totals = std::collections::BTreeMap::<&VariationKey, (u64, u64)>::new();
    for day in days {
        let (exposures, users) = totals.entry(&day.variation).or_default();
        *exposures = exposures.saturating_add(day.exposures);
        *users = users.saturating_add(day.new_users);
    }
    let seen = totals.into_iter().filter(|(_, totals)| *totals != (0, 0));
    seen.map(|(variation, (exposures, users))| VariationTotals { variation: variation.clone(), exposures, users }).collect()
}
