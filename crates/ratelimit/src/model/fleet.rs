//! Some nodes, a store, and what may go wrong between them.
//!
//! A request costs one unit of two limits. Time goes by in microseconds, of which one limit gives a unit back every other one. What the
//! store says arrives in the same microsecond or never; what a node has given up may be carried out at any later time.
//!
//! It is always [`NOW`]: when time passes, all moments move into the past, and full buckets are forgotten. So there is an end to what can
//! happen though there is none to time. That no window sees too many units is told from a bucket, too: units conform to a rate and a burst
//! just if no window has more of them than these allow.

use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::{Model, explore};
use crate::gcra::{self, Tat};
use crate::limiter::breaker::{Breaker, FAULTS_IN_A_ROW};
use crate::quota::Quota;

/// The present, on every clock.
const NOW: u64 = 1000;

/// Where there are outages, so often a node asks the store.
const MOST_CALLS: u8 = 3;

type Tats = [Option<Tat>; 2];

/// What may happen, and how much of it.
#[derive(Clone, Debug)]
struct Fleet {
    nodes: usize,
    /// The quotas of both limits; where there are several, plans that may follow each other.
    plans: Vec<[Quota; 2]>,
    /// Units that a node takes at once, and for how long.
    lease: Option<(u32, u64)>,
    /// Requests that are given up and carried out later.
    late: usize,
    failovers: u8,
    /// By how much the store's clock may step, once.
    steps: Vec<i64>,
    outages: u8,
    /// By how many units its bounds are too strict: to see that they are reached.
    too_strict: u32,
}

#[derive(Clone, Default, Hash)]
struct State {
    plan: usize,
    store: Tats,
    is_down: bool,
    nodes: Vec<Node>,
    late: Vec<u32>,
    /// What another server would know.
    copy: Tats,
    failovers: u8,
    has_stepped: bool,
    outages: u8,
    /// Of each limit, when a bucket would be full that was charged for whatever went on: by the store or a lease, and without.
    admitted: Tats,
    admitted_alone: Tats,
    /// Units of each limit that what went wrong may add.
    excess: [u32; 2],
    /// From when on a request has to pass, if nothing else happens.
    promised: Option<u64>,
}

#[derive(Clone, Default, Hash)]
struct Node {
    /// Units that are left, when they were charged by the store's clock, and until when they may be used.
    lease: Option<(u32, u64, u64)>,
    /// Until when it remembers a denial, and whether only time and charges have gone by since.
    denied: Option<(u64, bool)>,
    breaker: Breaker,
    local: Tats,
    calls: u8,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Tick,
    Consume(usize),
    AnswerLost,
    GivenUp,
    CarriedOut(usize),
    Remembered(usize),
    Grant(usize),
    GrantLost,
    Use(usize),
    GiveBack(usize),
    Crash(usize),
    Copy,
    FailOver,
    Step(i64),
    Plan,
    Down,
    Up,
    Probe(usize),
}

/// What the store says.
struct Said {
    passed: bool,
    wait_us: u64,
}

impl Fleet {
    fn quotas(&self, state: &State) -> &[Quota; 2] {
        &self.plans[state.plan]
    }

    /// As a store does it: all limits or none, states that are beyond brought back.
    fn charge(&self, state: &mut State, units: u32) -> Result<Said, String> {
        let (quotas, clock) = (*self.quotas(state), NOW);
        let each = || quotas.iter().zip(&state.store);
        let wait = each().map(|(quota, tat)| gcra::retry_after(quota, *tat, clock, units)).max().unwrap();
        let after: Vec<_> = each().map(|(quota, tat)| gcra::consume(quota, *tat, clock, units)).collect();
        let passed = after.iter().all(Option::is_some);
        if passed != wait.is_zero() {
            return Err(format!("{passed} and a wait of {wait:?}"));
        }
        let before = state.store;
        for (number, tat) in after.into_iter().enumerate() {
            let beyond = before[number].is_some_and(|tat| gcra::is_beyond(&quotas[number], tat, clock));
            if passed {
                state.store[number] = tat;
            } else if beyond {
                state.store[number] = Some(gcra::rebase(&quotas[number], before[number], clock));
            }
            let (stands, stood) = (state.store[number], before[number]);
            let [stands, stood] = [stands, stood].map(|tat| gcra::rebase(&quotas[number], tat, clock));
            if passed == (stands == stood) {
                return Err(format!("passed: {passed}, but limit {number} went from {stood:?} to {stands:?}"));
            }
        }
        Ok(Said { passed, wait_us: u64::try_from(wait.as_micros()).unwrap() })
    }

