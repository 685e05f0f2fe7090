//! Usage beyond what is included, from the counters to the bill.

use togglebox_billing::{Chore, Interval, Notice, UnitPrice};
use togglebox_core::TenantId;

use crate::world::{DAY, HOUR, INCLUDED, START, World};

/// Uses something in each of so many hours, and has it told as it is told each hour.
async fn use_hours(world: &World, tenant: TenantId, hours: u64, each: u64) {
    for _ in 0..hours {
        world.use_up(tenant, world.sim.now(), each);
        world.sim.advance(i64::try_from(HOUR).unwrap()).await;
    }
    // Six minutes past the hour, what was counted in it is there.
    world.sim.advance(6 * 60).await;
    world.deliver_all().await;
    world.billing.run_now(Chore::Usage).await.unwrap();
    world.drain().await;
}

/// What of a bill is for usage, by the line of its price.
fn billed_for_usage(world: &World, tenant: TenantId, place: usize) -> i64 {
    let customer = world.customer_id(tenant);
    let mut bills: Vec<_> =
        world.truth_of_all("invoices").into_iter().filter(|bill| bill["customer"] == customer.as_str()).collect();
    bills.sort_by_key(|bill| bill["created"].as_i64());
    let bill = &bills[place];
    let lines = bill["lines"].get("data").unwrap_or(&bill["lines"]).as_array().unwrap().clone();
    lines.iter().filter(|line| line.to_string().contains("price_use")).map(|line| line["amount"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn what_is_beyond_is_billed_to_the_cent() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    use_hours(&world, tenant, 10, 90).await;
    assert_eq!(world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap().overage, 0, "900 of 1000");
    use_hours(&world, tenant, 50, 7_777).await;
    let used = 900 + 50 * 7_777;
    let usage = world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap();
    assert_eq!((usage.used, usage.included, usage.overage), (used, Some(INCLUDED), used - INCLUDED));
    let expected = UnitPrice::parse("0.02").unwrap().times(used - INCLUDED);
    assert_eq!(usage.cost.minor, expected);
    let revenue = world.billing.revenue().await.unwrap();
    assert_eq!(revenue.plans[0].overage, used - INCLUDED);
    // Told again and again, it stays what it is.
    for _ in 0..3 {
        assert!(world.billing.run_now(Chore::Usage).await.unwrap().unwrap().contains(" 0 figures"));
    }
    world.pass(29 * DAY).await;
    world.pass(2 * HOUR).await;
    assert_eq!(billed_for_usage(&world, tenant, 1), expected);
}

/// The hours around the end of a period: what is used until the last minute is on the bill, and what comes after is on the next.
#[tokio::test]
async fn usage_until_the_end_of_a_period_is_on_its_bill() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let end = world.entitlement(tenant).unwrap().period_end.unwrap().as_ms() / 1000;
    world.pass(30 * DAY).await;
    let until_end = u64::try_from(end - world.sim.now()).unwrap();
    world.pass(until_end - 60).await;
    world.use_up(tenant, world.sim.now(), 60_000);
    world.pass(120).await;
    // The next hour, which is the next period's.
    world.use_up(tenant, end + 3600, 1_000_000);
    let told = world.billing.run_now(Chore::Closing).await.unwrap();
    assert_eq!(told.as_deref(), Some("1 tenants, 1 figures told, 0 tenants failed"));
    world.pass(3 * HOUR).await;
    world.billing.run_now(Chore::Usage).await.unwrap();
    assert_eq!(billed_for_usage(&world, tenant, 1), UnitPrice::parse("0.02").unwrap().times(60_000 - INCLUDED));
    world.pass(32 * DAY).await;
    world.pass(2 * HOUR).await;
    assert_eq!(billed_for_usage(&world, tenant, 2), UnitPrice::parse("0.02").unwrap().times(1_000_000 - INCLUDED));
}

/// What arrives late, of hours that were told already, is told again.
#[tokio::test]
async fn what_arrives_late_is_told_again() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    use_hours(&world, tenant, 5, 1_000).await;
    world.use_up(tenant, START, 500);
    world.billing.run_now(Chore::Usage).await.unwrap();
    world.pass(31 * DAY + 2 * HOUR).await;
    assert_eq!(billed_for_usage(&world, tenant, 1), UnitPrice::parse("0.02").unwrap().times(4_500));
}

/// A greater plan includes more, from the beginning of the period on.
#[tokio::test]
async fn what_a_greater_plan_includes_counts_for_the_whole_period() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    use_hours(&world, tenant, 5, 1_000).await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    use_hours(&world, tenant, 10, 1_000).await;
    world.billing.run_now(Chore::Usage).await.unwrap();
    world.pass(31 * DAY + 2 * HOUR).await;
    let overview = world.billing.overview(tenant).await.unwrap().unwrap();
    assert_eq!(overview.plan.as_deref(), Some("enterprise"));
    let places = [1, 2];
    let billed: i64 = places.iter().map(|place| billed_for_usage(&world, tenant, *place)).sum();
    assert_eq!(billed, UnitPrice::parse("0.02").unwrap().times(5_000));
}

