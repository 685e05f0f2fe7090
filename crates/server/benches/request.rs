//! One request after the other, in this thread, without a socket: for an instrument that counts instructions, such as callgrind.
//!
//! `cargo bench -p togglebox-server --bench request -- <node> <requests>`, where the node is `free` (no limits), `elsewhere` (limits of
//! other routes only), `limited` or `told` (limited, with headers).

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[path = "support/contents.rs"]
mod contents;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::{ACCEPT, HOST};
use actix_web::{App, test};
use togglebox_core::TenantId;
use togglebox_server::{Node, Settings, install_crypto};

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
        contents::fill(&node.services(), TenantId::DEFAULT, 1).await;
        let app = test::init_service(App::new().configure(Arc::clone(node.api()).routes())).await;
        let path = contents::evaluation(0);
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        for _ in 0..requests {
            let request = test::TestRequest::get()
                .uri(&path)
                .peer_addr(peer)
                .insert_header((HOST, "localhost"))
                .insert_header((ACCEPT, "*/*"));
            let response = test::call_service(&app, request.to_request()).await;
            assert!(response.status().is_success());
        }
        println!("{requests} requests");
    });
}
