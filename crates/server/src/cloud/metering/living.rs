//! Usage of workspaces that have ended is not counted any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::{MergeReport, UsageSink};
use togglebox_metering::{Cell, Watermark};
use togglebox_multitenancy::store::TenantDirectory;

/// Stands before a store, and lets the usage of workspaces through that have not ended. What a node counted before it was killed is found by
/// the next one in its folder, at whatever time: a workspace may have been purged until then, and what came to it would stay for ever.
#[derive(Debug)]
pub(super) struct OfTheLiving {
    sink: Arc<dyn UsageSink>,
    directory: Arc<dyn TenantDirectory>,
}

impl OfTheLiving {
    pub(super) const fn new(sink: Arc<dyn UsageSink>, directory: Arc<dyn TenantDirectory>) -> Self {
        Self { sink, directory }
    }
}

#[async_trait]
impl UsageSink for OfTheLiving {
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        let tenants: BTreeSet<TenantId> = cells.iter().map(|cell| cell.tenant).collect();
        let ended = self.directory.ended(&tenants.into_iter().collect::<Vec<_>>()).await?;
        if ended.is_empty() {
            return self.sink.merge_cells(cells).await;
        }
        let living = cells.iter().enumerate().filter(|(_, cell)| !ended.contains(&cell.tenant));
        let (places, living): (Vec<usize>, Vec<Cell>) = living.map(|(place, cell)| (place, cell.clone())).unzip();
        let dropped = cells.len() - living.len();
        let ids = ended.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        tracing::warn!(
            workspaces = ended.len(),
            cells = dropped,
            ids,
            "Usage is dropped of workspaces that were purged meanwhile, or that this database never had"
        );
        let report = self.sink.merge_cells(&living).await?;
        let late = report.late.iter().filter_map(|place| places.get(*place).copied()).collect();
        // As with those that the store has: nothing is to be done about them.
        Ok(MergeReport { known: report.known + dropped, late, ..report })
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.sink.advance_watermark(watermark).await
    }
}

#[cfg(test)]
mod tests {
    use togglebox_core::{EntropyExt as _, OsEntropy, Timestamp};
    use togglebox_metering::store::{Prune, UsageLedger as _, UsageQuery, UsageStore as _};
    use togglebox_metering::{Grain, MeterId, Minute, Series, Span, WriterId};
    use togglebox_storage::Sqlite;

    use super::super::super::testing::Place;
    use super::*;

    #[tokio::test]
    async fn usage_of_the_living_is_counted_and_told_in_its_places() {
        let place = Place::new().await;
        let (living, meter, writer) =
            (place.workspace("acme").await.id, "api.requests".parse::<MeterId>().unwrap(), WriterId::random(&OsEntropy));
        let nobody = TenantId::from_uuid(OsEntropy.uuid());
        let cell = |tenant, minute, total| Cell {
            tenant,
            series: Series::plain(meter),
            minute: Minute::from_number(minute),
            writer,
            total,
        };
        let sink = OfTheLiving::new(Arc::<Sqlite>::clone(&place.store), Arc::<Sqlite>::clone(&place.store));
        place.store.prune(Prune::Minutes, Minute::from_number(60), 10).await.unwrap();
        let cells = [cell(nobody, 70, 5), cell(living, 70, 2), cell(nobody, 10, 1), cell(living, 10, 4)];
        let report = sink.merge_cells(&cells).await.unwrap();
        assert_eq!(report, MergeReport { news: 1, known: 2, late: vec![3] });
        let sums = async |tenant| {
            let span = Span::new(Minute::from_number(0), Minute::from_number(1440)).unwrap();
            let query = UsageQuery::new(meter, span, Grain::Day).unwrap();
            place.store.series(tenant, &query).await.unwrap().iter().map(|bucket| bucket.total).sum::<u64>()
        };
        assert_eq!((sums(living).await, sums(nobody).await), (2, 0));
        let mark = Watermark { writer, upto: Minute::from_number(70), seen_at: Timestamp::EPOCH, ended: false };
        sink.advance_watermark(&mark).await.unwrap();
        assert_eq!(place.store.watermarks().await.unwrap(), [mark]);
    }
}
