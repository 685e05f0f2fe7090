//! What other services report, each event with an id of its own: claimed and counted in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_metering::store::{AHEAD, check_events};
use togglebox_metering::{Cell as UsageCell, Ingested, Minute, Rejection, Series, UsageEvent, WriterId};

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::{Engine, Kind};
use super::Borders;
use super::cells::{Given, hours_of, mark_statement, raise_statement};

/// The ids of a list that are claimed. A scalar query for each, since of a join a planner may take the other side first: then it reads all
/// that a tenant has, and the list again for every row of it.
pub(super) fn claimed_statement<E: Engine>() -> String {
    format!(
        "-- usage_events.claimed
SELECT given.source, given.id FROM {}
WHERE (SELECT kept.minute FROM usage_events AS kept WHERE kept.tenant = $1 AND kept.source = given.source AND kept.id = given.id) >= 0",
        E::given(2, &[("source", Kind::Text), ("id", Kind::Text)])
    )
}

fn claim_statement<E: Engine>() -> String {
    format!(
        "-- usage_events.claim
INSERT INTO usage_events (tenant, source, id, minute) SELECT $1, given.source, given.id, given.minute FROM {} WHERE true",
        E::given(2, &[("source", Kind::Text), ("id", Kind::Text), ("minute", Kind::Int)])
    )
}

/// What events have come to in the minutes and series of a list; nothing where there were none yet.
pub(super) fn totals_statement<E: Engine>() -> String {
    format!(
        "-- usage_cells.totals_of_events
SELECT given.meter, given.minute, given.labels, (
    SELECT kept.total FROM usage_cells AS kept
    WHERE kept.tenant = $1 AND kept.meter = given.meter AND kept.minute = given.minute AND kept.labels = given.labels AND kept.writer = $3
) AS total FROM {}",
        E::given(2, &[("meter", Kind::Text), ("minute", Kind::Int), ("labels", Kind::Text)])
    )
}

#[derive(Serialize)]
struct GivenEvent<'a> {
    source: &'a str,
    id: &'a str,
    minute: u32,
}

/// Where an event counts.
type Place = (Minute, Series);

fn place(event: &UsageEvent) -> Place {
    (event.minute(), event.series().clone())
}

/// Events of a tenant on their way into the tables.
struct Intake<E: Engine> {
    call: Call<E>,
    borders: Borders,
    claimed: HashSet<(String, String)>,
    totals: BTreeMap<Place, u64>,
    raised: BTreeSet<Place>,
    new: Vec<usize>,
}

impl<E: Engine> Database<E> {
    pub(super) async fn ingest_events(
        &self,
        tenant: TenantId,
        events: &[UsageEvent],
        now: Timestamp,
    ) -> StoreResult<Vec<Ingested>> {
        const OPERATION: &str = "usage.ingest";
        check_events(events, OPERATION)?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.attempt(|| async {
            let mut intake = Intake::begin(self.metering(OPERATION, tenant).await?, events).await?;
            let answers = events.iter().enumerate().map(|(place, event)| intake.take(place, event, now)).collect();
            intake.finish(events).await?;
            Ok(answers)
        })
        .await
    }
}

impl<E: Engine> Intake<E> {
    /// Looks up what is known of the events. Nobody else takes any in of this tenant until the end.
    async fn begin(mut call: Call<E>, events: &[UsageEvent]) -> StoreResult<Self> {
        let borders = Borders::find(&mut call).await?;
        let ids =
            events.iter().map(|event| GivenEvent { source: event.source(), id: event.id(), minute: event.minute().number() });
        let ids = call.json(&ids.collect::<Vec<_>>())?;
        let mut claimed = HashSet::new();
        for row in call.rows(call.statement(claimed_statement::<E>()).bind(ids)).await? {
            let cells = Cells::new(&row, call.operation(), "usage_events", "id");
            claimed.insert((cells.get("source")?, cells.get("id")?));
        }
        let places: BTreeSet<Place> = events.iter().map(place).collect();
        let given = places.iter().map(|place| given(call.tenant(), place, 0)).collect::<Vec<_>>();
        let (given, mut totals) = (call.json(&given)?, BTreeMap::new());
        let find = call.statement(totals_statement::<E>()).bind(given).bind(WriterId::events(0).as_uuid());
        for row in call.rows(find).await? {
            let cells = Cells::new(&row, call.operation(), "usage_cells", "labels");
            let Some(total) = cells.get("total")? else { continue };
            let series = Series { meter: cells.get("meter")?, labels: cells.get("labels")? };
            totals.insert((cells.get("minute")?, series), total);
        }
        Ok(Self { call, borders, claimed, totals, raised: BTreeSet::new(), new: Vec::new() })
    }

    fn take(&mut self, number: usize, event: &UsageEvent, now: Timestamp) -> Ingested {
        let id = (event.source().to_owned(), event.id().to_owned());
        if self.claimed.contains(&id) {
            return Ingested::Duplicate;
        }
        if event.minute() < self.borders.minutes {
            return Ingested::Rejected(Rejection::TooLate { from: self.borders.minutes });
        }
        if event.minute().start() > now.plus(AHEAD) {
            return Ingested::Rejected(Rejection::Ahead);
        }
        let total = self.totals.entry(place(event)).or_default();
        match total.checked_add(event.quantity()).filter(|total| *total <= UsageCell::MOST) {
            None => return Ingested::Rejected(Rejection::Overflow),
            Some(sum) => *total = sum,
        }
        self.raised.insert(place(event));
        self.claimed.insert(id);
        self.new.push(number);
        Ingested::New
    }

    async fn finish(mut self, events: &[UsageEvent]) -> StoreResult<()> {
        if self.new.is_empty() {
            return Ok(());
        }
        let new = self.new.iter().filter_map(|number| events.get(*number));
        let new = new.map(|event| GivenEvent { source: event.source(), id: event.id(), minute: event.minute().number() });
        let new = self.call.json(&new.collect::<Vec<_>>())?;
        self.call.execute(self.call.statement(claim_statement::<E>()).bind(new)).await?;

        let tenant = self.call.tenant();
        let mut raised: Vec<_> = self.raised.iter().map(|place| given(tenant, place, self.totals[place])).collect();
        raised.sort_by_key(|given| (given.meter, given.minute, given.labels));
        let raised = self.call.json(&raised)?;
        let rows = self.call.rows(super::Statement::new(raise_statement::<E>()).bind(raised)).await?;
        let mut hours = BTreeSet::new();
        hours_of(&rows, self.call.operation(), &mut hours)?;
        let hours = self.call.json(&hours)?;
        self.call.execute(super::Statement::new(mark_statement::<E>()).bind(hours)).await?;
        self.call.commit().await
    }
}

fn given(tenant: TenantId, (minute, series): &Place, total: u64) -> Given<'_> {
    Given {
        tenant: *tenant.as_uuid(),
        meter: series.meter.as_str(),
        minute: minute.number(),
        labels: series.labels.as_str(),
        writer: WriterId::events(0).as_uuid(),
        total,
    }
}
