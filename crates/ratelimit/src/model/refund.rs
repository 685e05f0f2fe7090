//! What is given back, against worlds in which it was never taken.

use std::time::Duration;

use super::{Model, explore};
use crate::gcra::{self, Tat};
use crate::quota::Quota;

/// Units are taken so often to be given back later, each time at a moment of its own.
const TAKES: usize = 3;
/// The present: when time passes, all moments move into the past.
const NOW: u64 = 1000;

struct Refunds {
    quota: Quota,
}

#[derive(Clone, Hash)]
struct State {
    here: Option<Tat>,
    /// The same bucket in a world without some of the takes: those whose bits are set in the number of the world.
    worlds: [Option<Tat>; 1 << TAKES],
    /// When, and how many units; `None` once they were given back.
    takes: Vec<Option<(u64, u32)>>,
    given_back: usize,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Tick,
    Use(u32),
    Take(u32),
    GiveBack(usize),
}

impl Model for Refunds {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State { here: None, worlds: [None; 1 << TAKES], takes: Vec::new(), given_back: 0 }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = vec![Action::Tick];
        actions.extend((1..=2).map(Action::Use));
        if state.takes.len() < TAKES {
            actions.extend((1..=2).map(Action::Take));
        }
        let standing = state.takes.iter().enumerate().filter(|(_, take)| take.is_some());
        actions.extend(standing.map(|(number, _)| Action::GiveBack(number)));
        actions
    }

    fn next(&self, before: &State, action: Action) -> Result<State, String> {
        let (mut state, quota) = (before.clone(), &self.quota);
        match action {
            Action::Tick => {
                for tat in state.worlds.iter_mut().chain([&mut state.here]) {
                    *tat = tat.map(|tat| Tat::of_us(tat.us() - 1)).filter(|tat| !tat.is_full_at(NOW));
                }
                for (at, _) in state.takes.iter_mut().flatten() {
                    // So long ago that nothing is left to be given back.
                    *at = (*at - 1).max(NOW - 10);
                }
            }
            Action::Use(units) | Action::Take(units) => {
                let Some(after) = gcra::consume(quota, state.here, NOW, units) else { return Ok(state) };
                state.here = Some(after);
                let number = state.takes.len();
                let is_taken = matches!(action, Action::Take(_));
                for (world, tat) in state.worlds.iter_mut().enumerate() {
                    if !is_taken || world & (1 << number) == 0 {
                        *tat = Some(gcra::charge(quota, *tat, NOW, units));
                    }
                }
                if is_taken {
                    state.takes.push(Some((NOW, units)));
                }
            }
            Action::GiveBack(number) => {
                let Some((at, units)) = state.takes[number].take() else { return Ok(state) };
                state.here = gcra::refund(quota, state.here, NOW, at, units).or(state.here);
                state.given_back |= 1 << number;
                let [here, was] = [state.here, before.here].map(|tat| gcra::rebase(quota, tat, NOW));
                if here > was {
                    return Err("giving back has taken".to_owned());
                }
                if at == NOW && before.here.is_some() && was.us() - here.us() != quota.interval_us().0 * u64::from(units) {
                    return Err("what is given back at once is not there again".to_owned());
                }
            }
        }
        let here = gcra::rebase(quota, state.here, NOW);
        let never = gcra::rebase(quota, state.worlds[state.given_back], NOW);
        if here < never {
            return Err(format!("better than never taken: full at {here:?} instead of {never:?}"));
        }
        Ok(state)
    }
}

#[test]
fn nobody_stands_better_for_having_given_back() {
    let began = std::time::Instant::now();
    let mut states = 0;
    for burst in 1..=2 {
        let quota = Quota::rate(1, Duration::from_micros(2)).burst(burst).unwrap();
        states += explore(&Refunds { quota }).unwrap();
    }
    println!("{states} states in {:?}", began.elapsed());
    assert!(states > 1000, "{states}");
}
