//! Exposures and conversions of experiments.

use std::fmt::Write as _;

use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::store::{
    ExperimentDay, ExperimentStatistics, MAX_SUM, MetricDay, MetricSample, Subject, SubjectSums, VariationTotals,
};
use togglebox_toggles::{ExperimentKey, Scope, VariationKey};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Engine, Kind};
use super::super::look::Look;
use super::super::rows::Added;
use super::things::Thing;
use super::{about, latest, raise, sum_up};

/// The smallest sum but zero. Its square is a number, too: where a product that vanishes is an error, it spoils no figure either.
const MIN_SUM: f64 = 1e-145;

pub(super) const SEEN: Added = Added {
    name: "seen",
    table: "experiment_statistics",
    columns: &[("tenant", Kind::Uuid), ("environment", Kind::Uuid), ("key", Kind::Text), ("last_at", Kind::Int)],
    key: "tenant, environment, key",
    set: latest!("last_at"),
};

pub(super) const DAY: Added = Added {
    name: "add_experiment_days",
    table: "experiment_days",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("variation", Kind::Text),
        ("day", Kind::AnyText),
        ("exposures", Kind::Int),
        ("new_users", Kind::Int),
        ("conversions", Kind::Int),
    ],
    key: "tenant, environment, key, variation, day",
    set: concat!(raise!("exposures"), ", ", raise!("new_users"), ", ", raise!("conversions")),
};

const ADD_METRIC_DAY: &str = concat!(
    "-- statistics.add_metric_day
INSERT INTO experiment_metric_days AS kept (tenant, environment, key, variation, metric, day, conversions, total)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, environment, key, variation, metric, day) DO UPDATE SET ",
    raise!("conversions"),
    ", ",
    sum_up!("total")
);

const ADD_CONVERSION: &str = concat!(
    "-- statistics.add_conversion
INSERT INTO experiment_conversions AS kept (tenant, environment, key, variation, metric, subject, conversions, valued, total)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, environment, key, variation, metric, subject) DO UPDATE SET ",
    raise!("conversions"),
    ", ",
    raise!("valued"),
    ", ",
    sum_up!("total")
);

const LAST: &str = "-- statistics.experiment
SELECT s.key, s.last_at FROM environments AS e
JOIN experiment_statistics AS s ON s.tenant = e.tenant AND s.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND s.key = $4";

const DAYS: &str = "-- statistics.experiment_days
SELECT d.key, d.variation, d.day, d.exposures, d.new_users, d.conversions FROM environments AS e
JOIN experiment_days AS d ON d.tenant = e.tenant AND d.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND d.key = $4
ORDER BY d.day, d.variation";

const METRIC_DAYS: &str = "-- statistics.metric_days
SELECT d.key, d.variation, d.metric, d.day, d.conversions, d.total FROM environments AS e
JOIN experiment_metric_days AS d ON d.tenant = e.tenant AND d.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND d.key = $4
ORDER BY d.variation, d.metric, d.day";

// The join leaves out who converted without having been exposed. Sums are of floating-point numbers: no overflow.
pub(in super::super) const SAMPLES: &str = "-- statistics.samples
SELECT c.key, c.variation, c.metric,
    count(CASE WHEN c.conversions > 0 THEN 1 END) AS converted_users,
    sum(CAST(c.conversions AS double precision)) AS conversions,
    sum(CAST(c.conversions AS double precision) * c.conversions) AS conversions_squared,
    sum(c.total) AS total, sum(c.total * c.total) AS total_squared,
    sum(CAST(c.valued AS double precision)) AS valued, sum(CAST(c.valued AS double precision) * c.valued) AS valued_squared,
    sum(c.total * c.valued) AS total_valued
FROM environments AS e
JOIN experiment_conversions AS c ON c.tenant = e.tenant AND c.environment = e.id
JOIN experiment_subjects AS s ON s.tenant = c.tenant AND s.environment = c.environment AND s.key = c.key
    AND s.variation = c.variation AND s.subject = c.subject
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND c.key = $4
GROUP BY c.key, c.variation, c.metric
ORDER BY c.variation, c.metric";

/// A sum as it is kept. One that is not a number, or next to nothing, counts as nothing.
fn kept(sum: f64) -> f64 {
    // Not a number is not at least anything.
    if sum.abs() >= MIN_SUM { sum.clamp(-MAX_SUM, MAX_SUM) } else { 0.0 }
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

impl Thing<'_> {
    /// Adds who saw a variation; answers how many of them are new to it.
    pub(super) async fn add_subjects<E: Engine>(
        self,
        call: &mut Look<E>,
        variation: &VariationKey,
        day: &str,
        subjects: &[Subject],
    ) -> StoreResult<u64> {
        call.execute(self.statement(E::ADD_SUBJECTS).bind(variation.as_str()).bind(day).bind(list(subjects))).await
    }

    /// Adds what each subject did; answers how many conversions that is. One by one, bound: in a list, a sum might lose a digit.
    pub(super) async fn add_conversions<E: Engine>(
        self,
        call: &mut Look<E>,
        variation: &VariationKey,
        metric: &str,
        day: &str,
        subjects: &[SubjectSums],
    ) -> StoreResult<u64> {
        let (mut conversions, mut total) = (0_u64, 0.0_f64);
        for added in subjects {
            conversions = conversions.saturating_add(added.conversions);
            total = kept(total + kept(added.sum));
            let add = self.statement(ADD_CONVERSION).bind(variation.as_str()).bind(metric);
            let add = add.bind(added.subject.0.as_slice()).bind(added.conversions);
            call.execute(add.bind(added.values).bind(kept(added.sum))).await?;
        }
        let add = self.statement(ADD_METRIC_DAY).bind(variation.as_str()).bind(metric);
        call.execute(add.bind(day).bind(conversions).bind(total)).await?;
        Ok(conversions)
    }
}

impl<E: Engine> Database<E> {
    pub(super) async fn experiment_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
    ) -> StoreResult<Option<ExperimentStatistics>> {
        const OPERATION: &str = "statistics.experiment";
        let mut moment = self.moment(OPERATION, tenant).await?;
        let Some(row) = moment.optional(about(&moment, LAST, scope, key.as_str())).await? else { return Ok(None) };
        let updated_at = Some(Cells::new(&row, OPERATION, "experiment_statistics", "key").get("last_at")?);

        let rows = moment.rows(about(&moment, DAYS, scope, key.as_str())).await?;
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

        let rows = moment.rows(about(&moment, METRIC_DAYS, scope, key.as_str())).await?;
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

        let rows = moment.rows(about(&moment, SAMPLES, scope, key.as_str())).await?;
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that a sum has turned into a float")]
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
