//! Whatever the order, however often and however late things are told, and whenever processes end: in the end everybody has what the payment
//! service says, and every effect happened once.
//!
//! A story is played in the simulator. What it tells is delivered up to three times, shuffled, partly late and partly never; two processes work
//! on it at the same time, and end at random calls. Then everything that was lost is polled, and the outcome compared with the simulator's
//! truth. `TOGGLEBOX_BILLING_SCHEDULES` says how many schedules of each story are tried.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use togglebox_billing::objects::Subscription;
use togglebox_billing::testkit::FaultyStore;
use togglebox_billing::{AccessRules, Address, Billing, BillingStore, Chore, Mode, Shelf, lists};
use togglebox_core::{EntropyExt as _, PageRequest, SeededEntropy};
use togglebox_stripe_sim::{Card, Delivery, Outcome};

use crate::world::{DAY, HOUR, World, billing, new_sign_up};

#[derive(Clone, Copy, Debug)]
enum Step {
    Pay,
    Pass(u64),
    Card(Card),
    PayBill,
    Change(&'static str),
    Cancel { at_end: bool },
    Resume,
}

const CHANGES: &[Step] = &[
    Step::Pay,
    Step::Pass(DAY),
    Step::Change("price_ent_m"),
    Step::Change("price_pro_m"),
    Step::Change("price_ent_m"),
    Step::Pass(HOUR),
    Step::Cancel { at_end: true },
    Step::Resume,
    Step::Cancel { at_end: true },
    Step::Pass(31 * DAY),
];
const DUNNING: &[Step] = &[
    Step::Pay,
    Step::Card(Card::Declining),
    Step::Pass(31 * DAY + 2 * HOUR),
    Step::Pass(3 * DAY + HOUR),
    Step::Card(Card::Ok),
    Step::PayBill,
    Step::Pass(DAY),
    Step::Card(Card::Declining),
    Step::Pass(31 * DAY),
    Step::Pass(4 * DAY),
];
const ENDING: &[Step] = &[Step::Pay, Step::Change("price_ent_m"), Step::Cancel { at_end: false }, Step::Pass(60)];

/// All within a second, and nothing comes after that would tell which of them was the last.
const TIES: &[Step] = &[
    Step::Pay,
    Step::Pass(DAY),
    Step::Change("price_ent_m"),
    Step::Cancel { at_end: true },
    Step::Change("price_pro_m"),
    Step::Resume,
    Step::Change("price_ent_m"),
    Step::Cancel { at_end: true },
];

struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, most: u64) -> u64 {
        u64::from_le_bytes(self.0.bytes()) % most.max(1)
    }

    fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn shuffle<T>(&self, all: &mut [T]) {
        for place in (1..all.len()).rev() {
            let other = usize::try_from(self.below(place as u64 + 1)).unwrap();
            all.swap(place, other);
        }
    }
}

/// Whoever reads of a failure learns which schedule it was.
async fn play(story: &'static [Step], seed: u64) {
    let outcome = tokio::spawn(play_one(story, seed)).await;
    assert!(outcome.is_ok(), "schedule {seed}");
}

