//! A node is started while its database is away: it says so, and ends. What started it tries again.

use std::time::Instant;

use crate::engine::Store;
use crate::server::{Launch, PATIENCE};
use crate::service::{Database, free_port};

/// The node ends soon, with the status of a failure, and names the database without its password.
async fn ends_and_names(launch: Launch, name: &str) {
    for command in [&[][..], &["admin", "create", "--email", "a@example.com", "--password-stdin"]] {
        let began = Instant::now();
        let told = launch.run(command, crate::client::PASSWORD).await;
        let said = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert_eq!(told.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot open the {name}")), "{said}");
        assert!(!said.contains(Database::PASSWORD) && !said.contains("listens on"), "{said}");
        assert!(began.elapsed() < PATIENCE * 2 / 3, "{:?}", began.elapsed());
    }
}

fn postgres_at(port: u16) -> String {
    format!("database postgres://127.0.0.1:{port}: ")
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let port = free_port();
    let url = format!("postgres://postgres:{}@127.0.0.1:{port}/postgres", Database::PASSWORD);
    ends_and_names(Launch::over(|_| Store::at(&url)), &postgres_at(port)).await;
}

#[tokio::test]
async fn a_dynamodb_that_is_not_there_is_named() {
    let port = free_port();
    let launch = Launch::over(|_| Store::no_table_at(&format!("http://127.0.0.1:{port}"))).set("DYNAMODB_TABLE", "flags");
    ends_and_names(launch, &format!("DynamoDB table flags at http://127.0.0.1:{port}: ")).await;
}

#[tokio::test]
async fn a_dynamodb_that_does_not_answer_is_named() {
    let Some(database) = Database::dynamodb().await else { return };
    let launch = database.launch();
    database.service.freeze();
    ends_and_names(launch.clone(), "DynamoDB table togglebox-").await;
    database.service.thaw();
    assert!(launch.start().await.stop().await.status.success(), "and is used when it does");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named() {
    let Some(database) = Database::postgres().await else { return };
    database.service.freeze();
    ends_and_names(database.launch(), &postgres_at(database.service.port())).await;
    database.service.thaw();
    assert!(database.launch().start().await.stop().await.status.success(), "and is used when it does");
}
