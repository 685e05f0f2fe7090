//! Changes of a plan that cross one another.

use togglebox_billing::{BillingError, Changed, Interval, Notice};
use togglebox_core::TenantId;
use togglebox_stripe_sim::{Card, Fault, Matcher};

use crate::world::{DAY, HOUR, World};

/// What is planned: the plan, and how it is billed.
async fn planned(world: &World, tenant: TenantId) -> Option<(String, Interval)> {
    let overview = world.billing.overview(tenant).await.unwrap().unwrap();
    overview.scheduled.map(|(plan, interval, _)| (plan.to_string(), interval))
}

/// On `enterprise`, and on `pro` with the next period.
async fn planning(world: &World) -> TenantId {
    let tenant = world.paid("acme").await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    world.pass(DAY).await;
    world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap();
    world.pass(HOUR).await;
    tenant
}

fn less() -> (String, Interval) {
    ("pro".to_owned(), Interval::Monthly)
}

#[tokio::test]
async fn what_was_planned_stays_when_something_greater_is_refused() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    assert_eq!(planned(&world, tenant).await, Some(less()));
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscriptions/"), 400));
    let refused = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
    assert!(matches!(refused, Err(BillingError::Provider(_) | BillingError::Declined(_))), "{refused:?}");
    assert_eq!(planned(&world, tenant).await, Some(less()));
    world.pass(31 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
}

#[tokio::test]
async fn what_was_planned_stays_when_something_greater_is_never_paid_for() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    world.sim.set_card(&world.customer_id(tenant), Card::Declining).unwrap();
    let changed = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await.unwrap();
    assert_eq!((changed, planned(&world, tenant).await), (Changed::Unpaid, None));
    world.pass(2 * HOUR).await;
    assert_eq!(planned(&world, tenant).await, None, "it may be paid for yet");
    world.pass(DAY).await;
    world.pass(2 * HOUR).await;
    assert_eq!(planned(&world, tenant).await, Some(less()));
    world.sim.set_card(&world.customer_id(tenant), Card::Ok).unwrap();
    world.pass(31 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
}

/// Whoever asked does not know what became of it, and nobody asks again.
#[tokio::test]
async fn what_was_planned_is_planned_again_when_the_answer_was_lost() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscriptions/"), 500).times(20));
    let lost = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
    assert!(matches!(lost, Err(BillingError::Provider(_))), "{lost:?}");
    world.sim.clear_faults();
    world.pass(120).await;
    assert_eq!(planned(&world, tenant).await, Some(less()));
}

#[tokio::test]
async fn what_was_planned_is_gone_when_something_greater_holds() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    let changed = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await.unwrap();
    assert_eq!(changed, Changed::Now);
    for _ in 0..3 {
        world.pass(HOUR).await;
        assert_eq!(planned(&world, tenant).await, None);
    }
    let waiting = world.billing.effects(togglebox_billing::lists::WAITING, &togglebox_core::PageRequest::first(10)).await;
    assert!(waiting.unwrap().items.is_empty());
}

/// There and back again within one period, also within one second: each time is another change, and told once, however often it comes.
#[tokio::test]
async fn each_change_there_and_back_is_told_once() {
    for pause in [0, 60] {
        let world = World::new().await;
        let tenant = world.paid("acme").await;
        let subscription = world.subscription_id(tenant);
        let mut expected = Vec::new();
        for (price, plan) in [("price_ent_m", "enterprise"), ("price_pro_m", "pro")].into_iter().cycle().take(5) {
            world.sim.portal_change_plan(&subscription, price).unwrap();
            let deliveries = world.sim.take_deliveries();
            for delivery in deliveries.iter().chain(&deliveries) {
                world.deliver(delivery).await;
            }
            world.drain().await;
            world.pass(pause).await;
            expected.push(plan);
            let told: Vec<String> = world
                .mails("plan_changed:")
                .into_iter()
                .map(|(_, notice)| match notice {
                    Notice::PlanChanged { plan, .. } => plan.to_string(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(told, expected, "with {pause} seconds between them");
        }
    }
}
