//! Two at once.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Client, INTERNAL, PUBLIC, Reply, audit, config, experiment, flag, make_environment, start_with_admin};
use crate::engine;
use crate::server::{Launch, PATIENCE, Server};

async fn furnished() -> (Server, Client) {
    let (server, admin) = start_with_admin(Launch::new()).await;
    make_environment(&admin).await;
    (server, admin)
}

/// Sends all of `requests` at once, each over a connection of its own.
async fn at_once(admin: &Client, requests: Vec<(Method, String, Value, Option<String>)>) -> Vec<Reply> {
    let mut tasks = JoinSet::new();
    for (index, (method, path, body, tag)) in requests.into_iter().enumerate() {
        let client = admin.clone();
        tasks.spawn(async move {
            let condition = tag.as_deref().map(|tag| [("if-match", tag)]);
            let headers = condition.as_ref().map_or(&[][..], |condition| &condition[..]);
            (index, client.send(method, &path, Some(&body), headers).await)
        });
    }
    let mut replies = tasks.join_all().await;
    replies.sort_by_key(|(index, _)| *index);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// The same for things that only these requests make. Over a store that [is slow](engine::is_slow), whoever finds it too busy asks again,
/// and a thing that is there then was made by an attempt that was not waited for.
async fn settled(admin: &Client, requests: Vec<(Method, String, Value, Option<String>)>) -> Vec<Reply> {
    let mut replies = at_once(admin, requests.clone()).await;
    for (reply, (method, path, body, _)) in replies.iter_mut().zip(requests) {
        let began = Instant::now();
        while reply.status == 503 && engine::is_slow() && began.elapsed() < PATIENCE {
            let again = admin.send(method.clone(), &path, Some(&body), &[]).await;
            *reply = if again.status == 409 { Reply { status: 201, ..again } } else { again };
        }
    }
    replies
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_name_the_revision_one_wins_and_the_others_learn_the_current_one() {
    let (_server, admin) = furnished().await;
    let created = admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await;
    let mut tag = created.expect(201).header("etag").expect("a tag").to_owned();
    for round in 0..10 {
        let edits = (0..4).map(|n| {
            let body = json!({ "name": format!("round {round} writer {n}") });
            (Method::PUT, format!("{INTERNAL}/flags/dark"), body, Some(tag.clone()))
        });
        let replies = at_once(&admin, edits.collect()).await;
        assert_eq!((count(&replies, 200), count(&replies, 409)), (1, 3));
        let winner = replies.iter().find(|reply| reply.status == 200).unwrap();
        tag = winner.header("etag").expect("a tag").to_owned();
        let revision: u64 = tag.trim_matches('"').split('.').nth(1).unwrap().parse().unwrap();
        for loser in replies.iter().filter(|reply| reply.status == 409) {
            assert_eq!((loser.code(409).as_str(), &loser.json()["meta"]["currentRevision"]), ("CONFLICT", &json!(revision)));
        }
        assert_eq!(admin.get(&format!("{PUBLIC}/flags/dark")).await.data(200), winner.data(200));
    }
    let versions = admin.get(&format!("{INTERNAL}/flags/dark/versions")).await.expect(200).json();
    assert_eq!(versions["meta"]["total"], 11);
    assert_eq!(audit(&admin, "target=dark").await.len(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_name_no_revision_all_land_and_nothing_disappears_from_the_history() {
    let (_server, admin) = furnished().await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/configs"), config("title", "start")).await.expect(201);
    let edits = (0..20).flat_map(|n| {
        [
            (Method::PUT, format!("{INTERNAL}/flags/dark"), json!({ "name": format!("name {n}") }), None),
            (Method::PATCH, format!("{INTERNAL}/configs/title"), json!({ "defaultValue": format!("value {n}") }), None),
        ]
    });
    let replies = at_once(&admin, edits.collect()).await;
    assert_eq!(count(&replies, 200), 40);

    for (path, name, written, prefix) in
        [("flags/dark", "dark", "name", "name"), ("configs/title", "title", "defaultValue", "value")]
    {
        let versions = admin.get(&format!("{INTERNAL}/{path}/versions")).await.expect(200).json();
        let versions = versions["data"].as_array().unwrap();
        let numbers: std::collections::BTreeSet<_> =
            versions.iter().map(|version| version["version"].as_str().unwrap()).collect();
        assert_eq!((versions.len(), numbers.len()), (21, 21));
        assert_eq!(versions.iter().filter(|version| version["isActive"] == true).count(), 1);
        let texts: std::collections::BTreeSet<_> = versions.iter().filter_map(|version| version[written].as_str()).collect();
        assert!((0..20).all(|n| texts.contains(format!("{prefix} {n}").as_str())), "{texts:?}");
        assert_eq!(audit(&admin, &format!("target={name}")).await.len(), 21);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_creators_of_one_key_one_wins() {
    let (_server, admin) = furnished().await;
    for n in 0..5 {
        for (path, body) in [
            (format!("{INTERNAL}/flags"), flag(&format!("flag-{n}"))),
            (format!("{INTERNAL}/configs"), config(&format!("config-{n}"), "x")),
            (format!("{INTERNAL}/experiments"), experiment(&format!("experiment-{n}"))),
            ("/api/v1/internal/platforms".to_owned(), json!({ "name": format!("platform-{n}") })),
            ("/api/v1/internal/platforms/web/environments".to_owned(), json!({ "environment": format!("environment-{n}") })),
            (
                "/api/v1/internal/users".to_owned(),
                json!({ "name": "Ann", "email": format!("ann-{n}@example.com"), "password": "Correct-Horse-1" }),
            ),
        ] {
            let replies = at_once(&admin, vec![(Method::POST, path.clone(), body, None); 3]).await;
            assert_eq!((count(&replies, 201), count(&replies, 409)), (1, 2), "{path}");
            let refused = replies.iter().find(|reply| reply.status == 409).unwrap();
            assert_eq!(refused.code(409), "ALREADY_EXISTS", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_parameters_holds_however_many_are_made_at_once() {
    let (_server, admin) = furnished().await;
    let create = |n: usize| (Method::POST, format!("{INTERNAL}/configs"), config(&format!("key-{n}"), "x"), None);
    for start in (0..1990).step_by(10) {
        let replies = settled(&admin, (start..start + 10).map(create).collect()).await;
        assert_eq!(count(&replies, 201), 10);
    }
    let replies = settled(&admin, (1990..2020).map(create).collect()).await;
    assert_eq!((count(&replies, 201), count(&replies, 422)), (10, 20));
    let refused = replies.iter().find(|reply| reply.status == 422).unwrap();
    assert_eq!(refused.code(422), "LIMIT_EXCEEDED");
    assert_eq!(admin.fresh(&format!("{PUBLIC}/configs/count")).await.data(200), json!({ "count": 2000 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_experiment_that_is_started_while_it_is_edited_is_one_or_the_other() {
    let (_server, admin) = furnished().await;
    for n in 0..10 {
        let key = format!("exp-{n}");
        admin.post(&format!("{INTERNAL}/experiments"), experiment(&key)).await.expect(201);
        let replies = at_once(
            &admin,
            vec![
                (Method::POST, format!("{INTERNAL}/experiments/{key}/start"), json!({ "startedBy": "ann@example.com" }), None),
                (Method::PUT, format!("{INTERNAL}/experiments/{key}"), json!({ "name": "Edited" }), None),
                (Method::POST, format!("{INTERNAL}/experiments/{key}/start"), json!({ "startedBy": "bob@example.com" }), None),
            ],
        )
        .await;
        let [start, edit, again] = &replies[..] else { panic!("three replies") };
        assert_eq!(count(&[start.clone(), again.clone()], 200), 1, "it is started once");
        let stands = admin.get(&format!("{PUBLIC}/experiments/{key}")).await.data(200);
        assert_eq!(stands["status"], "running");
        if edit.status == 200 {
            assert_eq!(stands["name"], "Edited", "the draft was edited, then started");
        } else {
            assert!(matches!(edit.code(edit.status).as_str(), "INVALID_STATUS" | "CONFLICT"), "{}", edit.text());
            assert_eq!(stands["name"], key);
        }
        let successes = 1 + count(&replies, 200);
        assert_eq!(audit(&admin, &format!("target={key}")).await.len(), successes);
    }
}
