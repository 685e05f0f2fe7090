//! What can happen at all, in small: every order of a few steps of a few nodes, looked through to the end.
//!
//! The arithmetic and the breaker are those of the program; store, nodes and messages are models of what surrounds them. Each model lists
//! what may happen next in a state, and what must hold there. Found states are told apart by a hash of 64 bits: of a million states, two
//! are mistaken for each other once in some ten million runs.

mod breaker;
mod fleet;
mod refund;

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;

/// Something that has states, and moves from one to others.
trait Model {
    type State: Clone + Hash;
    type Action: Copy + Debug;

    fn start(&self) -> Self::State;

    /// What may happen in a state.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// What comes of it. `Err` is a broken promise.
    fn next(&self, state: &Self::State, action: Self::Action) -> Result<Self::State, String>;
}

/// Looks through all states, those that are reached by the fewest actions first; how many there are. `Err` is a broken promise, with the
/// shortest way to it.
fn explore<M: Model>(model: &M) -> Result<usize, String> {
    let hasher = FixedState::default();
    let mut known = HashSet::new();
    // How each state was reached: from which other one, by what.
    let mut ways: Vec<Option<(usize, M::Action)>> = vec![None];
    let mut level = vec![(0, model.start())];
    known.insert(hasher.hash_one(&level[0].1));
    while !level.is_empty() {
        let mut following = Vec::new();
        for (number, state) in &level {
            for action in model.actions(state) {
                let next = model.next(state, action);
                let next = next.map_err(|broken| format!("{broken}, after {}", way(&ways, *number, action)))?;
                if known.insert(hasher.hash_one(&next)) {
                    ways.push(Some((*number, action)));
                    following.push((ways.len() - 1, next));
                }
            }
        }
        level = following;
    }
    Ok(known.len())
}

fn way<A: Debug + Copy>(ways: &[Option<(usize, A)>], mut number: usize, last: A) -> String {
    let mut actions = vec![format!("{last:?}")];
    while let Some((before, action)) = ways[number] {
        actions.push(format!("{action:?}"));
        number = before;
    }
    actions.reverse();
    actions.join(", ")
}
