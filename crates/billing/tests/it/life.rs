//! A subscription's life: other plans, cards that fail, the end.

use std::sync::Arc;
use std::time::Duration;

use togglebox_billing::objects::SubscriptionStatus;
use togglebox_billing::{AccessRules, BillingError, Changed, Chore, Ended, Interval, Mode, Notice, PortalFlow, When};
use togglebox_core::PageRequest;
use togglebox_stripe_sim::Card;

use crate::world::{DAY, Slow, World, billing};

#[tokio::test]
async fn more_is_had_at_once_for_what_was_shown() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.pass(15 * DAY).await;
    let preview = world.billing.preview_change(tenant, "enterprise", Interval::Monthly).await.unwrap();
    assert_eq!(preview.when, When::Now);
    let due = preview.due.unwrap();
    assert!(due.minor > 0 && due.minor < 8_000, "{due}");
    // Time passes before it is decided.
    world.pass(600).await;
    let changed = world.billing.change(tenant, "enterprise", Interval::Monthly, Some(preview.proration_date)).await.unwrap();
    assert_eq!(changed, Changed::Now);
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("enterprise"), "no webhook is waited for");
    let bills = world.billing.invoices(tenant, 10, None).await.unwrap().items;
    assert_eq!(bills[0].total, due, "what is billed is what was shown");
    world.deliver_all().await;
    world.drain().await;
    assert!(matches!(&world.mails("plan_changed:")[..], [(_, Notice::PlanChanged { plan, .. })] if &**plan == "enterprise"));
}

#[tokio::test]
async fn less_is_had_with_the_next_period() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    world.pass(DAY).await;
    let preview = world.billing.preview_change(tenant, "pro", Interval::Monthly).await.unwrap();
    assert_eq!((preview.when, preview.due), (When::PeriodEnd, None));
    let changed = world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap();
    assert_eq!(changed, Changed::At(preview.effective_at));
    assert_eq!(world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap(), changed, "asked twice, done once");
    let overview = world.billing.overview(tenant).await.unwrap().unwrap();
    assert_eq!(overview.plan.as_deref(), Some("enterprise"));
    let (plan, interval, at) = overview.scheduled.unwrap();
    assert_eq!((&*plan, interval, at), ("pro", Interval::Monthly, preview.effective_at));
    world.pass(20 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("enterprise"));
    world.pass(12 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
    assert_eq!(world.mails("plan_changed:").len(), 2);
    assert_eq!(world.billing.overview(tenant).await.unwrap().unwrap().scheduled, None);
}

#[tokio::test]
async fn what_was_planned_can_be_taken_back() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap();
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    assert_eq!(world.billing.overview(tenant).await.unwrap().unwrap().scheduled, None);
    world.pass(40 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("enterprise"));
    // And planned again.
    world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap();
    assert!(world.billing.overview(tenant).await.unwrap().unwrap().scheduled.is_some());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let billing = &world.billing;
    let nobody = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    assert!(matches!(billing.preview_change(nobody, "pro", Interval::Monthly).await, Err(BillingError::NoSubscription)));
    assert!(matches!(billing.portal(nobody, PortalFlow::Overview).await, Err(BillingError::NoSubscription)));
    assert!(matches!(billing.cancel(nobody).await, Err(BillingError::NoSubscription)));
    assert!(matches!(billing.invoices(nobody, 10, None).await, Err(BillingError::NoSubscription)));
    assert_eq!(billing.overview(nobody).await.unwrap(), None);
    assert!(matches!(billing.change(tenant, "pro", Interval::Monthly, None).await, Err(BillingError::NothingToChange)));
    assert!(matches!(billing.change(tenant, "nope", Interval::Monthly, None).await, Err(BillingError::NotSold)));
    assert!(matches!(billing.resume(tenant).await, Err(BillingError::NothingToChange)));
    let preview = billing.preview_change(tenant, "enterprise", Interval::Monthly).await.unwrap();
    world.pass(2 * 3600).await;
    let late = world.billing.change(tenant, "enterprise", Interval::Monthly, Some(preview.proration_date)).await;
    assert!(matches!(late, Err(BillingError::PreviewTooOld)), "{late:?}");
    world.billing.cancel(tenant).await.unwrap();
    let ending = world.billing.change(tenant, "enterprise", Interval::Monthly, None).await;
    assert!(matches!(ending, Err(BillingError::IsEnding)), "{ending:?}");
}

