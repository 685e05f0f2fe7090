//! The database is killed in the middle of a storm of writes, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::{Pair, both_are_fresh};
use crate::client::{Client, PUBLIC};
use crate::server::eventually;
use crate::service::Database;
use crate::storm::{Deed, Step, check};

const ROUNDS: usize = 3;
/// On each node.
const WRITERS: usize = 3;
/// Writes that each node acknowledges between two blows.
const STORM: usize = 25;

/// What the writers have seen on one node.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

/// Writes until it is told to stop. What was acknowledged, and the writes whose outcome is unknown.
async fn write(client: Client, prefix: String, seen: Arc<Seen>, over: Arc<AtomicBool>) -> (Vec<Deed>, Vec<Deed>) {
    let (mut done, mut unknown) = (Vec::new(), Vec::new());
    'keys: for n in 0.. {
        let key = format!("{prefix}-{n}");
        for step in Step::ALL {
            if over.load(Ordering::SeqCst) {
                break 'keys;
            }
            let (method, path, body) = step.request(&key);
            let reply = client.send(method, &path, Some(&body), &[]).await;
            if reply.status < 300 {
                done.push((key.clone(), step));
                seen.acknowledged.fetch_add(1, Ordering::SeqCst);
            } else {
                assert_eq!(reply.code(503), "SERVICE_UNAVAILABLE", "{step:?} of {key}");
                unknown.push((key, step));
                seen.refused.fetch_add(1, Ordering::SeqCst);
                continue 'keys;
            }
        }
    }
    (done, unknown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_postgres_was_killed() {
    let Some(mut database) = Database::postgres().await else { return };
    survives_kills(&mut database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_dynamodb_was_killed() {
    let Some(mut database) = Database::dynamodb().await else { return };
    survives_kills(&mut database).await;
}

async fn survives_kills(database: &mut Database) {
    let pair = Pair::start(database.launch()).await;
    let (over, seen) = (Arc::new(AtomicBool::new(false)), [Arc::new(Seen::default()), Arc::new(Seen::default())]);
    let mut writers = JoinSet::new();
    for (node, (_, client)) in pair.clients().into_iter().enumerate() {
        for writer in 0..WRITERS {
            let (seen, over) = (Arc::clone(&seen[node]), Arc::clone(&over));
            writers.spawn(write(client.clone(), format!("n{node}-w{writer}"), seen, over));
        }
    }
    let count = |of: fn(&Seen) -> &AtomicUsize| seen.each_ref().map(|seen| of(seen).load(Ordering::SeqCst));
    let more = async |what: &str, of: fn(&Seen) -> &AtomicUsize, than: usize| {
        let before = count(of);
        let enough = async || count(of).iter().zip(before).all(|(now, before)| now - before >= than);
        eventually(what, enough).await;
    };
    for round in 0..ROUNDS {
        // A little more each time, so that the blow falls elsewhere.
        more("both nodes write", |seen| &seen.acknowledged, STORM + round).await;
        database.service.kill();
        more("both nodes refuse", |seen| &seen.refused, 1).await;
        for (_, client) in pair.clients() {
            client.get(&format!("{PUBLIC}/configs")).await.expect(200);
            client.get("/health").await.expect(200);
        }
        database.service.start().await;
    }
    more("both nodes write again", |seen| &seen.acknowledged, STORM).await;
    over.store(true, Ordering::SeqCst);
    let (mut done, mut unknown) = (Vec::new(), Vec::new());
    for (acknowledged, left) in writers.join_all().await {
        done.extend(acknowledged);
        unknown.extend(left);
    }
    let (flags, configs) = (format!("{PUBLIC}/flags"), format!("{PUBLIC}/configs/list"));
    both_are_fresh(&pair, &flags).await;
    database.has_listeners(2).await;
    // Each has what was written to it; so what is the same is all.
    let served = async |client: &Client| [client.get(&flags).await.data(200), client.get(&configs).await.data(200)];
    eventually("both serve the same", async || served(&pair.at_one).await == served(&pair.at_other).await).await;
    check(&pair.at_one, &done, &unknown).await;
    check(&pair.at_other, &done, &unknown).await;
    let log = pair.stop().await;
    assert!(!log.contains(r#""level":"ERROR""#) && !log.contains(Database::PASSWORD), "{log}");
}
