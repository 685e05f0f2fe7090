//! When an experiment may assign users.

use togglebox_core::input::{Reader, datetime, is_utc_datetime};

/// A date and time as the contract writes it; kept as it was given.
pub(super) fn moment(place: &Reader<'_>) -> Option<String> {
    place.text().check(is_utc_datetime, "Invalid datetime").owned()
}

/// Notes a problem at `end` when the schedule ends before it starts. Equal moments pass: one millisecond is a schedule.
pub(super) fn check_order(start: Option<&str>, end: Option<&str>, report: impl FnOnce(&'static str)) {
    if let (Some(start), Some(end)) = (start.and_then(datetime), end.and_then(datetime))
        && end < start
    {
        report("scheduledEndAt must not be before scheduledStartAt");
    }
}
