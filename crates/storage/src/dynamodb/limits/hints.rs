//! What items were like when they were last seen.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::key::Key;
use super::shelf::Shelf;

/// How many are remembered: some 3 KB each at the most.
const PLACES: usize = 4096;

/// A memory of items that makes the first guess a good one. What it says may be out of date, or forgotten: that costs a call, and nothing
/// else. Each key has one place, which it shares with others.
#[derive(Debug)]
pub(super) struct Hints {
    places: Box<[Mutex<Option<Seen>>]>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Seen {
    key: Key,
    shelf: Arc<Shelf>,
}

impl Hints {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Shelf>> {
        let place = self.place(key).lock().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().filter(|seen| seen.key == *key).map(|seen| Arc::clone(&seen.shelf))
    }

    pub(super) fn put(&self, key: &Key, shelf: Shelf) {
        let seen = Seen { key: key.clone(), shelf: Arc::new(shelf) };
        *self.place(key).lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    fn place(&self, key: &Key) -> &Mutex<Option<Seen>> {
        let number = self.hasher.hash_one(key) % self.places.len() as u64;
        &self.places[usize::try_from(number).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_it_was_told_last_and_does_not_grow() {
        let hints = Hints::new();
        let key = |n: usize| Key::new(format!("T#{n}"), "META");
        for n in 0..3 * PLACES {
            let shelf = Shelf { expires_s: Some(n as u64), ..Shelf::default() };
            hints.put(&key(n), shelf.clone());
            assert_eq!(hints.get(&key(n)).as_deref(), Some(&shelf));
        }
        let known = (0..3 * PLACES).filter(|n| hints.get(&key(*n)).is_some()).count();
        assert!((1..=PLACES).contains(&known), "{known}");
    }
}
