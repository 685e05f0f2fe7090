//! The world between its callers: the lock, requests with faults, deliveries, time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api::{self, Answer, Ask};
use crate::clock::Clock;
use crate::delivery::post;
use crate::faults::{Effect, Moment};
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    /// One delivery after the other: their order is part of what a seed repeats.
    sending: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Mutex::new(world), sending: tokio::sync::Mutex::new(()) }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A panic of one test's request is that test's problem.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request; none when the connection is to be dropped instead.
    pub(crate) async fn handle(self: Arc<Self>, ask: Ask) -> Option<Answer> {
        let mut begun = {
            let mut world = self.world();
            if matches!(world.clock, Clock::Real { .. }) {
                world.run_due();
            }
            api::begin(&mut world, ask)
        };
        let effect = begun.effect.take();
        let (before, after) = match &effect {
            Some(Effect::Hold(hold, Moment::Before)) => (Some(hold.clone()), None),
            Some(Effect::Hold(hold, Moment::After)) => (None, Some(hold.clone())),
            _ => (None, None),
        };
        if let Some(hold) = before {
            hold.pass().await;
        }
        let executes = !matches!(effect, Some(Effect::Drop(Moment::Before) | Effect::Status { moment: Moment::Before, .. }));
        if executes {
            api::execute(&mut self.world(), &mut begun);
            self.deliver_soon();
        }
        if let Some(hold) = after {
            hold.pass().await;
        }
        let instead = match effect {
            Some(Effect::Status { status, should_retry, stored, .. }) => Some((status, should_retry, stored)),
            Some(Effect::Drop(_)) if !executes => {
                api::forget(&mut self.world(), &begun);
                return None;
            }
            Some(Effect::Drop(_)) => {
                api::finish_unheard(&mut self.world(), begun);
                return None;
            }
            Some(Effect::Hold(..)) | None => None,
        };
        Some(api::finish(&mut self.world(), begun, instead))
    }

    /// Sends what is due, in the background.
    pub(crate) fn deliver_soon(self: &Arc<Self>) {
        let due = {
            let world = self.world();
            world.outbox.next_due().is_some_and(|due| due <= world.now())
        };
        if due {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.deliver().await });
        }
    }

    /// Sends what is due until nothing is.
    pub(crate) async fn deliver(&self) {
        let _one_at_a_time = self.sending.lock().await;
        loop {
            let next = {
                let mut world = self.world();
                let world = &mut *world;
                world.outbox.next(&world.events, world.clock)
            };
            let Some((url, delivery)) = next else { return };
            let accepted = post(&url, &delivery).await;
            let mut world = self.world();
            let now = world.now();
            world.outbox.settle(&delivery.id, accepted, now);
        }
    }

    /// Goes forward to `moment`, through everything that is due on the way.
    pub(crate) async fn advance_to(&self, moment: i64) {
        loop {
            self.deliver().await;
            let mut world = self.world();
            let next = [world.next_due(), world.outbox.next_due()].into_iter().flatten().min();
            let Some(due) = next.filter(|due| *due <= moment) else {
                world.clock.move_to(moment);
                return;
            };
            world.clock.move_to(due);
            world.run_due();
        }
    }
}
