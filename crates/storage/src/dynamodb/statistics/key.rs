//! Where figures stand. They hang on the incarnation of what they are of: a record that is made anew under the same key has another.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use togglebox_core::TenantId;
use togglebox_toggles::store::Subject;
use togglebox_toggles::{Side, VariationKey};
use uuid::Uuid;

use super::super::key::{Key, hex};

/// How many items share a counter; readers add them up. A transaction that meets another one at an item is cancelled and has to
/// begin anew, and a batch is under way for some 30 ms: of a hundred nodes that send one a second, three meet at a counter of one
/// item, and at one of eight rarely two. One partition takes 1,000 units a second; eight take what those nodes write of one flag.
pub(super) const SHARDS: u8 = 8;
/// How many partitions the subjects of an experiment are spread over.
pub(super) const BUCKETS: u8 = 16;
/// Longer texts are hashed where they are part of a key: the sort key of an item has 1,024 bytes at most.
const LONGEST_PART: usize = 400;

/// Of a parameter or flag, and of an experiment as a whole: all that was counted.
pub(super) const TOTAL: &str = "T";
/// What the sort keys of each kind of item begin with.
pub(super) const DAYS: &str = "D#";
pub(super) const COUNTRIES: &str = "C#";
pub(super) const METRICS: &str = "M#";
pub(super) const SKETCHES: &str = "U#";

/// A record with figures, and the part of them that a batch adds to.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Figures {
    pub(super) tenant: TenantId,
    pub(super) incarnation: Uuid,
    pub(super) shard: u8,
}

/// The shard that a batch adds to: ids are random.
pub(super) fn shard_of(batch: Uuid) -> u8 {
    batch.as_bytes()[15] % SHARDS
}

/// The partition of a shard of a record's figures.
pub(super) fn partition(tenant: TenantId, incarnation: Uuid, shard: u8) -> String {
    format!("T#{tenant}#STAT#{incarnation}#{shard}")
}

/// The partition of some of an experiment's subjects.
pub(super) fn bucket(tenant: TenantId, incarnation: Uuid, bucket: u8) -> String {
    format!("T#{tenant}#STAT#{incarnation}#SUBJECTS#{bucket:02}")
}

/// Every partition with figures of a record.
pub(in super::super) fn partitions(tenant: TenantId, incarnation: Uuid) -> Vec<String> {
    let shards = (0..SHARDS).map(|shard| partition(tenant, incarnation, shard));
    shards.chain((0..BUCKETS).map(|number| bucket(tenant, incarnation, number))).collect()
}

impl Figures {
    fn key(&self, sk: String) -> Key {
        Key::new(partition(self.tenant, self.incarnation, self.shard), sk)
    }

    pub(super) fn total(&self) -> Key {
        self.key(TOTAL.to_owned())
    }

    /// A flag's day.
    pub(super) fn day(&self, day: &str) -> Key {
        self.key(format!("{DAYS}{day}"))
    }

    pub(super) fn country(&self, country: &str) -> Key {
        self.key(format!("{COUNTRIES}{}", part(country)))
    }

    /// Distinct clients of a parameter, or users of a side of a flag.
    pub(super) fn sketch(&self, side: Option<Side>, hour: i64) -> Key {
        self.key(format!("{}{hour:010}", sketches(side)))
    }

    /// A variation's day.
    pub(super) fn variation_day(&self, day: &str, variation: &VariationKey) -> Key {
        self.key(format!("{DAYS}{day}#{}", part(variation.as_str())))
    }

    /// A metric of a variation on one day.
    pub(super) fn metric_day(&self, day: &str, variation: &VariationKey, metric: &str) -> Key {
        self.key(format!("{METRICS}{day}#{}#{}", part(variation.as_str()), part(metric)))
    }

    /// That a subject saw a variation. What it then did comes right after it.
    pub(super) fn exposure(&self, subject: &Subject, variation: &VariationKey) -> Key {
        let bucket = bucket(self.tenant, self.incarnation, subject.0[0] % BUCKETS);
        Key::new(bucket, format!("{}#{}", hex(&subject.0), part(variation.as_str())))
    }

