//! Lists of ten thousand: what their pages cost, and that walks see them whole.
//!
//! The items are put into the table as the adapter writes them, but without a transaction for each version; and of the lists of the audit
//! log there are those with the shortest and the longest filter. All of it would take a server that is not made for speed minutes.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt as _, stream};
use togglebox_core::{AuditFilter, AuditLog, Page, PageRequest, StoreResult};
use togglebox_toggles::Parameter;
use togglebox_toggles::store::{FlagStore, ParameterStore};
use togglebox_toggles::testkit::{LongHistories, ToggleStores};

use super::*;
use crate::dynamodb::action::{Action, Condition};
use crate::dynamodb::item::Item;
use crate::dynamodb::key::{self, Key, Kind};
use crate::dynamodb::record::version_key;
use crate::dynamodb::{audit as log, flags, parameters};

const OPERATION: &str = "test";
/// Items of one request; the service takes no more.
const BATCH: usize = 25;
/// Requests under way at once.
const AT_ONCE: usize = 8;
/// Items of a page.
const PAGE: usize = 20;

/// Whether an audit log with this filter is looked at.
fn is_chosen(filter: &AuditFilter) -> bool {
    let parts = [&filter.platform, &filter.environment, &filter.target];
    parts.iter().all(|part| part.is_some()) || parts.iter().all(|part| part.is_none())
}

fn put(actions: impl IntoIterator<Item = Action>) -> impl Iterator<Item = Item> {
    actions.into_iter().map(|action| match action {
        Action::Put { item, .. } => item,
        other => panic!("{other:?} is more than an item"),
    })
}

/// The items of everything but the first versions, as appending one version after the other would have left them; but that neither
/// the environment nor its records have counted.
async fn missing(store: &DynamoDb, histories: &LongHistories) -> Vec<Item> {
    let LongHistories { tenant, place: scope, .. } = histories;
    let (tenant, mut patience) = (*tenant, store.patience());
    let mut items = Vec::new();

    let key = &histories.flags[0].key;
    let found = store.find_record(OPERATION, &mut patience, tenant, scope, Kind::Flag, key.as_str()).await.unwrap().unwrap();
    let (environment, incarnation) = (found.place.incarnation, found.incarnation(OPERATION).unwrap());
    let revision = flags::flag_of(&found.item, true, OPERATION).unwrap().revision;
    let history = key::history(tenant, environment, Kind::Flag, key.as_str(), incarnation);
    let (active, retired) = histories.flags.split_last().unwrap();
    let active = togglebox_toggles::Flag { revision, ..active.clone() };
    let head = key::record(tenant, environment, Kind::Flag, key.as_str());
    items.push(flags::item_of(&head, &active, incarnation, OPERATION).unwrap());
    for flag in retired {
        let key = version_key(&history, flag.version.patch());
        items.push(flags::item_of(&key, flag, incarnation, OPERATION).unwrap());
    }

    let key = &histories.parameters[0].key;
    let found = store.find_record(OPERATION, &mut patience, tenant, scope, Kind::Parameter, key.as_str()).await.unwrap().unwrap();
    let incarnation = found.incarnation(OPERATION).unwrap();
    let revision = parameters::parameter_of(&found.item, OPERATION).unwrap().revision;
    let active = histories.parameters.last().unwrap().clone();
    let parameter = Parameter { latest_version: active.version, active, revision };
    items.extend(put([parameters::put(tenant, environment, &parameter, incarnation, Condition::none(), OPERATION).unwrap()]));
    for version in &histories.parameters[1..] {
        items.extend(put([parameters::add_version(tenant, environment, version, incarnation, OPERATION).unwrap()]));
    }

    for records in [&histories.records_of_flag, &histories.records_of_parameter] {
        for (n, record) in (1..).zip(&records[1..]) {
            let lists: Vec<String> = key::audit_filters(record)
                .iter()
                .filter(|filter| !is_chosen(filter))
                .map(|filter| key::audit_list(tenant, filter))
                .collect();
            let written = put(log::actions(OPERATION, tenant, record, Revision::new(n)).unwrap());
            items.extend(written.filter(|item| !lists.contains(&Key::of(item).unwrap().pk)));
        }
    }
    items
}

async fn write(client: &Client, table: &str, items: Vec<Item>) {
    let put = |item: &Item| {
        let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let batches: Vec<Vec<WriteRequest>> = items.chunks(BATCH).map(|items| items.iter().map(put).collect()).collect();
    let writes = stream::iter(batches).map(|batch| {
        let write = client.batch_write_item().request_items(table, batch);
        tokio::spawn(async move {
            let left = write.send().await.unwrap().unprocessed_items.unwrap_or_default();
            assert!(left.is_empty(), "nothing throttles here: {left:?}");
        })
    });
    writes.buffer_unordered(AT_ONCE).for_each(|written| async move { written.unwrap() }).await;
}

/// What a page at the front of a list costs, and one after a thousand.
async fn costs<T>(store: &DynamoDb, page: impl AsyncFn(PageRequest) -> StoreResult<Page<T>>) -> [f64; 2] {
    let skipped = page(PageRequest::first(PageRequest::MAX_LIMIT)).await.unwrap().next.unwrap();
    let mut costs = [0.0; 2];
    for (cost, cursor) in costs.iter_mut().zip([None, Some(skipped)]) {
        let before = store.capacity().read;
        assert_eq!(page(PageRequest::first(PAGE).after(cursor)).await.unwrap().items.len(), PAGE);
        *cost = store.capacity().read - before;
    }
    costs
}

async fn pages_cost_what_they_show(store: &DynamoDb, histories: &LongHistories) {
    let LongHistories { tenant, place, .. } = histories;
    let flag = async |page| FlagStore::versions(store, *tenant, place, &histories.flags[0].key, &page).await;
    let parameter = async |page| ParameterStore::versions(store, *tenant, place, &histories.parameters[0].key, &page).await;
    for cost in [costs(store, flag).await, costs(store, parameter).await].concat() {
        // The platform, the environment and the record; versions of a few hundred bytes, which count together.
        assert!((1.0..=8.0).contains(&cost), "{cost}");
    }
    let mut all = AuditFilter::default();
    (all.platform, all.environment) = (Some(place.platform.to_string()), Some(place.environment.to_string()));
    all.target = Some(histories.flags[0].key.to_string());
    for filter in [AuditFilter::default(), all] {
        assert!(is_chosen(&filter));
        for cost in costs(store, async |page| AuditLog::list(store, *tenant, &filter, &page).await).await {
            // A unit for each record, and one for the entries of all.
            assert!((20.0..=22.0).contains(&cost), "{filter:?}: {cost}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_are_walked_whole_while_others_write_and_pages_cost_what_they_show() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    let stores = ToggleStores::over(&Arc::new(store.clone()));
    let histories = LongHistories::begin(&stores).await;
    let items = missing(&store, &histories).await;
    write(&Client::from_conf(at(&endpoint).build()), &table, items).await;
    pages_cost_what_they_show(&store, &histories).await;
    histories.are_walked_whole_while_others_write(&stores, is_chosen).await;
}