async fn play_one(story: &[Step], seed: u64) {
    let chance = Chance(SeededEntropy::new(seed));
    let world = World::new().await;
    let second = FaultyStore::new(Arc::clone(world.node.inner()));
    let other = billing(&world.sim, &world.rest, Arc::new(second.clone()), AccessRules::default(), true);
    world.billing.run_now(Chore::Poll).await.unwrap();
    let pending = world.billing.sign_up(new_sign_up("acme")).await.unwrap();
    let session = world.session_of(pending.id);
    let (mut waiting, mut has_crashed) = (Vec::<Delivery>::new(), false);
    for step in story {
        if matches!(step, Step::Pass(seconds) if *seconds > DAY) {
            // The payment service forgets what is older than a month. Whoever ended in the middle of a poll is followed by another before that.
            for node in [&world.node, &second] {
                has_crashed |= node.has_crashed();
                node.revive();
            }
            world.sim.advance(301).await;
            world.billing.run_now(Chore::Poll).await.unwrap().expect("nobody has it in hand");
        }
        take(&world, *step, &session).await;
        for delivery in world.sim.take_deliveries() {
            if chance.percent(15) {
                continue;
            }
            for _ in 0..=chance.below(3) {
                waiting.push(delivery.clone());
            }
        }
        chance.shuffle(&mut waiting);
        for (node, process) in [(&world.node, &*world.billing), (&second, &other)] {
            node.revive();
            if chance.percent(50) {
                let call = 1 + chance.below(60);
                if chance.percent(50) { node.crash_at(call) } else { node.crash_after(call) }
            }
            let now = usize::try_from(chance.below(waiting.len() as u64 + 1)).unwrap();
            let rest = waiting.split_off(now);
            for delivery in std::mem::replace(&mut waiting, rest) {
                if !arrives(process, &delivery).await {
                    // Not acknowledged: it comes again.
                    waiting.push(delivery);
                }
            }
        }
        for _ in 0..chance.below(4) {
            let (one, two) = tokio::join!(world.billing.turn(), other.turn());
            drop((one, two));
        }
        drop(world.billing.work_tasks().await);
        has_crashed |= world.node.has_crashed() || second.has_crashed();
    }
    for node in [&world.node, &second] {
        has_crashed |= node.has_crashed();
        node.revive();
    }
    // What was in the hands of those that ended is free again.
    world.sim.advance(61).await;
    chance.shuffle(&mut waiting);
    for delivery in &waiting {
        // Some of them are old; whoever sends again signs again.
        let _ = arrives(&world.billing, delivery).await;
    }
    world.drain().await;
    world.sim.advance(i64::try_from(HOUR).unwrap()).await;
    drop(world.sim.take_deliveries());
    world.billing.run_now(Chore::Poll).await.unwrap().unwrap();
    world.drain().await;
    world.sim.advance(i64::try_from(HOUR).unwrap()).await;
    world.drain().await;
    compare(&world, pending.tenant, &session, has_crashed).await;
}

async fn arrives(process: &Billing, delivery: &Delivery) -> bool {
    let signature = delivery.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("stripe-signature"));
    process.receive(signature.map(|(_, value)| value.as_str()), &delivery.body).await.is_ok()
}

