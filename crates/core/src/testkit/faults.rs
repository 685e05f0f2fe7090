//! Which calls go wrong, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Fault;
use crate::{EntropyExt as _, SeededEntropy};

/// Which calls a fault is meant for. Unless told otherwise: the next one.
#[derive(Clone, Debug)]
pub struct At {
    which: Which,
    when: When,
}

#[derive(Clone, Debug)]
enum Which {
    Any,
    Port(String),
    Operation(String),
}

#[derive(Clone, Debug)]
enum When {
    Next(u64),
    Call(u64),
    Always,
    Chance(f64),
}

impl At {
    /// Calls of any operation.
    pub const fn any() -> Self {
        Self::each(Which::Any)
    }

    /// Calls of any operation of a port, as `flags`.
    pub fn port(name: impl Into<String>) -> Self {
        Self::each(Which::Port(name.into()))
    }

    /// Calls of one operation, as `flags.create`.
    pub fn operation(name: impl Into<String>) -> Self {
        Self::each(Which::Operation(name.into()))
    }

    const fn each(which: Which) -> Self {
        Self { which, when: When::Next(1) }
    }

    /// The next `calls` of them.
    #[must_use]
    pub fn next(self, calls: u64) -> Self {
        Self { when: When::Next(calls), ..self }
    }

    /// The `call`th of them from now on; 1 is the next.
    #[must_use]
    pub fn call(self, call: u64) -> Self {
        Self { when: When::Call(call), ..self }
    }

    /// Every one of them.
    #[must_use]
    pub fn always(self) -> Self {
        Self { when: When::Always, ..self }
    }

    /// Each of them with this probability, from 0 to 1. The draw depends on the seed, the operation and how often it was called, and
    /// on nothing else: not on what other operations do meanwhile.
    #[must_use]
    pub fn chance(self, probability: f64) -> Self {
        Self { when: When::Chance(probability), ..self }
    }

