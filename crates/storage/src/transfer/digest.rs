//! Whether two stores hold the same.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Kind, Record};

/// What was seen of a tenant: how many records of each kind, and a sum of their digests that does not depend on their order, since
/// engines differ in theirs.
///
/// Tells accidents, not malice: whoever chooses records freely can make sums agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    counts: BTreeMap<Kind, u64>,
    sum: [u64; 4],
}

impl Contents {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The record has no text: a programming error.
    pub fn add(&mut self, record: &Record) -> serde_json::Result<()> {
        let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(record)?).into();
        for (lane, bytes) in self.sum.iter_mut().zip(digest.as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_be_bytes(*bytes));
        }
        *self.counts.entry(record.kind()).or_default() += 1;
        Ok(())
    }

    /// How many records of each kind there are. Kinds without any are not listed.
    pub const fn counts(&self) -> &BTreeMap<Kind, u64> {
        &self.counts
    }

    /// How many records there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use togglebox_core::Revision;

    use super::super::record::Tenant;
    use super::*;

    fn of(numbers: &[u64]) -> Contents {
        let mut contents = Contents::new();
        for number in numbers {
            let tenant = Tenant { directory: Revision::new(*number), accounts: Revision::ZERO };
            contents.add(&Record::Tenant(tenant)).unwrap();
        }
        contents
    }

    #[test]
    fn order_does_not_count_and_everything_else_does() {
        assert_eq!(of(&[1, 2, 3]), of(&[3, 1, 2]));
        for other in [&[1, 2][..], &[1, 2, 4], &[1, 2, 3, 3], &[1, 1, 3]] {
            assert_ne!(of(&[1, 2, 3]), of(other), "{other:?}");
        }
        assert_eq!(of(&[1, 1]).total(), 2);
    }
}