#[tokio::test]
async fn an_upgrade_that_is_not_paid_waits() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.pass(DAY).await;
    world.sim.set_card(&world.customer_id(tenant), Card::Declining).unwrap();
    let changed = world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    assert_eq!(changed, Changed::Unpaid);
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"), "access follows payment");
    assert!(world.billing.overview(tenant).await.unwrap().unwrap().change_waits);
    let again = world.billing.change(tenant, "enterprise", Interval::Yearly, None).await;
    assert!(matches!(again, Err(BillingError::ChangeWaits)), "{again:?}");
    let bill = world.billing.invoices(tenant, 10, None).await.unwrap().items.remove(0);
    world.sim.pay_invoice(bill.id.as_deref().unwrap()).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("enterprise"));
}

/// The card fails: mails, days of grace, read-only, and all is well once it is paid.
#[tokio::test]
async fn a_card_fails_and_recovers() {
    let rules = AccessRules { grace: Duration::from_secs(5 * DAY), ..AccessRules::default() };
    let world = World::with(rules, true).await;
    let tenant = world.paid("acme").await;
    world.sim.set_card(&world.customer_id(tenant), Card::Declining).unwrap();
    world.pass(31 * DAY + 2 * 3600).await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!((given.plan.as_deref(), given.mode), (Some("pro"), Mode::Overdue));
    let since = given.past_due_since.unwrap();
    let mails = world.mails("payment_failed:");
    assert!(
        matches!(&mails[..], [(_, Notice::PaymentFailed { amount, url: Some(_), .. })] if amount.minor == 2_000),
        "{mails:?}"
    );
    world.pass(3 * DAY + 3600).await;
    assert_eq!(world.mails("payment_failed:").len(), 2, "one mail for each try");
    assert_eq!(world.entitlement(tenant).unwrap().past_due_since, Some(since), "the debt does not begin anew");
    world.pass(2 * DAY).await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!(given.mode, Mode::ReadOnly, "the grace is over, and nothing was told: time alone does it");
    assert!(given.restricted_since.is_some());
    let change = world.billing.change(tenant, "enterprise", Interval::Monthly, None).await;
    assert!(matches!(change, Err(BillingError::Status("past_due"))), "{change:?}");
    let bill = world.billing.invoices(tenant, 10, None).await.unwrap().items.remove(0);
    world.sim.set_card(&world.customer_id(tenant), Card::Ok).unwrap();
    world.sim.pay_invoice(bill.id.as_deref().unwrap()).unwrap();
    world.deliver_all().await;
    world.drain().await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!((given.mode, given.past_due_since, given.restricted_since), (Mode::Full, None, None));
}

#[tokio::test]
async fn a_debt_that_is_never_paid_ends_in_the_plan_that_costs_nothing() {
    for (ended, mode) in [(Ended::Free, Mode::Full), (Ended::Closed, Mode::Closed)] {
        let world = World::with(AccessRules { ended, ..AccessRules::default() }, true).await;
        let tenant = world.paid("acme").await;
        world.sim.set_card(&world.customer_id(tenant), Card::Declining).unwrap();
        for _ in 0..60 {
            world.pass(DAY).await;
        }
        let given = world.entitlement(tenant).unwrap();
        assert_eq!((given.plan.as_deref(), given.mode, given.subscription.as_deref()), (None, mode, None));
        assert_eq!(world.mails("canceled:").len(), 1);
        assert!(!world.billing.pays(tenant).await.unwrap());
        let overview = world.billing.overview(tenant).await.unwrap().unwrap();
        assert_eq!(overview.status, SubscriptionStatus::Canceled);
    }
}

#[tokio::test]
async fn who_cancels_has_the_rest_of_the_period() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let end = world.entitlement(tenant).unwrap().period_end;
    assert_eq!(world.billing.cancel(tenant).await.unwrap(), end);
    assert_eq!(world.billing.cancel(tenant).await.unwrap(), end, "asked twice");
    world.pass(DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
    world.billing.resume(tenant).await.unwrap();
    assert_eq!(world.billing.overview(tenant).await.unwrap().unwrap().cancel_at, None);
    world.billing.cancel(tenant).await.unwrap();
    assert_eq!(world.billing.overview(tenant).await.unwrap().unwrap().cancel_at, end);
    world.pass(31 * DAY).await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!((given.plan, given.mode, given.subscription), (None, Mode::Full, None));
    assert_eq!(world.mails("canceled:").len(), 1);
}

/// What ends some time after a tenant was restricted does not begin anew with its end.
#[tokio::test]
async fn who_was_read_only_and_is_closed_has_been_restricted_all_the_time() {
    let rules = AccessRules { grace: Duration::from_secs(DAY), ended: Ended::Closed };
    let world = World::with(rules, true).await;
    let tenant = world.paid("acme").await;
    world.sim.set_card(&world.customer_id(tenant), Card::Declining).unwrap();
    world.pass(31 * DAY + 2 * 3600).await;
    world.pass(DAY).await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!(given.mode, Mode::ReadOnly);
    let since = given.restricted_since.unwrap();
    world.pass(DAY).await;
    world.sim.portal_cancel(&world.subscription_id(tenant), false).unwrap();
    world.pass(60).await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!((given.mode, given.restricted_since), (Mode::Closed, Some(since)));
}

