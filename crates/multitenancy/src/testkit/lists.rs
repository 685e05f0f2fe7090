//! Promises about lists.

use togglebox_core::{Cursor, Page, PageRequest, StoreErrorKind};

use super::TenancyStores;
use super::fixtures::{A, audit, id, kind, owner_id, subdomain, tenant, tenant_id, user_id};
use crate::store::TenantFilter;
use crate::{MemberRole, Reason, Step, Tenant, TenantName, TenantStatus};

/// The first `limit` after `cursor`.
fn next(limit: usize, cursor: Option<Cursor>) -> PageRequest {
    PageRequest::first(limit).after(cursor)
}

/// In the order in which they came, then by user or id; a page says whether more follow.
pub async fn members_and_invitations_are_listed_in_order_by_page(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    for n in [3, 1, 4, 2] {
        stores.with_member(A, n, MemberRole::Viewer).await;
    }
    let mut expected = vec![user_id(1), user_id(2), user_id(3), user_id(4)];
    expected.insert(0, owner_id(1)); // Joined at second 1 too, and its id comes first.
    for limit in [1, 2, 5, 100] {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = stores.members.list(A, &next(limit, cursor)).await.unwrap();
            assert!(page.items.len() == limit || page.next.is_none(), "a page is full, or the last");
            seen.extend(page.items.into_iter().map(|member| member.user));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{limit} at a time");
    }
    for n in [7, 5, 6] {
        stores.with_invitation(A, n, MemberRole::Viewer).await;
    }
    let first = stores.invitations.list(A, &next(2, None)).await.unwrap();
    let rest = stores.invitations.list(A, &next(2, first.next.clone())).await.unwrap();
    let seen: Vec<_> = first.items.into_iter().chain(rest.items).map(|invitation| invitation.id).collect();
    assert_eq!((seen, rest.next), (vec![id(0x305), id(0x306), id(0x307)], None));
}

/// By status, by plan, by a part of subdomain or name in whatever case, and by all of them.
pub async fn tenants_are_listed_by_subdomain_and_filtered(stores: &TenancyStores) {
    let kinds = [
        (1, "delta", "Acme One", "free"),
        (2, "alpha", "Other", "pro"),
        (3, "bravo-acme", "Third_%", "free"),
        (4, "charlie", "ÄCME Söhne", "pro"),
    ];
    for (n, label, name, plan) in kinds {
        let given = Tenant {
            subdomain: subdomain(label),
            name: TenantName::new(name).unwrap(),
            plan: plan.parse().unwrap(),
            ..tenant(n)
        };
        let given = stores.with(given, n).await;
        if n == 4 {
            stores.step(&given, &Step::Suspend(Reason::new("abuse").unwrap()), 1).await;
        }
    }
    let listed = async |filter: TenantFilter, limit| {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = stores.directory.list(&filter, &next(limit, cursor)).await.unwrap();
            seen.extend(page.items.into_iter().map(|tenant| tenant.subdomain.to_string()));
            cursor = page.next;
            if cursor.is_none() {
                return seen;
            }
        }
    };
    let holds = |text: &str| TenantFilter { holds: Some(text.to_owned()), ..TenantFilter::default() };
    let free = TenantFilter { plan: Some("free".parse().unwrap()), ..TenantFilter::default() };
    let suspended = TenantFilter { status: Some(TenantStatus::Suspended), ..TenantFilter::default() };
    for limit in [1, 2, 100] {
        assert_eq!(listed(TenantFilter::default(), limit).await, ["alpha", "bravo-acme", "charlie", "delta"]);
        assert_eq!(listed(free.clone(), limit).await, ["bravo-acme", "delta"]);
        assert_eq!(listed(suspended.clone(), limit).await, ["charlie"]);
        assert_eq!(listed(holds("acme"), limit).await, ["bravo-acme", "delta"]);
        assert_eq!(listed(holds("äcme"), limit).await, ["charlie"]);
        assert_eq!(listed(holds("d_%"), limit).await, ["bravo-acme"], "what is looked for is no pattern");
        assert_eq!(listed(holds("%"), limit).await, ["bravo-acme"]);
        assert_eq!(listed(TenantFilter { status: Some(TenantStatus::Deleted), ..free.clone() }, limit).await, [""; 0]);
        assert_eq!(listed(TenantFilter { status: Some(TenantStatus::Active), ..holds("acme") }, limit).await.len(), 2);
    }
}

