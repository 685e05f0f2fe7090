//! The breaker under every order of good and bad calls, probes and time.

use super::{Model, explore};
use crate::limiter::breaker::{Breaker, FAULTS_IN_A_ROW, GOOD_PROBES, TELLING_CALLS, Turn};

/// So many calls come back in half a window of time, at most: in a whole one, enough to open it in both ways.
const CALLS: u32 = 12;
/// So many halves of a window pass: parts of three windows.
const HALVES: u64 = 3;

struct Breakers;

#[derive(Clone, Hash)]
struct State {
    breaker: Breaker,
    halves: u64,
    /// What the rules say of: calls and faults of this half and the one before, and faults in a row.
    now: (u32, u32),
    before: (u32, u32),
    in_a_row: u32,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    CameBack { well: bool },
    Probed { well: bool },
    HalfAWindow,
}

impl Model for Breakers {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State { breaker: Breaker::default(), halves: 0, now: (0, 0), before: (0, 0), in_a_row: 0 }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = vec![Action::Probed { well: true }, Action::Probed { well: false }];
        if state.now.0 < CALLS {
            actions.extend([Action::CameBack { well: true }, Action::CameBack { well: false }]);
        }
        if state.halves < HALVES {
            actions.push(Action::HalfAWindow);
        }
        actions
    }

    fn next(&self, earlier: &State, action: Action) -> Result<State, String> {
        let mut state = earlier.clone();
        let was_closed = earlier.breaker.is_closed();
        let turn = match action {
            Action::HalfAWindow => {
                state.halves += 1;
                (state.before, state.now) = (state.now, (0, 0));
                None
            }
            Action::CameBack { well } => {
                if was_closed {
                    state.in_a_row = if well { 0 } else { state.in_a_row + 1 };
                    state.now = (state.now.0 + 1, state.now.1 + u32::from(!well));
                }
                state.breaker.came_back(well, state.halves * 500_000)
            }
            Action::Probed { well } => state.breaker.probed(well),
        };
        let (calls, faults) = (state.now.0 + state.before.0, state.now.1 + state.before.1);
        let is_hopeless = state.in_a_row >= FAULTS_IN_A_ROW || calls >= TELLING_CALLS && faults * 2 > calls;
        let came_back = matches!(action, Action::CameBack { .. });
        match turn {
            Some(Turn::Opened) if !(was_closed && came_back && is_hopeless) => {
                return Err(format!("opened after {faults} faults of {calls}, {} of them in a row", state.in_a_row));
            }
            Some(Turn::Closed) => {
                if was_closed || !matches!(action, Action::Probed { well: true }) {
                    return Err("closed by something else than a good probe".to_owned());
                }
                (state.now, state.before, state.in_a_row) = ((0, 0), (0, 0), 0);
            }
            None if was_closed && came_back && is_hopeless => {
                return Err(format!("closed after {faults} faults of {calls}, {} of them in a row", state.in_a_row));
            }
            None if was_closed != state.breaker.is_closed() => return Err("it has turned without saying so".to_owned()),
            Some(Turn::Opened) | None => {}
        }
        if !was_closed && came_back && state.breaker != earlier.breaker {
            return Err("what was under way has changed an open breaker".to_owned());
        }
        // Whatever has happened: the store answers again, and it closes.
        let mut recovering = state.breaker.clone();
        let turns: Vec<_> = (0..GOOD_PROBES).filter_map(|_| recovering.probed(true)).collect();
        if !recovering.is_closed() || (turns == [Turn::Closed]) == state.breaker.is_closed() {
            return Err("good probes do not close it".to_owned());
        }
        if !state.breaker.is_closed() {
            // What was counted before is over.
            (state.now, state.before, state.in_a_row) = ((0, 0), (0, 0), 0);
        }
        Ok(state)
    }
}

#[test]
fn a_breaker_opens_for_cause_and_always_closes_again() {
    let began = std::time::Instant::now();
    let states = explore(&Breakers).unwrap();
    println!("{states} states in {:?}", began.elapsed());
    assert!(states > 10_000, "{states}");
}
