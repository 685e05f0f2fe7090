//! How many pass when more ask at once than may.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::clients::{Client, Kind, Question, Window};

const TRIALS: usize = 1_000;
const LIMIT: Window = Window { limit: 100, seconds: 3_600 };

/// Over four connections.
const TASKS: usize = 32;

/// Of each task in a trial. A client's tasks together ask more often than may pass, so that one that goes by itself can be off by all.
const ASKS: usize = 16;

/// In each trial all ask for a subject that nobody has asked for before. The kinds take turns, trial by trial.
pub(crate) async fn run(url: &str) {
    // Two with two connections each, or four with one: eight tasks for a connection.
    let kinds = [("ours", Kind::Ours, 2), ("Limitador", Kind::Limitador, 2), ("Limitador, cached", Kind::Cached, 4)];
    let mut sides = Vec::new();
    for (name, kind, number) in kinds {
        let mut clients = Vec::new();
        for _ in 0..number {
            clients.push(Client::new(kind, url).await);
        }
        sides.push((name, clients, Vec::with_capacity(TRIALS)));
    }
    for trial in 0..TRIALS {
        let question = Question::new(&format!("trial-{trial}"), &[LIMIT]);
        for (_, clients, passed) in &mut sides {
            passed.push(at_once(clients, &question).await);
        }
    }
    println!("\n{} of {} pass, {TRIALS} trials, {TASKS} tasks over 4 connections", LIMIT.limit, TASKS * ASKS);
    println!("{:<28} {:>10} {:>10} {:>10} {:>12} {:>12}", "", "least", "median", "most", "trials above", "below");
    for (name, _, mut passed) in sides {
        passed.sort_unstable();
        let above = passed.iter().filter(|passed| **passed > LIMIT.limit).count();
        let below = passed.iter().filter(|passed| **passed < LIMIT.limit).count();
        let [least, median, most] = [passed[0], passed[TRIALS / 2], passed[TRIALS - 1]];
        println!("{name:<28} {least:>10} {median:>10} {most:>10} {above:>12} {below:>12}");
    }
}

/// How many passed.
async fn at_once(clients: &[Client], question: &Question) -> u32 {
    let start = Arc::new(Barrier::new(TASKS));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (client, question, start) = (clients[task % clients.len()].clone(), question.clone(), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            let mut passed = 0;
            for _ in 0..ASKS {
                passed += u32::from(client.ask(&question).await);
            }
            passed
        });
    }
    tasks.join_all().await.into_iter().sum()
}
