//! Where usage stands.
//!
//! Names of meters hold no `#`; labels may hold any character, so they stand last. Numbers of minutes, hours and days are as wide as the
//! largest, so that texts are in the order of numbers.

use sha2::{Digest, Sha256};
use togglebox_core::TenantId;
use togglebox_metering::{Day, Hour, Labels, MeterId, Minute, WriterId};

use super::super::key::{Key, hex};

const HEAD: &str = "META";
/// How many partitions the cells of a meter are spread over, by their writers.
pub(super) const WRITERS: u8 = 8;
/// How many partitions each list of the installation is spread over, by tenant and meter.
pub(super) const SHARDS: u8 = 16;
/// What the partitions of the installation's lists begin with.
pub(in super::super) const REGISTER: &str = "REG#USAGE#";
/// The kind of usage, in partitions of a tenant.
pub(in super::super) const USAGE: &str = "USAGE";

/// The kind of claims, in partitions of a tenant.
pub(in super::super) const EVENT: &str = "EVENT";

/// A meter of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Metered {
    pub(super) tenant: TenantId,
    pub(super) meter: MeterId,
}

impl Metered {
    /// Where it stands in the lists of the installation.
    fn shard(self) -> u8 {
        let mut hash = Sha256::new();
        hash.update(self.tenant.as_uuid().as_bytes());
        hash.update(self.meter.as_str());
        hash.finalize()[0] % SHARDS
    }
}

/// A list of hours of all tenants, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// To be rolled up.
    Stale,
    /// Rolled up, and their cells are kept.
    Cells,
    /// Rolled up, and their cells are pruned.
    Hours,
}

impl List {
    const fn word(self) -> &'static str {
        match self {
            Self::Stale => "STALE",
            Self::Cells => "CELLS",
            Self::Hours => "HOURS",
        }
    }

    pub(super) fn partition(self, shard: u8) -> String {
        format!("{REGISTER}{}#{shard:02}", self.word())
    }

    pub(super) fn entry(self, of: Metered, hour: Hour) -> Key {
        let Metered { tenant, meter } = of;
        Key::new(self.partition(of.shard()), format!("{}#{tenant}#{meter}", number(hour.number())))
    }
}

/// What an entry of a list is about.
pub(super) fn listed(sk: &str) -> Option<(Hour, Metered)> {
    let (hour, rest) = sk.split_once('#')?;
    let (tenant, meter) = rest.split_once('#')?;
    let of = Metered { tenant: tenant.parse().ok()?, meter: meter.parse().ok()? };
    Some((Hour::from_number(hour.parse().ok()?)?, of))
}

/// What an entry of the list of stale hours adds to the digest of its shard: 40 bits, so that a sum of a million of them is a number of 60.
pub(super) fn weight(entry: &Key) -> i64 {
    let hash = Sha256::digest(&entry.sk);
    hash.iter().take(5).fold(0, |weight, byte| (weight << 8) | i64::from(*byte))
}

/// What closes minutes, for the entries of one shard.
pub(super) fn border(shard: u8) -> Key {
    Key::new(format!("{REGISTER}BORDER#{shard:02}"), HEAD)
}

/// What closes minutes of a meter.
pub(super) fn border_of(of: Metered) -> Key {
    border(of.shard())
}

/// Digits in the order of numbers.
pub(super) fn number(number: u32) -> String {
    format!("{number:010}")
}

/// The partition of the cells of some writers.
pub(super) fn rows(of: Metered, shard: u8) -> String {
    let Metered { tenant, meter } = of;
    format!("T#{tenant}#{USAGE}#{meter}#{shard}")
}

/// What one writer has counted of a series in an hour.
pub(super) fn row(of: Metered, hour: Hour, labels: &Labels, writer: WriterId) -> Key {
    let shard = (writer.as_u128() % u128::from(WRITERS)).to_le_bytes()[0];
    Key::new(rows(of, shard), format!("{}{writer}#{labels}", of_hour(hour)))
}

/// What the sort keys of an hour's rows begin with.
pub(super) fn of_hour(hour: Hour) -> String {
    format!("{}#", number(hour.number()))
}

/// What the sort key of a row says.
pub(super) fn row_of(sk: &str) -> Option<(Hour, Labels)> {
    let (hour, rest) = sk.split_once('#')?;
    let (_, labels) = rest.split_once('#')?;
    Some((Hour::from_number(hour.parse().ok()?)?, Labels::parse(labels).ok()?))
}

/// The partition of the hours, days and pools of a meter.
pub(super) fn sums(of: Metered) -> String {
    let Metered { tenant, meter } = of;
    format!("T#{tenant}#{USAGE}#{meter}")
}

pub(super) fn hour(of: Metered, hour: Hour) -> Key {
    Key::new(sums(of), format!("H#{}", number(hour.number())))
}

pub(super) fn day(of: Metered, day: Day) -> Key {
    Key::new(sums(of), format!("D#{}", number(day.number())))
}

/// The units of a quota in a period.
pub(super) fn pool(of: Metered, period: Minute) -> Key {
    Key::new(sums(of), format!("P#{}", number(period.number())))
}

/// The number of an hour or day, from its sort key.
pub(super) fn numbered(sk: &str) -> Option<u32> {
    sk.split_once('#')?.1.parse().ok()
}

