//! Exposures and conversions of experiments.

use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::store::{ExperimentDay, ExperimentStatistics, MetricDay, MetricSample, VariationTotals};
use togglebox_toggles::{ExperimentKey, Scope, VariationKey};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Engine, Kind};
use super::super::rows::{self, Added, Columns};
use super::{about, latest, raise, sum_up};

pub(super) const SEEN: Added = Added {
    name: "seen",
    table: "experiment_statistics",
    columns: &[("tenant", Kind::Uuid), ("environment", Kind::Uuid), ("key", Kind::Text), ("last_at", Kind::Int)],
    key: 3,
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
    key: 5,
    set: concat!(raise!("exposures"), ", ", raise!("new_users"), ", ", raise!("conversions")),
};

pub(super) const METRIC_DAY: Added = Added {
    name: "add_metric_days",
    table: "experiment_metric_days",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("variation", Kind::Text),
        ("metric", Kind::AnyText),
        ("day", Kind::AnyText),
        ("conversions", Kind::Int),
        ("total", Kind::Float),
    ],
    key: 6,
    set: concat!(raise!("conversions"), ", ", sum_up!("total")),
};

pub(super) const CONVERSION: Added = Added {
    name: "add_conversions",
    table: "experiment_conversions",
    columns: &[
        ("tenant", Kind::Uuid),
        ("environment", Kind::Uuid),
        ("key", Kind::Text),
        ("variation", Kind::Text),
        ("metric", Kind::AnyText),
        ("subject", Kind::Blob),
        ("conversions", Kind::Int),
        ("valued", Kind::Int),
        ("total", Kind::Float),
    ],
    key: 6,
    set: concat!(raise!("conversions"), ", ", raise!("valued"), ", ", sum_up!("total")),
};

/// The columns of a subject that saw a variation.
pub(super) const SUBJECT: Columns = &[
    ("tenant", Kind::Uuid),
    ("environment", Kind::Uuid),
    ("key", Kind::Text),
    ("variation", Kind::Text),
    ("subject", Kind::Blob),
    ("first_day", Kind::AnyText),
];

/// Adds subjects; answers those that are new.
pub(super) fn add_subjects_statement<E: Engine>() -> String {
    format!(
        "-- statistics.add_subjects
INSERT INTO experiment_subjects ({}) {}
ON CONFLICT (tenant, environment, key, variation, subject) DO NOTHING
RETURNING tenant, environment, key, variation, first_day",
        rows::names(SUBJECT, ""),
        rows::given::<E>(SUBJECT)
    )
}

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
