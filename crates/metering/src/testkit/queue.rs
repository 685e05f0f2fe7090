//! A queue in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};

use crate::WriterId;
use crate::queue::{Message, UsageQueue};

/// A queue in memory: in order, and nothing is given out twice while somebody has it. It never waits.
#[derive(Debug, Default)]
pub struct MemoryQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many were ever put in.
    put: u64,
    waiting: VecDeque<Message>,
    out: Vec<Message>,
}

impl MemoryQueue {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Messages that are in it, those that somebody has among them.
    pub fn len(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.out.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was given out and not deleted is given out again, before everything else: the time for it is over.
    pub fn lapse(&self) {
        let mut state = self.lock();
        while let Some(message) = state.out.pop() {
            state.waiting.push_front(message);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl UsageQueue for MemoryQueue {
    async fn send(&self, _line: WriterId, body: &str) -> StoreResult<()> {
        let mut state = self.lock();
        state.put += 1;
        let receipt = state.put.to_string();
        state.waiting.push_back(Message { body: body.to_owned(), receipt });
        Ok(())
    }

    async fn receive(&self, most: usize) -> StoreResult<Vec<Message>> {
        if !(1..=10).contains(&most) {
            return Err(StoreError::new(StoreErrorKind::LimitReached { limit: 10 }, "usage_queue.receive"));
        }
        let mut state = self.lock();
        let count = most.min(state.waiting.len());
        let given: Vec<Message> = state.waiting.drain(..count).collect();
        state.out.extend(given.iter().cloned());
        Ok(given)
    }

    async fn delete(&self, message: &Message) -> StoreResult<()> {
        let mut state = self.lock();
        state.out.retain(|other| other.receipt != message.receipt);
        state.waiting.retain(|other| other.receipt != message.receipt);
        Ok(())
    }
}
