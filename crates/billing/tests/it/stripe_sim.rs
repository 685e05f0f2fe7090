//! The client of Stripe against the simulator: every call of the port, and what becomes of it when answers are lost.

use std::sync::Arc;
use std::time::Duration;

use togglebox_billing::objects::{Checkout, CheckoutStatus, EventKind, Subscription, SubscriptionStatus};
use togglebox_billing::stripe::{StripeOptions, StripeProvider};
use togglebox_billing::{
    BillingProvider, Change, CheckoutOptions, Ending, EventQuery, NewCheckout, PortalFlow, ProviderError, UsageReport, When,
};
use togglebox_core::{ManualStopwatch, SeededEntropy, Timestamp};
use togglebox_stripe_sim::{Ask, Card, Effect, Fault, Matcher, Moment, Outcome, SeedPrice, Sim};

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(seconds * 1000)
}

struct Stripe {
    sim: Sim,
    provider: StripeProvider,
    options: StripeOptions,
}

async fn stripe() -> Stripe {
    let sim = Sim::builder().now(NOW).manual_endpoint("whsec_test").start().await.unwrap();
    sim.seed_meter("mtr_requests", "requests");
    for price in [
        SeedPrice::monthly("price_pro", 2_000),
        SeedPrice::monthly("price_big", 5_000),
        SeedPrice::yearly("price_year", 20_000),
        SeedPrice::metered("price_use", "mtr_requests", "0.02"),
    ] {
        sim.seed_price(price).unwrap();
    }
    let mut options = StripeOptions::new("sk_test_verysecret".into(), "requests");
    options.api_base = sim.base_url();
    options.first_pause = Duration::ZERO;
    options.tries = 10;
    let stopwatch = Arc::new(ManualStopwatch::default());
    let provider = StripeProvider::new(&options, stopwatch, Arc::new(SeededEntropy::new(5))).unwrap();
    Stripe { sim, provider, options }
}

fn page(key: &str) -> NewCheckout {
    NewCheckout {
        key: key.to_owned(),
        reference: "signup_1".into(),
        price: "price_pro".into(),
        usage_price: Some("price_use".into()),
        customer: None,
        email: "owner@example.com".into(),
        metadata: [("signup_id".into(), "signup_1".into()), ("tenant_id".into(), "t_1".into())].into(),
        trial_days: None,
        expires_at: at(NOW + HOUR),
        success_url: "https://app.example/done?session_id={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "https://app.example/plans".into(),
        options: CheckoutOptions { promotion_codes: true, automatic_tax: true },
    }
}

impl Stripe {
    async fn paid(&self) -> Checkout {
        let made = self.provider.create_checkout(&page("signup:1:1")).await.unwrap();
        self.sim.complete_checkout(&made.id, Outcome::Paid).unwrap();
        self.provider.checkout(&made.id).await.unwrap()
    }

    async fn subscribed(&self) -> Subscription {
        let paid = self.paid().await;
        self.read(paid.subscription.as_deref().unwrap()).await
    }

    async fn read(&self, id: &str) -> Subscription {
        self.provider.subscription(id).await.unwrap().value
    }

    /// How many requests were made with this method and path.
    fn made(&self, method: &str, path: &str) -> usize {
        self.sim.calls().iter().filter(|call| call.method == method && call.path == path).count()
    }

    fn change(&self, of: &Subscription, price: &str) -> Change {
        Change {
            subscription: of.id.clone(),
            customer: of.customer.clone(),
            item: plan(of).id.clone(),
            price: price.into(),
            proration_date: at(self.sim.now()),
        }
    }
}

fn plan(of: &Subscription) -> &togglebox_billing::objects::Item {
    of.items.iter().find(|item| !item.metered).unwrap()
}

