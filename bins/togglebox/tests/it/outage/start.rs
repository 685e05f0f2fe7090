//! A node is started while its database is away: it says so, and ends. What started it tries again.

use std::time::Instant;

use crate::engine::Store;
use crate::server::{Launch, PATIENCE};
use crate::service::{Database, free_port};

/// The node ends soon, with the status of a failure, and names the database without its password.
async fn ends_and_names(launch: Launch, port: u16) {
    for command in [&[][..], &["admin", "create", "--email", "a@example.com", "--password-stdin"]] {
        let began = Instant::now();
        let told = launch.run(command, crate::client::PASSWORD).await;
        let said = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert_eq!(told.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot open the database postgres://127.0.0.1:{port}: ")), "{said}");
        assert!(!said.contains(Database::PASSWORD) && !said.contains("listens on"), "{said}");
        assert!(began.elapsed() < PATIENCE * 2 / 3, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let port = free_port();
    let url = format!("postgres://postgres:{}@127.0.0.1:{port}/postgres", Database::PASSWORD);
    ends_and_names(Launch::over(|_| Store::at(&url)), port).await;
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named() {
    let Some(database) = Database::postgres().await else { return };
    database.service.freeze();
    ends_and_names(database.launch(), database.service.port()).await;
    database.service.thaw();
    assert!(database.launch().start().await.stop().await.status.success(), "and is used when it does");
}
