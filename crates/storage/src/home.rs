//! The runtime that connections live on.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// The runtime of the program, as opposed to those that calls come from.
///
/// A connection belongs to the runtime that it is made on: it stands still while nobody drives that one, and is lost with it. Callers
/// come from threads with runtimes of their own, such as the workers of an HTTP server. While one of them computes, the others would
/// wait for its connections; and all of them end before the last figures are written.
#[derive(Clone, Debug)]
pub(crate) struct Home(Handle);

/// The runtime has ended, and every connection with it.
#[derive(Debug, thiserror::Error)]
#[error("the runtime that the connections live on has ended")]
pub(crate) struct Ended;

impl Home {
    /// The runtime that this is called on.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn here() -> Self {
        Self(Handle::current())
    }

    /// Does `work` at home, and hands over what comes of it. Dropped before that, it stops the work.
    pub(crate) async fn run<F>(&self, work: F) -> Result<F::Output, Ended>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        // A set, because it stops what nobody waits for any more.
        let mut working = JoinSet::new();
        working.spawn_on(work.in_current_span(), &self.0);
        match working.join_next().await {
            Some(Ok(output)) => Ok(output),
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) | None => Err(Ended),
        }
    }

    /// Begins `work`, for which nobody waits.
    #[cfg(feature = "postgres")]
    pub(crate) fn spawn(&self, work: impl Future<Output: Send + 'static> + Send + 'static) {
        drop(self.0.spawn(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    fn of(runtime: &Runtime) -> Home {
        let _here = runtime.enter();
        Home::here()
    }

    #[tokio::test]
    async fn work_is_done_by_the_threads_of_the_runtime() {
        let other = runtime();
        let place = async || thread::current().id();
        assert_ne!(of(&other).run(async move { place().await }).await.unwrap(), thread::current().id());
        assert_eq!(Home::here().run(async move { place().await }).await.unwrap(), thread::current().id());
        other.shutdown_background();
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_stopped() {
        let (begun, begins) = oneshot::channel();
        let (kept, mut dropped) = oneshot::channel::<()>();
        let home = Home::here();
        let work = home.run(async move {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(kept);
        });
        tokio::select! {
            _ = work => panic!("it never ends"),
            told = begins => told.unwrap(),
        }
        assert!((&mut dropped).await.is_err(), "what it held is let go");
    }

    #[tokio::test]
    async fn a_runtime_that_has_ended_is_told() {
        let other = runtime();
        let home = of(&other);
        other.shutdown_background();
        assert!(home.run(async {}).await.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "on purpose")]
    async fn a_panic_goes_to_the_caller() {
        let _ = Home::here().run(async { panic!("on purpose") }).await;
    }
}
