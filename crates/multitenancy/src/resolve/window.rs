//! How many hosts that nobody knows may cost a look-up.

use std::collections::VecDeque;

const SECOND_US: u64 = 1_000_000;

/// The look-ups of the last second that found nothing, or have not ended yet.
#[derive(Debug)]
pub(super) struct Window {
    /// When each began, in the order of beginning.
    began_us: VecDeque<u64>,
    most: usize,
}

impl Window {
    pub(super) const fn new(most: usize) -> Self {
        Self { began_us: VecDeque::new(), most }
    }

    /// Counts one, unless there were as many as may be within a second. Then: in how many microseconds there is room.
    pub(super) fn take(&mut self, now_us: u64) -> Result<(), u64> {
        while self.began_us.front().is_some_and(|began| began.saturating_add(SECOND_US) <= now_us) {
            self.began_us.pop_front();
        }
        if self.began_us.len() < self.most {
            self.began_us.push_back(now_us);
            return Ok(());
        }
        let oldest = self.began_us.front().copied().unwrap_or(now_us);
        Err(oldest.saturating_add(SECOND_US).saturating_sub(now_us))
    }

    /// The one that began then has found somebody: it was no stranger's, and does not count.
    pub(super) fn give_back(&mut self, began_us: u64) {
        if let Some(place) = self.began_us.iter().rposition(|each| *each == began_us) {
            self.began_us.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No second, wherever it begins, has more than may be; and whoever waits as told gets through.
        #[test]
        fn no_second_has_more_than_may_be(pauses in prop::collection::vec(0_u64..200_000, 1..300), most in 1_usize..60) {
            let (mut window, mut now, mut passed) = (Window::new(most), 0, Vec::new());
            for pause in pauses {
                now += pause;
                match window.take(now) {
                    Ok(()) => passed.push(now),
                    Err(wait) => {
                        prop_assert!(wait > 0 && wait <= SECOND_US);
                        let later = [wait - 1, wait].map(|wait| {
                            let mut window = Window { began_us: window.began_us.clone(), most };
                            window.take(now + wait).is_ok()
                        });
                        prop_assert_eq!(later, [false, true]);
                    }
                }
            }
            for (place, began) in passed.iter().enumerate() {
                let within = passed[place..].iter().take_while(|each| **each < began + SECOND_US).count();
                prop_assert!(within <= most);
            }
        }
    }

    #[test]
    fn what_finds_somebody_does_not_count() {
        let mut window = Window::new(1);
        for now in 0..1000 {
            assert_eq!(window.take(now), Ok(()));
            window.give_back(now);
        }
        assert_eq!(window.take(1000), Ok(()));
        assert_eq!(window.take(1001), Err(999_999));
    }
}
