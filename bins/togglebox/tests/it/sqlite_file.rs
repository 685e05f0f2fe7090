//! What happens to the database file while the server runs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;

use crate::client::{Client, INTERNAL, PUBLIC, config, flag, make_environment, start_with_admin};
use crate::server::{Launch, PATIENCE, Server, eventually};

async fn furnished() -> (Server, Client) {
    let (server, admin) = start_with_admin(Launch::over_sqlite()).await;
    make_environment(&admin).await;
    (server, admin)
}

/// Keeps every other process from writing to the database while it lives, as a writer that does not come to an end would.
struct WriteLock(File);

impl WriteLock {
    /// SQLite's locks of a database with a write-ahead log are on the bytes of its index. A writer takes one of them for itself,
    /// which nobody can who finds them all shared; readers share them.
    async fn take(launch: &Launch) -> Self {
        let index = File::open(side_file(launch, "-shm")).expect("the log's index");
        let lock = async || fcntl_lock(&index, FlockOperation::NonBlockingLockShared).is_ok();
        eventually("nobody writes for a moment", lock).await;
        Self(index)
    }

    fn release(self) {
        fcntl_lock(&self.0, FlockOperation::Unlock).expect("it was locked");
    }
}

fn side_file(launch: &Launch, suffix: &str) -> PathBuf {
    let mut path = launch.database().into_os_string();
    path.push(suffix);
    path.into()
}

#[tokio::test]
async fn reads_go_on_while_nobody_can_write() {
    let (server, admin) = furnished().await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/configs"), config("title", "before")).await.expect(201);
    let anonymous = admin.anonymous();
    let before = anonymous.get(&format!("{PUBLIC}/flags")).await.data(200);

    let lock = WriteLock::take(server.launch()).await;
    let (writer, began) = (admin.clone(), Instant::now());
    let blocked =
        tokio::spawn(async move { writer.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "after" })).await });
    let event =
        json!({ "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": "u", "timestamp": "2026-01-02T03:04:05Z" });
    let answered = 50;
    for _ in 0..answered {
        assert_eq!(anonymous.get(&format!("{PUBLIC}/flags")).await.data(200), before);
        assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": "before" }));
        anonymous.get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u&track=false")).await.expect(200);
        anonymous.post(&format!("{PUBLIC}/stats/events"), json!({ "events": [event] })).await.expect(200);
    }
    assert!(!blocked.is_finished(), "reads do not wait for the write");
    let refused = blocked.await.unwrap();
    assert!(began.elapsed() < PATIENCE / 3, "five seconds is what it may take, but it took {:?}", began.elapsed());
    assert_eq!(refused.code(503), "SERVICE_UNAVAILABLE");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(anonymous.get("/ready").await.expect(200).json()["success"], true);

    lock.release();
    admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "after" })).await.expect(200);
    assert_eq!(anonymous.get(&format!("{PUBLIC}/configs")).await.data(200), json!({ "title": "after" }));
    let counted = async || admin.get(&format!("{INTERNAL}/flags/dark/stats")).await.data(200)["totalEvaluations"] == answered;
    eventually("what was counted meanwhile is written", counted).await;
    let ended = server.stop().await;
    assert!(ended.status.success() && !ended.log.contains(r#""level":"ERROR""#), "{}", ended.log);
}

#[tokio::test]
async fn reads_go_on_and_say_that_they_may_be_stale_when_the_database_is_destroyed() {
    let (server, admin) = furnished().await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "before")).await.expect(201);
    let anonymous = admin.anonymous();
    let fresh = anonymous.get(&format!("{PUBLIC}/configs")).await;
    assert_eq!((fresh.status, fresh.header("x-togglebox-stale")), (200, None));

    for path in [server.launch().database(), side_file(server.launch(), "-wal")] {
        let length = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    }
    let stale = async || {
        // What the process holds of the file is good until something is written, so something is. It may succeed: the file is not read
        // for it.
        admin.patch(&format!("{INTERNAL}/configs/title"), json!({ "defaultValue": "after" })).await;
        anonymous.get(&format!("{PUBLIC}/configs")).await
    };
    eventually("reads say that they may be stale", async || stale().await.header("x-togglebox-stale") == Some("true")).await;
    let stale = anonymous.get(&format!("{PUBLIC}/configs")).await;
    assert_eq!((stale.status, &stale.bytes), (200, &fresh.bytes));
    assert_eq!(anonymous.get(&format!("{PUBLIC}/flags/none")).await.code(404), "NOT_FOUND");
    anonymous.get("/ready").await.expect(200);

    let refused = admin.get(&format!("{INTERNAL}/configs/title/versions")).await;
    assert!(
        matches!(refused.code(refused.status).as_str(), "INTERNAL_SERVER_ERROR" | "SERVICE_UNAVAILABLE"),
        "{}",
        refused.text()
    );
    for word in ["sqlite", "database", "malformed", "t.db"] {
        assert!(!refused.text().to_lowercase().contains(word), "the store's words: {}", refused.text());
    }
}
