//! How long a decision takes, and how many there are in a second.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::clients::{Client, Question};
use crate::server::Figures;

/// Calls of each case whose times are compared, one client after the other.
const ROUNDS: usize = 10_000;

/// Tasks at once, how long they ask in a turn, and how many turns each client has.
const CROWD: usize = 64;
const TURN: Duration = Duration::from_millis(500);
const TURNS: usize = 20;

pub(crate) async fn one_by_one(clients: &[Client; 2], cases: &[(&str, Question)]) {
    let mut took: Vec<[Vec<Duration>; 2]> = cases.iter().map(|_| [const { Vec::new() }; 2]).collect();
    for round in 0..ROUNDS + ROUNDS / 10 {
        for ((_, question), took) in cases.iter().zip(&mut took) {
            for (client, took) in clients.iter().zip(took) {
                let began = Instant::now();
                client.ask(question).await;
                if round >= ROUNDS / 10 {
                    took.push(began.elapsed());
                }
            }
        }
    }
    println!("\n{ROUNDS} calls of each, in turns, one client: median, µs");
    println!("{:<28} {:>10} {:>10} {:>10}", "", "ours", "Limitador", "ratio");
    for ((name, _), took) in cases.iter().zip(took) {
        let [ours, limitador] = took.map(|mut took| {
            took.sort_unstable();
            took[took.len() / 2].as_secs_f64() * 1e6
        });
        println!("{name:<28} {ours:>10.1} {limitador:>10.1} {:>10.2}", ours / limitador);
    }
}

pub(crate) async fn crowd(figures: &mut Figures, clients: [Client; 2], question: &Question) {
    for client in &clients {
        turn(client, question).await;
    }
    let (mut ratios, mut calls, mut seconds, mut server) = (Vec::new(), [0.0; 2], [0.0; 2], [0.0; 2]);
    for round in 0..TURNS {
        let mut rates = [0.0; 2];
        // Who comes first in one round comes last in the next one.
        for side in [round % 2, 1 - round % 2] {
            let before = figures.seconds().await;
            let (made, took) = turn(&clients[side], question).await;
            server[side] += figures.seconds().await - before;
            calls[side] += made;
            seconds[side] += took;
            rates[side] = made / took;
        }
        ratios.push(rates[0] / rates[1]);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let [ours, limitador] = [0, 1].map(|side| calls[side] / seconds[side]);
    println!("\n{CROWD} tasks at once, 3 limits, {TURNS} turns of {} ms each", TURN.as_millis());
    println!("{:<28} {:>10} {:>10} {:>10}", "", "ours", "Limitador", "ratio");
    println!("{:<28} {ours:>10.0} {limitador:>10.0} {:>10.2}", "a second, all turns", ours / limitador);
    println!("{:<28} {:>32.2}", "ratio of a round, least", ratios[0]);
    println!("{:<28} {:>32.2}", "ratio of a round, median", ratios[TURNS / 2]);
    println!("{:<28} {:>32.2}", "ratio of a round, most", ratios[TURNS - 1]);
    let [ours, limitador] = [0, 1].map(|side| server[side] * 1e6 / calls[side]);
    println!("{:<28} {ours:>10.2} {limitador:>10.2} {:>10.2}", "server's time for each, µs", ours / limitador);
}

/// How many calls were made, and in how many seconds.
async fn turn(client: &Client, question: &Question) -> (f64, f64) {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CROWD {
        let (client, question) = (client.clone(), question.clone());
        tasks.spawn(async move {
            let mut calls = 0_u32;
            while began.elapsed() < TURN {
                client.ask(&question).await;
                calls += 1;
            }
            calls
        });
    }
    let calls: f64 = tasks.join_all().await.into_iter().map(f64::from).sum();
    (calls, began.elapsed().as_secs_f64())
}