    fn is_for(&self, operation: &str) -> bool {
        match &self.which {
            Which::Any => true,
            Which::Port(name) => operation.split('.').next() == Some(name.as_str()),
            Which::Operation(name) => operation == name,
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Calls that came in, those without a fault included.
    pub calls: u64,
    /// Calls that failed before.
    pub before: u64,
    /// Calls that failed after.
    pub after: u64,
    /// Calls that were made twice.
    pub twice: u64,
    /// Calls or answers that were held up.
    pub late: u64,
    /// Calls that were turned away.
    pub throttled: u64,
}

impl FaultCounts {
    /// Calls that something went wrong with.
    pub const fn injected(&self) -> u64 {
        self.before + self.after + self.twice + self.late + self.throttled
    }

    fn add(&mut self, fault: Option<&Fault>) {
        self.calls += 1;
        match fault {
            None => {}
            Some(Fault::Before) => self.before += 1,
            Some(Fault::After) => self.after += 1,
            Some(Fault::Twice) => self.twice += 1,
            Some(Fault::Late(_) | Fault::AnsweredLate(_)) => self.late += 1,
            Some(Fault::Throttled) => self.throttled += 1,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            before: self.before + other.before,
            after: self.after + other.after,
            twice: self.twice + other.twice,
            late: self.late + other.late,
            throttled: self.throttled + other.throttled,
        }
    }
}

struct Rule {
    at: At,
    fault: Fault,
    seen: u64,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    counts: BTreeMap<&'static str, FaultCounts>,
}

/// The plan of what goes wrong, shared by all ports that it is meant for, and the record of what did.
///
/// Where several rules are for one call, the first of them decides; the others see the call go by. One seed and one order of calls
/// give one outcome.
#[derive(Default)]
pub struct Faults {
    seed: u64,
    state: Mutex<State>,
}

impl Faults {
    /// Nothing goes wrong until [`inject`](Self::inject) says so.
    pub fn none() -> Self {
        Self::default()
    }

    /// Like [`none`](Self::none), with the seed for what happens [by chance](At::chance).
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Lets `fault` happen to the calls that `at` names.
    pub fn inject(&self, at: At, fault: Fault) {
        self.lock().rules.push(Rule { at, fault, seen: 0 });
    }

    /// Forgets every rule; what was counted stays.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// How many rules have not had all their calls yet; those that never end are not counted. A test that ends with one left did not
    /// try what it meant to.
    pub fn pending(&self) -> usize {
        let endless = |rule: &&Rule| matches!(rule.at.when, When::Always | When::Chance(_));
        let state = self.lock();
        state.rules.len() - state.rules.iter().filter(endless).count()
    }

    /// What was done, over all operations.
    pub fn counts(&self) -> FaultCounts {
        self.lock().counts.values().fold(FaultCounts::default(), FaultCounts::plus)
    }

    /// What was done with one operation.
    pub fn counts_of(&self, operation: &str) -> FaultCounts {
        self.lock().counts.get(operation).copied().unwrap_or_default()
    }

    /// Counts a call, and says what goes wrong with it.
    pub(super) fn decide(&self, operation: &'static str) -> Option<Fault> {
        let mut state = self.lock();
        let State { rules, counts } = &mut *state;
        let counts = counts.entry(operation).or_default();
        let mut decided = None;
        for (place, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule.at.is_for(operation)) {
            rule.seen += 1;
            if decided.is_none() && self.strikes(rule, operation, counts.calls, place) {
                decided = Some(rule.fault.clone());
            }
        }
        rules.retain(|rule| match rule.at.when {
            When::Next(left) => left > 0,
            When::Call(call) => rule.seen < call,
            When::Always | When::Chance(_) => true,
        });
        counts.add(decided.as_ref());
        decided
    }

    fn strikes(&self, rule: &mut Rule, operation: &str, earlier: u64, place: usize) -> bool {
        match &mut rule.at.when {
            When::Next(left) => {
                let strikes = *left > 0;
                *left = left.saturating_sub(1);
                strikes
            }
            When::Call(call) => rule.seen == *call,
            When::Always => true,
            When::Chance(probability) => self.draw(operation, earlier, place) < *probability,
        }
    }

    /// A number of `[0, 1)`, the same for the same call.
    fn draw(&self, operation: &str, earlier: u64, place: usize) -> f64 {
        // FNV-1a, so that each operation, call and rule begins elsewhere; the generator mixes.
        let words = [self.seed, earlier, place as u64];
        let bytes = operation.bytes().chain(words.into_iter().flat_map(u64::to_le_bytes));
        let start = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let word = u32::from_le_bytes(SeededEntropy::new(start).bytes());
        f64::from(word) / (f64::from(u32::MAX) + 1.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.seed)
            .field("pending", &self.pending())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(faults: &Faults, operations: &[&'static str]) -> Vec<bool> {
        operations.iter().map(|operation| faults.decide(operation).is_some()).collect()
    }

    #[test]
    fn a_rule_strikes_the_calls_that_it_names() {
        let calls = ["a.x", "b.x", "a.y", "a.x", "a.x"];
        let expected = [
            (At::any(), [true, false, false, false, false]),
            (At::any().next(3), [true, true, true, false, false]),
            (At::any().call(2), [false, true, false, false, false]),
            (At::operation("a.x").next(2), [true, false, false, true, false]),
            (At::operation("a.x").call(3), [false, false, false, false, true]),
            (At::port("a").always(), [true, false, true, true, true]),
            (At::operation("a").always(), [false; 5]),
            (At::any().chance(1.0), [true; 5]),
            (At::any().chance(0.0), [false; 5]),
        ];
        for (at, expected) in expected {
            let faults = Faults::none();
            faults.inject(at.clone(), Fault::Before);
            assert_eq!(struck(&faults, &calls), expected, "{at:?}");
            let strikes = expected.iter().filter(|strike| **strike).count() as u64;
            assert_eq!((faults.counts().calls, faults.counts().before, faults.counts().injected()), (5, strikes, strikes));
        }
    }

    #[test]
    fn the_first_rule_decides_and_later_ones_see_the_call_go_by() {
        let faults = Faults::none();
        faults.inject(At::any(), Fault::Before);
        faults.inject(At::any().call(2), Fault::After);
        faults.inject(At::any().next(2), Fault::Throttled);
        assert_eq!(faults.pending(), 3);
        assert!(matches!(faults.decide("a"), Some(Fault::Before)));
        assert!(matches!(faults.decide("a"), Some(Fault::After)));
        assert!(matches!(faults.decide("a"), Some(Fault::Throttled)));
        assert!(matches!(faults.decide("a"), Some(Fault::Throttled)));
        assert!(faults.decide("a").is_none());
        assert_eq!(faults.pending(), 0);
        let counts = faults.counts_of("a");
        assert_eq!((counts.calls, counts.before, counts.after, counts.throttled), (5, 1, 1, 2));
        assert_eq!(faults.counts_of("b"), FaultCounts::default());
    }

    #[test]
    fn chance_depends_on_the_seed_and_not_on_what_else_goes_on() {
        let of = |seed, crowded: bool| {
            let faults = Faults::seeded(seed);
            faults.inject(At::any().chance(0.3), Fault::After);
            let call = |_| {
                if crowded {
                    faults.decide("b.x");
                }
                faults.decide("a.x").is_some()
            };
            (0..1000).map(call).collect::<Vec<_>>()
        };
        assert_eq!(of(1, false), of(1, true));
        assert_ne!(of(1, false), of(2, false));
        let hits = of(7, false).into_iter().filter(|hit| *hit).count();
        assert!((250..350).contains(&hits), "{hits} of 1000 at 30 %");
    }
}
