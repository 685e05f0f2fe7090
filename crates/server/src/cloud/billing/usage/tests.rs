use togglebox_core::OsEntropy;
use togglebox_metering::store::UsageSink as _;
use togglebox_metering::{Cell, Series, Watermark, WriterId};
use togglebox_storage::Sqlite;
use uuid::Uuid;

use super::super::super::testing::Place;
use super::*;

const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(5));

fn figures(place: &Place, plans: &str) -> Figures {
    let plans = if plans.is_empty() { PlanCatalogue::default() } else { PlanCatalogue::from_toml(plans).unwrap() };
    let ports = (Arc::<Sqlite>::clone(&place.store) as _, Arc::<Sqlite>::clone(&place.store) as _);
    Figures::new(ports, Arc::<Sqlite>::clone(&place.store), Arc::new(plans)).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn count(place: &Place, meter: &str, at: Timestamp, total: u64) {
    let series = Series::plain(meter.parse().unwrap());
    let writer = WriterId::random(&OsEntropy);
    let cell = Cell { tenant: TENANT, series, minute: Minute::of(at).unwrap(), writer, total };
    place.store.merge_cells(&[cell]).await.unwrap();
}

#[tokio::test]
async fn each_hour_has_its_figure_over_the_whole_of_a_year() {
    let place = Place::new().await;
    let figures = figures(&place, "");
    let (from, until) = (at("2025-05-01T00:00:00Z"), at("2026-05-01T00:00:00Z"));
    for (moment, total) in [
        ("2025-04-30T23:59:00Z", 1000),
        ("2025-05-01T00:00:00Z", 1),
        ("2025-05-01T00:59:00Z", 2),
        ("2025-05-01T01:00:00Z", 4),
        // Where one query ends and the next begins.
        ("2025-06-29T23:59:00Z", 8),
        ("2025-06-30T00:00:00Z", 16),
        ("2026-04-30T23:59:00Z", 32),
        ("2026-05-01T00:00:00Z", 1000),
    ] {
        count(&place, REQUESTS, at(moment), total).await;
    }
    count(&place, "api.bytes", from, 1000).await;
    let hours = figures.hours(TENANT, from, until).await.unwrap();
    assert_eq!(hours.len(), 8760);
    let used: Vec<_> = hours.iter().enumerate().filter(|(_, total)| **total > 0).map(|(hour, total)| (hour, *total)).collect();
    assert_eq!(used, [(0, 3), (1, 4), (1439, 8), (1440, 16), (8759, 32)]);
    assert!(figures.hours(TENANT, until, until).await.unwrap().is_empty());
    let cut = figures.hours(TENANT, from.plus(Duration::from_mins(1)), until).await;
    assert!(matches!(cut, Err(PortError::Refused(_))), "{cut:?}");
}

#[tokio::test]
async fn usage_is_complete_as_far_as_every_node_says() {
    let place = Place::new().await;
    let figures = figures(&place, "");
    let now = at("2026-05-01T10:00:30Z");
    let watermark = |upto| Watermark {
        writer: WriterId::random(&OsEntropy),
        upto: Minute::of(at(upto)).unwrap(),
        seen_at: now,
        ended: false,
    };
    assert_eq!(figures.complete_until(now).await.unwrap(), at("2026-05-01T10:00:00Z"));
    place.store.advance_watermark(&watermark("2026-05-01T09:58:00Z")).await.unwrap();
    place.store.advance_watermark(&watermark("2026-05-01T10:00:00Z")).await.unwrap();
    // Believed for some seconds, and not longer.
    assert_eq!(figures.complete_until(now.plus(Duration::from_secs(4))).await.unwrap(), at("2026-05-01T10:00:00Z"));
    assert_eq!(figures.complete_until(now.plus(Duration::from_secs(5))).await.unwrap(), at("2026-05-01T09:58:00Z"));
}

#[tokio::test]
async fn only_what_is_served_beyond_a_bound_is_billed() {
    let place = Place::new().await;
    let built_in = figures(&place, "");
    let of = |figures: &Figures, plans: &[&str]| figures.included(&plans.iter().map(|plan| (*plan).into()).collect::<Vec<_>>());
    assert_eq!(["free", "pro", "enterprise", "gold"].map(|plan| of(&built_in, &[plan])), [None, Some(50_000_000), None, None]);
    let plan = |name: &str, more: &str| format!("[[plan]]\nname = \"{name}\"\ntitle = \"T\"\n{more}\n");
    let plans = [
        plan("served", "requests_beyond = \"served\"\nlimits = { requests_per_month = 7 }"),
        plan("refused", "limits = { requests_per_month = 9 }"),
        plan("boundless", "requests_beyond = \"served\""),
    ];
    let own = figures(&place, &plans.concat());
    assert_eq!(["served", "refused", "boundless"].map(|plan| of(&own, &[plan])), [Some(7), None, None]);
    // Of several in one period the most counts, whatever becomes of what is beyond.
    assert_eq!(of(&own, &["refused", "served"]), Some(9));
    assert_eq!(of(&own, &["served", "boundless"]), None);
    assert_eq!(of(&own, &["served", "gold"]), None, "nobody knows what it included");
}

#[tokio::test]
async fn levels_are_of_all_who_have_a_bound_in_the_month_of_the_calendar() {
    let place = Place::new().await;
    let plans = "[[plan]]\nname = \"free\"\ntitle = \"Free\"\nlimits = { requests_per_month = 100 }\n";
    let figures = figures(&place, plans);
    let (acme, gone) = (place.workspace("acme").await, place.workspace("gone").await);
    place.delete(&gone).await;
    let meter: MeterId = REQUESTS.parse().unwrap();
    for (moment, total) in [("2026-04-30T23:59:00Z", 1000), ("2026-05-01T00:00:00Z", 70), ("2026-05-02T10:00:00Z", 15)] {
        let minute = Minute::of(at(moment)).unwrap();
        let writer = WriterId::random(&OsEntropy);
        let cell = Cell { tenant: acme.id, series: Series::plain(meter), minute, writer, total };
        place.store.merge_cells(&[cell]).await.unwrap();
        place.store.rollup(acme.id, meter, minute.hour()).await.unwrap();
    }
    let page = figures.levels(at("2026-05-20T00:00:00Z"), None).await.unwrap();
    let level = QuotaLevel { tenant: acme.id, period: "2026-05".into(), used: 85, included: 100 };
    assert_eq!(page, Page { items: vec![level.clone()], next: None });
    assert_eq!(level.reached(), Some(80));
}

#[tokio::test]
async fn levels_of_who_pays_are_of_the_period_of_their_subscription() {
    let place = Place::new().await;
    let plans = "[[plan]]\nname = \"free\"\ntitle = \"Free\"\nlimits = { requests_per_month = 100 }\n";
    let figures = figures(&place, plans);
    let acme = place.workspace("acme").await;
    let usage = togglebox_multitenancy::UsagePeriod {
        from: at("2026-04-15T11:00:00Z"),
        until: at("2026-05-15T11:00:00Z"),
        plans: vec!["free".parse().unwrap()],
    };
    let entitled = togglebox_multitenancy::manage::Entitled {
        subscription: Some("sub_1".to_owned()),
        usage: Some(usage),
        ..togglebox_multitenancy::manage::Entitled::default()
    };
    place.tenancy.entitle(acme.id, &togglebox_core::Actor::system(), &entitled).await.unwrap();
    let meter: MeterId = REQUESTS.parse().unwrap();
    for (moment, total) in
        [("2026-04-15T10:59:00Z", 1000), ("2026-04-15T11:00:00Z", 70), ("2026-05-10T10:00:00Z", 15), ("2026-05-15T11:00:00Z", 3)]
    {
        let writer = WriterId::random(&OsEntropy);
        let minute = Minute::of(at(moment)).unwrap();
        let cell = Cell { tenant: acme.id, series: Series::plain(meter), minute, writer, total };
        place.store.merge_cells(&[cell]).await.unwrap();
    }
    let level = async |now| figures.levels(at(now), None).await.unwrap().items.remove(0);
    let expected = QuotaLevel { tenant: acme.id, period: "2026-04-15T11Z".into(), used: 85, included: 100 };
    assert_eq!(level("2026-05-15T10:59:59Z").await, expected);
    // Also when nobody has told of the next one yet.
    let next = QuotaLevel { period: "2026-05-15T11Z".into(), used: 3, ..expected };
    assert_eq!(level("2026-05-20T00:00:00Z").await, next);
}
