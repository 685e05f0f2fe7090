//! Deliveries on their way: due times, retries, chaos.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Delivery, Endpoint, signature};
use crate::calendar::{HOUR, MINUTE};
use crate::clock::Clock;
use crate::ids::Ids;
use crate::model::event::{Event, Snapshot};
use crate::version::{OLD_VERSION, Version};

/// The gaps between attempts: three days in all.
const GAPS: [i64; 9] = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 20 * HOUR];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting {
        due: i64,
    },
    /// On its way, or taken.
    Away,
    Accepted,
    /// Lost, or given up.
    Lost,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mangling {
    old_secret: bool,
    old_shape: bool,
    flip_livemode: bool,
}

#[derive(Debug, Clone)]
struct Queued {
    id: String,
    endpoint: String,
    event: String,
    attempts: usize,
    state: State,
    mangling: Mangling,
}

/// The endpoints and all deliveries there ever were.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) endpoints: IndexMap<String, Endpoint>,
    deliveries: IndexMap<String, Queued>,
    /// Events that only chaos knows.
    strays: IndexMap<String, Event>,
}

impl Outbox {
    pub(crate) fn forget_deliveries(&mut self) {
        self.deliveries.clear();
        self.strays.clear();
    }

    /// Queues an event for every endpoint that wants it.
    pub(crate) fn enqueue(&mut self, event: &Event, ids: &mut Ids) {
        for endpoint in self.endpoints.values_mut().filter(|endpoint| endpoint.wants(&event.kind)) {
            let (chaos, dice) = (endpoint.chaos.clone(), &mut endpoint.dice);
            let mut queue = |event: &Event, due: i64, lost: bool, mangling: Mangling| {
                let queued = Queued {
                    id: ids.next("whd"),
                    endpoint: endpoint.id.clone(),
                    event: event.id.clone(),
                    attempts: 0,
                    state: if lost { State::Lost } else { State::Waiting { due } },
                    mangling,
                };
                self.deliveries.insert(queued.id.clone(), queued);
            };
            // One throw for each fault, whatever the others say: changing one share leaves the rest as it was.
            let (dropped, twice, late) = (dice.percent(chaos.drop), dice.percent(chaos.duplicate), dice.percent(chaos.delay));
            let delay = 1 + i64::try_from(dice.below(chaos.delay_seconds.max(1).unsigned_abs())).unwrap_or(0);
            let mangling = Mangling {
                old_secret: dice.percent(chaos.old_secret),
                old_shape: dice.percent(chaos.old_shape),
                flip_livemode: dice.percent(chaos.flip_livemode),
            };
            let stray = dice.percent(chaos.unknown_type);
            let due = event.created + if late { delay } else { 0 };
            queue(event, due, dropped, mangling);
            if twice {
                queue(event, event.created, dropped, Mangling::default());
            }
            if stray {
                let stray = stray_event(event);
                queue(&stray, event.created, false, Mangling::default());
                self.strays.insert(stray.id.clone(), stray);
            }
        }
    }

    /// How many endpoints have not accepted an event yet.
    pub(crate) fn pending(&self, event: &str) -> usize {
        let pending = |queued: &&Queued| queued.event == event && queued.state != State::Accepted;
        self.deliveries.values().filter(pending).count()
    }

    /// How many of an endpoint's deliveries wait.
    pub(crate) fn waiting(&self, endpoint: &str) -> usize {
        let waits = |queued: &&Queued| queued.endpoint == endpoint && matches!(queued.state, State::Waiting { .. });
        self.deliveries.values().filter(waits).count()
    }