#[tokio::test]
async fn a_page_is_made_once_and_paid() {
    let stripe = stripe().await;
    let made = stripe.provider.create_checkout(&page("signup:1:1")).await.unwrap();
    assert_eq!((made.status, made.expires_at), (CheckoutStatus::Open, Some(at(NOW + HOUR))));
    assert!(made.url.is_some() && !made.is_paid());
    let again = stripe.provider.create_checkout(&page("signup:1:1")).await.unwrap();
    assert_eq!(made, again, "the same key, the same page");
    assert!(stripe.sim.calls().last().unwrap().replayed);
    let other = NewCheckout { price: "price_big".into(), ..page("signup:1:1") };
    let error = stripe.provider.create_checkout(&other).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");

    stripe.sim.complete_checkout(&made.id, Outcome::Paid).unwrap();
    let paid = stripe.provider.checkout(&made.id).await.unwrap();
    assert!(paid.is_paid());
    assert_eq!(paid.reference.as_deref(), Some("signup_1"));
    assert_eq!(paid.metadata["tenant_id"].as_ref(), "t_1");
    let fetched = stripe.provider.subscription(paid.subscription.as_deref().unwrap()).await.unwrap();
    assert_eq!((fetched.as_of.lo(), fetched.as_of.hi()), (at(NOW - 1), at(NOW)));
    let subscription = fetched.value;
    assert_eq!(subscription.status, SubscriptionStatus::Active);
    assert_eq!(subscription.metadata["tenant_id"].as_ref(), "t_1", "what is written on the page stands on the subscription");
    let metered = subscription.items.iter().find(|item| item.metered).unwrap();
    assert_eq!((&*metered.price, metered.quantity), ("price_use", None));
    assert_eq!((&*plan(&subscription).price, plan(&subscription).quantity), ("price_pro", Some(1)));
}

#[tokio::test]
async fn a_customer_who_is_known_and_a_trial() {
    let stripe = stripe().await;
    let customer = stripe.paid().await.customer.unwrap();
    let new = NewCheckout { customer: Some(customer.clone()), trial_days: Some(14), ..page("signup:2:1") };
    let made = stripe.provider.create_checkout(&new).await.unwrap();
    stripe.sim.complete_checkout(&made.id, Outcome::Paid).unwrap();
    let page = stripe.provider.checkout(&made.id).await.unwrap();
    assert_eq!(page.customer, Some(customer));
    let subscription = stripe.read(page.subscription.as_deref().unwrap()).await;
    assert_eq!((subscription.status, subscription.trial_end), (SubscriptionStatus::Trialing, Some(at(NOW + 14 * DAY))));
}

#[tokio::test]
async fn a_page_is_closed_though_the_answer_was_lost() {
    let stripe = stripe().await;
    let made = stripe.provider.create_checkout(&page("signup:1:1")).await.unwrap();
    stripe.sim.inject(Fault::drop(Matcher::new("POST", "/v1/checkout/sessions/*/expire"), Moment::After));
    assert_eq!(stripe.provider.expire_checkout(&made.id).await.unwrap().status, CheckoutStatus::Expired);
    let error = stripe.provider.expire_checkout(&made.id).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }), "another wish: there is nothing open any more: {error:?}");
    assert!(matches!(stripe.provider.checkout("cs_test_none").await, Err(ProviderError::Missing(_))));
}

#[tokio::test]
async fn the_portal_opens() {
    let stripe = stripe().await;
    let customer = stripe.paid().await.customer.unwrap();
    for flow in [PortalFlow::Overview, PortalFlow::PaymentMethod] {
        let url = stripe.provider.create_portal(&customer, flow, "https://app.example/billing").await.unwrap();
        assert!(url.0.starts_with("https://"));
    }
    let error = stripe.provider.create_portal("cus_none", PortalFlow::Overview, "https://app.example/").await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_billed_for_a_change_is_what_was_shown() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    stripe.sim.advance(10 * DAY).await;
    let change = stripe.change(&before, "price_big");
    let shown = stripe.provider.preview_change(&change).await.unwrap();
    assert!(shown.id.is_none() && shown.due.minor > 0);
    stripe.sim.advance(5 * HOUR).await;
    let after = stripe.provider.change_plan("plan:1", &change, When::Now).await.unwrap();
    assert_eq!((&*plan(&after.value).price, after.value.items.len()), ("price_big", 2));
    assert!(!after.value.pending_update);
    assert_eq!(after.as_of.hi(), at(stripe.sim.now()));
    let bills = stripe.provider.invoices(&before.customer, 10, None).await.unwrap();
    assert_eq!(bills.items[0].due, shown.due);
    assert_eq!((bills.items[0].reason.as_deref(), bills.items[0].status.as_deref()), (Some("subscription_update"), Some("paid")));

    let again = stripe.provider.change_plan("plan:1", &change, When::Now).await.unwrap();
    assert_eq!(again.value, after.value);
    assert_eq!(stripe.provider.invoices(&before.customer, 10, None).await.unwrap().items.len(), bills.items.len());
}

#[tokio::test]
async fn a_change_whose_payment_fails_waits() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    stripe.sim.set_card(&before.customer, Card::Declining).unwrap();
    stripe.sim.advance(DAY).await;
    let change = stripe.change(&before, "price_big");
    let after = stripe.provider.change_plan("plan:1", &change, When::Now).await.unwrap().value;
    assert!(after.pending_update);
    assert_eq!(&*plan(&after).price, "price_pro");
}

