use serde_json::{Value, json};
use togglebox_core::{Actor, AuditFilter, AuditRecord, Cursor, Limit, PageRequest, StoreErrorKind};

use super::ToggleStores;
use super::fixtures::{A, B, MANY, at, audit, audit_at, environment, flag, kind, parameter, platform, race, scope};

/// Every member of a record reads back, also those that are absent or `null`.
pub async fn an_audit_record_reads_back(stores: &ToggleStores) {
    let full = AuditRecord {
        actor: Actor::api_key("key-1", "ann@example.com"),
        platform: Some("web".to_owned()),
        environment: Some("production".to_owned()),
        before: Some(Value::Null),
        after: Some(json!({ "z": 1.5, "a": ["\u{0}", null] })),
        ..audit_at(601, "platform.create", "web")
    };
    let bare = AuditRecord { actor: Actor::system(), after: None, ..audit_at(602, "platform.create", "ios") };
    stores.directory.create_platform(A, &platform("web"), Limit::Unlimited, &full).await.unwrap();
    stores.directory.create_platform(A, &platform("ios"), Limit::Unlimited, &bare).await.unwrap();
    assert_eq!(stores.records(A).await, [bare, full]);
}

/// Each kind of write leaves exactly the record that it was given, in the order of the writes.
pub async fn every_write_leaves_its_record(stores: &ToggleStores) {
    let place = scope("web", "production");
    let mut written = Vec::new();
    let mut record = |action: &str| {
        written.push(audit_at(600 + written.len() as u64, action, "any"));
        written[written.len() - 1].clone()
    };
    let (directory, parameters, flags) = (&stores.directory, &stores.parameters, &stores.flags);
    let web = directory.create_platform(A, &platform("web"), Limit::Unlimited, &record("platform.create")).await.unwrap();
    let web = directory.replace_platform(A, &web.value, web.revision, &record("platform.update")).await.unwrap();
    let made =
        directory.create_environment(A, &environment(&place), Limit::Unlimited, &record("environment.create")).await.unwrap();
    let made = directory.replace_environment(A, &made.value, made.revision, &record("environment.update")).await.unwrap();
    let p = parameters.create(A, &place, &parameter("p", ""), MANY, Limit::Unlimited, &record("parameter.create")).await.unwrap();
    let p = parameters.append(A, &place, &parameter("p", ""), p.revision, &record("parameter.update")).await.unwrap();
    let key = p.value.key();
    let p = parameters.activate(A, &place, key, 1, p.revision, &record("parameter.rollback")).await.unwrap();
    parameters.delete(A, &place, key, p.revision, &record("parameter.delete")).await.unwrap();
    let f = flags.create(A, &place, &flag("f", ""), Limit::Unlimited, &record("flag.create")).await.unwrap();
    let f = flags.append(A, &place, &f.value, f.revision, &record("flag.update")).await.unwrap();
    let f = flags.amend(A, &place, &f.value, f.revision, &record("flag.toggle")).await.unwrap();
    flags.delete(A, &place, &f.value.key, f.revision, &record("flag.delete")).await.unwrap();
    let x = super::fixtures::experiment("x");
    let x = stores.experiments.create(A, &place, &x, Limit::Unlimited, &record("experiment.create")).await.unwrap();
    let x = stores.experiments.replace(A, &place, &x.value, x.revision, &record("experiment.start")).await.unwrap();
    stores.experiments.delete(A, &place, &x.value.key, x.revision, &record("experiment.delete")).await.unwrap();
    directory.delete_environment(A, &place, made.revision, &record("environment.delete")).await.unwrap();
    directory.delete_platform(A, &place.platform, web.revision, &record("platform.delete")).await.unwrap();
    written.reverse();
    assert_eq!(stores.records(A).await, written);
}

/// Records outlive what they describe.
pub async fn audit_records_survive_deletion(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    let before = stores.records(A).await;
    let expected = stores.directory.directory(A).await.unwrap().platforms[&place.platform].revision;
    let last = audit_at(900, "platform.delete", "web");
    stores.directory.delete_platform(A, &place.platform, expected, &last).await.unwrap();
    let after = stores.records(A).await;
    assert_eq!((&after[0], &after[1..]), (&last, &before[..]));
}

