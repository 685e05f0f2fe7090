//! Ids of requests.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use actix_web::http::header::{HeaderMap, HeaderValue};
use togglebox_core::Timestamp;

use crate::headers::REQUEST_ID;
use crate::short_text::ShortText;

/// Longer ids of clients are not taken over.
const MAX_LENGTH: usize = 128;

thread_local! {
    /// Ids need to be distinct, not secret: each thread counts from a place of its own.
    static NEXT: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()));
}

/// The id that the client gave, if it is printable ASCII of a sensible length; else a new one, `{unix ms}-{9 letters and digits}`.
pub(crate) fn of(headers: &HeaderMap, now: Timestamp) -> HeaderValue {
    let given = headers.get(&REQUEST_ID).filter(|id| {
        let bytes = id.as_bytes();
        (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| made(now))
}

fn made(now: Timestamp) -> HeaderValue {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut n = NEXT.with(|next| {
        let n = next.get();
        next.set(n.wrapping_add(0x9E37_79B9_7F4A_7C15));
        n ^ (n >> 29)
    });
    let mut text = ShortText::<32>::new();
    text.push_number(now.as_ms().unsigned_abs());
    text.push(b"-");
    for _ in 0..9 {
        text.push(&[DIGITS[usize::try_from(n % 36).unwrap_or(0)]]);
        n /= 36;
    }
    text.header()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_sensible_id_is_taken_over() {
        let echo = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            of(&headers, Timestamp::EPOCH)
        };
        assert_eq!(echo("req-abc-1"), "req-abc-1");
        for bad in ["", "a b", "ä", &"x".repeat(129)] {
            assert!(echo(bad).to_str().unwrap().starts_with("0-"), "{bad}");
        }
    }

    #[test]
    fn ids_do_not_repeat() {
        let ids: HashSet<_> = (0..10_000).map(|_| made(Timestamp::EPOCH).to_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
