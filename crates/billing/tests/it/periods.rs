//! The period in which what a tenant uses counts: with what it is to have, everybody hears of the one that is billed.

use std::sync::Arc;

use togglebox_billing::{AccessRules, BillingStore, Interval, NewSignUp, PriceList, UsagePeriod};
use togglebox_core::{TenantId, Timestamp};
use togglebox_stripe_sim::Outcome;

use crate::world::{DAY, HOUR, World, billing_at, new_sign_up, prices};

fn period(world: &World, tenant: TenantId) -> UsagePeriod {
    world.entitlement(tenant).unwrap().usage.unwrap()
}

fn plans(period: &UsagePeriod) -> Vec<&str> {
    period.plans.iter().map(|plan| &**plan).collect()
}

fn hour_after(at: Timestamp) -> Timestamp {
    Timestamp::from_ms((at.as_ms() + 3_599_999).div_euclid(3_600_000) * 3_600_000)
}

#[tokio::test]
async fn what_is_told_is_the_period_that_is_billed_in_whole_hours() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let usage = world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap();
    let first = period(&world, tenant);
    assert_eq!((first.from, first.until), (hour_after(usage.start), hour_after(usage.end)));
    assert_eq!(plans(&first), ["pro"]);
    // A greater plan counts for all of it, together with the one before.
    world.pass(10 * DAY).await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    let same = period(&world, tenant);
    assert_eq!((same.from, same.until, plans(&same)), (first.from, first.until, vec!["pro", "enterprise"]));
    // A lesser one holds with the next period, in which nothing of the former counts.
    world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap();
    world.pass(22 * DAY).await;
    let next = period(&world, tenant);
    assert_eq!((next.from, plans(&next)), (first.until, vec!["pro"]));
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
}

/// An hour belongs to the period in which it begins, also for those who refuse what is beyond.
#[tokio::test]
async fn the_last_hour_of_a_period_counts_in_it() {
    let world = World::new().await;
    // Not at a full hour.
    world.pass(HOUR / 2).await;
    let tenant = world.paid("acme").await;
    let first = period(&world, tenant);
    let end = world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap().end;
    assert!(end < first.until, "{end} is in its last hour");
    let left = end.since(world.sim_time()).as_secs();
    world.pass(left + 60).await;
    assert!(world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap().start == end, "it is renewed");
    assert_eq!(period(&world, tenant), first);
    world.pass(HOUR / 2).await;
    assert_eq!(period(&world, tenant).from, first.until, "by itself, when the hour is over");
}

#[tokio::test]
async fn what_comes_after_a_subscription_begins_with_its_end() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.pass(5 * DAY).await;
    world.billing.end_all(tenant).await.unwrap();
    world.pass(60).await;
    let ended = world.entitlement(tenant).unwrap();
    assert_eq!((ended.plan.as_deref(), ended.subscription), (None, None));
    let rest = ended.usage.unwrap();
    let now = world.sim_time();
    assert!(rest.from.since(now).as_secs() <= HOUR && now.since(rest.from).as_secs() <= HOUR, "{rest:?}");
    assert_eq!((rest.until, plans(&rest)), (now.next_month(), vec![]));
}

/// Where usage is not billed.
async fn unmetered() -> World {
    let world = World::new().await;
    let unmetered = PriceList::new(prices().plans().to_vec(), None).unwrap();
    let store: Arc<dyn BillingStore> = Arc::new(world.node.clone());
    let billing = billing_at(unmetered, &world.sim, &world.rest, store, AccessRules::default(), true);
    World { billing: Arc::new(billing), ..world }
}

/// On `pro`, paid for by the month or by the year.
async fn paid_by(world: &World, interval: Interval) -> TenantId {
    let pending = world.billing.sign_up(NewSignUp { interval, ..new_sign_up("acme") }).await.unwrap();
    world.sim.complete_checkout(&world.session_of(pending.id), Outcome::Paid).unwrap();
    world.deliver_all().await;
    world.drain().await;
    pending.tenant
}

/// Not the hour of a renewal alone, in which nobody would be bounded: of a year, its last month goes on until then.
#[tokio::test]
async fn the_last_hour_counts_also_where_nothing_is_billed() {
    for interval in [Interval::Monthly, Interval::Yearly] {
        let world = unmetered().await;
        // Not at a full hour.
        world.pass(HOUR / 2).await;
        let tenant = paid_by(&world, interval).await;
        let overview = world.billing.overview(tenant).await.unwrap().unwrap();
        let end = overview.period_end.unwrap();
        let last = match interval {
            Interval::Monthly => overview.period_start.unwrap(),
            Interval::Yearly => overview.period_start.unwrap().plus_months(11),
        };
        world.pass(last.since(world.sim_time()).as_secs() + DAY).await;
        // In the last month there was another plan, too.
        world.billing.change(tenant, "enterprise", interval, None).await.unwrap();
        let of_last = period(&world, tenant);
        assert_eq!((of_last.from, of_last.until), (hour_after(last), hour_after(end)));
        assert_eq!(plans(&of_last), ["pro", "enterprise"]);
        assert!(end < of_last.until, "{end} is in its last hour");
        world.pass(end.since(world.sim_time()).as_secs() + 60).await;
        let renewed = world.billing.overview(tenant).await.unwrap().unwrap();
        assert_eq!((renewed.period_start, period(&world, tenant)), (Some(end), of_last.clone()), "{interval:?}");
        world.pass(HOUR / 2).await;
        let next = period(&world, tenant);
        assert_eq!((next.from, plans(&next)), (of_last.until, vec!["enterprise"]), "by itself, when the hour is over");
    }
}

/// What a plan includes is for a month, also where it is paid for by the year, and where nothing is billed beyond it.
#[tokio::test]
async fn a_year_has_twelve_periods() {
    let world = unmetered().await;
    let tenant = paid_by(&world, Interval::Yearly).await;
    let start = world.billing.overview(tenant).await.unwrap().unwrap().period_start.unwrap();
    let mut periods = vec![period(&world, tenant)];
    world.billing.change(tenant, "enterprise", Interval::Yearly, None).await.unwrap();
    assert_eq!(plans(&period(&world, tenant)), ["pro", "enterprise"]);
    for _ in 0..12 {
        let left = periods.last().unwrap().until.since(world.sim_time()).as_secs();
        world.pass(left).await;
        periods.push(period(&world, tenant));
        assert_eq!(plans(periods.last().unwrap()), ["enterprise"], "those of before were of another month");
    }
    for (number, period) in (0..).zip(&periods) {
        assert_eq!(period.from, hour_after(start.plus_months(number)));
        assert_eq!(period.until, hour_after(start.plus_months(number + 1)));
    }
}
