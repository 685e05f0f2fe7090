//! What usage will come to.

use crate::{Cell, Minute, Span};

/// What the usage of `span` comes to at its end if it goes on as it has from its beginning until `now`; the usage itself once it is over.
/// `None` in the first hundredth of the span, when a few minutes would be taken for the habit of a month.
pub fn forecast(used: u64, span: Span, now: Minute) -> Option<u64> {
    if now >= span.until() {
        return Some(used);
    }
    let (whole, passed) = (u128::from(span.minutes()), u128::from(now.number().saturating_sub(span.from().number())));
    if passed * 100 < whole || passed == 0 {
        return None;
    }
    let expected = u128::from(used) * whole / passed;
    Some(u64::try_from(expected).unwrap_or(u64::MAX).min(Cell::MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_goes_on_as_it_began() {
        let (from, until) = (Minute::from_number(1000), Minute::from_number(2000));
        let span = Span::new(from, until).unwrap();
        let at = |minutes| forecast(300, span, from.plus(minutes));
        assert_eq!((at(0), at(9)), (None, None), "too early to tell");
        assert_eq!((at(10), at(500), at(999)), (Some(30_000), Some(600), Some(300)));
        assert_eq!(at(5000), Some(300), "it is over");
        assert_eq!(forecast(300, span, Minute::from_number(1)), None, "it has not begun");
        assert_eq!(forecast(Cell::MOST, span, from.plus(500)), Some(Cell::MOST));
    }
}
