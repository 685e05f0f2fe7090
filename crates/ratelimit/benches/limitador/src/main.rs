//! The store of limits in Redis beside the crate `limitador`, whose storage in Redis does the same work: how exact both are when many
//! ask at once, how long a decision takes, and how many a second there are.
//!
//! It starts a Redis of its own and stops it. Both ask that one server, over as many connections, in turns, so that whatever else the
//! machine does meets both. Both are asked at the level of their storage: limits are chosen, and keys' parts made, beforehand.
//!
//! What cannot be made equal:
//!
//! - Limitador counts in windows that begin with the first request and end all at once; ours is GCRA, where units come back one by one.
//!   Limits that are wide enough for all that is asked let both do what they do when nothing is wrong.
//! - Limitador's decision is a look and, where that finds room, a count: two calls. That is where it loses time, and exactness.
//! - Limitador 0.14 brings the driver's version 0.27 and speaks RESP2; ours brings 1.8 and speaks RESP3.
//! - Ours gives up after 20 ms unless told otherwise. Here it is told 10 s, and looks at the time all the same.

mod accuracy;
mod clients;
mod server;
mod speed;
mod trips;

use crate::clients::{Client, Kind, Question, Window};
use crate::server::Server;

/// What is asked, which never runs out within a benchmark.
const WIDE: [Window; 3] = [
    Window { limit: 500_000, seconds: 1 },
    Window { limit: 30_000_000, seconds: 60 },
    Window { limit: 1_800_000_000, seconds: 3_600 },
];

/// What runs out with the first one who asks.
const NARROW: Window = Window { limit: 1, seconds: 3_600 };

fn main() {
    // Stopped after the run time, whose tasks would find it gone.
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&server));
}

async fn run(server: &Server) {
    let mut figures = server.figures().await;
    println!("Redis {}", figures.text("redis_version").await);
    let clients = [Client::new(Kind::Ours, server.url()).await, Client::new(Kind::Limitador, server.url()).await];
    let denied = Question::new("denied", &[WIDE[0], WIDE[1], NARROW]);
    for client in &clients {
        assert!(client.ask(&denied).await, "the first one passes");
    }
    let cases = [
        ("1 limit", Question::new("one", &WIDE[..1])),
        ("3 limits", Question::new("three", &WIDE)),
        ("3 limits, the last denies", denied),
    ];
    trips::run(&mut figures, &clients, &cases).await;
    accuracy::run(server.url()).await;
    speed::one_by_one(&clients, &cases).await;
    let [ours, limitador] = clients;
    speed::crowd(&mut figures, [ours, limitador], &cases[1].1).await;
}
