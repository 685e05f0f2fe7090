//! When not to ask any more.

use std::collections::VecDeque;

/// Faults in a row that open it.
pub(crate) const FAULTS_IN_A_ROW: u32 = 5;
/// The calls of a window that say something.
pub(crate) const TELLING_CALLS: u32 = 20;
/// The window, in microseconds, and into how many parts it is cut.
const WINDOW_US: u64 = 1_000_000;
const PARTS: u64 = 10;
/// Probes in a row that must succeed before it closes.
pub(crate) const GOOD_PROBES: u32 = 3;

/// Whether the store, or a part of it, is worth asking. A value: it is told the time, and starts nothing by itself.
///
/// Closed, it counts faults, and opens after five in a row, or when of at least twenty calls within a second more than half failed.
/// Open, it lets nothing through but probes, and closes after three good ones in a row. What is still under way when it opens, and
/// comes back later, changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Breaker {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Closed { in_a_row: u32, recent: VecDeque<Part> },
    Open { good: u32 },
}

/// What came of the calls of a tenth of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    number: u64,
    calls: u32,
    faults: u32,
}

/// What became of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    Opened,
    Closed,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { in_a_row: 0, recent: VecDeque::new() }
    }
}

impl Breaker {
    /// Whether calls may go through.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// A call that went through came back.
    pub(crate) fn came_back(&mut self, well: bool, now_us: u64) -> Option<Turn> {
        let State::Closed { in_a_row, recent } = &mut self.state else { return None };
        *in_a_row = if well { 0 } else { *in_a_row + 1 };
        let number = now_us / (WINDOW_US / PARTS);
        while recent.front().is_some_and(|part| part.number + PARTS <= number) {
            recent.pop_front();
        }
        if recent.back().is_none_or(|part| part.number < number) {
            recent.push_back(Part { number, calls: 0, faults: 0 });
        }
        if let Some(part) = recent.back_mut() {
            part.calls += 1;
            part.faults += u32::from(!well);
        }
        let (calls, faults) = recent.iter().fold((0, 0), |(calls, faults), part| (calls + part.calls, faults + part.faults));
        let hopeless = *in_a_row >= FAULTS_IN_A_ROW || calls >= TELLING_CALLS && faults * 2 > calls;
        hopeless.then(|| {
            self.state = State::Open { good: 0 };
            Turn::Opened
        })
    }

    /// A probe came back.
    pub(crate) fn probed(&mut self, well: bool) -> Option<Turn> {
        let State::Open { good } = &mut self.state else { return None };
        *good = if well { *good + 1 } else { 0 };
        (*good >= GOOD_PROBES).then(|| {
            self.state = State::default();
            Turn::Closed
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_faults_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for n in 0..4 {
            assert_eq!(breaker.came_back(false, n), None);
        }
        assert_eq!(breaker.came_back(true, 4), None);
        for n in 5..9 {
            assert_eq!(breaker.came_back(false, n), None);
        }
        assert_eq!(breaker.came_back(false, 9), Some(Turn::Opened));
        assert!(!breaker.is_closed());
        // What was under way still.
        assert_eq!(breaker.came_back(true, 10), None);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn more_than_half_of_a_second_opens_it_and_half_does_not() {
        let mut breaker = Breaker::default();
        for n in 0..40 {
            assert_eq!(breaker.came_back(n % 2 == 0, n * 1000), None);
        }
        assert_eq!(breaker.came_back(false, 41_000), Some(Turn::Opened));
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let mut breaker = Breaker::default();
        for n in 0..19 {
            assert_eq!(breaker.came_back(n % 3 == 0, n), None, "too few to say anything");
        }
        for n in 0..100 {
            assert_eq!(breaker.came_back(n % 2 == 0, 1_100_000 + n), None);
        }
    }

    #[test]
    fn three_good_probes_in_a_row_close_it() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.probed(true), None, "there is nothing to close");
        for _ in 0..5 {
            breaker.came_back(false, 0);
        }
        for well in [true, true, false, true, true] {
            assert_eq!(breaker.probed(well), None);
            assert!(!breaker.is_closed());
        }
        assert_eq!(breaker.probed(true), Some(Turn::Closed));
        assert_eq!(breaker, Breaker::default(), "it begins anew");
    }

    proptest! {
        /// Whatever happens: it opens only after five faults, and closes again once probes succeed.
        #[test]
        fn it_opens_for_cause_and_always_closes(calls in prop::collection::vec((any::<bool>(), 0..200_000_u64), 0..300)) {
            let (mut breaker, mut now, mut faults) = (Breaker::default(), 0, 0);
            for (well, pause) in calls {
                now += pause;
                faults += u32::from(!well);
                if breaker.came_back(well, now) == Some(Turn::Opened) {
                    prop_assert!(faults >= FAULTS_IN_A_ROW);
                    break;
                }
            }
            if !breaker.is_closed() {
                prop_assert_eq!((0..3).filter_map(|_| breaker.probed(true)).collect::<Vec<_>>(), [Turn::Closed]);
            }
            prop_assert!(breaker.is_closed());
        }
    }
}
