//! Where the data comes from stands in `tests/data/README.md`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::price::Interval;

fn data(text: &str, object: &str) -> Value {
    let all: Value = serde_json::from_str(text).unwrap();
    all[object].clone()
}

fn new(object: &str) -> Value {
    data(include_str!("../../tests/data/stripe-fixtures3.json"), object)
}

fn old(object: &str) -> Value {
    data(include_str!("../../tests/data/before-basil.json"), object)
}

fn local(object: &str) -> Value {
    data(include_str!("../../tests/data/localstripe-like.json"), object)
}

fn at(seconds: i64) -> togglebox_core::Timestamp {
    togglebox_core::Timestamp::from_ms(seconds * 1000)
}

#[test]
fn a_subscription_of_today_is_read() {
    let read = Subscription::read(&new("subscription")).unwrap();
    assert_eq!((&*read.id, &*read.customer), ("sub_1Pgc6rB7WZ01zgkWNy0Cn5nw", "cus_QXg1o8vcGmoR32"));
    assert_eq!(read.status, SubscriptionStatus::Active);
    assert!(read.cancel_at_period_end && read.ends() && read.pending_update);
    assert_eq!(
        (read.cancel_at, read.ended_at, read.trial_end),
        (Some(at(1_234_567_890)), Some(at(1_234_567_890)), Some(at(1_234_567_890)))
    );
    assert_eq!((read.latest_invoice, read.schedule), (None, None));
    let [item] = &*read.items else { panic!("one item") };
    assert_eq!((&*item.id, &*item.price), ("si_QXhVnC2h0Jczwc", "price_1PgafmB7WZ01zgkW6dKueIc5"));
    assert_eq!((item.interval, item.metered, item.quantity), (Some(Interval::Monthly), false, Some(1)));
    assert_eq!(
        (item.period_start, item.period_end),
        (Some(at(1_896_570_518)), Some(at(976_287_773))),
        "each item has its own period"
    );
}

#[test]
fn a_subscription_of_before_basil_has_one_period_for_all_items() {
    let read = Subscription::read(&old("subscription")).unwrap();
    let [plan, use_] = &*read.items else { panic!("two items") };
    for item in [plan, use_] {
        assert_eq!((item.period_start, item.period_end), (Some(at(1_700_000_000)), Some(at(1_702_592_000))));
    }
    assert!(!plan.metered && use_.metered);
    assert_eq!((plan.quantity, use_.quantity), (Some(1), None));
    assert_eq!(read.metadata["tenant_id"].as_ref(), "t_1");
    assert!(!read.pending_update && !read.ends());
}

#[test]
fn a_subscription_with_plans_in_place_of_prices_is_read() {
    let read = Subscription::read(&local("subscription")).unwrap();
    assert_eq!(read.status, SubscriptionStatus::Incomplete);
    let [item] = &*read.items else { panic!("one item") };
    assert_eq!((&*item.price, item.interval, item.period_end), ("pro", Some(Interval::Monthly), Some(at(1_702_592_000))));
}

#[test]
fn the_period_of_an_item_goes_before_that_of_the_subscription() {
    let mut value = old("subscription");
    value["items"]["data"][0]["current_period_end"] = json!(1_800_000_000);
    let read = Subscription::read(&value).unwrap();
    assert_eq!(read.items[0].period_end, Some(at(1_800_000_000)));
    assert_eq!(read.items[1].period_end, Some(at(1_702_592_000)));
}

#[test]
fn every_status_is_known_by_its_word_and_no_other_is_guessed() {
    for status in SubscriptionStatus::ALL {
        let mut value = old("subscription");
        value["status"] = json!(status.as_str());
        assert_eq!(Subscription::read(&value).unwrap().status, status);
    }
    for bad in [json!("ACTIVE"), json!("ended"), json!(""), json!(null), json!(1)] {
        let mut value = old("subscription");
        value["status"] = bad;
        assert_eq!(Subscription::read(&value).unwrap_err().field, "status");
    }
}