/// Nothing that stays is shown twice or left out.
pub async fn a_list_goes_on_where_it_was_whatever_comes_and_goes(stores: &TenancyStores) {
    for n in [1, 3, 5, 7] {
        stores.with_tenant(n).await;
    }
    let all = TenantFilter::default();
    let first = stores.directory.list(&all, &next(2, None)).await.unwrap();
    assert_eq!(ids(&first), [1, 3].map(tenant_id));
    for n in [2, 4] {
        stores.with_tenant(n).await;
    }
    let last = Tenant { subdomain: subdomain("aaa"), ..first.items[1].clone() };
    stores.change(&last, 1).await.unwrap();
    let rest = stores.directory.list(&all, &next(100, first.next)).await.unwrap();
    assert_eq!(ids(&rest), [4, 5, 7].map(tenant_id));
    assert_eq!(rest.next, None);
}

fn ids(page: &Page<Tenant>) -> Vec<togglebox_core::TenantId> {
    page.items.iter().map(|tenant| tenant.id).collect()
}

/// With what the user is in each; nobody else's.
pub async fn a_user_sees_the_workspaces_that_it_belongs_to(stores: &TenancyStores) {
    for n in 1..=4 {
        stores.with_tenant(n).await;
    }
    for (n, role) in [(3, MemberRole::Viewer), (1, MemberRole::Developer), (4, MemberRole::Admin)] {
        stores.with_member(tenant_id(n), 9, role).await;
    }
    let first = stores.directory.workspaces(user_id(9), &next(2, None)).await.unwrap();
    let rest = stores.directory.workspaces(user_id(9), &next(2, first.next.clone())).await.unwrap();
    let seen: Vec<_> = first.items.into_iter().chain(rest.items).collect();
    let expected = [(1, MemberRole::Developer), (3, MemberRole::Viewer), (4, MemberRole::Admin)];
    assert_eq!((seen.len(), rest.next), (3, None));
    for (workspace, (n, role)) in seen.iter().zip(expected) {
        assert_eq!(workspace.tenant, stores.tenant(tenant_id(n)).await);
        assert_eq!((workspace.member.tenant, workspace.member.user, workspace.member.role), (tenant_id(n), user_id(9), role));
    }
    let member = seen[1].member.clone();
    stores.members.remove(member.tenant, member.user, member.version, &audit(1)).await.unwrap();
    let left = stores.directory.workspaces(user_id(9), &next(10, None)).await.unwrap().items;
    assert_eq!(left.iter().map(|workspace| workspace.tenant.id).collect::<Vec<_>>(), [1, 4].map(tenant_id));
    assert_eq!(stores.directory.workspaces(id(1), &next(10, None)).await.unwrap(), Page::empty());
}

/// `InvalidCursor`: neither a stranger's text, nor one of another list.
pub async fn a_cursor_of_another_list_is_not_valid(stores: &TenancyStores) {
    stores.with_tenant(1).await;
    stores.with_tenant(2).await;
    stores.with_member(A, 1, MemberRole::Viewer).await;
    let tenants = stores.directory.list(&TenantFilter::default(), &next(1, None)).await.unwrap().next;
    let members = stores.members.list(A, &next(1, None)).await.unwrap().next;
    assert!(tenants.is_some() && members.is_some());
    let invalid = StoreErrorKind::InvalidCursor;
    for cursor in [Some(Cursor::new("ab\u{0}c")), Some(Cursor::new("")), tenants] {
        assert_eq!(kind(stores.members.list(A, &next(1, cursor.clone())).await), invalid, "{cursor:?}");
        assert_eq!(kind(stores.invitations.list(A, &next(1, cursor)).await), invalid);
    }
    for cursor in [Some(Cursor::new("é")), members] {
        assert_eq!(kind(stores.directory.list(&TenantFilter::default(), &next(1, cursor.clone())).await), invalid);
        assert_eq!(kind(stores.directory.workspaces(user_id(1), &next(1, cursor)).await), invalid);
    }
}
