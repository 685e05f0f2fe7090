//! Clients that call as fast as they are answered.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// How long each call took, shortest first.
pub(crate) struct Figures {
    calls: Vec<Duration>,
    over: Duration,
    /// How many calls there were with those that warmed up.
    pub(crate) made: usize,
}

impl Figures {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.calls[(self.calls.len() - 1) * percent / 100]
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.calls.len() as f64 / self.over.as_secs_f64()
    }
}

/// Lets `clients` at it, each with calls of its own, for `time`; a call that has begun is waited for.
pub(crate) async fn of<C, F>(clients: usize, time: Duration, calls: impl Fn(usize) -> C) -> Figures
where
    C: FnMut() -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut working = JoinSet::new();
    let (warm, end) = (Instant::now() + time / 5, Instant::now() + time / 5 + time);
    for client in 0..clients {
        let mut call = calls(client);
        working.spawn(async move {
            let (mut took, mut made) = (Vec::new(), 0);
            loop {
                let begun = Instant::now();
                // Of calls that take longer than the time, each client measures one.
                if begun >= end && !took.is_empty() {
                    return (took, made);
                }
                call().await;
                made += 1;
                if begun >= warm {
                    took.push(begun.elapsed());
                }
            }
        });
    }
    let (took, made): (Vec<_>, Vec<usize>) = working.join_all().await.into_iter().unzip();
    let mut calls = took.concat();
    calls.sort_unstable();
    Figures { calls, over: warm.elapsed(), made: made.into_iter().sum() }
}
