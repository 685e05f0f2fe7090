//! What is served once the rules have spoken.

use std::sync::Arc;

use crate::Bucketer;

/// What is served: `T` names it (a flag's side, the index of a variation).
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// The same to everybody.
    Fixed(T),
    /// Shares by weight. Shared, because many rules may lead to one split.
    Split(Arc<Split<T>>),
}

impl<T: Copy> Outcome<T> {
    /// What `user_id` gets.
    pub fn choose(&self, user_id: &str) -> T {
        match self {
            Self::Fixed(served) => *served,
            Self::Split(split) => split.choose(user_id),
        }
    }
}

/// Shares of the users, filled in order.
#[derive(Clone, Debug)]
pub struct Split<T> {
    bucketer: Bucketer,
    /// Where each share ends, in percent, with what it gets.
    ends: Box<[(f64, T)]>,
    remainder: T,
}

impl<T: Copy> Split<T> {
    /// Splits into `shares`, each in percent, in order. Users beyond the last get `remainder`.
    ///
    /// Shares are added up in binary64 in the given order, unclamped: the contract's sums, rounding included.
    pub fn new(bucketer: Bucketer, shares: impl IntoIterator<Item = (f64, T)>, remainder: T) -> Self {
        let mut end = 0.0;
        let ends = shares.into_iter().map(|(percentage, served)| {
            end += percentage;
            (end, served)
        });
        Self { bucketer, ends: ends.collect(), remainder }
    }

    /// What `user_id` gets.
    pub fn choose(&self, user_id: &str) -> T {
        let percentage = self.bucketer.bucket(user_id).percentage();
        self.ends.iter().find(|(end, _)| percentage < *end).map_or(self.remainder, |(_, served)| *served)
    }
}
