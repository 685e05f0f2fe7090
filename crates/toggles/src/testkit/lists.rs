//! Every list that goes on by cursor, looked at as lists of one kind.

use serde_json::{Value, json};
use togglebox_core::{AuditFilter, AuditRecord, Page, PageRequest, StoreResult, TenantId};

use super::ToggleStores;
use crate::{Flag, FlagKey, ParameterKey, ParameterVersion, Scope};

/// A list that goes on by cursor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum List {
    Flag(Scope, FlagKey),
    Parameter(Scope, ParameterKey),
    Records(AuditFilter),
}

/// What a list shows.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// Lists begin with the highest.
    pub(super) rank: i64,
    pub(super) id: u128,
    pub(super) says: Value,
}

impl List {
    pub(super) fn flag(place: &Scope, key: &str) -> Self {
        Self::Flag(place.clone(), key.parse().unwrap())
    }

    pub(super) fn parameter(place: &Scope, key: &str) -> Self {
        Self::Parameter(place.clone(), key.parse().unwrap())
    }

    /// The audit log with every kind of filter that finds records of a key in a place.
    pub(super) fn records(place: &Scope, key: &str) -> Vec<Self> {
        let list = |kind: u8| {
            let given = |bit: u8, text: &str| (kind & bit != 0).then(|| text.to_owned());
            let mut filter = AuditFilter::default();
            filter.platform = given(1, place.platform.as_str());
            filter.environment = given(2, place.environment.as_str());
            filter.target = given(4, key);
            Self::Records(filter)
        };
        (0..8).map(list).collect()
    }

    pub(super) async fn page(&self, stores: &ToggleStores, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Item>> {
        Ok(match self {
            Self::Flag(place, key) => shown(stores.flags.versions(tenant, place, key, page).await?, Item::of_flag),
            Self::Parameter(place, key) => shown(stores.parameters.versions(tenant, place, key, page).await?, Item::of_parameter),
            Self::Records(filter) => shown(stores.audit.list(tenant, filter, page).await?, Item::of_record),
        })
    }
}

impl Item {
    pub(super) fn of_flag(flag: &Flag) -> Self {
        Self::numbered(flag.version.patch(), json!({ "key": flag.key, "text": flag.definition.name }))
    }

    pub(super) fn of_parameter(parameter: &ParameterVersion) -> Self {
        Self::numbered(parameter.version, json!({ "key": parameter.key, "text": parameter.definition.default_value }))
    }

    pub(super) fn of_record(record: &AuditRecord) -> Self {
        Self { rank: record.at.as_ms(), id: record.id.as_u128(), says: serde_json::to_value(record).unwrap() }
    }

    fn numbered(number: u64, says: Value) -> Self {
        Self { rank: i64::try_from(number).unwrap(), id: number.into(), says }
    }
}

fn shown<T>(page: Page<T>, item: impl Fn(&T) -> Item) -> Page<Item> {
    Page { items: page.items.iter().map(item).collect(), next: page.next }
}