#[test]
fn an_object_may_stand_where_its_id_does() {
    let mut value = old("subscription");
    value["customer"] = json!({"id": "cus_1", "object": "customer", "email": "owner@example.com"});
    value["latest_invoice"] = json!({"id": "in_1", "object": "invoice"});
    value["schedule"] = json!({"id": "sub_sched_1"});
    value["items"]["data"][0]["price"] = json!("price_pro");
    let read = Subscription::read(&value).unwrap();
    assert_eq!(
        (&*read.customer, read.latest_invoice.as_deref(), read.schedule.as_deref()),
        ("cus_1", Some("in_1"), Some("sub_sched_1"))
    );
    assert_eq!(&*read.items[0].price, "price_pro");

    let mut value = new("checkout.session");
    value["subscription"] = json!({"id": "sub_1"});
    value["customer"] = json!({"id": "cus_1", "deleted": true});
    let read = Checkout::read(&value).unwrap();
    assert_eq!((read.subscription.as_deref(), read.customer.as_deref()), (Some("sub_1"), Some("cus_1")));

    let mut value = new("invoice");
    value["parent"]["subscription_details"]["subscription"] = json!({"id": "sub_1"});
    value["customer"] = json!({"id": "cus_1"});
    let read = Invoice::read(&value).unwrap();
    assert_eq!((read.subscription.as_deref(), read.customer.as_deref()), (Some("sub_1"), Some("cus_1")));
}

#[test]
fn a_page_to_pay_on_is_read() {
    let read = Checkout::read(&new("checkout.session")).unwrap();
    assert_eq!((read.status, read.payment), (CheckoutStatus::Open, PaymentStatus::Unpaid));
    assert!(read.reference.is_none() && read.subscription.is_none() && !read.is_paid());
    let read = Checkout::read(&old("checkout.session")).unwrap();
    assert!(read.is_paid() && read.url.is_none());
    assert_eq!((read.reference.as_deref(), read.subscription.as_deref()), (Some("signup_1"), Some("sub_1")));
    assert_eq!(read.metadata["signup_id"].as_ref(), "signup_1");
    assert_eq!(read.expires_at, Some(at(1_700_086_400)));
}

#[test]
fn only_a_page_that_is_complete_and_not_unpaid_is_paid() {
    for (status, payment, is_paid) in [
        ("open", "unpaid", false),
        ("open", "paid", false),
        ("expired", "paid", false),
        ("complete", "unpaid", false),
        ("complete", "paid", true),
        ("complete", "no_payment_required", true),
    ] {
        let mut value = new("checkout.session");
        (value["status"], value["payment_status"]) = (json!(status), json!(payment));
        assert_eq!(Checkout::read(&value).unwrap().is_paid(), is_paid, "{status} {payment}");
    }
    for field in ["id", "status", "payment_status"] {
        let mut value = new("checkout.session");
        value[field] = json!("something new");
        let unknown = Checkout::read(&value);
        value[field] = json!(null);
        assert_eq!(Checkout::read(&value).unwrap_err().field, field);
        assert_eq!(unknown.is_ok(), field == "id", "{field}");
    }
}

#[test]
fn a_bill_names_its_subscription_in_both_shapes() {
    let read = Invoice::read(&new("invoice")).unwrap();
    assert_eq!(read.subscription.as_deref(), Some("subscription"));
    assert_eq!((read.due.minor, read.paid.minor, read.due.currency.as_str()), (1000, 0, "usd"));
    assert_eq!((read.status.as_deref(), read.reason.as_deref(), read.attempts), (Some("draft"), Some("manual"), 0));
    assert_eq!((read.lines.len(), read.lines[0].amount.minor), (1, 1000));
    assert_eq!((read.url, read.pdf, read.number), (None, None, None));
    assert_eq!(read.next_attempt, Some(at(1_234_567_890)));

    let read = Invoice::read(&old("invoice")).unwrap();
    assert_eq!((read.subscription.as_deref(), read.attempts, read.number.as_deref()), (Some("sub_1"), 1, Some("A-1")));
    assert_eq!((&*read.lines[0].description, read.period_end), ("1 × Pro", Some(at(1_702_592_000))));

    let read = Invoice::read(&local("invoice")).unwrap();
    assert_eq!((read.subscription.as_deref(), read.due.currency.as_str()), (Some("sub_ls"), "eur"));
}

#[test]
fn a_preview_has_no_id_of_its_own() {
    for id in [json!("upcoming_in_1"), json!(null), json!("")] {
        let mut value = new("invoice");
        value["id"] = id;
        assert_eq!(Invoice::read(&value).unwrap().id, None);
    }
    let mut value = new("invoice");
    value["currency"] = json!(null);
    assert_eq!(Invoice::read(&value).unwrap_err().field, "currency");
}