    /// Asks for one unit, and hears what is said.
    fn ask(&self, state: &mut State, node: usize) -> Result<(), String> {
        let promised = state.promised.is_some_and(|from| from <= NOW);
        let before = state.store;
        let said = self.charge(state, 1)?;
        if promised && !said.passed {
            return Err("denied after the moment from which it was to pass".to_owned());
        }
        self.heard(state, node, true);
        self.follow(state, node, before, said.passed);
        if said.passed {
            state.promised = None;
            return self.admit(state, false);
        }
        let until = NOW + said.wait_us;
        if self.lease.is_none() {
            state.nodes[node].denied = Some((until, true));
        }
        state.promised = Some(state.promised.map_or(until, |earlier| earlier.min(until)));
        if self.outages > 0 {
            // Were the store gone now, this node would let nothing through, either.
            let mut alone = state.clone();
            if self.pass_alone(&mut alone, node) {
                return Err("a second bucket is handed out at the switch".to_owned());
            }
        }
        Ok(())
    }

    /// Goes on with this node's own limits.
    fn alone(&self, state: &mut State, node: usize) -> Result<(), String> {
        if self.pass_alone(state, node) { self.admit(state, true) } else { Ok(()) }
    }

    fn pass_alone(&self, state: &mut State, node: usize) -> bool {
        let shares = self.quotas(state).map(|quota| quota.share(u32::try_from(self.nodes).unwrap()));
        let local = &mut state.nodes[node].local;
        let after = [0, 1].map(|number| gcra::consume(&shares[number], local[number], NOW, 1));
        let passed = after.iter().all(Option::is_some);
        if passed {
            *local = after;
        }
        passed
    }

    /// As the memory store follows another one.
    fn follow(&self, state: &mut State, node: usize, before: Tats, charged: bool) {
        if self.outages == 0 {
            return;
        }
        for (number, quota) in self.quotas(state).iter().enumerate() {
            let there = gcra::rebase(quota, before[number], NOW);
            let there = if charged { gcra::charge(quota, Some(there), NOW, 1) } else { there };
            state.nodes[node].local[number] = ahead(there);
        }
    }

    fn heard(&self, state: &mut State, node: usize, well: bool) {
        if self.outages > 0 {
            state.nodes[node].breaker.came_back(well, 0);
            state.nodes[node].calls += 1;
        }
    }

    /// Something that is not only time and charges.
    fn unsettle(state: &mut State) {
        state.promised = None;
        for node in &mut state.nodes {
            if let Some((_, settled)) = &mut node.denied {
                *settled = false;
            }
        }
    }

    /// A request goes on: in no window may there be too many.
    fn admit(&self, state: &mut State, alone: bool) -> Result<(), String> {
        let nodes = u32::try_from(self.nodes).unwrap();
        for number in 0..2 {
            let quotas = || self.plans.iter().map(|plan| &plan[number]);
            let burst = quotas().map(Quota::burst).max().unwrap();
            let interval = quotas().map(|quota| quota.interval_us().0).min().unwrap();
            let leased =
                self.lease.map_or(0, |(units, life)| (nodes * (units - 1)).min(u32::try_from(life / interval).unwrap() + 1));
            // Alone, each node has its share, rounded up to whole units.
            let (seen, most) = if alone {
                (&mut state.admitted_alone[number], nodes * burst.div_ceil(nodes) - self.too_strict)
            } else {
                (&mut state.admitted[number], self.most(burst, leased + state.excess[number]))
            };
            let full = seen.map_or(NOW, Tat::us) + interval;
            *seen = Some(Tat::of_us(full));
            if full - NOW > u64::from(most) * interval {
                return Err(format!("limit {number}, without the store: {alone}: more than {most} and what comes back pass"));
            }
        }
        Ok(())
    }