async fn take(world: &World, step: Step, session: &str) {
    let subscription = || text(&world.truth_of("sessions", session)["subscription"]);
    let customer = || text(&world.truth_of("sessions", session)["customer"]);
    match step {
        Step::Pay => drop(world.sim.complete_checkout(session, Outcome::Paid).unwrap()),
        Step::Pass(seconds) => world.sim.advance(i64::try_from(seconds).unwrap()).await,
        Step::Card(card) => drop(world.sim.set_card(&customer(), card).unwrap()),
        Step::PayBill => {
            let bills = world.truth_of_all("invoices");
            let open = bills.iter().find(|bill| bill["status"] == "open").unwrap();
            drop(world.sim.pay_invoice(&text(&open["id"])).unwrap());
        }
        Step::Change(price) => drop(world.sim.portal_change_plan(&subscription(), price).unwrap()),
        Step::Cancel { at_end } => drop(world.sim.portal_cancel(&subscription(), at_end).unwrap()),
        Step::Resume => drop(world.sim.portal_resume(&subscription()).unwrap()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().or_else(|| value["id"].as_str()).unwrap().to_owned()
}

async fn compare(world: &World, tenant: togglebox_core::TenantId, session: &str, has_crashed: bool) {
    let id = text(&world.truth_of("sessions", session)["subscription"]);
    let truth = world.sim.call(togglebox_stripe_sim::Ask::get(&format!("/v1/subscriptions/{id}"))).await;
    let truth = Subscription::read(&truth.body).unwrap();
    let found = world.store.get(&[Address::new(Shelf::Subscription, &*id)]).await.unwrap().remove(0).unwrap();
    let known: Value = serde_json::from_str(&found.body).unwrap();
    let known: Subscription = serde_json::from_value(known["state"].clone()).unwrap();
    assert_eq!(known, truth, "what is known is the truth");

    let given = world.entitlement(tenant).expect("it was paid for");
    let plan = match &*truth.items.iter().find(|item| !item.metered).unwrap().price {
        _ if truth.status.is_final() => None,
        "price_pro_m" => Some("pro"),
        "price_ent_m" => Some("enterprise"),
        other => panic!("{other}"),
    };
    assert_eq!(given.plan.as_deref(), plan);
    assert_eq!(given.mode == Mode::Full, truth.status.is_final() || truth.status.as_str() == "active", "{given:?}");

    let expected = causes(&world.sim.events());
    let mut happened = BTreeSet::new();
    let mut page = PageRequest::first(100);
    loop {
        let found = world.billing.effects(lists::DONE, &page).await.unwrap();
        happened.extend(found.items.into_iter().map(|effect| effect.key.to_string()).filter(|key| !key.starts_with("welcome:")));
        match found.next {
            Some(next) => page = PageRequest::first(100).after(Some(next)),
            None => break,
        }
    }
    assert_eq!(happened, expected, "every effect that has a cause, and no other");
    let mails = world.mails("");
    let keys: BTreeSet<_> = mails.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), expected.len() + 1, "and the welcome");
    if !has_crashed {
        assert_eq!(mails.len(), keys.len(), "one mail for each");
    }
    for state in [lists::DEAD, lists::WAITING] {
        assert!(world.billing.events(state, &PageRequest::first(10)).await.unwrap().items.is_empty());
        assert!(world.billing.effects(state, &PageRequest::first(10)).await.unwrap().items.is_empty());
    }
    assert!(world.billing.conflicts(true, &PageRequest::first(10)).await.unwrap().items.is_empty());
}

/// What people are to be told, worked out from the events alone.
fn causes(events: &[Value]) -> BTreeSet<String> {
    let mut causes = BTreeSet::new();
    for event in events {
        let object = &event["data"]["object"];
        match event["type"].as_str().unwrap() {
            "customer.subscription.deleted" => drop(causes.insert(format!("canceled:{}", text(&object["id"])))),
            "invoice.payment_failed" => {
                causes.insert(format!("payment_failed:{}:{}", text(&object["id"]), object["attempt_count"]));
            }
            "customer.subscription.updated" => {
                let plan = |items: &Value| {
                    let items = items["data"].as_array().cloned().unwrap_or_default();
                    items.into_iter().find(|item| text(&item["price"]) != "price_use")
                };
                let before = plan(&event["data"]["previous_attributes"]["items"]);
                let after = plan(&object["items"]);
                if let (Some(before), Some(after)) = (before, after)
                    && text(&before["price"]) != text(&after["price"])
                {
                    let (item, price) = (text(&after["id"]), text(&after["price"]));
                    let has_bill = event["data"]["previous_attributes"].get("latest_invoice").is_some();
                    let cause = if has_bill { text(&object["latest_invoice"]) } else { event["created"].to_string() };
                    causes.insert(format!("plan_changed:{}:{item}:{price}:{cause}", text(&object["id"])));
                }
            }
            _ => {}
        }
    }
    causes
}

#[expect(clippy::disallowed_methods, reason = "how much is tried is told from outside")]
async fn every_schedule_of(story: &'static [Step]) {
    let count = std::env::var("TOGGLEBOX_BILLING_SCHEDULES").map_or(48, |count| count.parse().unwrap());
    for seed in 0..count {
        play(story, seed).await;
    }
}

#[tokio::test]
async fn other_plans_and_the_end_converge() {
    every_schedule_of(CHANGES).await;
}

#[tokio::test]
async fn failing_cards_converge() {
    every_schedule_of(DUNNING).await;
}

#[tokio::test]
async fn an_end_at_once_converges() {
    every_schedule_of(ENDING).await;
}

#[tokio::test]
async fn changes_within_a_second_converge() {
    every_schedule_of(TIES).await;
}
