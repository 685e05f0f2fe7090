use togglebox_core::{AuditRecord, Cursor, Limit, PageRequest, StoreErrorKind, TenantId};

use super::ToggleStores;
use super::fixtures::{A, B, MANY, audit, flag, kind, parameter};
use super::lists::List;
use crate::Scope;

/// Cursors that were cut off anywhere, that are longer than they were, or of which one bit has changed, are refused.
pub async fn an_altered_cursor_is_refused(stores: &ToggleStores) {
    let place = with_histories(stores, A, "production").await;
    let lists = [List::flag(&place, "f"), List::parameter(&place, "f"), List::records(&place, "f").pop().unwrap()];
    for list in lists {
        let cursor = cursor(stores, A, &list).await;
        let whole = cursor.as_str();
        let mut altered: Vec<String> = (0..whole.len()).filter_map(|length| whole.get(..length)).map(str::to_owned).collect();
        altered.extend(["0", " ", "\u{0}"].map(|more| format!("{whole}{more}")));
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What is no text any more cannot even be asked for.
            altered.extend(String::from_utf8(bytes));
        }
        assert!(altered.len() > 4 * whole.len());
        for text in altered {
            assert_eq!(
                outcome(stores, A, &list, &Cursor::new(text.as_str())).await,
                Some(StoreErrorKind::InvalidCursor),
                "{text:?}"
            );
        }
    }
}

/// A cursor is good for the list that made it, and for no other: not of another tenant, place, key or kind, and not with another filter.
pub async fn a_cursor_is_refused_by_every_other_list(stores: &ToggleStores) {
    let mut lists = Vec::new();
    for tenant in [A, B] {
        for environment in ["production", "staging"] {
            let place = with_histories(stores, tenant, environment).await;
            for key in ["f", "g"] {
                for list in [List::flag(&place, key), List::parameter(&place, key)].into_iter().chain(List::records(&place, key))
                {
                    if !lists.contains(&(tenant, list.clone())) {
                        lists.push((tenant, list));
                    }
                }
            }
        }
    }
    for (tenant, list) in &lists {
        let cursor = cursor(stores, *tenant, list).await;
        for other in &lists {
            let expected = (*other != (*tenant, list.clone())).then_some(StoreErrorKind::InvalidCursor);
            assert_eq!(outcome(stores, other.0, &other.1, &cursor).await, expected, "{list:?} to {other:?}");
        }
    }
}

/// A flag or parameter that is deleted while its history is walked: the next page is the last one, and empty.
pub async fn a_history_that_is_deleted_ends_where_a_walk_stands(stores: &ToggleStores) {
    let place = with_histories(stores, A, "production").await;
    let (flag, parameter) = (List::flag(&place, "f"), List::parameter(&place, "f"));
    let cursors = [cursor(stores, A, &flag).await, cursor(stores, A, &parameter).await];
    let key = "f".parse().unwrap();
    let stands = stores.flags.find(A, &place, &key).await.unwrap().unwrap();
    stores.flags.delete(A, &place, &key, stands.revision, &audit("flag.delete", "f")).await.unwrap();
    let key = "f".parse().unwrap();
    let stands = stores.parameters.find(A, &place, &key).await.unwrap().unwrap();
    stores.parameters.delete(A, &place, &key, stands.revision, &audit("parameter.delete", "f")).await.unwrap();
    for (list, cursor) in [flag, parameter].into_iter().zip(cursors) {
        let page = list.page(stores, A, &PageRequest::first(1).after(Some(cursor))).await.unwrap();
        assert!(page.items.is_empty() && page.next.is_none(), "{list:?}");
    }
}

/// An environment with the flags and parameters `f` and `g`, each of two versions.
async fn with_histories(stores: &ToggleStores, tenant: TenantId, environment: &str) -> Scope {
    let place = stores.with_environment(tenant, "web", environment).await;
    for key in ["f", "g"] {
        let record = || AuditRecord {
            platform: Some(place.platform.to_string()),
            environment: Some(place.environment.to_string()),
            ..audit("any", key)
        };
        let (flag, parameter) = (flag(key, ""), parameter(key, ""));
        let first = stores.flags.create(tenant, &place, &flag, Limit::Unlimited, &record()).await.unwrap();
        stores.flags.append(tenant, &place, &flag, first.revision, &record()).await.unwrap();
        let first = stores.parameters.create(tenant, &place, &parameter, MANY, Limit::Unlimited, &record()).await.unwrap();
        stores.parameters.append(tenant, &place, &parameter, first.revision, &record()).await.unwrap();
    }
    place
}

/// Of the second page.
async fn cursor(stores: &ToggleStores, tenant: TenantId, list: &List) -> Cursor {
    list.page(stores, tenant, &PageRequest::first(1)).await.unwrap().next.unwrap()
}

/// Why a cursor was refused; `None` when it was taken.
async fn outcome(stores: &ToggleStores, tenant: TenantId, list: &List, cursor: &Cursor) -> Option<StoreErrorKind> {
    let page = list.page(stores, tenant, &PageRequest::first(1).after(Some(cursor.clone()))).await;
    page.is_err().then(|| kind(page))
}
