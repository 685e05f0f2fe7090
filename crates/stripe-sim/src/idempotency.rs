//! Idempotency keys: the first answer stands for a day.

use indexmap::IndexMap;

use crate::calendar::DAY;
use crate::error::{ApiError, ApiResult};

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) request_id: String,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Method, path, form.
    fingerprint: String,
    since: i64,
    /// None while the first request runs.
    answer: Option<Stored>,
}

/// All keys of the account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(IndexMap<String, Entry>);

/// What to do with a request that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Run it, and then [finish](Keys::finish).
    Run,
    /// Give this again.
    Replay(Stored),
}

impl Keys {
    pub(crate) fn admit(&mut self, key: &str, fingerprint: &str, now: i64) -> ApiResult<Admission> {
        if key.is_empty() || key.len() > 255 {
            return Err(ApiError::invalid("Idempotency keys have 1 to 255 characters."));
        }
        // What runs is not forgotten, however long it takes.
        self.0.retain(|_, entry| entry.answer.is_none() || entry.since + DAY > now);
        match self.0.get(key) {
            Some(entry) if entry.fingerprint != fingerprint => Err(ApiError::other_request(key)),
            Some(Entry { answer: Some(answer), .. }) => Ok(Admission::Replay(answer.clone())),
            Some(Entry { answer: None, .. }) => Err(ApiError::in_flight(key)),
            None => {
                let entry = Entry { fingerprint: fingerprint.to_owned(), since: now, answer: None };
                self.0.insert(key.to_owned(), entry);
                Ok(Admission::Run)
            }
        }
    }

    /// Ends a request that was admitted: with its answer, or so that it may run again.
    pub(crate) fn finish(&mut self, key: &str, answer: Option<Stored>) {
        match answer {
            None => {
                self.0.shift_remove(key);
            }
            Some(answer) => {
                if let Some(entry) = self.0.get_mut(key) {
                    entry.answer = Some(answer);
                }
            }
        }
    }
}

/// Whether execution had begun, so that the answer stands.
pub(crate) fn is_kept(status: u16) -> bool {
    (200..300).contains(&status) || status == 402 || status >= 500
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Stored {
        Stored { status: 200, body: "{}".to_owned(), request_id: "req_1".to_owned() }
    }

    #[test]
    fn the_first_answer_is_given_again_for_a_day() {
        let mut keys = Keys::default();
        assert_eq!(keys.admit("k", "a", 0), Ok(Admission::Run));
        assert_eq!(keys.admit("k", "a", 0), Err(ApiError::in_flight("k")));
        keys.finish("k", Some(answer()));
        assert_eq!(keys.admit("k", "a", DAY - 1), Ok(Admission::Replay(answer())));
        assert_eq!(keys.admit("k", "b", DAY - 1), Err(ApiError::other_request("k")));
        assert_eq!(keys.admit("k", "b", DAY), Ok(Admission::Run));
    }

    #[test]
    fn what_never_began_may_run_again() {
        let mut keys = Keys::default();
        keys.admit("k", "a", 0).unwrap();
        keys.finish("k", None);
        assert_eq!(keys.admit("k", "b", 0), Ok(Admission::Run));
        for (status, kept) in
            [(200, true), (402, true), (500, true), (503, true), (400, false), (404, false), (409, false), (429, false)]
        {
            assert_eq!(is_kept(status), kept, "{status}");
        }
    }
}