/// Each member of a filter restricts, and together they restrict together.
pub async fn audit_records_are_found_by_platform_environment_and_target(stores: &ToggleStores) {
    let all = [
        (None, None, "web"),
        (Some("web"), None, "production"),
        (Some("web"), Some("production"), "p"),
        (Some("web"), Some("production"), "q"),
        (Some("web"), Some("staging"), "p"),
        (Some("ios"), Some("production"), "p"),
    ];
    for (n, (of, within, target)) in all.iter().enumerate() {
        let record = AuditRecord {
            platform: of.map(str::to_owned),
            environment: within.map(str::to_owned),
            ..audit_at(600 + n as u64, "any", target)
        };
        stores.directory.create_platform(A, &platform(&format!("x{n}")), Limit::Unlimited, &record).await.unwrap();
    }
    for platform in [None, Some("web"), Some("ios"), Some("we")] {
        for environment in [None, Some("production"), Some("staging")] {
            for target in [None, Some("p"), Some("production"), Some("nothing")] {
                let mut filter = AuditFilter::default();
                filter.platform = platform.map(str::to_owned);
                filter.environment = environment.map(str::to_owned);
                filter.target = target.map(str::to_owned);
                let found = stores.audit.list(A, &filter, &PageRequest::first(100)).await.unwrap().items;
                let found: Vec<_> =
                    found.iter().map(|r| (r.platform.as_deref(), r.environment.as_deref(), r.target.as_str())).collect();
                let wanted = |wanted: Option<&str>, is: Option<&str>| wanted.is_none() || wanted == is;
                let expected = all.iter().rev().filter(|(of, within, about)| {
                    wanted(platform, *of) && wanted(environment, *within) && wanted(target, Some(about))
                });
                assert_eq!(found, expected.copied().collect::<Vec<_>>(), "{filter:?}");
            }
        }
    }
}

/// Pages are newest first and neither repeat nor leave out, though many records are of the same millisecond.
pub async fn audit_pages_neither_repeat_nor_leave_out(stores: &ToggleStores) {
    let mut written = Vec::new();
    for n in 0..12 {
        let record = audit_at(600 + n / 5, "platform.create", "page");
        stores.directory.create_platform(A, &platform(&format!("p{n}")), Limit::Unlimited, &record).await.unwrap();
        written.push(record);
    }
    let mut filter = AuditFilter::default();
    filter.target = Some("page".to_owned());
    for limit in [1, 5, 12, 100] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = stores.audit.list(A, &filter, &PageRequest::first(limit).after(cursor)).await.unwrap();
            assert!((1..=limit).contains(&page.items.len()));
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert!(seen.is_sorted_by(|a, b| a.at >= b.at), "newest first");
        assert_eq!(seen.len(), written.len(), "{limit} per page");
        assert!(written.iter().all(|record| seen.contains(record)), "{limit} per page");
    }
}

/// A cursor goes on where it stopped, though newer records have come in.
pub async fn an_audit_cursor_is_not_moved_by_newer_records(stores: &ToggleStores) {
    for n in 0..4 {
        let record = audit_at(600 + n, "platform.create", "old");
        stores.directory.create_platform(A, &platform(&format!("p{n}")), Limit::Unlimited, &record).await.unwrap();
    }
    let filter = AuditFilter::default();
    let first = stores.audit.list(A, &filter, &PageRequest::first(2)).await.unwrap();
    stores
        .directory
        .create_platform(A, &platform("new"), Limit::Unlimited, &audit_at(900, "platform.create", "new"))
        .await
        .unwrap();
    let second = stores.audit.list(A, &filter, &PageRequest::first(2).after(first.next)).await.unwrap();
    let times: Vec<_> = first.items.iter().chain(&second.items).map(|record| record.at).collect();
    assert_eq!(times, [603, 602, 601, 600].map(at));
    assert!(second.next.is_none());
}

/// A cursor of another list, or none at all, is refused.
pub async fn an_audit_cursor_fits_its_filter_only(stores: &ToggleStores) {
    for name in ["a", "b", "c"] {
        stores.directory.create_platform(A, &platform(name), Limit::Unlimited, &audit("platform.create", "same")).await.unwrap();
    }
    let mut of_target = AuditFilter::default();
    of_target.target = Some("same".to_owned());
    let everything = AuditFilter::default();
    let cursor = stores.audit.list(A, &of_target, &PageRequest::first(1)).await.unwrap().next.unwrap();
    let page = |cursor: &Cursor| PageRequest::first(1).after(Some(cursor.clone()));
    assert_eq!(stores.audit.list(A, &of_target, &page(&cursor)).await.unwrap().items.len(), 1);
    assert_eq!(kind(stores.audit.list(A, &everything, &page(&cursor)).await), StoreErrorKind::InvalidCursor);
    for text in ["", "0", "null", "\u{0}"] {
        let garbage = page(&Cursor::new(text));
        assert_eq!(kind(stores.audit.list(A, &everything, &garbage).await), StoreErrorKind::InvalidCursor);
    }
}