    /// What may pass at once: a burst, and what comes on top of it.
    fn most(&self, burst: u32, extra: u32) -> u32 {
        if self.lease.is_some() || self.failovers > 0 || !self.steps.is_empty() {
            return burst + extra.saturating_sub(self.too_strict);
        }
        burst - self.too_strict
    }

    /// Units that were taken, and can still be used or given back.
    fn held(state: &State) -> u32 {
        state.nodes.iter().filter_map(|node| node.lease).map(|(left, ..)| left).sum()
    }
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let mut node = Node::default();
        if self.outages > 0 {
            // One fault more, and it opens.
            for _ in 1..FAULTS_IN_A_ROW {
                node.breaker.came_back(false, 0);
            }
        }
        State { nodes: vec![node; self.nodes], ..State::default() }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        use Action::{
            AnswerLost, CarriedOut, Consume, Copy, Crash, Down, FailOver, GiveBack, GivenUp, Grant, GrantLost, Plan, Probe,
            Remembered, Step, Tick, Up, Use,
        };
        let mut actions = vec![Tick];
        for (number, node) in state.nodes.iter().enumerate() {
            match node.denied {
                Some((until, _)) if NOW < until => actions.push(Remembered(number)),
                _ if self.outages > 0 && node.calls >= MOST_CALLS => {}
                _ => actions.push(Consume(number)),
            }
            if !node.breaker.is_closed() {
                actions.push(Probe(number));
            }
            if self.lease.is_none() {
                continue;
            }
            match node.lease {
                Some((_, _, until)) => {
                    if NOW < until {
                        actions.push(Use(number));
                    }
                    actions.extend([GiveBack(number), Crash(number)]);
                }
                None => actions.push(Grant(number)),
            }
        }
        if self.late > 0 {
            actions.push(AnswerLost);
            if self.lease.is_some() {
                actions.push(GrantLost);
            }
        }
        if state.late.len() < self.late {
            actions.push(GivenUp);
        }
        actions.extend((0..state.late.len()).map(CarriedOut));
        if state.failovers < self.failovers {
            actions.extend([Copy, FailOver]);
        }
        if !state.has_stepped {
            actions.extend(self.steps.iter().map(|by| Step(*by)));
        }
        if state.plan + 1 < self.plans.len() {
            actions.push(Plan);
        }
        if state.is_down {
            actions.push(Up);
        } else if state.outages < self.outages {
            actions.push(Down);
        }
        actions
    }

    fn next(&self, before: &State, action: Action) -> Result<State, String> {
        let mut state = before.clone();
        if !matches!(action, Action::Tick | Action::Remembered(_) | Action::Consume(_)) {
            state.promised = None;
        }
        match action {
            Action::Tick => state.pass(),
            Action::Consume(node) if !state.nodes[node].breaker.is_closed() => self.alone(&mut state, node)?,
            Action::Consume(node) if state.is_down => {
                self.heard(&mut state, node, false);
                state.promised = None;
                self.alone(&mut state, node)?;
            }
            Action::Consume(node) => self.ask(&mut state, node)?,
            Action::AnswerLost => {
                self.charge(&mut state, 1)?;
            }
            Action::GivenUp => state.late.push(1),
            Action::CarriedOut(number) => {
                let units = state.late.remove(number);
                self.charge(&mut state, units)?;
            }
            Action::Remembered(node) => {
                let is_settled = state.nodes[node].denied.is_some_and(|(_, settled)| settled);
                let denies = (0..2).any(|n| gcra::consume(&self.quotas(&state)[n], state.store[n], NOW, 1).is_none());
                if is_settled && !denies {
                    return Err("a denial is remembered for too long".to_owned());
                }
            }
            Action::Grant(node) => {
                let (most, life) = self.lease.unwrap();
                let quotas = self.quotas(&state);
                let least = |units, number: usize| gcra::grantable(&quotas[number], state.store[number], NOW, 1, units);
                let units = (0..2).fold(most, least);
                if units > 0 {
                    if !self.charge(&mut state, units)?.passed {
                        return Err("less room than was granted".to_owned());
                    }
                    state.nodes[node].lease = Some((units - 1, NOW, NOW + life)).filter(|(left, ..)| *left > 0);
                    self.admit(&mut state, false)?;
                }
            }
            Action::GrantLost => {
                self.charge(&mut state, self.lease.unwrap().0)?;
            }
            Action::Use(node) => {
                let lease = &mut state.nodes[node].lease;
                *lease = lease.map(|(left, at, until)| (left - 1, at, until)).filter(|(left, ..)| *left > 0);
                self.admit(&mut state, false)?;
            }
            Action::GiveBack(node) => {
                let (left, charged_at, _) = state.nodes[node].lease.take().unwrap();
                for number in 0..2 {
                    let (quota, stands) = (self.quotas(&state)[number], state.store[number]);
                    state.store[number] = gcra::refund(&quota, stands, NOW, charged_at, left).or(stands);
                }
                Self::unsettle(&mut state);
            }
            Action::Crash(node) => state.nodes[node] = Node::default(),
            Action::Copy => state.copy = state.store,
            Action::FailOver => {
                state.failovers += 1;
                // What is forgotten may pass once more.
                for (number, quota) in self.quotas(before).iter().enumerate() {
                    let [there, here] = [state.store[number], state.copy[number]].map(|tat| gcra::rebase(quota, tat, NOW).us());
                    let forgotten = there.saturating_sub(here).div_ceil(quota.interval_us().0);
                    state.excess[number] += u32::try_from(forgotten).unwrap();
                }
                state.store = state.copy;
                Self::unsettle(&mut state);
            }
            Action::Step(by) => {
                state.has_stepped = true;
                state.step(by);
                for (number, quota) in self.quotas(before).iter().enumerate() {
                    // Forwards, time seems to have passed; backwards, units that are held seem to have been charged just now.
                    let forgiven = u64::try_from(by).map(|by| by.div_ceil(quota.interval_us().0).min(quota.burst().into()));
                    let forgiven = forgiven.map_or_else(|_| Self::held(&state), |units| u32::try_from(units).unwrap());
                    state.excess[number] += forgiven;
                }
                Self::unsettle(&mut state);
            }
            Action::Plan => {
                state.plan += 1;
                Self::unsettle(&mut state);
            }
            Action::Down => {
                state.is_down = true;
                state.outages += 1;
            }
            Action::Up => state.is_down = false,
            Action::Probe(node) => {
                let was_up = !state.is_down;
                state.nodes[node].breaker.probed(was_up);
                state.promised = None;
            }
        }
        state.tidy();
        Ok(state)
    }
}

