//! Checks of numbers.

use super::Reader;

/// A number under inspection, like [`Text`](super::Text).
#[derive(Debug)]
#[must_use]
pub struct Number<'r, 'v> {
    reader: &'r Reader<'v>,
    value: Option<f64>,
    sound: bool,
}

impl<'r, 'v> Number<'r, 'v> {
    pub(super) const fn new(reader: &'r Reader<'v>, value: Option<f64>) -> Self {
        Self { reader, value, sound: true }
    }

    /// At least `bound`.
    pub fn min(self, bound: f64) -> Self {
        self.check(|n| n >= bound, || format!("Number must be greater than or equal to {bound}"))
    }

    /// At most `bound`.
    pub fn max(self, bound: f64) -> Self {
        self.check(|n| n <= bound, || format!("Number must be less than or equal to {bound}"))
    }

    /// More than zero.
    pub fn positive(self) -> Self {
        self.check(|n| n > 0.0, || "Number must be greater than 0".to_owned())
    }

    /// A whole number.
    pub fn integer(self) -> Self {
        self.check(|n| n.fract() == 0.0, || "Expected integer, received float".to_owned())
    }

    /// The number, when every check passed.
    pub fn get(self) -> Option<f64> {
        self.value.filter(|_| self.sound)
    }

    /// The number as a whole one, 0 to 2^53 - 1 (the largest that no reader of JSON rounds), when every check passed.
    pub fn whole(self) -> Option<u64> {
        let number = self.integer();
        let number = if number.sound { number.min(0.0).max(9_007_199_254_740_991.0) } else { number };
        // Without a fraction and in range, so its decimal text is digits only.
        number.get().and_then(|n| n.abs().to_string().parse().ok())
    }

    fn check(mut self, accepts: impl FnOnce(f64) -> bool, message: impl FnOnce() -> String) -> Self {
        if self.value.is_some_and(|n| !accepts(n)) {
            self.reader.issue(message());
            self.sound = false;
        }
        self
    }
}
