//! Bytes that are hardly HTTP, and clients that do not finish.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::probe::Request;
use super::{Expected, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_http_is_refused_and_the_connection_closed() {
    let scene = Scene::set().await;
    let many = "x-many: 1\r\n".repeat(500);
    let raw: Vec<(&str, Vec<u8>)> = vec![
        ("a path that is not UTF-8", b"GET /api/v1/platforms/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a query that is not UTF-8", b"GET /api/v1/platforms?limit=\xff HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a blank in the path", b"GET /api/v1/platforms/a b HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a NUL in the path", b"GET /api/v1/platforms/\0 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a NUL in a header", b"GET /health HTTP/1.1\r\nhost: x\r\nx: \0\r\n\r\n".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("HTTP of the future", b"GET /health HTTP/7.5\r\nhost: x\r\n\r\n".to_vec()),
        ("no version", b"GET /health\r\n\r\n".to_vec()),
        ("a huge header", format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1_000_000)).into()),
        ("a huge path", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1_000_000)).into()),
        ("many headers", format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n").into()),
        ("a header without a colon", b"GET /health HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n".to_vec()),
        ("a length that is none", b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n".to_vec()),
        (
            "two lengths",
            b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}".to_vec(),
        ),
        (
            "a length and chunks",
            b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_vec(),
        ),
        (
            "an unknown transfer coding",
            b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n{}".to_vec(),
        ),
    ];
    let requests =
        raw.into_iter().map(|(what, bytes)| (what.to_owned(), Expected::Hardly(&[400, 413, 414, 431]), Request::raw(bytes)));
    scene.send(requests.collect()).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_odd_corners_of_http_are_answered() {
    let scene = Scene::set().await;
    let close = "connection: close\r\n\r\n";
    let raw: Vec<(&str, &'static [u16], String)> = vec![
        ("HTTP/1.0", &[200], "GET /health HTTP/1.0\r\n\r\n".into()),
        ("a whole URL", &[200], format!("GET http://togglebox/health HTTP/1.1\r\nhost: togglebox\r\n{close}")),
        ("another host", &[200], format!("GET /health HTTP/1.1\r\nhost: elsewhere.example:99999\r\n{close}")),
        ("no host", &[200, 400], format!("GET /health HTTP/1.1\r\n{close}")),
        ("OPTIONS *", &[204, 400, 404], format!("OPTIONS * HTTP/1.1\r\nhost: x\r\n{close}")),
        ("CONNECT", &[400, 404, 405], format!("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n{close}")),
        ("CONNECT to a path", &[400, 404, 405], format!("CONNECT /health HTTP/1.1\r\nhost: x\r\n{close}")),
        (
            "an upgrade",
            &[200],
            "GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n".into(),
        ),
        ("HTTP/2 without asking", &[400, 404, 505], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        (
            "a chunk that lies",
            &[400],
            format!(
                "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n{close}zz\r\n{{}}\r\n0\r\n\r\n"
            ),
        ),
        ("a fragment", &[200, 400, 404], format!("GET /health#x HTTP/1.1\r\nhost: x\r\n{close}")),
        ("many slashes", &[404], format!("GET //////api////v1 HTTP/1.1\r\nhost: x\r\n{close}")),
        ("dots", &[404], format!("GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n{close}")),
    ];
    let requests =
        raw.into_iter().map(|(what, expected, bytes)| (what.to_owned(), Expected::Hardly(expected), Request::raw(bytes)));
    scene.send(requests.collect()).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_half_way_leave_nothing_behind() {
    let scene = Scene::set().await;
    let token = &scene.credential;
    let mut left = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(scene.server.address()).await.unwrap();
        let part = match n % 4 {
            0 => "GET /api/v1/plat".to_owned(),
            1 => format!("GET /api/v1/internal/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"),
            2 => format!(
                "POST /api/v1/internal/platforms HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
                 content-length: 17\r\n\r\n{{\"name\":\"half-"
            ),
            _ => format!("GET /api/v1/internal/audit?limit=100 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"),
        };
        stream.write_all(part.as_bytes()).await.unwrap();
        if n % 2 == 0 {
            drop(stream);
        } else {
            left.push(stream);
        }
    }
    drop(left);
    let platforms = scene.admin.get("/api/v1/platforms").await.data(200);
    assert_eq!(platforms.as_array().map(Vec::len), Some(1), "{platforms}");
    scene.close().await;
}
