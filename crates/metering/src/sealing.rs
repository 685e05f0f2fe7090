//! Up to when all usage is in the store.
//!
//! Each writer publishes a watermark: everything that it counted before that minute is in the store. A minute is sealed once every
//! writer is past it. A writer that is heard of no more holds that up for a while, then counts as lost: from there on minutes are
//! sealed without it, and those in which it may have counted are incomplete until its file is recovered.

use std::time::Duration;

use togglebox_core::Timestamp;

use crate::{Minute, Span, WriterId};

/// How far a writer's counts are in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Whose.
    pub writer: WriterId,
    /// All it counted in minutes before this is in the store.
    pub upto: Minute,
    /// When that was found.
    pub seen_at: Timestamp,
    /// Whether it will never count again, so that all it ever counted is there.
    pub ended: bool,
}

impl Watermark {
    /// Takes in what another report of the same writer says. Like cells: in any order, and however often.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            writer: self.writer,
            upto: self.upto.max(other.upto),
            seen_at: self.seen_at.max(other.seen_at),
            ended: self.ended || other.ended,
        }
    }
}

/// What is missing: this writer may have counted in these minutes, and has not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Who.
    pub writer: WriterId,
    /// Where.
    pub span: Span,
}

/// How final a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// More may come in the ordinary way.
    Open,
    /// All is there.
    Sealed,
    /// All that is expected is there; somebody is lost who may have counted in it.
    Incomplete,
}

/// Which minutes are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// All minutes before this are.
    pub upto: Minute,
    /// Except for these, which may yet be told more of.
    pub gaps: Vec<Gap>,
}

impl Sealing {
    /// After this long without a word a writer is lost, unless the operator says otherwise.
    pub const LOST_AFTER: Duration = Duration::from_mins(15);

    /// What the watermarks of all writers that have not ended say at this moment. The current minute is never sealed. A writer that
    /// starts late, or with a clock behind, may still count in a sealed minute: its cells reopen the hour, see
    /// [`rollup`](crate::store::UsageStore::rollup).
    pub fn of(watermarks: &[Watermark], now: Timestamp, lost_after: Duration) -> Self {
        let minute = |at| Minute::of(at).unwrap_or(Minute::EPOCH);
        let (mut upto, mut gaps) = (minute(now), Vec::new());
        for mark in watermarks.iter().filter(|mark| !mark.ended) {
            if now.since(mark.seen_at) <= lost_after {
                upto = upto.min(mark.upto);
            } else if let Ok(span) = Span::new(mark.upto, minute(mark.seen_at.plus(lost_after)).plus(1)) {
                gaps.push(Gap { writer: mark.writer, span });
            }
        }
        gaps.sort_by_key(|gap| (gap.span.from(), gap.writer));
        Self { upto, gaps }
    }

    /// How final a span is.
    pub fn finality(&self, span: Span) -> Finality {
        if span.until() > self.upto {
            Finality::Open
        } else if self.gaps.iter().any(|gap| gap.span.overlaps(span)) {
            Finality::Incomplete
        } else {
            Finality::Sealed
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(writer: u128, upto: u32, seen_minute: u32) -> Watermark {
        Watermark {
            writer: WriterId::from_u128(writer),
            upto: Minute::from_number(upto),
            seen_at: Minute::from_number(seen_minute).start(),
            ended: false,
        }
    }

    fn at(minute: u32) -> Timestamp {
        Minute::from_number(minute).start()
    }

    fn span(from: u32, until: u32) -> Span {
        Span::new(Minute::from_number(from), Minute::from_number(until)).unwrap()
    }

    #[test]
    fn the_slowest_living_writer_says_what_is_sealed() {
        let sealing = Sealing::of(&[mark(1, 100, 101), mark(2, 95, 101)], at(102), Sealing::LOST_AFTER);
        assert_eq!(sealing, Sealing { upto: Minute::from_number(95), gaps: Vec::new() });
        assert_eq!(sealing.finality(span(94, 95)), Finality::Sealed);
        assert_eq!(sealing.finality(span(94, 96)), Finality::Open);
    }

    #[test]
    fn the_current_minute_is_never_sealed() {
        assert_eq!(Sealing::of(&[], at(50), Sealing::LOST_AFTER).upto, Minute::from_number(50));
        assert_eq!(Sealing::of(&[mark(1, 60, 50)], at(50), Sealing::LOST_AFTER).upto, Minute::from_number(50));
    }

    #[test]
    fn a_lost_writer_leaves_a_gap_until_it_has_ended() {
        let (lost, living) = (mark(1, 100, 101), mark(2, 119, 119));
        assert_eq!(Sealing::of(&[lost, living], at(116), Sealing::LOST_AFTER).upto, Minute::from_number(100), "not lost yet");
        let sealing = Sealing::of(&[lost, living], at(120), Sealing::LOST_AFTER);
        assert_eq!(sealing.upto, Minute::from_number(119));
        assert_eq!(sealing.gaps, [Gap { writer: lost.writer, span: span(100, 117) }]);
        assert_eq!(sealing.finality(span(90, 101)), Finality::Incomplete);
        assert_eq!(sealing.finality(span(90, 100)), Finality::Sealed);
        assert_eq!(sealing.finality(span(117, 118)), Finality::Sealed);
        let ended = lost.joined(Watermark { ended: true, ..lost });
        assert_eq!(Sealing::of(&[ended, living], at(120), Sealing::LOST_AFTER).gaps, []);
    }

    fn marks() -> impl Strategy<Value = Watermark> {
        (0_u32..50, 0_u32..50, any::<bool>()).prop_map(|(upto, seen, ended)| Watermark { ended, ..mark(1, upto, seen) })
    }

    proptest! {
        #[test]
        fn watermarks_join_in_any_order(a in marks(), b in marks(), c in marks()) {
            prop_assert_eq!(a.joined(b).joined(c), c.joined(a.joined(b)));
            prop_assert_eq!(a.joined(b).joined(c), a.joined(b.joined(c)));
            prop_assert_eq!(a.joined(a), a);
        }
    }
}