impl State {
    /// A microsecond goes by on all clocks.
    fn pass(&mut self) {
        self.step(1);
        for tats in self.nodes.iter_mut().map(|node| &mut node.local).chain([&mut self.admitted, &mut self.admitted_alone]) {
            *tats = tats.map(|tat| moved(tat, 1));
        }
        self.promised = self.promised.map(|from| (from - 1).max(NOW));
        for node in &mut self.nodes {
            // What is over cannot be told from what never was.
            node.denied = node.denied.map(|(until, settled)| (until - 1, settled)).filter(|(until, _)| NOW < *until);
            if let Some((_, _, until)) = &mut node.lease {
                *until = (*until - 1).max(NOW);
            }
        }
    }

    /// The store's clock moves.
    fn step(&mut self, by: i64) {
        for tats in [&mut self.store, &mut self.copy] {
            *tats = tats.map(|tat| moved(tat, by));
        }
        for (_, charged_at, _) in self.nodes.iter_mut().filter_map(|node| node.lease.as_mut()) {
            // So long ago that nothing is left to be given back.
            *charged_at = charged_at.saturating_add_signed(-by).max(NOW - 20);
        }
    }

    /// Nodes are alike: which is which makes no difference.
    fn tidy(&mut self) {
        let hasher = FixedState::default();
        self.nodes.sort_by_cached_key(|node| hasher.hash_one(node));
    }
}