/// Between a request and its repeat something else happens: what the answer shows is of before.
#[tokio::test]
async fn after_a_change_the_state_is_what_it_is_and_not_what_it_was_when_the_key_was_new() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let change = stripe.change(&before, "price_big");
    stripe.provider.change_plan("plan:1", &change, When::Now).await.unwrap();
    stripe.sim.advance(HOUR).await;
    stripe.sim.portal_cancel(&before.id, true).unwrap();
    stripe.sim.advance(HOUR).await;
    let again = stripe.provider.change_plan("plan:1", &change, When::Now).await.unwrap();
    assert!(again.value.cancel_at_period_end);
    assert_eq!(again.as_of.hi(), at(stripe.sim.now()));
}

#[tokio::test]
async fn a_change_for_the_next_period_is_a_schedule() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let end = plan(&before).period_end.unwrap();
    stripe.sim.advance(DAY).await;
    let later = stripe.provider.change_plan("plan:1", &stripe.change(&before, "price_big"), When::PeriodEnd).await.unwrap().value;
    let schedule = later.schedule.clone().unwrap();
    assert_eq!(&*plan(&later).price, "price_pro", "nothing changes yet");
    let next = stripe.provider.scheduled(&schedule).await.unwrap().unwrap();
    assert_eq!((&*next.price, next.at), ("price_big", end));
    // With the same key, and with another one for another price: it stays the same schedule.
    let again = stripe.provider.change_plan("plan:1", &stripe.change(&before, "price_big"), When::PeriodEnd).await.unwrap().value;
    assert_eq!(again.schedule.as_deref(), Some(&*schedule));
    let other =
        stripe.provider.change_plan("plan:2", &stripe.change(&before, "price_year"), When::PeriodEnd).await.unwrap().value;
    assert_eq!(other.schedule.as_deref(), Some(&*schedule));
    assert_eq!(&*stripe.provider.scheduled(&schedule).await.unwrap().unwrap().price, "price_year");
    assert_eq!(stripe.made("POST", "/v1/subscription_schedules"), 1);
    stripe.provider.change_plan("plan:3", &stripe.change(&before, "price_big"), When::PeriodEnd).await.unwrap();

    stripe.sim.advance_to(end.as_ms() / 1000 + HOUR).await;
    let after = stripe.read(&before.id).await;
    assert_eq!((&*plan(&after).price, after.items.len()), ("price_big", 2), "what is billed by use is still there");
    assert_eq!(stripe.provider.scheduled(&schedule).await.unwrap(), None);
}

#[tokio::test]
async fn a_schedule_is_taken_away_once_or_more_often() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let later = stripe.provider.change_plan("plan:1", &stripe.change(&before, "price_big"), When::PeriodEnd).await.unwrap().value;
    let schedule = later.schedule.unwrap();
    stripe.provider.release_schedule("release:1", &schedule).await.unwrap();
    assert_eq!(stripe.read(&before.id).await.schedule, None);
    stripe.provider.release_schedule("release:1", &schedule).await.unwrap();
    stripe.provider.release_schedule("release:2", &schedule).await.unwrap();
    assert_eq!(stripe.provider.scheduled(&schedule).await.unwrap(), None);
    assert!(matches!(stripe.provider.release_schedule("release:3", "sub_sched_none").await, Err(ProviderError::Missing(_))));
}

/// A crash after the schedule was made, and before it was told what to do.
#[tokio::test]
async fn a_change_that_stopped_half_way_goes_on() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let change = stripe.change(&before, "price_big");
    stripe.sim.inject(Fault::status(Matcher::new("POST", "/v1/subscription_schedules/*"), 400));
    assert!(stripe.provider.change_plan("plan:1", &change, When::PeriodEnd).await.is_err());
    assert!(stripe.read(&before.id).await.schedule.is_some());
    let later = stripe.provider.change_plan("plan:1", &change, When::PeriodEnd).await.unwrap().value;
    assert_eq!(&*stripe.provider.scheduled(&later.schedule.unwrap()).await.unwrap().unwrap().price, "price_big");
}

