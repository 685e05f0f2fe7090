//! Whether a list that was read item by item is the list of one revision.

use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult};

use super::error::{Crowded, Trouble};
use super::patience::Patience;

/// The sum of a set of revisions, each well mixed first.
///
/// A container keeps the digest of its records beside its revision, and both change in the transaction that changes a record. A query
/// is no transaction: it may see one record before and another after a write. But records whose digest is the container's are the
/// records of the container's revision: a revision is given once, so every other set of records has other revisions in it, and by
/// chance the sums of two sets agree once in 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) const fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }

    /// The digest with one record more.
    pub(super) const fn with(self, revision: Revision) -> Self {
        Self(self.0.wrapping_add(mix(revision.get())))
    }

    /// The digest with one record less.
    pub(super) const fn without(self, revision: Revision) -> Self {
        Self(self.0.wrapping_sub(mix(revision.get())))
    }
}

impl FromIterator<Revision> for Digest {
    fn from_iter<T: IntoIterator<Item = Revision>>(revisions: T) -> Self {
        revisions.into_iter().fold(Self::default(), Self::with)
    }
}

/// What a reader has seen of the writes that get in its way.
#[derive(Debug, Default)]
pub(super) struct Disturbances {
    first: Option<Revision>,
}

impl Disturbances {
    /// Waits before the next attempt, after one that found the records of another revision than the container's, which was `revision`.
    /// When there is no time left: `Unavailable`, unless nobody has written since the first attempt. Then the records are not those
    /// that were written.
    pub(super) async fn pause(
        &mut self,
        operation: &'static str,
        patience: &mut Patience,
        revision: Revision,
    ) -> StoreResult<()> {
        let first = *self.first.get_or_insert(revision);
        if patience.pause(Trouble::Contended).await {
            return Ok(());
        }
        if first != revision {
            return Err(Trouble::Contended.error(operation, Crowded));
        }
        let source = format!("the records are not those of revision {revision}: their digest differs");
        Err(StoreError::new(StoreErrorKind::Corrupt, operation).caused_by(source))
    }
}

/// The finalizer of SplitMix64, one to one over all numbers.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_does_not_count(numbers: Vec<u64>) {
            let digest: Digest = numbers.iter().copied().map(Revision::new).collect();
            let reversed: Digest = numbers.iter().rev().copied().map(Revision::new).collect();
            prop_assert_eq!(digest, reversed);
            let nothing = numbers.iter().fold(digest, |digest, number| digest.without(Revision::new(*number)));
            prop_assert_eq!(nothing, Digest::default());
        }

        #[test]
        fn other_sets_have_other_digests(a: BTreeSet<u8>, b: BTreeSet<u8>) {
            let digest = |set: &BTreeSet<u8>| set.iter().map(|n| Revision::new(u64::from(*n))).collect::<Digest>();
            prop_assert_eq!(a == b, digest(&a) == digest(&b));
        }
    }
}
