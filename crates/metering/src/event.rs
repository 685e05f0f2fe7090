//! Usage that other services report, each with an id of its own.

use togglebox_core::Timestamp;

use crate::{BeforeEpoch, Minute, Series};

/// An event that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// Its id.
    #[error("id must be 1 to 128 bytes without control characters")]
    Id,
    /// Its source.
    #[error("source must be 1 to 128 bytes without control characters")]
    Source,
    /// How much it reports.
    #[error("quantity must be a whole number from 1 to {}", UsageEvent::MOST)]
    Quantity,
    /// When it was.
    #[error("time: {0}")]
    Time(#[from] BeforeEpoch),
}

/// One report of usage. Source and id together say which: as in `CloudEvents` 1.0, whoever sends the same pair again means the same event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    source: Box<str>,
    id: Box<str>,
    series: Series,
    quantity: u64,
    minute: Minute,
}

impl UsageEvent {
    /// The most that one event reports: 2^53, up to which every number in JSON is exact.
    pub const MOST: u64 = 1 << 53;
    /// The most bytes of an id, and of a source.
    pub const MOST_BYTES: usize = 128;

    /// An event at `time`.
    ///
    /// # Errors
    /// [`InvalidEvent`].
    pub fn new(source: &str, id: &str, series: Series, quantity: u64, time: Timestamp) -> Result<Self, InvalidEvent> {
        let fits = |text: &str| (1..=Self::MOST_BYTES).contains(&text.len()) && !text.contains(char::is_control);
        if !fits(source) {
            return Err(InvalidEvent::Source);
        }
        if !fits(id) {
            return Err(InvalidEvent::Id);
        }
        if !(1..=Self::MOST).contains(&quantity) {
            return Err(InvalidEvent::Quantity);
        }
        Ok(Self { source: source.into(), id: id.into(), series, quantity, minute: Minute::of(time)? })
    }

    /// Which service it comes from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Which of that service's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What was used.
    pub const fn series(&self) -> &Series {
        &self.series
    }

    /// How much.
    pub const fn quantity(&self) -> u64 {
        self.quantity
    }

    /// When.
    pub const fn minute(&self) -> Minute {
        self.minute
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// It counts from now on.
    New,
    /// It counts already. To whoever sends it, that is a success.
    Duplicate,
    /// It does not count.
    Rejected(Rejection),
}

/// Why an event does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The minutes of its time are closed for good.
    #[error("time is too long ago: usage is taken from {from} on")]
    TooLate {
        /// The first minute that is open.
        from: Minute,
    },
    /// Its time has not come.
    #[error("time lies more than five minutes ahead")]
    Ahead,
    /// The total of its minute would be more than there are numbers for.
    #[error("the total of the minute would be more than 2^63 - 1")]
    Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: &str, id: &str, quantity: u64, ms: i64) -> Result<UsageEvent, InvalidEvent> {
        UsageEvent::new(source, id, Series::plain("m".parse().unwrap()), quantity, Timestamp::from_ms(ms))
    }

    #[test]
    fn an_event_names_what_is_wrong_with_it() {
        assert!(event("api", "1", 1, 0).is_ok() && event("api", "1", UsageEvent::MOST, 0).is_ok());
        assert_eq!(event("", "1", 1, 0), Err(InvalidEvent::Source));
        assert_eq!(event("api", &"x".repeat(129), 1, 0), Err(InvalidEvent::Id));
        assert_eq!(event("api", "a\0", 1, 0), Err(InvalidEvent::Id));
        assert_eq!(event("api", "1", 0, 0), Err(InvalidEvent::Quantity));
        assert_eq!(event("api", "1", UsageEvent::MOST + 1, 0), Err(InvalidEvent::Quantity));
        assert!(matches!(event("api", "1", 1, -1), Err(InvalidEvent::Time(_))));
    }
}
