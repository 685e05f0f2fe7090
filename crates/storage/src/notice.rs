//! What travels between the nodes, whatever carries it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use togglebox_core::{Change, ChangeBus as _, LocalBus};
use tokio::time::Instant;
use uuid::Uuid;

/// Longer payloads are nobody's notice, and not worth reading.
const LONGEST_BYTES: usize = 16 * 1024;

/// At most one line in this time tells of payloads that cannot be read.
const QUIET: Duration = Duration::from_secs(10);

/// A change, and the bus that it was published on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) origin: Uuid,
    pub(crate) change: Change,
}

/// A payload that is not a notice. Its words are a stranger's, and stay out of the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is longer than any notice")]
    TooLong,
    #[error("it is not JSON of a notice: {0:?}")]
    NotANotice(serde_json::error::Category),
}

impl Notice {
    pub(crate) const fn new(origin: Uuid, change: Change) -> Self {
        Self { origin, change }
    }

    pub(crate) fn to_payload(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Tells the listeners of this node. One that panics must not make the node deaf.
    pub(crate) async fn deliver(self, local: &LocalBus) {
        match AssertUnwindSafe(local.publish(self.change)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "A listener could not be told of a change");
            }
            Err(_) => tracing::error!("A listener of change notices panicked"),
        }
    }

    pub(crate) fn of_payload(payload: &[u8]) -> Result<Self, Unreadable> {
        if payload.len() > LONGEST_BYTES {
            return Err(Unreadable::TooLong);
        }
        serde_json::from_slice(payload).map_err(|error| Unreadable::NotANotice(error.classify()))
    }
}

/// Tells of payloads that cannot be read, without letting whoever sends them fill the log.
#[derive(Debug)]
pub(crate) struct Complaints {
    carrier: &'static str,
    told_at: Option<Instant>,
    untold: u64,
}

impl Complaints {
    /// None yet about what comes over `carrier`.
    pub(crate) const fn about(carrier: &'static str) -> Self {
        Self { carrier, told_at: None, untold: 0 }
    }

    /// How many payloads to tell of now; `None` when it was told a moment ago.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told_at.is_some_and(|told_at| now.duration_since(told_at) < QUIET) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    pub(crate) fn tell(&mut self, why: &Unreadable, bytes: usize) {
        if let Some(skipped) = self.add(Instant::now()) {
            tracing::warn!(
                error = why as &dyn std::error::Error,
                payload.bytes = bytes,
                payloads.skipped = skipped,
                "Skipped what came over {}: it is not a change notice that this version knows",
                self.carrier
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use togglebox_core::{Revision, TenantId};

    fn notice(platform: String, environment: String, revision: u64) -> Notice {
        let (tenant, revision) = (TenantId::DEFAULT, Revision::new(revision));
        Notice::new(Uuid::from_u128(7), Change::Environment { tenant, platform, environment, revision })
    }

    /// Nodes of different versions share a channel while an installation is being renewed.
    #[test]
    fn the_payload_is_a_contract_between_versions() {
        let payload = notice("web".to_owned(), "production".to_owned(), 7).to_payload().unwrap();
        let tenant = TenantId::DEFAULT;
        let expected = format!(
            "{{\"origin\":\"00000000-0000-0000-0000-000000000007\",\"change\":{{\"kind\":\"environment\",\"tenant\":\"{tenant}\",\
             \"platform\":\"web\",\"environment\":\"production\",\"revision\":7}}}}"
        );
        assert_eq!(payload, expected);
        let newer = expected.replacen('{', "{\"more\":[1],", 1);
        assert!(Notice::of_payload(newer.as_bytes()).is_ok(), "a member that a newer version adds is no harm");
    }

    #[test]
    fn a_payload_of_something_else_is_told_by_its_kind() {
        use serde_json::error::Category;
        let too_long = vec![b'['; LONGEST_BYTES + 1];
        let cases: [(&[u8], Unreadable); 6] = [
            (b"", Unreadable::NotANotice(Category::Eof)),
            (b"\xff\xfe", Unreadable::NotANotice(Category::Syntax)),
            (b"hello", Unreadable::NotANotice(Category::Syntax)),
            (b"{}", Unreadable::NotANotice(Category::Data)),
            (
                br#"{"origin":"00000000-0000-0000-0000-000000000007","change":{"kind":"later"}}"#,
                Unreadable::NotANotice(Category::Data),
            ),
            (&too_long, Unreadable::TooLong),
        ];
        for (payload, expected) in cases {
            assert_eq!(Notice::of_payload(payload).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_flood_is_told_once_in_a_while_with_its_size() {
        let (mut complaints, start) = (Complaints::about("Redis"), Instant::now());
        assert_eq!(complaints.add(start), Some(1));
        for _ in 0..1000 {
            assert_eq!(complaints.add(start + QUIET / 2), None);
        }
        assert_eq!(complaints.add(start + QUIET), Some(1001));
        assert_eq!(complaints.add(start + QUIET), None);
    }

    proptest! {
        #[test]
        fn a_notice_reads_back(platform in any::<String>(), environment in any::<String>(), revision: u64) {
            let notice = notice(platform, environment, revision);
            prop_assert_eq!(Notice::of_payload(notice.to_payload().unwrap().as_bytes()).unwrap(), notice);
        }

        #[test]
        fn nothing_that_comes_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Notice::of_payload(&payload);
        }
    }
}
