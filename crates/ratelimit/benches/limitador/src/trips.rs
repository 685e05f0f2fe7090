//! How often a decision goes to the server, by what the server has counted.

use crate::clients::{Client, Question};
use crate::server::Figures;

const CALLS: u32 = 1_000;

/// One call after the other, so that each journey is one read.
pub(crate) async fn run(figures: &mut Figures, clients: &[Client; 2], cases: &[(&str, Question)]) {
    println!("\nfor each of {CALLS} decisions, one client");
    println!("{:<28} {:>10} {:>12} {:>10} {:>16}", "", "", "round trips", "scripts", "commands in them");
    for (name, question) in cases {
        for (client, who) in clients.iter().zip(["ours", "Limitador"]) {
            // Who has never run a script loads it.
            client.ask(question).await;
            let (scripts_before, commands_before) = figures.calls().await;
            let reads_before = figures.reads().await;
            for _ in 0..CALLS {
                client.ask(question).await;
            }
            let reads = figures.reads().await - reads_before - 1.0;
            let (scripts, commands) = figures.calls().await;
            let (scripts, commands) = (scripts - scripts_before, commands - commands_before);
            let each = |number: f64| number / f64::from(CALLS);
            println!("{name:<28} {who:>10} {:>12.2} {:>10.2} {:>16.2}", each(reads), each(scripts), each(commands - scripts));
        }
    }
}
