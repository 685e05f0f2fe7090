//! The process is killed in the middle of writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::client::{Client, make_environment, start_with_admin};
use crate::server::{Launch, eventually};
use crate::storm::{Deed, Step, check};

const ROUNDS: usize = 4;
const WRITERS: usize = 6;
/// Acknowledged writes after which the process is killed.
const STORM: usize = 90;

/// Writes until the server is gone. What was acknowledged, and the one write whose outcome is unknown.
async fn write_until_the_end(client: Client, prefix: String, acknowledged: Arc<AtomicUsize>) -> (Vec<Deed>, Deed) {
    let mut done = Vec::new();
    for n in 0.. {
        let key = format!("{prefix}-{n}");
        for step in Step::ALL {
            let (method, path, body) = step.request(&key);
            match client.try_send(method, &path, Some(&body), &[]).await {
                Ok(reply) if reply.status < 300 => {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    done.push((key.clone(), step));
                }
                Ok(reply) => panic!("{step:?} of {key}: {} {}", reply.status, reply.text()),
                Err(_) => return (done, (key, step)),
            }
        }
    }
    unreachable!("the server ends before the numbers do")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_kill_and_recorded_once() {
    let (mut server, mut admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    let (mut all_done, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write_until_the_end(admin.clone(), format!("r{round}-w{writer}"), Arc::clone(&acknowledged)));
        }
        // A little more each time, so that the blow falls elsewhere.
        eventually("the storm blows", async || acknowledged.load(Ordering::SeqCst) >= STORM + round).await;
        let launch = server.launch().clone();
        let ended = server.kill().await;
        assert!(ended.status.code().is_none(), "it was killed: {:?}", ended.status);
        for (done, left) in writers.join_all().await {
            all_done.extend(done);
            unknown.push(left);
        }
        server = launch.start().await;
        admin = admin.at(&server);
        check(&admin, &all_done, &unknown).await;
    }
    let ended = server.stop().await;
    assert!(ended.status.success() && !ended.log.contains("ERROR"), "{}", ended.log);
}
