//! One request after the other, in this thread, without a socket: for an instrument that counts instructions, such as callgrind.
//!
//! `cargo bench -p togglebox-server --bench request -- <node> <requests>`, where the node is `free` (no limits), `elsewhere` (limits of
//! other routes only), `limited` or `told` (limited, with headers).

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::{ACCEPT, HOST};
use actix_web::{App, test};
use serde_json::json;
use togglebox_core::{Actor, TenantId};
use togglebox_server::{Node, Settings, install_crypto};
use togglebox_toggles::input::{NewEnvironment, NewFlag, NewPlatform};

const PATH: &str = "/api/v1/platforms/web/environments/prod/flags/flag/evaluate?userId=user-42&country=CH&language=fr";

fn main() {
    install_crypto();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let node = arguments.first().map_or("limited", String::as_str);
    let requests: u32 = arguments.get(1).map_or(10_000, |n| n.parse().unwrap());
    let rule = "4000000/1s burst=999999";
    let limits: &[(&str, &str)] = match node {
        "free" => &[("RATE_LIMITS", "off")],
        "elsewhere" => &[("RATE_LIMIT_HEADERS", "none")],
        "limited" => &[("RATE_LIMIT_GENERAL", rule), ("RATE_LIMIT_EVALUATION", rule), ("RATE_LIMIT_HEADERS", "none")],
        "told" => &[("RATE_LIMIT_GENERAL", rule), ("RATE_LIMIT_EVALUATION", rule)],
        other => panic!("no node {other}; there are: free, elsewhere, limited, told"),
    };
    togglebox_server::runtime().block_on(async {
        let settings = [("DATABASE_URL", "sqlite::memory:")].iter().chain(limits).copied().collect();
        let node = Node::open(&Settings::read(&settings).unwrap()).await.unwrap();
        fill(&node).await;
        let app = test::init_service(App::new().configure(Arc::clone(node.api()).routes())).await;
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        for _ in 0..requests {
            let request = test::TestRequest::get()
                .uri(PATH)
                .peer_addr(peer)
                .insert_header((HOST, "localhost"))
                .insert_header((ACCEPT, "*/*"));
            let response = test::call_service(&app, request.to_request()).await;
            assert!(response.status().is_success());
        }
        println!("{requests} requests");
    });
}

async fn fill(node: &Node) {
    let (tenant, actor) = (TenantId::DEFAULT, Actor::system());
    let services = node.services();
    let platform = NewPlatform::read(Some(&json!({ "name": "web" }))).unwrap();
    let platform = services.directories.create_platform(tenant, platform, &actor).await.unwrap().value;
    let environment = NewEnvironment::read(Some(&json!({ "environment": "prod" }))).unwrap();
    let environment = services.directories.create_environment(tenant, &platform.name, environment, &actor).await.unwrap().value;
    let flag = json!({
        "flagKey": "flag", "name": "Flag", "enabled": true, "rolloutEnabled": true,
        "targeting": { "countries": [{ "country": "CH", "serveValue": "A", "languages": [{ "language": "fr", "serveValue": "B" }] }] },
    });
    services.flags.create(tenant, &environment.scope(), NewFlag::read(Some(&flag)).unwrap(), &actor).await.unwrap();
}
