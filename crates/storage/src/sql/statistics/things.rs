//! Which of the things that batches are about exist.

use std::collections::{BTreeSet, HashMap};

use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{Delta, ScopedDelta, StatisticsBatch};
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::engine::{Engine, Kind};
use super::super::look::Look;
use super::super::rows::{self, Columns};
use super::super::statement::{Argument, Statement};
use super::intake::unknown;

/// A thing that exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Thing<'a> {
    tenant: TenantId,
    environment: Uuid,
    key: &'a str,
}

impl Thing<'_> {
    pub(super) const fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(super) const fn environment(&self) -> Uuid {
        self.environment
    }

    pub(super) const fn key(&self) -> &str {
        self.key
    }

    /// The columns that rows about this thing begin with.
    pub(super) fn cells(self) -> [Argument; 3] {
        [self.tenant.into(), self.environment.into(), self.key.into()]
    }
}

/// The table that a thing is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    Parameters,
    Flags,
    Experiments,
}

impl Table {
    pub(super) const ALL: [Self; 3] = [Self::Parameters, Self::Flags, Self::Experiments];

    const fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Flags => "flags",
            Self::Experiments => "experiments",
        }
    }
}

/// What a delta is about.
fn about(delta: &Delta) -> Option<(Table, &str)> {
    match delta {
        Delta::Parameter { key, .. } => Some((Table::Parameters, key.as_str())),
        Delta::Flag { key, .. } | Delta::FlagUsers { key, .. } => Some((Table::Flags, key.as_str())),
        Delta::Exposure { key, .. } | Delta::Conversion { key, .. } => Some((Table::Experiments, key.as_str())),
        _ => None,
    }
}

const NAMED: Columns =
    &[("place", Kind::Int), ("tenant", Kind::Uuid), ("platform", Kind::Text), ("name", Kind::Text), ("key", Kind::Text)];

/// The environments of the things in a list, by their places in it; nothing where there is no such thing. A scalar query for each, since of a
/// join a planner may take the other side first.
pub(super) fn existing_statement<E: Engine>(table: Table) -> String {
    let table = table.name();
    format!(
        "-- statistics.existing_{table}
SELECT given.place, (
    SELECT e.id FROM environments AS e
    JOIN {table} AS kept ON kept.tenant = e.tenant AND kept.environment = e.id AND kept.key = given.key
    WHERE e.tenant = given.tenant AND e.platform = given.platform AND e.name = given.name
) AS environment FROM {}",
        E::given(1, NAMED)
    )
}

/// A thing by the names that a delta gives.
type Named<'a> = (Table, TenantId, &'a Scope, &'a str);

/// The things that batches are about, as far as they exist.
pub(super) struct Things<'a>(HashMap<Named<'a>, Uuid>);

impl<'a> Things<'a> {
    /// Looks up, a table at a time, what batches are about.
    pub(super) async fn find<E: Engine>(call: &mut Look<E>, batches: &[(TenantId, &'a StatisticsBatch)]) -> StoreResult<Self> {
        let mut named: BTreeSet<Named<'a>> = BTreeSet::new();
        for (tenant, batch) in batches {
            for ScopedDelta { scope, delta } in &batch.deltas {
                let (table, key) = about(delta).ok_or_else(|| unknown(call.operation()))?;
                named.insert((table, *tenant, scope, key));
            }
        }
        let mut found = HashMap::new();
        for table in Table::ALL {
            let of_table: Vec<Named<'a>> = named.iter().filter(|(of, ..)| *of == table).copied().collect();
            for part in of_table.chunks(rows::MOST) {
                find(call, table, part, &mut found).await?;
            }
        }
        Ok(Self(found))
    }

    /// What a delta is about, if it exists.
    pub(super) fn of(&self, tenant: TenantId, scoped: &'a ScopedDelta) -> Option<Thing<'a>> {
        let (table, key) = about(&scoped.delta)?;
        let environment = *self.0.get(&(table, tenant, &scoped.scope, key))?;
        Some(Thing { tenant, environment, key })
    }
}

async fn find<'a, E: Engine>(
    call: &mut Look<E>,
    table: Table,
    named: &[Named<'a>],
    found: &mut HashMap<Named<'a>, Uuid>,
) -> StoreResult<()> {
    let given = (0_u32..).zip(named).map(|(place, (_, tenant, scope, key))| -> [Argument; 5] {
        [place.into(), (*tenant).into(), scope.platform.as_str().into(), scope.environment.as_str().into(), (*key).into()]
    });
    let given = rows::list::<E>(call.operation(), NAMED, &given.collect::<Vec<_>>())?;
    for row in call.rows(Statement::new(existing_statement::<E>(table)).bind(given)).await? {
        let cells = Cells::new(&row, call.operation(), "environments", "environment");
        if let (Some(environment), place) = (cells.get("environment")?, cells.get::<u32>("place")?)
            && let Some(named) = named.get(place as usize)
        {
            found.insert(*named, environment);
        }
    }
    Ok(())
}