/// The payment service lost something, or never had it.
#[tokio::test]
async fn what_the_payment_service_has_not_is_found_and_told() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    use_hours(&world, tenant, 10, 1_000).await;
    assert!(world.billing.run_now(Chore::Reconcile).await.unwrap().unwrap().contains(" 0 hours"));
    world.pass(DAY).await;
    assert!(world.billing.run_now(Chore::Reconcile).await.unwrap().unwrap().contains(" 0 hours"));
    // Somebody else tells something in our place.
    let event = togglebox_stripe_sim::Ask::post("/v1/billing/meter_events")
        .form("event_name", crate::world::METER)
        .form("payload[stripe_customer_id]", world.customer_id(tenant))
        .form("payload[value]", "3")
        .form("identifier", "somebody")
        .form("timestamp", (START + 5 * 3600).to_string());
    world.sim.call(event).await;
    assert!(world.billing.run_now(Chore::Reconcile).await.unwrap().unwrap().contains(" 1 hours"));
    assert!(world.billing.run_now(Chore::Reconcile).await.unwrap().unwrap().contains(" 0 hours"));
    world.pass(31 * DAY).await;
    world.pass(2 * HOUR).await;
    assert_eq!(billed_for_usage(&world, tenant, 1), UnitPrice::parse("0.02").unwrap().times(9_000));
}

/// A process ends at every call while it tells usage; another one goes on.
#[tokio::test]
async fn a_crash_while_usage_is_told_changes_no_bill() {
    for call in 1.. {
        let world = World::new().await;
        let tenant = world.paid("acme").await;
        for hour in 0..30 {
            world.use_up(tenant, START + hour * 3600, 1_000);
        }
        world.sim.advance(i64::try_from(30 * HOUR).unwrap()).await;
        world.deliver_all().await;
        if call % 2 == 0 {
            world.node.crash_at(call / 2 + 1);
        } else {
            world.node.crash_after(call / 2 + 1);
        }
        drop(world.billing.run_now(Chore::Usage).await);
        let has_crashed = world.node.has_crashed();
        world.node.revive();
        // Whoever had it in hand is gone for longer than that.
        world.sim.advance(i64::try_from(HOUR).unwrap()).await;
        world.billing.run_now(Chore::Usage).await.unwrap().unwrap();
        world.pass(31 * DAY).await;
        world.pass(2 * HOUR).await;
        assert_eq!(billed_for_usage(&world, tenant, 1), UnitPrice::parse("0.02").unwrap().times(29_000), "call {call}");
        if !has_crashed {
            assert!(call > 6, "{call}");
            break;
        }
    }
}

/// In the portal a lesser plan can be had at once: what the greater one included was not too much.
#[tokio::test]
async fn what_a_greater_plan_included_is_not_billed_after_all() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    use_hours(&world, tenant, 5, 1_900).await;
    world.sim.portal_change_plan(&world.subscription_id(tenant), "price_pro_m").unwrap();
    use_hours(&world, tenant, 1, 700).await;
    let usage = world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap();
    assert_eq!((usage.used, usage.included, usage.overage), (10_200, Some(10 * INCLUDED), 200));
    world.pass(31 * DAY).await;
    // The next period includes what the lesser plan does.
    assert_eq!(world.billing.overview(tenant).await.unwrap().unwrap().usage.unwrap().included, Some(INCLUDED));
}

/// A subscription ends with its period: what was used until then is on the last bill.
#[tokio::test]
async fn the_last_usage_of_who_leaves_is_billed() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let customer = world.customer_id(tenant);
    world.billing.cancel(tenant).await.unwrap();
    let end = world.entitlement(tenant).unwrap().period_end.unwrap().as_ms() / 1000;
    world.pass(u64::try_from(end - world.sim.now()).unwrap() - 1800).await;
    world.use_up(tenant, world.sim.now(), 61_000);
    world.pass(1800 + 60).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan, None);
    let told = world.billing.run_now(Chore::Closing).await.unwrap();
    assert_eq!(told.as_deref(), Some("1 tenants, 1 figures told, 0 tenants failed"));
    let totals = world.sim.truth()["meters"]["mtr_requests"]["totals"][&customer].clone();
    assert_eq!(totals, 60_000);
}

#[tokio::test]
async fn who_has_used_most_is_told_once_for_each_level() {
    let world = World::new().await;
    let [one, _, third] = [world.paid("a").await, world.paid("b").await, world.paid("c").await];
    let levels = async || {
        world.billing.run_now(Chore::Quota).await.unwrap().unwrap();
        world.drain().await;
        let mut told: Vec<_> = world
            .rest
            .mails
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, key, _)| key.starts_with("quota:"))
            .map(|(tenant, _, notice)| match notice {
                Notice::Quota { percent, .. } => (*tenant, *percent),
                other => panic!("{other:?}"),
            })
            .collect();
        told.sort_unstable();
        told
    };
    world.use_up(one, START, 799);
    world.use_up(third, START, 5_000);
    assert_eq!(levels().await, [(third, 100)], "who is beyond it at once is told of that alone");
    world.use_up(one, START, 1);
    let mut expected = vec![(one, 80), (third, 100)];
    expected.sort_unstable();
    assert_eq!(levels().await, expected);
    world.use_up(one, START, 150);
    assert_eq!(levels().await, expected, "once for each");
    world.use_up(one, START, 50);
    expected.push((one, 100));
    expected.sort_unstable();
    assert_eq!(levels().await, expected);
    // Another month.
    world.sim.advance(31 * i64::try_from(DAY).unwrap()).await;
    assert_eq!(levels().await.len(), 2 * 3 - 1, "the two, at what each has reached");
}
