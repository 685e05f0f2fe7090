//! From a visitor to a tenant, whatever comes in between.

use std::sync::Arc;

use togglebox_billing::{AccessRules, BillingError, Mode, Notice, ProviderError, SignUpState, Subscriber, lists};
use togglebox_billing::{Chore, Interval};
use togglebox_core::PageRequest;
use togglebox_stripe_sim::{Fault, Matcher, Outcome};
use uuid::Uuid;

use crate::world::{DAY, World, new_sign_up};

#[tokio::test]
async fn who_pays_has_what_was_ordered() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    assert!(pending.url.starts_with("http"));
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Open);
    assert!(world.entitlement(pending.tenant).is_none(), "nothing is given before it is paid");
    world.sim.complete_checkout(&world.session_of(pending.id), Outcome::Paid).unwrap();
    world.deliver_all().await;
    world.drain().await;
    let given = world.entitlement(pending.tenant).unwrap();
    assert_eq!((given.plan.as_deref(), given.mode), (Some("pro"), Mode::Full));
    assert!(given.customer.is_some() && given.subscription.is_some() && given.period_end.is_some());
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Active);
    assert_eq!(world.mails("welcome:").len(), 1);
    assert!(world.billing.pays(pending.tenant).await.unwrap());
}

/// The browser is faster than every webhook; and then they come.
#[tokio::test]
async fn who_comes_back_from_the_page_has_it_at_once_and_only_once() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    let session = world.session_of(pending.id);
    assert_eq!(world.billing.complete(&session).await.unwrap().state, SignUpState::Open, "nothing is paid yet");
    world.sim.complete_checkout(&session, Outcome::Paid).unwrap();
    let (one, two) = tokio::join!(world.billing.complete(&session), world.billing.complete(&session));
    assert_eq!([one.unwrap().state, two.unwrap().state], [SignUpState::Active; 2]);
    assert!(world.entitlement(pending.tenant).is_some());
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.mails("welcome:").len(), 1);
    assert!(matches!(world.billing.complete("cs_unknown").await, Err(BillingError::NoSignUp)));
}

#[tokio::test]
async fn of_a_hundred_who_want_one_name_one_has_it() {
    let world = World::new().await;
    let sign_ups = (0..100).map(|_| {
        let billing = Arc::clone(&world.billing);
        tokio::spawn(async move { billing.sign_up(new_sign_up("acme")).await })
    });
    let mut made = 0;
    for sign_up in sign_ups.collect::<Vec<_>>() {
        match sign_up.await.unwrap() {
            Ok(_) => made += 1,
            Err(BillingError::SubdomainTaken) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(world.rest.tenants.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_is_free_again_once_its_page_is_closed() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    world.pass(DAY - 120).await;
    assert!(world.rest.taken.lock().unwrap().contains("acme"), "it can be paid still");
    world.pass(600).await;
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Expired);
    assert!(!world.rest.taken.lock().unwrap().contains("acme"));
    world.pass(7 * DAY).await;
    let open = world.store_open_sign_ups().await;
    assert_eq!(open, 0, "no reservation is left");
    world.paid("acme").await;
}

/// The visitor went away; nobody told us. The page is closed at the payment service before the name is given up.
#[tokio::test]
async fn nobody_pays_for_what_was_given_up() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    let session = world.session_of(pending.id);
    world.sim.advance(i64::try_from(DAY).unwrap() + 300).await;
    // All that was told is lost.
    drop(world.sim.take_deliveries());
    world.drain().await;
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Expired);
    assert!(world.sim.complete_checkout(&session, Outcome::Paid).is_err(), "it cannot be paid any more");
}

#[tokio::test]
async fn paid_in_the_last_moment_is_paid_even_if_it_is_told_days_later() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    world.sim.advance(i64::try_from(DAY).unwrap() - 61).await;
    world.sim.complete_checkout(&world.session_of(pending.id), Outcome::Paid).unwrap();
    let late = world.sim.take_deliveries();
    world.sim.advance(3 * i64::try_from(DAY).unwrap()).await;
    drop(world.sim.take_deliveries());
    world.drain().await;
    assert!(world.entitlement(pending.tenant).is_some(), "the sweep asks before it gives a name up");
    drop(late);
}

#[tokio::test]
async fn money_that_takes_days_is_waited_for() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    let session = world.session_of(pending.id);
    world.sim.complete_checkout(&session, Outcome::Delayed).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Processing);
    world.pass(3 * DAY).await;
    assert!(world.entitlement(pending.tenant).is_none());
    world.sim.finish_delayed(&session, true).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Active);
    assert_eq!(world.entitlement(pending.tenant).unwrap().mode, Mode::Full);
}