#[tokio::test]
async fn a_subscription_ends_or_not_after_all() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let end = async |key: &str, ending| stripe.provider.end(key, &before.id, ending).await.unwrap().value;
    assert!(end("end:1", Ending::PeriodEnd).await.cancel_at_period_end);
    assert!(!end("end:2", Ending::NotAtAll).await.ends());
    assert!(!end("end:3", Ending::NotAtAll).await.ends(), "there is nothing to take back");
    let dated = Ask::post(&format!("/v1/subscriptions/{}", before.id)).form("cancel_at", NOW + 3 * DAY);
    assert_eq!(stripe.sim.call(dated).await.status, 200);
    assert!(stripe.read(&before.id).await.ends());
    assert!(!end("end:4", Ending::NotAtAll).await.ends(), "nor is a date left");
    stripe.sim.inject(Fault::drop(Matcher::new("DELETE", "/v1/subscriptions/"), Moment::After));
    assert_eq!(end("end:5", Ending::Now).await.status, SubscriptionStatus::Canceled);
    assert_eq!(end("end:6", Ending::Now).await.status, SubscriptionStatus::Canceled, "it is over already");
    assert!(matches!(stripe.provider.end("end:7", "sub_none", Ending::Now).await, Err(ProviderError::Missing(_))));
}

#[tokio::test]
async fn the_next_bill_is_told_as_long_as_there_is_one() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let next = stripe.provider.upcoming(&before.customer, &before.id).await.unwrap().unwrap();
    assert_eq!((next.due.minor, next.id), (2_000, None));
    stripe.provider.end("end:1", &before.id, Ending::Now).await.unwrap();
    assert_eq!(stripe.provider.upcoming(&before.customer, &before.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_paid_is_paid_back_once() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let invoice = before.latest_invoice.unwrap();
    stripe.sim.inject(Fault::drop(Matcher::new("POST", "/v1/refunds"), Moment::After));
    assert!(stripe.provider.refund("refund:1", &invoice).await.unwrap());
    let refunds = stripe.sim.truth()["refunds"].clone();
    assert_eq!(refunds.as_array().unwrap().len(), 1, "though the answer was lost");
    assert!(!stripe.provider.refund("refund:2", &invoice).await.unwrap(), "there is nothing left");
    assert_eq!(stripe.sim.truth()["refunds"], refunds);
}

#[tokio::test]
async fn a_bill_that_nobody_is_to_pay_is_void_once() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    stripe.sim.set_card(&before.customer, Card::Declining).unwrap();
    stripe.sim.advance(32 * DAY).await;
    let open = stripe.read(&before.id).await.latest_invoice.unwrap();
    stripe.sim.inject(Fault::drop(Matcher::new("POST", "/v1/invoices/*/void"), Moment::After));
    stripe.provider.void("void:1", &open).await.unwrap();
    let bills = stripe.provider.invoices(&before.customer, 1, None).await.unwrap().items;
    assert_eq!((bills[0].id.as_deref(), bills[0].status.as_deref()), (Some(&*open), Some("void")));
    assert!(matches!(stripe.provider.void("void:2", &open).await, Err(ProviderError::Refused { .. })));
}

#[tokio::test]
async fn usage_is_billed_at_the_end_unless_nobody_should_have_had_it() {
    for (ending, bills) in [(Ending::Now, 2), (Ending::Undone, 1)] {
        let stripe = stripe().await;
        let before = stripe.subscribed().await;
        stripe.sim.advance(2 * HOUR).await;
        let customer = before.customer.clone();
        let report = UsageReport { customer, identifier: "t_1:1".to_owned(), at: at(NOW + HOUR), value: 100_000 };
        stripe.provider.send_usage(&report).await.unwrap();
        let ended = stripe.provider.end("end:1", &before.id, ending).await.unwrap().value;
        assert_eq!(ended.status, SubscriptionStatus::Canceled);
        let found = stripe.provider.invoices(&before.customer, 10, None).await.unwrap().items;
        assert_eq!(found.len(), bills, "{ending:?}: {found:?}");
    }
}

#[tokio::test]
async fn bills_are_listed_page_by_page_the_newest_first() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    stripe.sim.advance(70 * DAY).await;
    let first = stripe.provider.invoices(&before.customer, 2, None).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let second = stripe.provider.invoices(&before.customer, 2, first.next.as_deref()).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    let created: Vec<_> = first.items.iter().chain(&second.items).map(|bill| bill.created.unwrap()).collect();
    assert!(created.is_sorted_by(|newer, older| newer > older), "{created:?}");
    assert!(second.items.iter().all(|bill| bill.subscription.as_deref() == Some(&*before.id)));
}

