//! Adding batches: those of many tenants in one transaction, with statements of many rows.
//!
//! What adds up is added up before it is sent, so that a statement names no row twice; and its rows are in the order of their keys.

use std::collections::HashSet;
use std::time::Duration;

use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{Delta, StatisticsBatch};
use uuid::Uuid;

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Access, Engine, Kind};
use super::super::look::Look;
use super::super::rows::{self, Columns};
use super::super::statement::{Argument, Statement};
use super::sums::Sums;
use super::things::Things;

/// For how long a batch that is sent again is recognised: the promised day, and an hour for clocks that differ.
const REMEMBERED: Duration = Duration::from_hours(25);

/// How many batches a transaction takes at most: on PostgreSQL it holds two locks for each tenant.
const MOST_BATCHES: usize = 100;
/// How much batches may weigh of which a transaction takes more than one.
const MOST_ENTRIES: usize = 4_000;

const BATCH: Columns = &[("tenant", Kind::Uuid), ("id", Kind::Uuid), ("at", Kind::Int)];

fn remember_statement<E: Engine>() -> String {
    format!(
        "-- statistics.remember_batches
INSERT INTO statistics_batches (tenant, id, at) {}
ON CONFLICT (tenant, id) DO NOTHING RETURNING tenant, id",
        rows::given::<E>(BATCH)
    )
}

pub(super) fn forget_statement<E: Engine>() -> String {
    format!(
        "-- statistics.forget_batches
DELETE FROM statistics_batches WHERE tenant IN (SELECT given.tenant FROM {}) AND at < $2",
        E::given(1, &[("tenant", Kind::Uuid)])
    )
}

/// A batch, and whose it is.
type Of<'a> = (TenantId, &'a StatisticsBatch);

impl<E: Engine> Database<E> {
    pub(super) async fn record_batch(&self, tenant: TenantId, batch: &StatisticsBatch) -> StoreResult<()> {
        const OPERATION: &str = "statistics.record";
        self.attempt(|| async {
            add(Look::<E>::of(self.engine.begin(tenant, Access::Count).await, OPERATION)?, &[(tenant, batch)]).await
        })
        .await
    }

    /// Records the first of these batches, as many as fit a transaction; says how many.
    pub(super) async fn record_batches(&self, batches: &[(TenantId, StatisticsBatch)]) -> StoreResult<usize> {
        const OPERATION: &str = "statistics.record_together";
        let fitting = &batches[..fitting(batches)];
        if let [(tenant, batch)] = fitting {
            return self.record_batch(*tenant, batch).await.map(|()| 1);
        }
        let mut tenants: Vec<TenantId> = Vec::new();
        for (tenant, _) in fitting {
            if !tenants.contains(tenant) {
                tenants.push(*tenant);
            }
        }
        if tenants.is_empty() {
            return Ok(0);
        }
        self.attempt(|| async {
            let begun = self.engine.begin_together(&tenants).await;
            let held = begun.as_ref().map_or(0, |(_, held)| *held);
            let call = Look::<E>::of(begun.map(|(session, _)| session), OPERATION)?;
            let taken = fitting.iter().take_while(|(tenant, _)| tenants[..held].contains(tenant));
            let taken: Vec<Of<'_>> = taken.map(|(tenant, batch)| (*tenant, batch)).collect();
            add(call, &taken).await?;
            Ok(taken.len())
        })
        .await
    }
}

/// How many of the first batches fit a transaction: one in any case.
fn fitting(batches: &[(TenantId, StatisticsBatch)]) -> usize {
    let mut entries = 0;
    let fits = |(place, (_, batch)): &(usize, &(TenantId, StatisticsBatch))| {
        entries += batch.entries();
        *place == 0 || entries <= MOST_ENTRIES
    };
    batches.iter().take(MOST_BATCHES).enumerate().take_while(fits).count()
}

async fn add<E: Engine>(mut call: Look<E>, batches: &[Of<'_>]) -> StoreResult<()> {
    let new = remember(&mut call, batches).await?;
    let Some(oldest) = new.iter().map(|(_, batch)| batch.at).min() else { return Ok(()) };
    forget(&mut call, &new, oldest.minus(REMEMBERED)).await?;
    let things = Things::find(&mut call, &new).await?;
    let mut sums = Sums::default();
    for (tenant, batch) in &new {
        for scoped in &batch.deltas {
            let Some(thing) = things.of(*tenant, scoped) else { continue };
            match &scoped.delta {
                Delta::Parameter { fetches, last_at, clients, .. } => {
                    sums.add_fetches(thing, *fetches, *last_at);
                    sums.clients.add(thing, None, clients, batch.at);
                }
                Delta::Flag { day, country, served_a, served_b, last_at, .. } => {
                    sums.add_evaluations(thing, day, country.as_deref(), [*served_a, *served_b], *last_at);
                }
                Delta::FlagUsers { side, users, .. } => sums.users.add(thing, Some(side.as_str()), users, batch.at),
                Delta::Exposure { variation, day, exposures, subjects, last_at, .. } => {
                    sums.outcomes.add_exposures(thing, variation.as_str(), day, *exposures, subjects, *last_at);
                }
                Delta::Conversion { variation, metric, day, subjects, last_at, .. } => {
                    sums.outcomes.add_conversions(thing, variation.as_str(), metric, day, subjects, *last_at);
                }
                // A kind that is added to the port must be added here, too.
                _ => return Err(unknown(call.operation())),
            }
        }
    }
    sums.put(&mut call).await?;
    call.commit().await
}

/// What is said of a kind of delta that this program does not know.
pub(super) const fn unknown(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Refused("unknown-delta"), operation)
}

/// Remembers batches; answers those that were not known, each once.
async fn remember<'a, E: Engine>(call: &mut Look<E>, batches: &[Of<'a>]) -> StoreResult<Vec<Of<'a>>> {
    let mut given: Vec<(TenantId, Uuid, Timestamp)> = batches.iter().map(|(of, batch)| (*of, batch.id, batch.at)).collect();
    given.sort_unstable();
    let given: Vec<[Argument; 3]> = given.into_iter().map(|(of, id, at)| [of.into(), id.into(), at.into()]).collect();
    let given = rows::list::<E>(call.operation(), BATCH, &given)?;
    let mut new = HashSet::new();
    for row in call.rows(Statement::new(remember_statement::<E>()).bind(given)).await? {
        let cells = Cells::new(&row, call.operation(), "statistics_batches", "id");
        new.insert((cells.get::<TenantId>("tenant")?, cells.get::<Uuid>("id")?));
    }
    // Taken out as they are found: one that is given twice is new only once.
    Ok(batches.iter().filter(|(of, batch)| new.remove(&(*of, batch.id))).copied().collect())
}

async fn forget<E: Engine>(call: &mut Look<E>, batches: &[Of<'_>], before: Timestamp) -> StoreResult<()> {
    let mut tenants: Vec<TenantId> = batches.iter().map(|(tenant, _)| *tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let given: Vec<[Argument; 1]> = tenants.into_iter().map(|tenant| [tenant.into()]).collect();
    let given = rows::list::<E>(call.operation(), &[("tenant", Kind::Uuid)], &given)?;
    call.execute(Statement::new(forget_statement::<E>()).bind(given).bind(before)).await.map(drop)
}
