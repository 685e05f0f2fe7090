//! Clients that take their time with large bodies.

use futures_util::future::join_all;
use serde_json::json;

use super::rig::{Plan, Rig};
use super::socket::{Connection, Listening, eventually};
use crate::config::{ApiConfig, BodyMemory};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const ALL_KIB: usize = 20 * KIB;

/// With room for twenty mebibytes.
async fn narrow() -> Rig {
    let body_memory = BodyMemory::of_mib(BodyMemory::LEAST_MIB).unwrap();
    assert_eq!(body_memory.kib(), ALL_KIB);
    Rig::with(Plan { config: ApiConfig { body_memory, ..ApiConfig::default() }, ..Plan::default() }).await
}

fn head(rig: &Rig, framing: &str) -> String {
    let bearer = rig.bearer();
    format!(
        "POST /api/v1/internal/platforms HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
    )
}

/// A body of exactly this many bytes, which is right but for the length of the name.
fn body(bytes: usize) -> Vec<u8> {
    format!(r#"{{"name":"{}"}}"#, "x".repeat(bytes - 11)).into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

async fn whole(rig: &Rig, connection: &mut Connection, body: &[u8]) -> super::socket::Heard {
    // What is refused early may not be read to its end.
    let _ = connection.try_write(head(rig, &format!("content-length: {}", body.len()))).await;
    let _ = connection.try_write(body).await;
    connection.hear().await
}

/// Connections that have sent a mebibyte each of a body whose length they do not tell, and so hold the whole budget.
async fn holders(rig: &Rig, server: &Listening) -> Vec<Connection> {
    let mut holders = Vec::new();
    for _ in 0..20 {
        let mut connection = server.connect().await;
        connection.write(head(rig, "transfer-encoding: chunked")).await;
        connection.write(chunk(&body(MIB)[..MIB - 2])).await;
        holders.push(connection);
    }
    eventually("the budget is used up", || rig.api.bodies.free_kib() == 0).await;
    holders
}

#[actix_web::test]
async fn slow_large_bodies_use_up_the_budget_and_nothing_else() {
    let rig = narrow().await;
    let server = Listening::start(&rig);
    let mut holders = holders(&rig, &server).await;

    let mut other = server.connect().await;
    for n in 0..20 {
        let small = serde_json::to_vec(&json!({ "name": format!("p{n}"), "description": "d".repeat(400) })).unwrap();
        assert_eq!(whole(&rig, &mut other, &small).await.status, 201, "small bodies are not held up");
    }
    // As large as a body may be without being counted.
    assert_eq!(whole(&rig, &mut other, &body(64 * KIB)).await.status, 422);
    let refused = whole(&rig, &mut other, &body(64 * KIB + 1)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(refused.json()["code"], "SERVER_BUSY");

    // One leaves: what it held is there for another one.
    drop(holders.pop());
    eventually("its part is given back", || rig.api.bodies.free_kib() == KIB).await;
    let mut other = server.connect().await;
    assert_eq!(whole(&rig, &mut other, &body(MIB)).await.status, 422);
    eventually("a body that was read gives its part back", || rig.api.bodies.free_kib() == KIB).await;

    // The rest end.
    for mut holder in holders {
        holder.write(chunk(b"\"}")).await;
        holder.write("0\r\n\r\n").await;
        assert_eq!(holder.hear().await.status, 422);
    }
    eventually("everything is given back", || rig.api.bodies.free_kib() == ALL_KIB).await;
    server.stop().await;
}

#[actix_web::test]
async fn growing_bodies_that_wait_for_each_other_come_to_an_end() {
    let rig = narrow().await;
    let server = Listening::start(&rig);
    let holders = holders(&rig, &server).await;
    // Everybody wants another mebibyte, and nobody has it.
    let ends = holders.into_iter().map(|mut holder| async move {
        let _ = holder.try_write(chunk(&vec![b'x'; MIB])).await;
        let _ = holder.try_write(chunk(b"\"}")).await;
        let _ = holder.try_write("0\r\n\r\n").await;
        holder.try_hear().await.map_or(0, |heard| heard.status)
    });
    let statuses = join_all(ends).await;
    let count = |status: u16| statuses.iter().filter(|known| **known == status).count();
    assert!(count(422) >= 1, "some get through: {statuses:?}");
    assert!(count(503) >= 1, "the others are told: {statuses:?}");
    assert_eq!(count(422) + count(503) + count(0), 20, "{statuses:?}");
    eventually("everything is given back", || rig.api.bodies.free_kib() == ALL_KIB).await;
    let mut other = server.connect().await;
    assert_eq!(whole(&rig, &mut other, &body(10 * MIB)).await.status, 422, "the largest body passes");
    eventually("everything is given back", || rig.api.bodies.free_kib() == ALL_KIB).await;
    server.stop().await;
}

#[actix_web::test]
async fn a_body_that_is_only_announced_holds_nothing() {
    let rig = narrow().await;
    let server = Listening::start(&rig);
    let mut announced = Vec::new();
    for _ in 0..10 {
        let mut connection = server.connect().await;
        connection.write(head(&rig, &format!("content-length: {}", 10 * MIB))).await;
        connection.write(&body(MIB)[..60 * KIB]).await;
        announced.push(connection);
    }
    let mut other = server.connect().await;
    assert_eq!(whole(&rig, &mut other, &body(10 * MIB)).await.status, 422);
    drop(announced);
    server.stop().await;
}

#[actix_web::test]
async fn the_largest_body_passes_packed_too() {
    let rig = narrow().await;
    let plain = body(10 * MIB);
    for coding in [crate::coding::Coding::Gzip, crate::coding::Coding::Brotli] {
        let packed = coding.encode(&plain).unwrap();
        let server = Listening::start(&rig);
        let mut connection = server.connect().await;
        let framing = format!("content-length: {}\r\ncontent-encoding: {}", packed.len(), coding.token());
        connection.write(head(&rig, &framing)).await;
        connection.write(&packed).await;
        assert_eq!(connection.hear().await.status, 422);
        eventually("everything is given back", || rig.api.bodies.free_kib() == ALL_KIB).await;

        // While the budget is used up, what turns out to be large has to wait, and what turns out to be small does not.
        let holders = holders(&rig, &server).await;
        connection.write(head(&rig, &framing)).await;
        connection.write(&packed).await;
        assert_eq!(connection.hear().await.status, 503);
        let small = coding.encode(&body(60 * KIB)).unwrap();
        let framing = format!("content-length: {}\r\ncontent-encoding: {}", small.len(), coding.token());
        let mut connection = server.connect().await;
        connection.write(head(&rig, &framing)).await;
        connection.write(&small).await;
        assert_eq!(connection.hear().await.status, 422);
        drop(holders);
        eventually("everything is given back", || rig.api.bodies.free_kib() == ALL_KIB).await;
        server.stop().await;
    }
}