#[tokio::test]
async fn usage_is_told_hour_by_hour_and_the_last_word_counts() {
    let stripe = stripe().await;
    let customer = stripe.paid().await.customer.unwrap();
    stripe.sim.advance(10 * HOUR).await;
    let report = |hour: i64, value, version| UsageReport {
        customer: customer.clone(),
        identifier: format!("t_1:{hour}:{version}"),
        at: at(NOW + hour * HOUR + 5),
        value,
    };
    for sent in [report(1, 10, 1), report(1, 10, 1), report(1, 12, 2), report(3, 7, 1), report(4, 0, 1)] {
        stripe.provider.send_usage(&sent).await.unwrap();
    }
    let found = stripe.provider.usage(&customer, at(NOW + 60), at(NOW + 5 * HOUR)).await.unwrap();
    let found: Vec<_> = found.iter().map(|hour| (hour.start, hour.end, hour.value)).collect();
    let hour = |hour: i64, value| (at(NOW + hour * HOUR), at(NOW + (hour + 1) * HOUR), value);
    assert_eq!(found, [hour(1, 12), hour(3, 7)]);
    let none = stripe.provider.usage(&customer, at(NOW), at(NOW)).await.unwrap();
    assert!(none.is_empty());
    // A figure that is sent again a day later, when its identifier and key are forgotten, changes nothing.
    stripe.sim.advance(2 * DAY).await;
    stripe.provider.send_usage(&report(1, 12, 2)).await.unwrap();
    assert_eq!(stripe.provider.usage(&customer, at(NOW + HOUR), at(NOW + 2 * HOUR)).await.unwrap()[0].value, 12);
}

#[tokio::test]
async fn usage_of_many_hours_comes_in_pages() {
    let stripe = stripe().await;
    let customer = stripe.paid().await.customer.unwrap();
    stripe.sim.advance(150 * HOUR).await;
    for hour in 0..120 {
        let identifier = format!("h{hour}");
        let report = UsageReport { customer: customer.clone(), identifier, at: at(NOW + hour * HOUR), value: 1 };
        stripe.provider.send_usage(&report).await.unwrap();
    }
    let found = stripe.provider.usage(&customer, at(NOW), at(NOW + 150 * HOUR)).await.unwrap();
    assert_eq!(found.len(), 120);
    assert!(found.is_sorted_by(|earlier, later| earlier.end == later.start));
}

#[tokio::test]
async fn the_meter_is_found_by_its_name() {
    let stripe = stripe().await;
    let meter = stripe.provider.meter().await.unwrap().unwrap();
    assert_eq!((&*meter.id, meter.active, &*meter.formula, meter.window.as_deref()), ("mtr_requests", true, "sum", Some("hour")));
    let options = StripeOptions { meter_event_name: "others".to_owned(), ..stripe.options.clone() };
    let other = StripeProvider::new(&options, Arc::new(ManualStopwatch::default()), Arc::new(SeededEntropy::new(1))).unwrap();
    assert_eq!(other.meter().await.unwrap(), None);
    assert!(matches!(other.usage("cus_1", at(NOW), at(NOW + HOUR)).await, Err(ProviderError::Missing(_))));
    let report = UsageReport { customer: "cus_1".into(), identifier: "x".to_owned(), at: at(NOW), value: 1 };
    assert!(matches!(other.send_usage(&report).await, Err(ProviderError::Refused { .. })));
}

#[tokio::test]
async fn events_are_those_that_were_asked_for() {
    let stripe = stripe().await;
    stripe.paid().await;
    stripe.sim.advance(40 * DAY).await;
    let told = async |since, kinds| {
        let query = EventQuery { since: at(since), kinds, before: None };
        let found = stripe.provider.events(&query).await.unwrap();
        assert_eq!(found.next, None);
        found.items
    };
    let all = told(NOW, EventKind::ALL).await;
    assert!(!all.is_empty());
    let created: Vec<_> = all.iter().map(|event| event["created"].as_i64().unwrap()).collect();
    assert!(created.is_sorted_by(|newer, older| newer >= older), "{created:?}");
    for event in &all {
        assert!(EventKind::parse(event["type"].as_str().unwrap()).is_some(), "{event}");
    }
    assert!(told(created[0], EventKind::ALL).await.len() < all.len());
    assert!(told(created[0] + 1, EventKind::ALL).await.is_empty());
    let paid = told(NOW, &[EventKind::InvoicePaid]).await;
    assert!(!paid.is_empty() && paid.iter().all(|event| event["type"] == "invoice.paid"));
}