#[tokio::test]
async fn money_that_does_not_come_frees_the_name_and_is_told() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    let session = world.session_of(pending.id);
    world.sim.complete_checkout(&session, Outcome::Delayed).unwrap();
    world.pass(DAY).await;
    world.sim.finish_delayed(&session, false).unwrap();
    world.deliver_all().await;
    world.drain().await;
    world.pass(2 * DAY).await;
    assert_eq!(world.billing.sign_up_status(pending.id).await.unwrap().state, SignUpState::Failed);
    assert!(!world.rest.taken.lock().unwrap().contains("acme"));
    assert!(matches!(&world.mails("signup_failed:")[..], [(_, Notice::SignUpFailed)]));
}

#[tokio::test]
async fn a_trial_or_a_card_that_is_declined_first_change_nothing_of_that() {
    let world = World::new().await;
    let pending = world.sign_up("acme").await;
    let session = world.session_of(pending.id);
    world.sim.complete_checkout(&session, Outcome::Declined).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert!(world.entitlement(pending.tenant).is_none());
    world.sim.complete_checkout(&session, Outcome::Paid).unwrap();
    world.deliver_all().await;
    world.drain().await;
    assert!(world.entitlement(pending.tenant).is_some());
}

/// A tenant that is there opens two pages and pays both: it has one subscription, and the money of the other back.
#[tokio::test]
async fn who_pays_twice_gets_one_of_them_back() {
    for undo in [true, false] {
        let world = World::with(AccessRules::default(), undo).await;
        let tenant = world.paid("acme").await;
        let first = world.subscription_id(tenant);
        // By hand, as nobody can through us.
        let customer = world.customer_id(tenant);
        let second = world.sim.call(
            togglebox_stripe_sim::Ask::post("/v1/subscriptions")
                .form("customer", &customer)
                .form("items[0][price]", "price_ent_m")
                .form("metadata[tenant_id]", tenant.to_string()),
        );
        let second = second.await.id().to_owned();
        world.deliver_all().await;
        world.drain().await;
        assert_eq!(world.subscription_id(tenant), first);
        assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
        let conflicts = world.billing.conflicts(!undo, &PageRequest::first(10)).await.unwrap().items;
        assert!(matches!(&conflicts[..], [one] if &*one.kind == "second-subscription"), "{conflicts:?}");
        if !undo {
            world.billing.resolve(&conflicts[0].id, "Undone after a call with them.", true).await.unwrap();
            world.drain().await;
        }
        world.deliver_all().await;
        world.drain().await;
        let state = world.truth_of("subscriptions", &second);
        assert_eq!(state["status"], "canceled");
        assert_eq!(world.entitlement(tenant).unwrap().mode, Mode::Full);
        assert_eq!(world.mails("canceled:").len(), 0, "of the one that nobody had, nobody is told");
        assert_eq!(world.sim.truth()["refunds"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_tenant_that_is_there_subscribes_once() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    let by = || Subscriber { user: Uuid::from_u128(7), email: "ada@example.com".into() };
    let again = world.billing.subscribe(tenant, by(), "enterprise", Interval::Monthly).await;
    assert!(matches!(again, Err(BillingError::AlreadySubscribed)));
    // It ends, and comes back.
    world.billing.cancel(tenant).await.unwrap();
    world.pass(32 * DAY).await;
    assert_eq!(world.entitlement(tenant).unwrap().plan, None);
    let one = world.billing.subscribe(tenant, by(), "enterprise", Interval::Monthly).await.unwrap();
    let same = world.billing.subscribe(tenant, by(), "enterprise", Interval::Monthly).await.unwrap();
    assert_eq!(one, same, "the page that is open");
    let other = world.billing.subscribe(tenant, by(), "pro", Interval::Yearly).await.unwrap();
    assert_eq!(world.billing.sign_up_status(one.id).await.unwrap().state, SignUpState::Expired, "only one can be paid");
    assert!(world.sim.complete_checkout(&world.session_of(one.id), Outcome::Paid).is_err());
    world.sim.complete_checkout(&world.session_of(other.id), Outcome::Paid).unwrap();
    world.deliver_all().await;
    world.drain().await;
    let given = world.entitlement(tenant).unwrap();
    assert_eq!((given.plan.as_deref(), given.mode), (Some("pro"), Mode::Full));
    assert_eq!(world.mails("welcome:").len(), 1, "it was welcomed when it was new");
}

#[tokio::test]
async fn what_is_not_sold_cannot_be_signed_up_for() {
    let world = World::new().await;
    let mut new = new_sign_up("acme");
    new.plan = "free".into();
    assert!(matches!(world.billing.sign_up(new).await, Err(BillingError::NotSold)));
    assert!(world.rest.tenants.lock().unwrap().is_empty());
    assert!(matches!(world.billing.sign_up_status(Uuid::from_u128(1)).await, Err(BillingError::NoSignUp)));
}

/// Nothing was told for three days: what was missed is asked for.
#[tokio::test]
async fn what_was_not_told_is_asked_for() {
    let world = World::new().await;
    world.billing.run_now(Chore::Poll).await.unwrap();
    let pending = world.sign_up("acme").await;
    world.sim.complete_checkout(&world.session_of(pending.id), Outcome::Paid).unwrap();
    world.sim.advance(3 * i64::try_from(DAY).unwrap()).await;
    drop(world.sim.take_deliveries());
    let outcome = world.billing.run_now(Chore::Poll).await.unwrap().unwrap();
    assert!(!outcome.contains(" 0 new"), "{outcome}");
    world.drain().await;
    assert!(world.entitlement(pending.tenant).is_some());
    assert_eq!(world.mails("welcome:").len(), 1);
    let dead = world.billing.events(lists::DEAD, &PageRequest::first(10)).await.unwrap();
    assert!(dead.items.is_empty());
}

/// One admin pays, and before anybody was told, another one orders something else.
#[tokio::test]
async fn who_has_paid_is_not_asked_to_pay_again() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.cancel(tenant).await.unwrap();
    world.pass(32 * DAY).await;
    let by = || Subscriber { user: Uuid::from_u128(7), email: "ada@example.com".into() };
    let one = world.billing.subscribe(tenant, by(), "pro", Interval::Monthly).await.unwrap();
    world.sim.complete_checkout(&world.session_of(one.id), Outcome::Paid).unwrap();
    let other = world.billing.subscribe(tenant, by(), "enterprise", Interval::Monthly).await;
    assert!(matches!(other, Err(BillingError::AlreadySubscribed)), "{other:?}");
    assert_eq!(world.entitlement(tenant).unwrap().plan.as_deref(), Some("pro"));
}

#[tokio::test]
async fn of_many_who_order_for_one_tenant_one_gets_a_page() {
    let world = World::new().await;
    let tenant = world.paid("acme").await;
    world.billing.end_all(tenant).await.unwrap();
    let orders = ["pro", "enterprise"].into_iter().cycle().take(20).map(|plan| {
        let billing = Arc::clone(&world.billing);
        tokio::spawn(async move {
            let by = Subscriber { user: Uuid::from_u128(7), email: "ada@example.com".into() };
            billing.subscribe(tenant, by, plan, Interval::Monthly).await
        })
    });
    for order in orders.collect::<Vec<_>>() {
        match order.await.unwrap() {
            Ok(_) | Err(BillingError::Busy) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let open = world.truth_of_all("sessions").into_iter().filter(|session| session["status"] == "open").count();
    assert_eq!(open, 1);
}

/// The payment service makes no page, and never will: nobody waits, and the name is free.
#[tokio::test]
async fn what_the_payment_service_does_not_sell_reserves_nothing() {
    let world = World::new().await;
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/checkout/sessions"), 400));
    let refused = world.billing.sign_up(new_sign_up("acme")).await;
    assert!(matches!(refused, Err(BillingError::Provider(ProviderError::Refused { .. }))), "{refused:?}");
    assert!(world.rest.taken.lock().unwrap().is_empty());
    assert_eq!(world.store_open_sign_ups().await, 0);
    world.paid("acme").await;
}

/// Something went wrong inside of the payment service, and it says so to the same question for a day.
#[tokio::test]
async fn a_page_that_had_bad_luck_is_made_anew() {
    let world = World::new().await;
    world.sim.inject(Fault::status(Matcher::new("POST", "/v1/checkout/sessions"), 500));
    assert!(world.billing.sign_up(new_sign_up("acme")).await.is_err());
    for _ in 0..10 {
        world.pass(120).await;
    }
    let open = world.truth_of_all("sessions").into_iter().filter(|session| session["status"] == "open").count();
    assert_eq!(open, 1);
    world.pass(2 * DAY).await;
    assert_eq!(world.store_open_sign_ups().await, 0);
    assert!(world.rest.taken.lock().unwrap().is_empty());
}
