//! A value that tasks wait for, on any run time.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

pub(super) struct Watched<T>(Mutex<(T, Vec<Waker>)>);

impl<T> Watched<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(Mutex::new((value, Vec::new())))
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock().0)
    }

    /// Changes the value and wakes everyone who waits.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut guard = self.lock();
        let outcome = change(&mut guard.0);
        let waiting = std::mem::take(&mut guard.1);
        drop(guard);
        waiting.into_iter().for_each(Waker::wake);
        outcome
    }

    /// Waits until `look` finds something.
    pub(super) async fn until<R>(&self, mut look: impl FnMut(&T) -> Option<R>) -> R {
        poll_fn(|context| {
            let mut guard = self.lock();
            if let Some(found) = look(&guard.0) {
                return Poll::Ready(found);
            }
            if !guard.1.iter().any(|waker| waker.will_wake(context.waker())) {
                guard.1.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, (T, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look(|value| value.fmt(f))
    }
}
