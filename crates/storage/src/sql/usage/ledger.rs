//! How far writers are, which hours are to be rolled up, and what is added up of many tenants.

use std::collections::HashMap;

use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::StaleHour;
use togglebox_metering::{Day, Hour, MeterId, Minute, Totals, Watermark};

use super::super::Database;
use super::super::cells::{CellResult, Cells};
use super::super::engine::{Access, Engine, Row};
use super::super::statement::Statement;
use super::super::watch;
use super::Cell;

const RAISE: &str = "-- usage_watermarks.raise
INSERT INTO usage_watermarks AS kept (writer, upto, seen_at, ended) VALUES ($1, $2, $3, $4)
ON CONFLICT (writer) DO UPDATE SET
    upto = CASE WHEN kept.upto < excluded.upto THEN excluded.upto ELSE kept.upto END,
    seen_at = CASE WHEN kept.seen_at < excluded.seen_at THEN excluded.seen_at ELSE kept.seen_at END,
    ended = CASE WHEN kept.ended < excluded.ended THEN excluded.ended ELSE kept.ended END";

const LIVING: &str = "-- usage_watermarks.living
SELECT writer, upto, seen_at FROM usage_watermarks WHERE ended = 0 ORDER BY writer";

pub(super) const STALE_HOURS: &str = "-- usage_hours.stale
SELECT tenant, meter, hour FROM usage_hours WHERE stale = 1 AND hour < $1 ORDER BY hour, tenant, meter LIMIT $2";

/// The days of the tenants in a list.
pub(super) fn added_up_statement<E: Engine>() -> String {
    format!(
        "-- usage_days.added_up
SELECT tenant, totals FROM usage_days
WHERE tenant IN (SELECT given.tenant FROM {}) AND meter = $2 AND day >= $3 AND day < $4",
        watch::given::<E>()
    )
}

impl Cell for Hour {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        let number = u32::read(row, column)?;
        Self::from_number(number).ok_or_else(|| format!("{number} is no hour").into())
    }
}

impl<E: Engine> Database<E> {
    pub(super) async fn raise_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.attempt(|| async {
            let mut ledger = self.ledger("usage_sink.advance_watermark", Access::Count).await?;
            let raise = Statement::new(RAISE).bind(watermark.writer.as_uuid()).bind(watermark.upto.number());
            ledger.execute(raise.bind(watermark.seen_at).bind(i64::from(watermark.ended))).await?;
            ledger.commit().await
        })
        .await
    }

    pub(super) async fn living_watermarks(&self) -> StoreResult<Vec<Watermark>> {
        let mut ledger = self.ledger("usage_ledger.watermarks", Access::Read).await?;
        let rows = ledger.rows(Statement::new(LIVING)).await?;
        let watermark = |row: &_| {
            let cells = Cells::new(row, ledger.operation(), "usage_watermarks", "writer");
            let (writer, upto) = (cells.get("writer")?, cells.get::<Minute>("upto")?);
            Ok(Watermark { writer, upto, seen_at: cells.get("seen_at")?, ended: false })
        };
        rows.iter().map(watermark).collect()
    }

    pub(super) async fn added_up_days(
        &self,
        tenants: &[TenantId],
        meter: MeterId,
        from: Day,
        until: Day,
    ) -> StoreResult<Vec<u64>> {
        const OPERATION: &str = "usage_ledger.added_up";
        let mut ledger = self.ledger(OPERATION, Access::Read).await?;
        let statement = Statement::new(added_up_statement::<E>()).bind(watch::listed(OPERATION, tenants)?);
        let rows = ledger.rows(statement.bind(meter.as_str()).bind(from.number()).bind(until.number())).await?;
        let mut sums: HashMap<TenantId, Totals> = HashMap::new();
        for row in &rows {
            let cells = Cells::new(row, OPERATION, "usage_days", "tenant");
            sums.entry(cells.get("tenant")?).or_default().join(&cells.get("totals")?);
        }
        Ok(tenants.iter().map(|tenant| sums.get(tenant).map_or(0, Totals::sum)).collect())
    }

    pub(super) async fn hours_to_roll_up(&self, until: Hour, limit: usize) -> StoreResult<Vec<StaleHour>> {
        let mut ledger = self.ledger("usage_ledger.stale_hours", Access::Read).await?;
        let rows = ledger.rows(Statement::new(STALE_HOURS).bind(until.number()).bind(limit.clamp(1, 1000) as u64)).await?;
        let stale = |row: &_| {
            let cells = Cells::new(row, ledger.operation(), "usage_hours", "tenant");
            Ok(StaleHour { hour: cells.get("hour")?, tenant: cells.get::<TenantId>("tenant")?, meter: cells.get("meter")? })
        };
        rows.iter().map(stale).collect()
    }
}
