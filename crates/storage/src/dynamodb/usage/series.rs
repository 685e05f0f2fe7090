//! Sums: out of days and hours that are rolled up, and otherwise out of rows.

use std::collections::BTreeMap;

use togglebox_core::StoreResult;
use togglebox_metering::store::{Bucket, UsageQuery};
use togglebox_metering::{Day, Grain, Hour, Minute, Span, Totals};

use super::super::DynamoDb;
use super::super::patience::Patience;
use super::super::store::{Range, Wanted};
use super::borders::Border;
use super::hour::DayItem;
use super::key::{self, Metered};

const OPERATION: &str = "usage.series";

/// Totals by the first minute of their bucket.
type Sums = BTreeMap<Minute, Totals>;

/// The sums of a meter under way.
struct Reading<'r> {
    store: &'r DynamoDb,
    patience: Patience,
    of: Metered,
    border: Border,
    /// Whether rows were read, which may have been on their way out.
    rows: bool,
}

impl DynamoDb {
    pub(super) async fn usage_series(&self, of: Metered, query: &UsageQuery) -> StoreResult<Vec<Bucket>> {
        let mut patience = self.patience();
        let mut border = self.border(OPERATION, &mut patience, of).await?;
        loop {
            let mut reading = Reading { store: self, patience: self.patience(), of, border, rows: false };
            let sums = match query.grain() {
                Grain::Minute => reading.minutes(query.span()).await?,
                Grain::Hour => reading.hours(query.span()).await?,
                Grain::Day => reading.days(query.span()).await?,
            };
            // Rows go only after their hour was closed, so that those that were read before it was are whole.
            if reading.rows {
                let now = self.border(OPERATION, &mut patience, of).await?;
                if now.minutes != border.minutes {
                    border = now;
                    continue;
                }
            }
            return Ok(sums.iter().flat_map(|(start, totals)| query.buckets(*start, totals)).collect());
        }
    }
}

impl Reading<'_> {
    /// The minutes of a span that are kept.
    async fn minutes(&mut self, span: Span) -> StoreResult<Sums> {
        let mut sums = Sums::new();
        let Ok(kept) = Span::new(span.from().max(self.border.minutes), span.until()) else { return Ok(sums) };
        self.rows(kept, |minute| minute, &mut sums).await?;
        Ok(sums)
    }

    /// Adds rows up, each minute to where it belongs.
    async fn rows(&mut self, span: Span, start: impl Fn(Minute) -> Minute, sums: &mut Sums) -> StoreResult<()> {
        self.rows = true;
        let (first, last) = (span.from().hour(), span.until().minus(1).hour());
        // Nothing that follows the last hour's prefix is greater than this.
        let wanted = Wanted::Between(key::of_hour(first), format!("{}~", key::of_hour(last)));
        for row in self.store.rows(OPERATION, self.of, wanted).await? {
            for (minute, total) in row.minutes.iter().filter(|(minute, _)| span.contains(**minute)) {
                sums.entry(start(*minute)).or_default().add(row.labels.clone(), *total);
            }
        }
        Ok(())
    }

    /// The hours of a span, each out of its roll-up where that has everything, or all that is left.
    async fn hours(&mut self, span: Span) -> StoreResult<Sums> {
        let (first, last) = (span.from().hour(), span.until().minus(1).hour());
        let hours = self.store.hour_items(OPERATION, &mut self.patience, self.of, first, last).await?;
        let (mut sums, mut stale) = (Sums::new(), Vec::<(Hour, Hour)>::new());
        for (hour, item) in hours {
            if !item.stale {
                if hour.start() >= self.border.hours {
                    sums.insert(hour.start(), item.totals);
                }
                continue;
            }
            // Neighbours are read together.
            match stale.last_mut().filter(|(_, last)| last.number() + 1 == hour.number()) {
                Some((_, last)) => *last = hour,
                None => stale.push((hour, hour)),
            }
        }
        for (first, last) in stale {
            if let Ok(span) = Span::new(first.start(), last.span().until()) {
                self.rows(span, |minute| minute.floor(Grain::Hour), &mut sums).await?;
            }
        }
        Ok(sums)
    }

    /// The days of a span, each out of its sum unless one of its hours is stale.
    async fn days(&mut self, span: Span) -> StoreResult<Sums> {
        let (first, last) = (span.from().day(), span.until().minus(1).day());
        let wanted = Wanted::Between(key::day(self.of, first).sk, key::day(self.of, last).sk);
        let range = Range { wanted, ..Range::all(key::sums(self.of)) };
        let mut sums = Sums::new();
        for item in self.store.query(OPERATION, &mut self.patience, range).await? {
            let Some(day) = Day::from_number(super::number_of(&item, OPERATION)?) else { continue };
            let item = DayItem::read(&item, OPERATION)?;
            let totals = if item.stale == 0 { item.totals } else { self.day(day).await? };
            sums.insert(day.start(), totals);
        }
        Ok(sums)
    }

    /// A day out of its hours.
    async fn day(&mut self, day: Day) -> StoreResult<Totals> {
        let mut totals = Totals::default();
        for hour in self.hours(day.span()).await?.values() {
            totals.join(hour);
        }
        Ok(totals)
    }
}