#[test]
fn a_price_is_read() {
    let read = Price::read(&new("price")).unwrap();
    assert!(read.active && !read.metered && !read.livemode);
    assert_eq!((read.unit.unwrap().to_string().as_str(), read.interval, read.meter), ("2000", Some(Interval::Monthly), None));

    let mut value = new("price");
    value["unit_amount_decimal"] = json!("0.02");
    value["unit_amount"] = json!(null);
    value["recurring"] = json!({"interval": "month", "interval_count": 1, "usage_type": "metered", "meter": "mtr_1"});
    let read = Price::read(&value).unwrap();
    assert!(read.metered);
    assert_eq!((read.unit.unwrap().to_string().as_str(), read.meter.as_deref()), ("0.02", Some("mtr_1")));

    value["recurring"]["interval_count"] = json!(3);
    assert_eq!(Price::read(&value).unwrap().interval, None, "each quarter is neither each month nor each year");
    value["recurring"] = json!(null);
    assert_eq!(Price::read(&value).unwrap().interval, None);
    value["unit_amount_decimal"] = json!(null);
    assert_eq!(Price::read(&value).unwrap().unit, None, "in tiers");
}

#[test]
fn an_envelope_is_read() {
    let read = Envelope::read(&new("event")).unwrap();
    assert_eq!((&*read.kind, read.created, read.livemode), ("plan.created", at(1_234_567_890), false));
    assert_eq!((read.subject.object.as_deref(), read.subject.customer), (Some("plan"), None));
    let read = Envelope::read(&local("event")).unwrap();
    assert_eq!((read.api_version.as_deref(), read.subject.id.as_deref()), (Some("2017-08-15"), Some("sub_ls")));
    assert_eq!(read.subject.customer.as_deref(), Some("cus_ls"));
}

#[test]
fn an_envelope_needs_little() {
    let least = json!({"id": "evt_1", "type": "something.new", "created": 1, "data": 7});
    assert_eq!(Envelope::read(&least).unwrap().subject, Subject::default());
    for field in ["id", "type", "created"] {
        for bad in [json!(null), json!(""), json!({}), json!(1.5)] {
            let mut value = least.clone();
            value[field] = bad;
            assert_eq!(Envelope::read(&value).unwrap_err().field, field);
        }
    }
    let mut long = least.clone();
    long["id"] = json!("e".repeat(Envelope::MAX_ID + 1));
    assert_eq!(Envelope::read(&long).unwrap_err().field, "id");
    let customer = json!({"id": "evt_1", "type": "customer.deleted", "created": 1, "data": {"object": {"id": "cus_1", "object": "customer"}}});
    assert_eq!(Envelope::read(&customer).unwrap().subject.customer.as_deref(), Some("cus_1"));
}

#[test]
fn kinds_read_back() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
    }
    assert_eq!(EventKind::parse("invoice.created"), None);
    assert!(EventKind::ALL.len() <= 20, "as many as can be asked for by name");
}

#[test]
fn what_is_not_known_does_no_harm() {
    let mut value = old("subscription");
    value["future_field"] = json!({"deep": [1, {"er": null}]});
    value["items"]["data"].as_array_mut().unwrap().push(json!({"object": "something else"}));
    value["metadata"]["number"] = json!(7);
    let read = Subscription::read(&value).unwrap();
    assert_eq!((read.items.len(), read.metadata.len()), (2, 1), "what is no item is none, what is no text is left out");
    value["items"] = json!("none");
    assert!(Subscription::read(&value).unwrap().items.is_empty());
    value["items"] = json!([{"id": "si_1", "price": "price_1"}]);
    assert_eq!(Subscription::read(&value).unwrap().items.len(), 1);
}

/// Any JSON, not very deep.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,6}", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn read_all(value: &Value) {
    let _ = (Subscription::read(value), Checkout::read(value), Invoice::read(value), Price::read(value), Envelope::read(value));
}

proptest! {
    /// Whatever a field turns into, readers answer and do not panic; and what cannot be done without is the only thing that is missed.
    #[test]
    fn any_field_may_be_anything(which in 0_usize..5, field: prop::sample::Index, other in anything()) {
        let object = ["subscription", "checkout.session", "invoice", "price", "event"][which];
        let mut value = new(object);
        let keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        let key = field.get(&keys).clone();
        value[&key] = other;
        read_all(&value);
        let missed = match which {
            0 => Subscription::read(&value).err(),
            1 => Checkout::read(&value).err(),
            2 => Invoice::read(&value).err(),
            3 => Price::read(&value).err(),
            _ => Envelope::read(&value).err(),
        };
        prop_assert!(missed.is_none_or(|missed| missed.field == key), "{missed:?} though {key} was changed");
    }

    #[test]
    fn anything_can_be_read(value in anything()) {
        read_all(&value);
    }
}
