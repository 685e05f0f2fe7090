//! When an experiment assigns users.

use togglebox_core::Timestamp;
use togglebox_core::input::datetime;

/// A schedule's two ends. Each is optional and belongs to the time between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// Where a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Before,
    During,
    After,
}

impl Schedule {
    /// Reads both ends. A text that is no moment is ignored, as a comparison with JavaScript's invalid date would be.
    pub(super) fn read(start: Option<&str>, end: Option<&str>) -> Self {
        Self { start: start.and_then(datetime), end: end.and_then(datetime) }
    }

    pub(super) fn phase(self, now: Timestamp) -> Phase {
        if self.start.is_some_and(|start| start > now) {
            Phase::Before
        } else if self.end.is_some_and(|end| end < now) {
            Phase::After
        } else {
            Phase::During
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_it() {
        let schedule = Schedule::read(Some("2025-01-01T00:00Z"), Some("2025-01-01T02:00:00.5+01:00"));
        let at = |text: &str| schedule.phase(text.parse().unwrap());
        assert_eq!(at("2024-12-31T23:59:59.999Z"), Phase::Before);
        assert_eq!(at("2025-01-01T00:00:00.000Z"), Phase::During);
        assert_eq!(at("2025-01-01T01:00:00.500Z"), Phase::During);
        assert_eq!(at("2025-01-01T01:00:00.501Z"), Phase::After);
    }

    #[test]
    fn what_is_no_moment_is_ignored() {
        for text in
            ["", "soon", "2025-01-01", "2025-01-01T00:00", "2025-13-01T00:00Z", "2025-01-01T00:0\u{e9}Z", "2025-01-01T00:00:0Z"]
        {
            assert_eq!(Schedule::read(Some(text), Some(text)), Schedule::default(), "{text}");
        }
    }
}
