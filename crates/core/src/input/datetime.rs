//! Dates and times as the contract writes them.

use crate::Timestamp;

/// Whether `text` is a date and time as the contract writes it: `YYYY-MM-DDTHH:mm[:ss[.fraction]]Z` on a real calendar day.
pub fn is_utc_datetime(text: &str) -> bool {
    text.strip_suffix('Z').is_some_and(is_local_datetime)
}

/// Like [`is_utc_datetime`], and takes a numeric offset (`+02:00`) in place of `Z` too.
pub fn is_offset_datetime(text: &str) -> bool {
    if is_utc_datetime(text) {
        return true;
    }
    let Some(at) = text.len().checked_sub(6) else { return false };
    let (Some(local), Some(offset)) = (text.get(..at), text.get(at..)) else { return false };
    let offset = offset.as_bytes();
    matches!(offset[0], b'+' | b'-')
        && offset[3] == b':'
        && number(&offset[1..3]).is_some_and(|hours| hours < 24)
        && number(&offset[4..6]).is_some_and(|minutes| minutes < 60)
        && is_local_datetime(local)
}

/// The moment that `text` names, if [`is_offset_datetime`] takes it. Digits beyond the millisecond are dropped.
pub fn datetime(text: &str) -> Option<Timestamp> {
    if !is_offset_datetime(text) {
        return None;
    }
    // The contract lets seconds be left out; RFC 3339 does not.
    match (text.get(..16), text.get(16..)) {
        (Some(minutes), Some(offset)) if !offset.starts_with(':') => format!("{minutes}:00{offset}").parse().ok(),
        _ => text.parse().ok(),
    }
}

fn is_local_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 16 || bytes[4] != b'-' || bytes[7] != b'-' || bytes[10] != b'T' || bytes[13] != b':' {
        return false;
    }
    let part = |range: std::ops::Range<usize>| bytes.get(range).and_then(number);
    let (Some(year), Some(month), Some(day), Some(hour), Some(minute)) =
        (part(0..4), part(5..7), part(8..10), part(11..13), part(14..16))
    else {
        return false;
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return false,
    };
    let seconds = match &bytes[16..] {
        [] => true,
        [b':', rest @ ..] => match rest {
            [a, b] => number(&[*a, *b]).is_some_and(|s| s < 60),
            [a, b, b'.', fraction @ ..] => {
                number(&[*a, *b]).is_some_and(|s| s < 60) && !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        },
        _ => false,
    };
    seconds && (1..=days).contains(&day) && hour < 24 && minute < 60
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_with_and_without_seconds_and_offsets() {
        let ms = |text: &str| datetime(text).map(Timestamp::as_ms);
        assert_eq!(ms("1970-01-01T00:01Z"), Some(60_000));
        assert_eq!(ms("1970-01-01T01:00+01:00"), Some(0));
        assert_eq!(ms("1970-01-01T00:00:01.23456789012Z"), Some(1234));
        assert_eq!(ms("1969-12-31T22:00:00-02:00"), Some(0));
        assert_eq!(ms("1970-01-01"), None);
        assert_eq!(ms("1970-01-01T00:00:00"), None);
    }

    #[test]
    fn datetimes() {
        for good in ["2025-01-01T00:00Z", "2025-01-01T00:00:00Z", "2024-02-29T23:59:59.123456789Z"] {
            assert!(is_utc_datetime(good), "{good}");
        }
        for bad in [
            "2025-01-01",
            "2025-02-29T00:00:00Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01t00:00:00Z",
            "2025-01-01T00:00:00z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00+00:00",
            "2025-01-01T00:00:00.Z",
            "",
            "Z",
            "2025-01-01T24:00:00Z",
        ] {
            assert!(!is_utc_datetime(bad), "{bad}");
        }
        assert!(is_offset_datetime("2026-11-22T13:38:20+00:00"));
        assert!(!is_offset_datetime("2026-11-22T13:38:20+0000"));
        assert!(!is_offset_datetime("2026-11-22T13:38:20+24:00"));
    }

    proptest! {
        #[test]
        fn any_text_is_checked_without_panic(text in "\\PC*") {
            let _ = (is_utc_datetime(&text), is_offset_datetime(&text), datetime(&text));
        }

        #[test]
        fn every_text_that_passes_as_a_datetime_names_a_moment(
            year in 0..10_000_u32, month in 1..13_u32, day in 1..32_u32, hour in 0..24_u32, minute in 0..60_u32,
            seconds in "(:[0-5][0-9](\\.[0-9]{1,12})?)?", offset in "Z|[+-][01][0-9]:[0-5][0-9]",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}{seconds}{offset}");
            prop_assert_eq!(is_offset_datetime(&text), datetime(&text).is_some(), "{}", text);
        }
    }
}
