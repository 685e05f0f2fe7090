//! Webhooks that do not come, and secrets that change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use togglebox_stripe_sim::{Card, Chaos};

use super::{DAY, SECRET, Shop, email, has_plan, on_postgres, seen};
use crate::server::eventually;

/// Three days in which nothing comes of what people do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_come_for_three_days_is_asked_for() {
    let Some(ground) = on_postgres().await else { return };
    let shop = Shop::open(ground, 0).await;
    let (acme, globex, initech) =
        (shop.subscriber("acme").await, shop.subscriber("globex").await, shop.subscriber("initech").await);
    let begun = shop.begin(1, "hooli", "pro").await;
    shop.settled().await;
    // The nodes' own turn has been, so that the next one that asks is this test.
    shop.run("poll").await;
    let customers: Vec<(String, String)> = shop
        .all("subscriptions")
        .iter()
        .map(|one| ["id", "customer"].map(|name| one[name].as_str().unwrap().to_owned()).into())
        .collect();
    shop.sim.set_chaos(&shop.endpoint, Chaos { drop: 100, ..Chaos::default() }).unwrap();
    // One takes more in the portal, one leaves, one takes more and cannot pay, one has paid and closed the page.
    shop.sim.portal_change_plan(&customers[0].0, "price_ent_m").unwrap();
    shop.sim.portal_cancel(&customers[1].0, false).unwrap();
    shop.sim.set_card(&customers[2].1, Card::Declining).unwrap();
    shop.sim.portal_change_plan(&customers[2].0, "price_ent_m").unwrap();
    shop.pay(&begun["signUp"]["id"]);
    shop.pass(3 * DAY).await;
    // Nobody has heard of any of it.
    for owner in [&acme, &globex, &initech] {
        let shown = seen(owner).await;
        assert_eq!((&shown["plan"], &shown["status"]), (&json!("pro"), &json!("active")));
    }
    let stands = async || {
        let path = format!("{}/{}", super::SIGN_UP, begun["signUp"]["id"].as_str().unwrap());
        shop.visitor().get(&path).await.data(200)["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(stands().await, "open");
    let found = shop.run("poll").await;
    assert!(found.contains(" events, ") && !found.ends_with(" 0 new"), "{found}");
    has_plan(&acme, "enterprise").await;
    has_plan(&globex, "free").await;
    eventually("it is owed", async || seen(&initech).await["status"] == "past_due").await;
    eventually("it is there", async || stands().await == "active").await;
    shop.enter(0, "hooli", "hooli").await;
    for (name, subject) in [
        ("acme", "is on the plan Enterprise"),
        ("globex", "has ended"),
        ("initech", "A payment for initech failed"),
        ("hooli", "is ready"),
    ] {
        eventually(format!("{name} is told that {subject}"), async || !shop.post.to(&email(name), subject).is_empty()).await;
    }
    shop.settled().await;
    // Asked again, there is nothing; and what comes after all is known.
    assert!(shop.run("poll").await.ends_with(" 0 new"));
    shop.sim.set_chaos(&shop.endpoint, Chaos::default()).unwrap();
    shop.pass(3 * DAY).await;
    shop.settled().await;
    assert!(shop.run("poll").await.ends_with(" 0 new"), "it comes again");
    assert_eq!(shop.listed("conflicts?open=true").await, [] as [Value; 0]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_exchanged_while_much_is_told() {
    let Some(ground) = on_postgres().await else { return };
    let mut shop = Shop::open(ground, 0).await;
    shop.subscriber("acme").await;
    let subscription = shop.all("subscriptions")[0]["id"].as_str().unwrap().to_owned();
    // Somebody who cannot decide.
    let (sim, id, stop) = (shop.sim.clone(), subscription.clone(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let told = tokio::spawn(async move {
        let mut count = 0_usize;
        while !stopped.load(Ordering::SeqCst) {
            sim.portal_cancel(&id, true).unwrap();
            sim.portal_resume(&id).unwrap();
            sim.settle().await;
            count += 2;
        }
        count
    });
    let new = shop.sim.roll_secret(&shop.endpoint, DAY).unwrap();
    shop.secrets.push(new.clone());
    let more = async |shop: &Shop| {
        let before = shop.sim.events().len();
        eventually("more is told", async || shop.sim.events().len() >= before + 6).await;
    };
    let both = shop.launch().set("STRIPE_WEBHOOK_SECRET", format!("{new},{SECRET}"));
    for place in 0..2 {
        more(&shop).await;
        shop.replace(place, &both, false).await;
    }
    more(&shop).await;
    // From now on it is signed with the new one alone.
    shop.pass(DAY + 60).await;
    more(&shop).await;
    let launch = shop.launch().set("STRIPE_WEBHOOK_SECRET", &new);
    for place in 0..2 {
        shop.replace(place, &launch, false).await;
        more(&shop).await;
    }
    stop.store(true, Ordering::SeqCst);
    let count = told.await.unwrap();
    // What met a node that went is told again a little later.
    shop.pass(10 * 60).await;
    let kept: BTreeSet<String> = shop.settled().await.into_iter().collect();
    let made = shop.sim.events();
    let lost: Vec<&Value> = made.iter().filter(|event| !kept.contains(event["id"].as_str().unwrap())).collect();
    assert!(lost.is_empty(), "{} of {count} are lost: {lost:?}", lost.len());
    eprintln!("{} events, none lost", made.len());
    // A node with the old secret alone takes nothing in.
    let old = shop.launch().set("STRIPE_WEBHOOK_SECRET", SECRET);
    for place in 0..2 {
        shop.replace(place, &old, false).await;
    }
    shop.sim.portal_cancel(&subscription, true).unwrap();
    shop.sim.settle().await;
    let last = shop.sim.events().last().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(!shop.settled().await.contains(&last));
    shop.close().await;
}