#[tokio::test]
async fn prices_and_webhook_endpoints_are_found() {
    let stripe = stripe().await;
    let price = stripe.provider.price("price_use").await.unwrap();
    assert!(price.metered && price.active && !price.livemode);
    assert_eq!((price.unit.unwrap().to_string().as_str(), price.meter.as_deref()), ("0.02", Some("mtr_requests")));
    assert!(matches!(stripe.provider.price("price_none").await, Err(ProviderError::Missing(_))));
    let endpoints = stripe.provider.webhook_endpoints().await.unwrap();
    assert_eq!(endpoints.len(), 1);
    assert!(endpoints[0].enabled);
    assert!(!stripe.provider.livemode());
}

#[tokio::test]
async fn one_page_is_made_whatever_happens_on_the_way() {
    let matcher = || Matcher::new("POST", "/v1/checkout/sessions");
    let lost = Effect::Status { status: 503, should_retry: Some(true), moment: Moment::After, stored: false };
    for fault in [
        Fault::status(matcher(), 429).times(3),
        Fault::status(matcher(), 409),
        Fault::drop(matcher(), Moment::Before),
        Fault::drop(matcher(), Moment::After),
        Fault::drop(matcher(), Moment::Before).times(4),
        Fault::new(matcher(), Effect::Status { status: 500, should_retry: None, moment: Moment::Before, stored: false }),
    ] {
        let stripe = stripe().await;
        let told = format!("{fault:?}");
        stripe.sim.inject(fault);
        let made = stripe.provider.create_checkout(&page("signup:1:1")).await;
        assert!(made.is_ok(), "{told}: {made:?}");
        assert_eq!(stripe.sim.truth()["sessions"].as_object().unwrap().len(), 1, "{told}");
        let calls = stripe.sim.calls();
        assert!(calls.len() > 1 && calls.iter().all(|call| call.idempotency_key.as_deref() == Some("signup:1:1")), "{told}");
    }
    // An error that stands under the key is all there is to be had with it.
    let stripe = stripe().await;
    stripe.sim.inject(Fault::status(matcher(), 500));
    assert!(stripe.provider.create_checkout(&page("signup:1:1")).await.unwrap_err().is_temporary());
    assert!(stripe.sim.calls().iter().skip(1).all(|call| call.replayed));
    stripe.provider.create_checkout(&page("signup:1:2")).await.unwrap();
    // And one that is not carried out twice though it was carried out.
    stripe.sim.inject(Fault::new(matcher(), lost));
    stripe.provider.create_checkout(&page("signup:1:3")).await.unwrap();
}

#[tokio::test]
async fn a_try_that_is_given_up_while_it_is_carried_out_is_not_carried_out_twice() {
    let stripe = stripe().await;
    let hold = stripe.sim.hold(Matcher::new("POST", "/v1/checkout/sessions"), Moment::After);
    let new = page("signup:1:1");
    let script = async {
        hold.arrived().await;
        tokio::time::pause();
        tokio::time::advance(stripe.options.try_timeout).await;
        tokio::time::resume();
        hold.release();
    };
    let (made, ()) = tokio::join!(stripe.provider.create_checkout(&new), script);
    made.unwrap();
    assert_eq!(stripe.sim.truth()["sessions"].as_object().unwrap().len(), 1);
    assert!(stripe.sim.calls().len() > 1);
}

#[tokio::test]
async fn a_key_that_is_not_good_is_told_apart() {
    let stripe = stripe().await;
    for status in [401, 403] {
        stripe.sim.inject(Fault::status(Matcher::any(), status));
        assert!(matches!(stripe.provider.price("price_pro").await, Err(ProviderError::Unauthorized)), "{status}");
    }
    assert_eq!(stripe.sim.calls().len(), 2, "and is not shown again");
}

#[tokio::test]
async fn every_request_has_the_version_and_every_change_a_key() {
    let stripe = stripe().await;
    let before = stripe.subscribed().await;
    let change = stripe.change(&before, "price_big");
    stripe.provider.change_plan(&"k".repeat(300), &change, When::PeriodEnd).await.unwrap();
    stripe.provider.create_portal(&before.customer, PortalFlow::Overview, "https://app.example/").await.unwrap();
    for call in stripe.sim.calls() {
        assert_eq!(call.version.as_deref(), Some(StripeOptions::API_VERSION), "{call:?}");
        let key = call.idempotency_key.as_deref();
        assert_eq!(key.is_some(), call.method == "POST", "{call:?}");
        assert!(key.is_none_or(|key| key.len() <= 255), "{call:?}");
    }
}
