//! A handler that panics is a mistake of ours: its caller is told so, and nobody else notices.

use actix_web::http::Method;
use serde_json::json;

use super::lines::Lines;
use super::rig::{Plan, Rig};
use super::socket::Listening;
use crate::call::{Call, Read, ReadEnvironment};
use crate::error::Result;
use crate::reply::Reply;
use crate::route::{Access, Handler, Route, handler};

const PANICS: &str = "/api/v1/platforms/web/environments/prod/panics";

fn at_once(call: &Read<'_>, _environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    panic!("at once, of {}", call.params.len())
}

async fn waiting(call: Call) -> Result<Reply> {
    call.directory().await?;
    std::panic::panic_any(String::from("after a while"))
}

async fn strangely(_call: Call) -> Result<Reply> {
    std::panic::panic_any(7)
}

async fn rig() -> Rig {
    let path = "/api/v1/platforms/{platform}/environments/{environment}/panics";
    let more_routes = vec![
        Route::get(path, "panicAtOnce", Access::Open, Handler::Reads(at_once)),
        Route::post(path, "panicWaiting", Access::Open, handler!(waiting)),
        Route::put(path, "panicStrangely", Access::Open, handler!(strangely)),
    ];
    let rig = Rig::with(Plan { more_routes, ..Plan::default() }).await;
    rig.furnish().await;
    // Brings the environment into memory: the panic is then in the path that waits for nothing.
    rig.get(&format!("{}/flags", super::rig::PUBLIC)).await.expect(200);
    rig
}

#[actix_web::test]
async fn a_panic_is_answered_and_logged_with_the_requests_id() {
    let rig = rig().await;
    let (lines, _logging) = Lines::listen();
    let cases = [
        (Method::GET, None, "at once, of 2"),
        (Method::POST, Some(json!({ "secret": "hunter2" })), "after a while"),
        (Method::PUT, None, "no message"),
    ];
    for (method, body, message) in cases {
        lines.take();
        let answer = rig.send(method.clone(), PANICS, body, &[("x-request-id", "r-17")]).await;
        answer.expect(500);
        let body = answer.json();
        assert_eq!((&body["success"], &body["code"]), (&json!(false), &json!("INTERNAL_SERVER_ERROR")));
        assert_eq!((&body["meta"]["requestId"], answer.header("x-request-id")), (&json!("r-17"), Some("r-17")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(!String::from_utf8_lossy(&answer.body).contains(message), "the message is for the log");
        let events = lines.take();
        let panic = events.iter().find(|event| event["level"] == "ERROR").unwrap_or_else(|| panic!("{method}: {events:?}"));
        assert_eq!((&panic["fields"]["panic"], &panic["span"]["id"]), (&json!(message), &json!("r-17")));
        assert!(!json!(events).to_string().contains("hunter2"), "{events:?}");
    }
}

#[actix_web::test]
async fn the_connection_goes_on_after_a_panic() {
    let rig = rig().await;
    let server = Listening::start(&rig);
    let mut connection = server.connect().await;
    for _ in 0..3 {
        for request in ["GET", "POST", "PUT"] {
            let body = if request == "GET" { "" } else { "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}" };
            let end = if request == "GET" { "\r\n" } else { "" };
            connection.write(format!("{request} {PANICS} HTTP/1.1\r\nhost: x\r\n{body}{end}")).await;
            let heard = connection.hear().await;
            assert_eq!((heard.status, &heard.json()["code"]), (500, &json!("INTERNAL_SERVER_ERROR")), "{request}");
            assert!(heard.header("connection").is_none_or(|word| word != "close"));
        }
        connection.write("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(connection.hear().await.status, 200);
    }
    server.stop().await;
}