    /// When the next delivery over the network is due.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.deliveries.values().filter(|queued| self.goes_out(queued, false)).filter_map(due).min()
    }

    fn goes_out(&self, queued: &Queued, manual: bool) -> bool {
        self.endpoints.get(&queued.endpoint).is_some_and(|endpoint| endpoint.enabled && endpoint.manual == manual)
    }

    /// The next delivery that is due over the network, with its address; it counts as under way until it is [settled](Self::settle).
    pub(crate) fn next(&mut self, events: &IndexMap<String, Event>, clock: Clock) -> Option<(String, Delivery)> {
        let now = clock.now();
        let ready = |queued: &&Queued| due(queued).is_some_and(|due| due <= now) && self.goes_out(queued, false);
        let mut ready: Vec<&Queued> = self.deliveries.values().filter(ready).collect();
        ready.sort_by_key(|queued| due(queued));
        let mut id = ready.first()?.id.clone();
        let endpoint = self.endpoints.get_mut(&ready.first()?.endpoint)?;
        if endpoint.chaos.shuffle {
            let own: Vec<&&Queued> = ready.iter().filter(|queued| queued.endpoint == endpoint.id).collect();
            let chosen = endpoint.dice.below(u64::try_from(own.len()).unwrap_or(1));
            id.clone_from(&own[usize::try_from(chosen).unwrap_or(0)].id);
        }
        let url = endpoint.url.clone();
        let delivery = self.send(&id, events, clock)?;
        Some((url, delivery))
    }

    /// All that is due at manual endpoints; it counts as accepted.
    pub(crate) fn take(&mut self, events: &IndexMap<String, Event>, clock: Clock) -> Vec<Delivery> {
        let now = clock.now();
        let ready = |queued: &&Queued| due(queued).is_some_and(|due| due <= now) && self.goes_out(queued, true);
        let mut ready: Vec<(Option<i64>, String, String)> = self
            .deliveries
            .values()
            .filter(ready)
            .map(|queued| (due(queued), queued.endpoint.clone(), queued.id.clone()))
            .collect();
        ready.sort_by_key(|(due, ..)| *due);
        // Fisher and Yates.
        for last in (1..ready.len()).rev() {
            let Some(endpoint) = self.endpoints.get_mut(&ready[last].1) else { continue };
            if endpoint.chaos.shuffle {
                let other = endpoint.dice.below(u64::try_from(last + 1).unwrap_or(1));
                ready.swap(last, usize::try_from(other).unwrap_or(0));
            }
        }
        let taken: Vec<Delivery> = ready.iter().filter_map(|(_, _, id)| self.send(id, events, clock)).collect();
        for delivery in &taken {
            self.settle(&delivery.id, true, now);
        }
        taken
    }

    fn send(&mut self, id: &str, events: &IndexMap<String, Event>, clock: Clock) -> Option<Delivery> {
        let pending = self.pending(&self.deliveries.get(id)?.event);
        let queued = self.deliveries.get_mut(id)?;
        queued.state = State::Away;
        queued.attempts += 1;
        let Some(event) = events.get(&queued.event).or_else(|| self.strays.get(&queued.event)) else {
            queued.state = State::Lost;
            return None;
        };
        let endpoint = self.endpoints.get(&queued.endpoint)?;
        let old = Version::parse(OLD_VERSION).filter(|_| queued.mangling.old_shape);
        let version = old.as_ref().or(endpoint.version.as_ref()).unwrap_or(&event.version);
        let mut rendered = event.render(version, pending);
        if queued.mangling.flip_livemode {
            rendered["livemode"] = Value::Bool(!event.livemode);
        }
        let body = format!("{rendered:#}").into_bytes();
        let signature = if queued.mangling.old_secret && queued.attempts == 1 {
            signature::header([endpoint.old_secret()], clock.sending(), &body)
        } else {
            signature::header(endpoint.active_secrets(clock.now()), clock.sending(), &body)
        };
        let headers = [
            ("Content-Type", "application/json; charset=utf-8".to_owned()),
            ("Stripe-Signature", signature),
            ("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned()),
        ];
        Some(Delivery {
            id: queued.id.clone(),
            event_id: queued.event.clone(),
            endpoint: queued.endpoint.clone(),
            body,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        })
    }

    /// Whether it was accepted. If not, it comes again, until three days are over.
    pub(crate) fn settle(&mut self, id: &str, accepted: bool, now: i64) -> bool {
        let Some(queued) = self.deliveries.get_mut(id) else { return false };
        queued.state = match GAPS.get(queued.attempts.saturating_sub(1)) {
            _ if accepted => State::Accepted,
            Some(gap) => State::Waiting { due: now + gap },
            None => State::Lost,
        };
        true
    }
}

fn due(queued: &Queued) -> Option<i64> {
    match queued.state {
        State::Waiting { due } => Some(due),
        State::Away | State::Accepted | State::Lost => None,
    }
}

/// An event that this version of the code under test cannot know.
fn stray_event(beside: &Event) -> Event {
    let object = serde_json::json!({"id": "thing_sim", "object": "sim.unheard_of"});
    Event {
        id: format!("{}stray", beside.id),
        kind: "sim.unheard_of.happened".to_owned(),
        object: Snapshot { basil: object.clone(), before: object },
        previous: None,
        ..beside.clone()
    }
}