    /// What a subject with a variation did, by metric.
    pub(super) fn conversions(&self, subject: &Subject, variation: &VariationKey, metric: &str) -> Key {
        let Key { pk, sk } = self.exposure(subject, variation);
        Key::new(pk, format!("{sk}#{}", part(metric)))
    }
}

/// What the sort keys of sketches begin with.
pub(super) fn sketches(side: Option<Side>) -> String {
    format!("{SKETCHES}{}#", side.map_or("", Side::as_str))
}

/// A text as part of a key. Items also hold it as an attribute, since a hash says nothing.
fn part(text: &str) -> Cow<'_, str> {
    // So that no text reads like the hash of another.
    if text.len() <= LONGEST_PART && !text.starts_with('~') {
        text.into()
    } else {
        format!("~{}", hex(&Sha256::digest(text))).into()
    }
}

/// What sends of one batch agree on: whether it was added, or how far.
pub(super) fn batch(tenant: TenantId, id: Uuid) -> Key {
    Key::new(format!("T#{tenant}#BATCH#{id}"), "META")
}

/// A piece of a batch that is too large for one transaction. Named by the digest of the whole, so that two senders who work it out
/// differently do not mix their pieces.
pub(super) fn piece(tenant: TenantId, id: Uuid, digest: &str, number: usize) -> Key {
    Key::new(batch(tenant, id).pk, format!("J#{digest}#{number:04}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Figures = Figures { tenant: TenantId::DEFAULT, incarnation: Uuid::from_u128(7), shard: 3 };

    #[test]
    fn keys_are_spelled_as_documented() {
        let nil = "00000000-0000-0000-0000-000000000000";
        let pk = format!("T#{nil}#STAT#00000000-0000-0000-0000-000000000007#3");
        let variation = "short".parse().unwrap();
        let subject = Subject([0x1f; 16]);
        let subjects = format!("T#{nil}#STAT#00000000-0000-0000-0000-000000000007#SUBJECTS#15");
        let hex = "1f".repeat(16);
        assert_eq!(FIGURES.total(), Key::new(&*pk, "T"));
        assert_eq!(FIGURES.day("2026-01-31"), Key::new(&*pk, "D#2026-01-31"));
        assert_eq!(FIGURES.country("DE"), Key::new(&*pk, "C#DE"));
        assert_eq!(FIGURES.sketch(None, 488_890), Key::new(&*pk, "U##0000488890"));
        assert_eq!(FIGURES.sketch(Some(Side::A), 488_890), Key::new(&*pk, "U#A#0000488890"));
        assert_eq!(FIGURES.variation_day("2026-01-31", &variation), Key::new(&*pk, "D#2026-01-31#short"));
        assert_eq!(FIGURES.metric_day("2026-01-31", &variation, "buy"), Key::new(&*pk, "M#2026-01-31#short#buy"));
        assert_eq!(FIGURES.exposure(&subject, &variation), Key::new(&*subjects, format!("{hex}#short")));
        assert_eq!(FIGURES.conversions(&subject, &variation, "buy"), Key::new(&*subjects, format!("{hex}#short#buy")));
        assert_eq!(piece(TenantId::DEFAULT, Uuid::nil(), "ab", 2).sk, "J#ab#0002");
    }

    #[test]
    fn no_text_makes_a_key_too_long() {
        let variation: VariationKey = "v".repeat(512).parse().unwrap();
        for metric in ["m".repeat(100_000), "\u{1f600}".repeat(200)] {
            assert!(FIGURES.conversions(&Subject([0; 16]), &variation, &metric).sk.len() <= 1024);
        }
        assert_ne!(part("~a"), "~a");
    }

    #[test]
    fn every_figure_is_in_a_partition_that_is_swept() {
        let partitions = partitions(TenantId::DEFAULT, Uuid::from_u128(7));
        for n in 0..=255_u8 {
            let figures = Figures { shard: shard_of(Uuid::from_u128(n.into())), ..FIGURES };
            assert!(partitions.contains(&figures.total().pk));
            assert!(partitions.contains(&figures.exposure(&Subject([n; 16]), &"v".parse().unwrap()).pk));
        }
    }
}
