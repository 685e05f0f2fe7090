//! What can go wrong with a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::watched::Watched;

/// What goes wrong with one call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The store is not called. The caller gets `Unavailable`.
    Before,
    /// The store is called and its outcome thrown away: the write may be there, and no answer came. The caller gets `Unavailable`.
    After,
    /// The store is called twice, one call after the other, as by a network that repeats. The caller gets the first outcome.
    Twice,
    /// The store is called when the delay is over.
    Late(Delay),
    /// The store is called at once, and its outcome is given when the delay is over.
    AnsweredLate(Delay),
    /// The store turns the call away because it is asked too much. The caller gets `Unavailable`, with a source that says so.
    Throttled,
}

/// How long a call is held up. Clones are the same delay, so whoever keeps one can tell when it is over.
#[derive(Clone)]
pub struct Delay(Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>);

impl Delay {
    /// As long as the future that `wait` makes for each call: a timer of a run time whose time stands still, or whatever else.
    pub fn new<F>(wait: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(wait())))
    }

    /// Until `gate` is open.
    pub fn until(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::new(move || {
            let gate = gate.clone();
            async move { gate.pass().await }
        })
    }

    pub(super) async fn wait(&self) {
        (self.0)().await;
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delay")
    }
}

/// Holds calls up until the test opens it. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Watched<Passage>>);

#[derive(Debug, Default)]
struct Passage {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A gate that lets nobody pass yet.
    pub fn closed() -> Self {
        Self(Arc::new(Watched::new(Passage::default())))
    }

    /// Lets everybody pass, from now on.
    pub fn open(&self) {
        self.0.change(|passage| passage.open = true);
    }

    /// Waits until `calls` of them have come to the gate, whether or not they passed.
    pub async fn reached(&self, calls: usize) {
        self.0.until(|passage| (passage.arrived >= calls).then_some(())).await;
    }

    /// Goes through, or waits before it.
    pub async fn pass(&self) {
        self.0.change(|passage| passage.arrived += 1);
        self.0.until(|passage| passage.open.then_some(())).await;
    }
}
