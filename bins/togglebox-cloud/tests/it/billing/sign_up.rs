//! Many who want the same name, and what one node over a file does.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Shop, email, form, on_postgres, seen};
use crate::client::Client;
use crate::people::API;
use crate::server::{Launch, eventually};

const PEOPLE: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_who_sign_up_for_one_name_one_has_it() {
    let Some(ground) = on_postgres().await else { return };
    let shop = Shop::open(ground, 0).await;
    let mut people = JoinSet::new();
    for number in 0..PEOPLE {
        let central = Client::new(&shop.nodes[number % 2]).host(API);
        people.spawn(async move {
            let reply = central.post(super::SIGN_UP, form(&format!("p{number}"), "acme", "pro")).await;
            (number, reply.status, reply.json())
        });
    }
    let answers = people.join_all().await;
    let (kept, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, status, _)| *status == 202);
    assert_eq!((kept.len(), refused.len()), (1, PEOPLE - 1), "{refused:?}");
    for (_, status, body) in &refused {
        assert_eq!((*status, &body["code"]), (409, &json!("ALREADY_EXISTS")), "{body}");
    }
    let (winner, _, body) = &kept[0];
    assert_eq!(shop.all("sessions").len(), 1, "nobody else can pay");
    let page = shop.pay(&body["data"]["signUp"]["id"]);
    assert_eq!(shop.come_back(&page).await["state"], "active");
    let found = shop.operator.get("/api/v1/admin/workspaces").await.data(200);
    let names: Vec<&Value> = found.as_array().unwrap().iter().map(|workspace| &workspace["subdomain"]).collect();
    assert_eq!(names, ["acme"]);
    let owner = shop.enter(1, &format!("p{winner}"), "acme").await;
    assert_eq!(seen(&owner).await["status"], "active");
    shop.settled().await;
    shop.close().await;
}

/// No notices, no other node, nothing but a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_paid_for_over_sqlite() {
    let shop = Shop::single(Launch::over_sqlite(), 0).await;
    let acme = shop.subscriber("acme").await;
    assert_eq!(acme.get("/api/v1/workspace").await.data(200)["plan"], "pro");
    eventually("they are welcome", async || !shop.post.to(&email("acme"), "is ready").is_empty()).await;
    // Nobody comes back from the page: it is told.
    let begun = shop.begin(0, "globex", "pro").await;
    shop.pay(&begun["signUp"]["id"]);
    eventually("they are welcome", async || !shop.post.to(&email("globex"), "is ready").is_empty()).await;
    shop.enter(0, "globex", "globex").await;
    shop.settled().await;
    // One who does not pay.
    let begun = shop.begin(0, "initech", "pro").await;
    shop.sim.expire_checkout(&shop.page_of(&begun["signUp"]["id"])).unwrap();
    eventually("the name is free", async || {
        shop.visitor().get("/api/v1/onboarding/subdomains/initech").await.data(200)["available"] == true
    })
    .await;
    shop.close().await;
}