/// A state, when time has passed. Nothing is left of a full bucket.
fn moved(tat: Option<Tat>, by: i64) -> Option<Tat> {
    ahead(Tat::of_us(tat?.us().saturating_add_signed(-by)))
}

fn ahead(tat: Tat) -> Option<Tat> {
    (!tat.is_full_at(NOW)).then_some(tat)
}

fn quotas(burst: u32) -> [Quota; 2] {
    let every = |us, burst| Quota::rate(1, Duration::from_micros(us)).burst(burst).unwrap();
    [every(2, burst), every(1, 2)]
}

/// Nothing goes wrong.
fn fleet(nodes: usize, burst: u32) -> Fleet {
    Fleet { nodes, plans: vec![quotas(burst)], lease: None, late: 0, failovers: 0, steps: Vec::new(), outages: 0, too_strict: 0 }
}

const LEASE: Option<(u32, u64)> = Some((2, 3));

fn look_through(name: &str, model: &Fleet) {
    let began = std::time::Instant::now();
    let states = explore(model).unwrap();
    println!("{name}: {states} states in {:?}", began.elapsed());
    assert!(states > 30, "{states}");
}

#[test]
fn requests_that_get_lost_or_are_carried_out_late_never_let_more_through() {
    for burst in 1..=3 {
        look_through("late", &Fleet { late: 2, ..fleet(3, burst) });
    }
}

#[test]
fn leases_let_through_no_more_than_their_bound() {
    for (nodes, burst) in [(2, 3), (2, 2), (3, 2)] {
        look_through("leases", &Fleet { lease: LEASE, ..fleet(nodes, burst) });
    }
    look_through("leases, late", &Fleet { lease: LEASE, late: 1, ..fleet(2, 3) });
}

#[test]
fn a_failover_forgives_no_more_than_it_forgets() {
    look_through("failover", &Fleet { failovers: 1, ..fleet(2, 3) });
    look_through("failover, leases", &Fleet { failovers: 1, lease: LEASE, ..fleet(2, 2) });
}

#[test]
fn a_step_of_the_clock_forgives_no_more_than_it_is_long_and_shuts_nobody_out() {
    let steps = vec![-50, -3, 1, 3, 50];
    look_through("step", &Fleet { steps, ..fleet(2, 3) });
    look_through("step, leases", &Fleet { steps: vec![-3, 3], lease: LEASE, ..fleet(2, 3) });
}

#[test]
fn another_plan_counts_at_once_and_forgives_nothing() {
    for plans in [[3, 1], [1, 3]] {
        look_through("plan", &Fleet { plans: plans.map(quotas).to_vec(), ..fleet(2, 3) });
        look_through("plan, leases", &Fleet { plans: plans.map(quotas).to_vec(), lease: LEASE, ..fleet(2, 3) });
    }
}

#[test]
fn an_outage_hands_out_no_second_bucket() {
    look_through("outage", &Fleet { outages: 1, ..fleet(2, 3) });
}

/// A bound that nothing comes near would say little.
#[test]
fn bounds_are_reached() {
    let steps = vec![3];
    let models = [
        fleet(2, 3),
        // So long that a bucket is full again while both nodes still hold a unit of it.
        Fleet { lease: Some((2, 9)), ..fleet(2, 3) },
        Fleet { failovers: 1, ..fleet(2, 3) },
        Fleet { steps, ..fleet(2, 3) },
        Fleet { plans: [1, 3].map(quotas).to_vec(), ..fleet(2, 3) },
        Fleet { outages: 1, ..fleet(2, 2) },
    ];
    for model in models {
        let broken = explore(&Fleet { too_strict: 1, ..model.clone() });
        println!("{}", broken.expect_err(&format!("{model:?}")));
    }
}
