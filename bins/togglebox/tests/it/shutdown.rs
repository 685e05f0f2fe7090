//! SIGTERM while there is work.

use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{ADMIN, INTERNAL, PASSWORD, PUBLIC, flag, make_environment, sign_in, start_with_admin};
use crate::server::{Launch, PATIENCE, Server, eventually};

/// One keep-alive connection.
struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered {
        status: u16,
        closes: bool,
    },
    /// The connection was closed before the request was sent.
    NotSent,
    /// The request was sent, and the connection closed without an answer.
    Lost,
}

impl Connection {
    async fn open(server: &Server) -> Self {
        Self { stream: TcpStream::connect(server.address()).await.unwrap(), read: Vec::new() }
    }

    async fn request(&mut self, request: &[u8]) -> Outcome {
        // What a client with a pool of connections does: it looks whether the connection is still good.
        let mut byte = [0];
        if matches!(self.stream.try_read(&mut byte), Ok(0)) || self.stream.write_all(request).await.is_err() {
            return Outcome::NotSent;
        }
        self.answer().await
    }

    async fn answer(&mut self) -> Outcome {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end].to_vec()).unwrap().to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
                if self.read.len() >= end + 4 + length {
                    self.read.drain(..end + 4 + length);
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return Outcome::Answered { status, closes: head.contains("connection: close") };
                }
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return Outcome::Lost,
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_and_no_count_is_lost_when_the_server_is_asked_to_stop() {
    const CONNECTIONS: usize = 32;
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);

    let (counted, progress) = watch::channel(0_usize);
    let mut clients = JoinSet::new();
    for n in 0..CONNECTIONS {
        let (mut connection, counted) = (Connection::open(&server).await, counted.clone());
        clients.spawn(async move {
            let path = format!("{PUBLIC}/flags/dark/evaluate?userId=user-{n}");
            let request = format!("GET {path} HTTP/1.1\r\nhost: togglebox\r\n\r\n");
            let mut answered = 0;
            loop {
                match connection.request(request.as_bytes()).await {
                    Outcome::Answered { status, closes } => {
                        assert_eq!(status, 200);
                        answered += 1;
                        counted.send_modify(|count| *count += 1);
                        if closes {
                            return (answered, Outcome::NotSent);
                        }
                    }
                    end => return (answered, end),
                }
            }
        });
    }
    eventually("every connection is busy", async || *progress.borrow() >= CONNECTIONS * 20).await;
    let launch = server.launch().clone();
    let began = Instant::now();
    let ended = server.stop().await;
    assert!(ended.status.success(), "{:?}: {}", ended.status, ended.log);
    assert!(began.elapsed() < PATIENCE / 3, "it took {:?}", began.elapsed());

    let mut answered = 0;
    for (count, end) in clients.join_all().await {
        answered += count;
        assert_eq!(end, Outcome::NotSent);
    }
    let server = launch.start().await;
    let figures = admin.at(&server).get(&format!("{INTERNAL}/flags/dark/stats")).await.data(200);
    assert_eq!(figures["totalEvaluations"], json!(answered));
}

#[tokio::test]
async fn a_request_that_is_half_sent_is_taken_in_and_answered() {
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    let token = sign_in(&admin, ADMIN, PASSWORD).await;
    let body = flag("late").to_string();
    let head = format!(
        "POST {INTERNAL}/flags HTTP/1.1\r\nhost: togglebox\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = Connection::open(&server).await;
    let (first, rest) = body.split_at(10);
    connection.stream.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
    // Later requests are answered: this one is under way by then.
    admin.get("/health").await.expect(200);

    server.terminate();
    eventually("it is about to stop", async || server.log().contains("Stopping")).await;
    eventually("it takes no new connections", async || TcpStream::connect(server.address()).await.is_err()).await;
    connection.stream.write_all(rest.as_bytes()).await.unwrap();
    assert_eq!(connection.answer().await, Outcome::Answered { status: 201, closes: true });
    let launch = server.launch().clone();
    let ended = server.ended().await;
    assert!(ended.status.success(), "{:?}: {}", ended.status, ended.log);
    let server = launch.start().await;
    admin.at(&server).get(&format!("{PUBLIC}/flags/late")).await.expect(200);
}

#[tokio::test]
async fn counts_of_the_last_moment_are_in_the_store() {
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    let launch = server.launch().clone();
    let event =
        json!({ "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": "u", "timestamp": "2026-01-02T03:04:05Z" });
    let body = json!({ "events": vec![event; 500] });
    admin.post(&format!("{PUBLIC}/stats/events"), body).await.expect(200);
    let ended = server.stop().await;
    assert!(ended.status.success(), "{:?}: {}", ended.status, ended.log);
    let server = launch.start().await;
    let figures = admin.at(&server).get(&format!("{INTERNAL}/flags/dark/stats")).await.data(200);
    assert_eq!(figures["totalEvaluations"], 500);
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end_up() {
    let (server, admin) = start_with_admin(Launch::new()).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::open(&server).await;
        let answer = connection.request(b"GET /health HTTP/1.1\r\nhost: togglebox\r\n\r\n").await;
        assert_eq!(answer, Outcome::Answered { status: 200, closes: false });
        idle.push(connection);
    }
    // One that never said anything.
    let silent = TcpStream::connect(server.address()).await.unwrap();
    let began = Instant::now();
    let ended = server.stop().await;
    assert!(ended.status.success(), "{:?}: {}", ended.status, ended.log);
    assert!(began.elapsed() < PATIENCE / 3, "it took {:?}", began.elapsed());
    drop((idle, silent, admin));
}
