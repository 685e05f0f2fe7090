//! Domains of workspaces' own, with a real name server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, INTERNAL, PUBLIC, flag, make_environment, make_key};
use crate::knot::Knot;
use crate::people::{API, sign_up};
use crate::server::Launch;

const DOMAIN: &str = "flags.acme.test";
const VERIFY: &str = "/api/v1/workspace/domains/flags.acme.test/verify";
const ZONE: &str = "acme.test";
/// A look-up takes four seconds at the most; a machine that is busy, some more.
const SOON: Duration = Duration::from_secs(8);

/// The line of the zone that shows a claim.
fn record(claim: &Value) -> String {
    let text = |name: &str| claim[name].as_str().unwrap();
    let (name, value) = (text("recordName").strip_suffix(".acme.test").unwrap(), text("recordValue"));
    format!("{name} TXT \"{value}\"\n")
}

async fn claim(owner: &Client) -> Value {
    owner.post("/api/v1/workspace/domains", json!({ "domain": DOMAIN })).await.data(201)
}

/// What a front end is told of a domain.
async fn served(central: &Client, domain: &str) -> u16 {
    let reply = central.get(&format!("/api/v1/domains/served?domain={domain}")).await;
    if reply.status == 200 {
        assert_eq!(reply.data(200), json!({ "domain": domain }));
    }
    reply.status
}

#[tokio::test]
async fn a_domain_leads_to_whom_the_dns_says_it_belongs() {
    let Some(mut knot) = Knot::serving(&[(ZONE, Some(""))]) else { return };
    let server = Launch::new().set("DNS_SERVER", knot.address().to_string()).start().await;
    let (acme, globex) = (sign_up(&server, "acme").await.client, sign_up(&server, "globex").await.client);
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/flags"), flag("of-acme")).await.expect(201);
    let (key, ..) = make_key(&acme, &["config:read"]).await;
    let flags = format!("{PUBLIC}/flags");
    let central = Client::new(&server).host(API);
    let (ours, theirs) = (claim(&acme).await, claim(&globex).await);
    assert_ne!(ours["recordValue"], theirs["recordValue"]);

    let leads_nowhere = async || {
        for client in [&acme, &globex, &key] {
            assert_eq!(client.host(DOMAIN).get(&flags).await.code(404), "WORKSPACE_NOT_FOUND");
        }
        assert_eq!(served(&central, DOMAIN).await, 404);
    };
    leads_nowhere().await;
    let refused = acme.post(VERIFY, json!({})).await;
    assert_eq!(refused.code(409), "DOMAIN_NOT_VERIFIED");
    for name in ["recordName", "recordValue"] {
        assert_eq!(refused.json()["meta"][name], ours[name]);
    }
    knot.serve(&[(ZONE, Some(&format!("_togglebox.flags TXT \"v=spf1 -all\"\n{}", record(&theirs))))]);
    assert_eq!(acme.post(VERIFY, json!({})).await.code(409), "DOMAIN_NOT_VERIFIED");
    leads_nowhere().await;

    knot.serve(&[(ZONE, Some(&format!("{}{}", record(&theirs), record(&ours))))]);
    let shown = acme.post(VERIFY, json!({})).await.data(200);
    assert_eq!(shown["domains"], json!([DOMAIN]));
    assert_eq!(served(&central, DOMAIN).await, 200);
    assert_eq!(served(&central, "other.acme.test").await, 404);
    assert_eq!(served(&central, "no%20domain").await, 404);
    assert_eq!(acme.host("Flags.Acme.test.:8080").fresh("/api/v1/workspace").await.data(200)["id"], shown["id"]);
    assert_eq!(key.host(DOMAIN).fresh(&flags).await.data(200)[0]["flagKey"], "of-acme");
    globex.host(DOMAIN).get(&flags).await.expect(401);
    // Whoever comes second may show it as well, and does not get it.
    assert_eq!(globex.post(VERIFY, json!({})).await.code(409), "ALREADY_EXISTS");

    acme.delete("/api/v1/workspace/domains/flags.acme.test").await.expect(204);
    leads_nowhere().await;
    globex.post(VERIFY, json!({})).await.expect(200);
    assert_eq!(served(&central, DOMAIN).await, 200);
    globex.host(DOMAIN).get("/api/v1/workspace").await.expect(200);
    key.host(DOMAIN).get(&flags).await.expect(401);

    // Where workspaces have no domains any more, those that they had are no exception.
    let launch = server.launch().clone().set("CUSTOM_DOMAINS", "false");
    server.stop().await;
    let server = launch.start().await;
    let (central, globex) = (central.at(&server), globex.at(&server));
    assert_eq!(served(&central, DOMAIN).await, 404);
    globex.host(DOMAIN).get("/api/v1/workspace").await.expect(404);
    globex.post("/api/v1/workspace/domains", json!({ "domain": "more.acme.test" })).await.expect(403);
    assert_eq!(globex.get("/api/v1/workspace/domains").await.data(200)[0]["domain"], DOMAIN);
}

#[tokio::test]
async fn name_servers_that_do_not_say_are_told_from_records_that_are_not_there() {
    let Some(mut knot) = Knot::serving(&[(ZONE, None)]) else { return };
    let server = Launch::new().set("DNS_SERVER", knot.address().to_string()).start().await;
    let acme = sign_up(&server, "acme").await.client;
    let ours = claim(&acme).await;
    let cannot_say = async || {
        let began = std::time::Instant::now();
        let reply = acme.post(VERIFY, json!({})).await;
        assert_eq!(reply.code(503), "SERVICE_UNAVAILABLE");
        assert!(reply.header("retry-after").is_some() && began.elapsed() < SOON, "{:?}", began.elapsed());
        assert!(reply.text().contains("try again in a minute"), "{}", reply.text());
    };
    // It fails, it refuses, it is not there.
    cannot_say().await;
    knot.serve(&[("globex.test", Some(""))]);
    cannot_say().await;
    knot.kill();
    cannot_say().await;
    knot.serve(&[(ZONE, Some(&record(&ours)))]);
    acme.post(VERIFY, json!({})).await.expect(200);
}