/// The oldest go first, no more at once than were asked for, and what is not older than asked for stays.
pub async fn pruning_removes_the_oldest_records_in_bounded_batches(stores: &ToggleStores) {
    // Out of their order in time: what counts is when a record says it was.
    for (n, second) in [604, 601, 600, 603, 602, 602].into_iter().enumerate() {
        let record = audit_at(second, "platform.create", "any");
        stores.directory.create_platform(A, &platform(&format!("p{n}")), Limit::Unlimited, &record).await.unwrap();
    }
    let left = async || stores.records(A).await.iter().map(|record| record.at).collect::<Vec<_>>();
    let prune = async |second, limit| stores.audit.prune(A, at(second), limit).await.unwrap();
    assert_eq!(prune(600, 100).await, 0);
    assert_eq!(prune(603, 2).await, 2);
    assert_eq!(left().await, [604, 603, 602, 602].map(at));
    assert_eq!(prune(603, 1).await, 1);
    assert_eq!(prune(603, 100).await, 1);
    assert_eq!(prune(603, 100).await, 0);
    assert_eq!(left().await, [604, 603].map(at));
    assert_eq!(prune(900, 1000).await, 2);
    assert!(left().await.is_empty());
}

/// Neither the things that records are about, nor their revisions, nor lists that go on where they stopped.
pub async fn pruning_touches_nothing_but_records(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    for n in 0..4 {
        stores
            .directory
            .create_platform(A, &platform(&format!("p{n}")), Limit::Unlimited, &audit_at(800 + n, "platform.create", "x"))
            .await
            .unwrap();
    }
    let before = (stores.directory.directory(A).await.unwrap(), stores.environments.load(A, &place).await.unwrap());
    let first = stores.audit.list(A, &AuditFilter::default(), &PageRequest::first(2)).await.unwrap();
    let all = stores.records(A).await.len();
    assert_eq!(stores.audit.prune(A, at(801), 1000).await.unwrap(), all - 3);
    let rest = PageRequest::first(10).after(first.next);
    let rest = stores.audit.list(A, &AuditFilter::default(), &rest).await.unwrap();
    assert_eq!(rest.items.iter().map(|record| record.at).collect::<Vec<_>>(), [at(801)]);
    assert!(rest.next.is_none());
    assert_eq!((stores.directory.directory(A).await.unwrap(), stores.environments.load(A, &place).await.unwrap()), before);
}

/// Many nodes do it at the same time, and while records are written.
pub async fn records_pruned_at_once_are_all_removed_and_newer_ones_stay(stores: &ToggleStores) {
    for n in 0..12 {
        let record = audit_at(600 + n, "platform.create", "early");
        stores.directory.create_platform(A, &platform(&format!("p{n}")), Limit::Unlimited, &record).await.unwrap();
    }
    let counts = race(|n| {
        let stores = stores.clone();
        async move {
            let late = audit_at(900, "platform.create", "late");
            stores.directory.create_platform(A, &platform(&format!("q{n}")), Limit::Unlimited, &late).await.unwrap();
            stores.audit.prune(A, at(900), 5).await.unwrap()
        }
    })
    .await;
    assert!(counts.iter().all(|count| *count <= 5), "{counts:?}");
    stores.audit.prune(A, at(900), 1000).await.unwrap();
    let left = stores.records(A).await;
    assert_eq!(left.len(), counts.len());
    assert!(left.iter().all(|record| record.target == "late"));
}

/// A record that is not removed still tells a repeated write.
pub async fn a_write_whose_record_is_kept_is_still_done_once(stores: &ToggleStores) {
    let (old, new) = (audit_at(600, "platform.create", "a"), audit_at(700, "platform.create", "b"));
    stores.directory.create_platform(A, &platform("a"), Limit::Unlimited, &old).await.unwrap();
    let made = stores.directory.create_platform(A, &platform("b"), Limit::Unlimited, &new).await.unwrap();
    assert_eq!(stores.audit.prune(A, at(700), 10).await.unwrap(), 1);
    let again = stores.directory.create_platform(A, &platform("b"), Limit::Unlimited, &new).await.unwrap();
    assert_eq!((again.revision, again.value.id), (made.revision, made.value.id));
}

/// Whoever prunes, prunes its own.
pub async fn another_tenants_audit_records_are_not_pruned(stores: &ToggleStores) {
    stores
        .directory
        .create_platform(B, &platform("web"), Limit::Unlimited, &audit_at(600, "platform.create", "web"))
        .await
        .unwrap();
    assert_eq!(stores.audit.prune(A, at(900), 100).await.unwrap(), 0);
    assert_eq!(stores.records(B).await.len(), 1);
}