/// What an event is known by.
pub(super) fn known_by(source: &str, id: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Length first: no two pairs read the same.
    hash.update((source.len() as u64).to_be_bytes());
    hash.update(source);
    hash.update(id);
    hash.finalize().into()
}

/// That an event counts.
pub(super) fn claim(tenant: TenantId, known_by: &[u8]) -> Key {
    Key::new(format!("T#{tenant}#{EVENT}#{}", hex(known_by)), HEAD)
}

/// The partition of lists of claims, by minute.
pub(super) fn claims(shard: u8) -> String {
    format!("{REGISTER}CLAIMS#{shard:02}")
}

/// A list of claims of one minute, made in one transaction.
pub(super) fn claimed(tenant: TenantId, minute: Minute, id: [u8; 16]) -> Key {
    Key::new(claims(id[0] % SHARDS), format!("{}#{tenant}#{}", number(minute.number()), hex(&id)))
}

/// The minute and tenant of a list of claims.
pub(super) fn claimed_of(sk: &str) -> Option<(Minute, TenantId)> {
    let mut parts = sk.split('#');
    Some((Minute::from_number(parts.next()?.parse().ok()?), parts.next()?.parse().ok()?))
}

/// The partition of watermarks.
pub(super) fn watermarks() -> String {
    format!("{REGISTER}WRITERS")
}

pub(super) fn watermark(writer: WriterId) -> Key {
    Key::new(watermarks(), writer.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn of() -> Metered {
        Metered { tenant: TenantId::from_uuid(Uuid::from_u128(7)), meter: "api.requests".parse().unwrap() }
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let t = "T#00000000-0000-0000-0000-000000000007";
        let (hour_489, minute) = (Hour::from_number(489_000).unwrap(), Minute::from_number(29_340_000));
        let labels = Labels::new([("key", "a#b")]).unwrap();
        let writer = WriterId::from_u128(0xab);
        for (key, pk, sk) in [
            (
                row(of(), hour_489, &labels, writer),
                format!("{t}#USAGE#api.requests#3"),
                format!("0000489000#{}ab#key=a#b", "0".repeat(30)),
            ),
            (hour(of(), hour_489), format!("{t}#USAGE#api.requests"), "H#0000489000".to_owned()),
            (day(of(), hour_489.day()), format!("{t}#USAGE#api.requests"), "D#0000020375".to_owned()),
            (pool(of(), minute), format!("{t}#USAGE#api.requests"), "P#0029340000".to_owned()),
            (claim(of().tenant, &[1; 32]), format!("{t}#EVENT#{}", "01".repeat(32)), "META".to_owned()),
            (border(3), "REG#USAGE#BORDER#03".to_owned(), "META".to_owned()),
            (watermark(writer), "REG#USAGE#WRITERS".to_owned(), format!("{}ab", "0".repeat(30))),
            (
                claimed(of().tenant, minute, [0x12; 16]),
                "REG#USAGE#CLAIMS#02".to_owned(),
                format!("0029340000#{}#{}", of().tenant, "12".repeat(16)),
            ),
        ] {
            assert_eq!(key, Key::new(pk, sk));
        }
        let entry = List::Stale.entry(of(), hour_489);
        assert_eq!(entry.sk, format!("0000489000#{}#api.requests", of().tenant));
        assert!((0..SHARDS).any(|shard| entry.pk == format!("REG#USAGE#STALE#{shard:02}")));
        assert_eq!(List::Cells.entry(of(), hour_489).pk, entry.pk.replace("STALE", "CELLS"));
    }

    #[test]
    fn an_id_is_of_its_source() {
        assert_ne!(known_by("a", "bc"), known_by("ab", "c"));
    }

    proptest! {
        #[test]
        fn keys_read_back(n in 0..u32::MAX / 60 - 1, writer: u128, value in "[ -+\\--<>-}]{1,40}", tenant: u128, at: u32, id: [u8; 16]) {
            let of = Metered { tenant: TenantId::from_uuid(Uuid::from_u128(tenant)), ..of() };
            let hour = Hour::from_number(n).unwrap();
            let labels = Labels::new([("key", value.as_str())]).unwrap();
            let row = row(of, hour, &labels, WriterId::from_u128(writer));
            prop_assert_eq!(row_of(&row.sk), Some((hour, labels)));
            prop_assert!((0..WRITERS).any(|shard| row.pk == rows(of, shard)));
            prop_assert!(row.sk.len() <= 1024 && row.sk.starts_with(&of_hour(hour)));
            prop_assert_eq!(listed(&List::Stale.entry(of, hour).sk), Some((hour, of)));
            prop_assert_eq!(numbered(&super::hour(of, hour).sk), Some(n));
            let minute = Minute::from_number(at);
            prop_assert_eq!(claimed_of(&claimed(of.tenant, minute, id).sk), Some((minute, of.tenant)));
        }

        #[test]
        fn what_is_older_comes_first(a in 0..u32::MAX / 60 - 1, b in 0..u32::MAX / 60 - 1) {
            let key = |n| List::Stale.entry(of(), Hour::from_number(n).unwrap()).sk;
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }
    }
}