/// In the portal, where nobody asks us.
#[tokio::test]
async fn what_is_done_in_the_portal_holds() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    assert!(world.billing.portal(tenant, PortalFlow::PaymentMethod).await.unwrap().0.starts_with("http"));
    let subscription = world.subscription_id(tenant);
    world.sim.portal_change_plan(&subscription, "price_ent_m").unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("enterprise"));
    world.sim.portal_cancel(&subscription, true).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert!(world.billing.overview(tenant).await.unwrap().unwrap().cancel_at.is_some());
}

#[tokio::test]
async fn a_price_that_nobody_knows_takes_nothing_away_and_is_noted() {
    let world = World::new().await;
    world.sim.seed_price(togglebox_stripe_sim::SeedPrice::monthly("price_other", 100)).unwrap();
    let tenant = world.paid("acme").await;
    let subscription = world.subscription_id(tenant);
    world.sim.portal_change_plan(&subscription, "price_other").unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
    let conflicts = world.billing.conflicts(true, &PageRequest::first(10)).await.unwrap().items;
    assert!(
        matches!(&conflicts[..], [one] if &*one.kind == "unknown-price" && one.detail.contains("price_other")),
        "{conflicts:?}"
    );
}

#[tokio::test]
async fn who_is_deleted_pays_no_more_and_who_comes_back_goes_on() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.leave(tenant).await.unwrap();
    world.billing.leave(tenant).await.unwrap();
    world.drain().await;
    let ends = |world: &World| world.truth_of("subscriptions", &world.subscription_id(tenant))["cancel_at_period_end"] == true;
    assert!(ends(&world));
    world.billing.come_back(tenant).await.unwrap();
    assert!(!ends(&world));
    world.billing.leave(tenant).await.unwrap();
    world.drain().await;
    assert!(ends(&world), "the second time, too");
    let subscription = world.subscription_id(tenant);
    assert!(world.billing.end_all(tenant).await.unwrap());
    assert_eq!(world.truth_of("subscriptions", &subscription)["status"], "canceled");
    assert!(world.billing.end_all(tenant).await.unwrap(), "asked twice");
}

/// All notices are lost for longer than the payment service keeps events.
#[tokio::test]
async fn after_more_than_a_month_every_subscription_is_looked_at() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.run_now(Chore::Poll).await.unwrap();
    let subscription = world.subscription_id(tenant);
    world.sim.portal_cancel(&subscription, false).unwrap();
    world.sim.advance(40 * i64::try_from(DAY).unwrap()).await;
    drop(world.sim.take_deliveries());
    world.billing.run_now(Chore::Poll).await.unwrap();
    world.drain().await;
    assert_eq!(world.entitlement(tenant).unwrap().plan, None);
    assert_eq!(world.mails("canceled:").len(), 1);
}

#[tokio::test]
async fn what_comes_in_is_added_up() {
    let world = World::new().await;
    for (name, plan, interval) in
        [("a", None, None), ("b", Some("enterprise"), Some(Interval::Monthly)), ("c", Some("pro"), Some(Interval::Yearly))]
    {
        let tenant = world.paid(name).await;
        if let (Some(plan), Some(interval)) = (plan, interval) {
            world.billing.change(tenant, plan, interval, None).await.unwrap();
        }
    }
    let gone = world.paid("d").await;
    world.billing.end_all(gone).await.unwrap();
    let revenue = world.billing.revenue().await.unwrap();
    // 20.00, 100.00, and a twelfth of 200.00.
    assert_eq!(revenue.monthly.iter().map(|money| money.minor).collect::<Vec<_>>(), [2_000 + 10_000 + 1_667]);
    assert_eq!(revenue.plans.iter().map(|plan| plan.subscriptions).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((revenue.ended, revenue.past_due), (1, 0));
}

/// One node is about to give what was so a while ago, when another gives what is so now. What was decided last is had in the end.
#[tokio::test]
async fn who_gives_late_gives_again() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let subscription = world.subscription_id(tenant);
    let other = Arc::new(billing(&world.sim, &world.rest, Arc::new(world.node.clone()), AccessRules::default(), true));
    let slow = Arc::new(Slow::default());
    *world.rest.slow.lock().unwrap() = Some(Arc::clone(&slow));
    world.sim.portal_change_plan(&subscription, "price_ent_m").unwrap();
    world.deliver_all().await;
    let late = tokio::spawn(async move { other.turn().await });
    slow.is_there.notified().await;
    world.sim.advance(2).await;
    world.sim.portal_cancel(&subscription, false).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.entitlement(tenant).unwrap().plan, None);
    slow.go.notify_one();
    late.await.unwrap().unwrap();
    assert_eq!(world.entitlement(tenant).unwrap().plan, None, "the late one has seen that it was late");
}

