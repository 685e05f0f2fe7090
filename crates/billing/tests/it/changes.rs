//! Changes of a plan that cross one another.

use togglebox_billing::{BillingError, Changed, Interval, Notice};
use togglebox_core::TenantId;
use togglebox_stripe_sim::{Card, Effect, Fault, Matcher, Moment};

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

/// To more, and nobody learns what became of it: nothing.
async fn lost_change(world: &World, tenant: TenantId) {
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscriptions/"), 500).times(20));
    let lost = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
    assert!(matches!(lost, Err(BillingError::Provider(_))), "{lost:?}");
    world.sim.clear_faults();
}

/// How many effects wait.
async fn waiting(world: &World) -> usize {
    let waiting = world.billing.effects(togglebox_billing::lists::WAITING, &togglebox_core::PageRequest::first(10)).await;
    waiting.unwrap().items.len()
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
    lost_change(&world, tenant).await;
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
    assert_eq!(waiting(&world).await, 0);
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

/// The first try ended before anything had happened over there, and was looked at; what the second one puts aside is as good.
#[tokio::test]
async fn what_was_planned_stays_however_often_something_greater_is_tried() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    for _ in 0..2 {
        let (status, release) = (500, Matcher::new("POST", "/v1/subscription_schedules/*/release"));
        let away = Effect::Status { status, should_retry: None, moment: Moment::Before, stored: false };
        world.sim.inject(Fault::new(release, away).times(20));
        let ended = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
        assert!(matches!(ended, Err(BillingError::Provider(_))), "{ended:?}");
        world.sim.clear_faults();
        world.pass(120).await;
        assert_eq!((waiting(&world).await, planned(&world, tenant).await), (0, Some(less())));
        world.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscriptions/"), 400));
        let refused = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
        assert!(matches!(&refused, Err(BillingError::Provider(error)) if !error.is_temporary()), "{refused:?}");
        // Not only as far as was known before.
        world.pass(1).await;
        assert_eq!(planned(&world, tenant).await, Some(less()));
    }
}

/// What went wrong over there is answered the same for a day to whoever comes with the same key.
#[tokio::test]
async fn a_schedule_that_could_not_be_released_is_released_the_next_time() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscription_schedules/*/release"), 500));
    let ended = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
    assert!(matches!(ended, Err(BillingError::Provider(_))), "{ended:?}");
    let changed = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await.unwrap();
    assert_eq!(changed, Changed::Now);
}

/// A schedule is made in two steps, and the second one fails.
#[tokio::test]
async fn a_schedule_that_plans_nothing_is_told_what_was_planned() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    lost_change(&world, tenant).await;
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscription_schedules/"), 500).times(20));
    world.pass(61).await;
    assert_eq!((waiting(&world).await, planned(&world, tenant).await), (1, None));
    let subscription = world.truth_of("subscriptions", &world.subscription_id(tenant));
    assert!(subscription["schedule"].is_string(), "half of it is done");
    world.sim.clear_faults();
    world.pass(60).await;
    assert_eq!((waiting(&world).await, planned(&world, tenant).await), (0, Some(less())));
}

/// Whether or not it was told meanwhile that the schedule is gone.
#[tokio::test]
async fn who_stays_or_leaves_after_a_lost_answer_has_nothing_planned() {
    for pause in [None, Some(1)] {
        for leaves in [false, true] {
            let world = World::new().await;
            let tenant = planning(&world).await;
            lost_change(&world, tenant).await;
            if let Some(pause) = pause {
                world.pass(pause).await;
            }
            if leaves {
                world.billing.cancel(tenant).await.unwrap();
                world.billing.resume(tenant).await.unwrap();
            } else {
                let stays = world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
                assert_eq!(stays, Changed::Now);
                let again = world.billing.change(tenant, "enterprise", Interval::Monthly, None).await;
                assert!(matches!(again, Err(BillingError::NothingToChange)), "{again:?}");
            }
            world.pass(120).await;
            assert_eq!(planned(&world, tenant).await, None, "{pause:?}, {leaves}");
        }
    }
}

/// Each try has the time that it needs, whether or not it was told meanwhile that the schedule is gone.
#[tokio::test]
async fn what_was_planned_waits_for_the_last_try_of_something_greater() {
    for delivered in [false, true] {
        let world = World::new().await;
        let tenant = planning(&world).await;
        lost_change(&world, tenant).await;
        if delivered {
            world.pass(0).await;
        }
        world.sim.advance(59).await;
        lost_change(&world, tenant).await;
        world.pass(2).await;
        assert_eq!((waiting(&world).await, planned(&world, tenant).await), (1, None), "{delivered}");
        world.pass(60).await;
        assert_eq!((waiting(&world).await, planned(&world, tenant).await), (0, Some(less())), "{delivered}");
    }
}

/// Something else is planned by whoever knows that the first plan is gone: that counts, and nothing waits any more.
#[tokio::test]
async fn what_is_planned_anew_takes_the_place_of_what_waits() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    lost_change(&world, tenant).await;
    world.pass(1).await;
    let changed = world.billing.change(tenant, "pro", Interval::Yearly, None).await.unwrap();
    assert!(matches!(changed, Changed::At(_)), "{changed:?}");
    assert_eq!(waiting(&world).await, 0);
    world.pass(120).await;
    assert_eq!(planned(&world, tenant).await, Some(("pro".to_owned(), Interval::Yearly)));
}

/// Somebody works on what waits at the very moment in which its tenant decides to stay: it is not planned again.
#[tokio::test]
async fn who_stays_is_heard_by_whoever_is_about_to_plan_again() {
    let world = World::new().await;
    let tenant = planning(&world).await;
    lost_change(&world, tenant).await;
    world.sim.advance(61).await;
    let asked = world.sim.hold(Matcher::new("GET", "/v1/subscriptions/"), Moment::After);
    let worker = tokio::spawn({
        let billing = std::sync::Arc::clone(&world.billing);
        async move { billing.turn().await }
    });
    asked.arrived().await;
    let stays = world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    assert_eq!(stays, Changed::Now);
    asked.release();
    worker.await.unwrap().unwrap();
    world.pass(120).await;
    assert_eq!((waiting(&world).await, planned(&world, tenant).await), (0, None));
}