/// A deletion that is taken back before anybody has done anything about it.
#[tokio::test]
async fn who_stays_after_all_goes_on_paying_whatever_was_written_down() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let ends = |world: &World| world.truth_of("subscriptions", &world.subscription_id(tenant))["cancel_at_period_end"] == true;
    world.billing.leave(tenant).await.unwrap();
    world.billing.come_back(tenant).await.unwrap();
    world.drain().await;
    assert!(!ends(&world));
    // It ends already, and nobody here has heard of it yet.
    world.billing.leave(tenant).await.unwrap();
    world.sim.portal_cancel(&world.subscription_id(tenant), true).unwrap();
    world.billing.come_back(tenant).await.unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert!(!ends(&world));
}

#[tokio::test]
async fn who_is_deleted_with_a_lesser_plan_ahead_pays_no_more() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.change(tenant, "enterprise", Interval::Monthly, None).await.unwrap();
    world.billing.change(tenant, "pro", Interval::Monthly, None).await.unwrap();
    world.billing.leave(tenant).await.unwrap();
    world.drain().await;
    let dead = world.billing.effects(togglebox_billing::lists::DEAD, &PageRequest::first(10)).await.unwrap();
    assert!(dead.items.is_empty(), "{dead:?}");
    world.pass(31 * DAY).await;
    assert!(!world.billing.pays(tenant).await.unwrap());
}

/// All within a day, in which the payment service answers the same to the same key.
#[tokio::test]
async fn a_lesser_plan_can_be_planned_taken_back_and_planned_again() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.change(tenant, "enterprise", Interval::Yearly, None).await.unwrap();
    let planned = async |plan: &str, interval| {
        world.billing.change(tenant, plan, interval, None).await.unwrap();
        let scheduled = world.billing.overview(tenant).await.unwrap().unwrap().scheduled;
        scheduled.map(|(plan, interval, _)| (plan.to_string(), interval))
    };
    for _ in 0..3 {
        assert_eq!(planned("pro", Interval::Monthly).await, Some(("pro".to_owned(), Interval::Monthly)));
        assert_eq!(planned("enterprise", Interval::Monthly).await, Some(("enterprise".to_owned(), Interval::Monthly)));
        assert_eq!(planned("enterprise", Interval::Yearly).await, None);
        let schedule = world.truth_of("subscriptions", &world.subscription_id(tenant))["schedule"].clone();
        assert!(schedule.is_null(), "{schedule}");
    }
    assert_eq!(planned("pro", Interval::Monthly).await, Some(("pro".to_owned(), Interval::Monthly)));
    world.pass(366 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
}

/// The subscription that a tenant has ends, and it pays for another one, which somebody had decided to keep.
#[tokio::test]
async fn who_pays_for_another_one_has_that_when_the_first_ends() {
    let world = World::with(AccessRules::default(), false).await;
    let tenant = world.paid("acme").await;
    let second = togglebox_stripe_sim::Ask::post("/v1/subscriptions")
        .form("customer", world.customer_id(tenant))
        .form("items[0][price]", "price_ent_m")
        .form("metadata[tenant_id]", tenant.to_string());
    world.sim.call(second).await;
    world.deliver_all().await;
    world.drain().await;
    world.sim.portal_cancel(&world.subscription_id(tenant), false).unwrap();
    world.pass(2 * 3600).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("enterprise"));
}

/// Made by hand for a tenant that has none, and over again; the end is heard of first.
#[tokio::test]
async fn what_was_over_before_it_was_heard_of_is_not_given() {
    let world = World::new().await;
    let (payer, tenant) = (world.paid("acme").await, world.sign_up("globex").await.tenant);
    let made = togglebox_stripe_sim::Ask::post("/v1/subscriptions")
        .form("customer", world.customer_id(payer))
        .form("items[0][price]", "price_ent_m")
        .form("metadata[tenant_id]", tenant.to_string());
    let made = world.sim.call(made).await.id().to_owned();
    world.sim.portal_cancel(&made, false).unwrap();
    let mut deliveries = world.sim.take_deliveries();
    deliveries.reverse();
    assert!(deliveries.len() >= 2);
    for delivery in deliveries {
        world.deliver(&delivery).await;
        world.drain().await;
    }
    assert_eq!(world.truth_of("subscriptions", &made)["status"], "canceled");
    assert!(world.entitlement(tenant).is_none());
}
