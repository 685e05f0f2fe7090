//! Which master of a cluster serves which slot.

use redis::Value;

/// Slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// What serves no slot.
const NOBODY: u16 = u16::MAX;

/// The number that stands for nobody as a part of the store: no master has it, so that slots that nobody serves fail for themselves.
const UNSERVED: usize = usize::MAX;

/// Host and port.
pub(super) type Address = (String, u16);

/// The slots, and the masters that serve them. Masters have numbers that they keep when others come and go, and that are handed on to
/// whoever takes a failed one's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// By number. A number that nobody has at present is an empty place.
    masters: Vec<Option<Address>>,
    /// The number of the master of each slot.
    slots: Box<[u16]>,
}

impl Map {
    /// Before anything is known.
    pub(super) fn unknown() -> Self {
        Self { masters: Vec::new(), slots: vec![NOBODY; usize::from(SLOTS)].into() }
    }

    /// From the answer to `CLUSTER SLOTS` of a server that was reached as `asked`, with the numbers of the map before. `None` when it is
    /// no such answer, or says of no slot who serves it.
    pub(super) fn of_answer(answer: &Value, asked: &str, before: &Self) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut ranges: Vec<(u16, u16, Address)> = ranges.iter().filter_map(|range| range_of(range, asked)).collect();
        ranges.sort_unstable();
        if ranges.is_empty() {
            return None;
        }
        let mut map = Self { masters: vec![None; before.masters.len()], ..Self::unknown() };
        // Who is there still keeps its number; then who serves what another one served takes its place; then who is new.
        for (_, _, address) in &ranges {
            if let Some(number) = before.number_of(address) {
                map.masters[number] = Some(address.clone());
            }
        }
        for (first, _, address) in &ranges {
            let number = usize::from(before.slots[usize::from(*first)]);
            if map.number_of(address).is_none() && map.masters.get(number).is_some_and(Option::is_none) {
                map.masters[number] = Some(address.clone());
            }
        }
        for (first, last, address) in ranges {
            let number = map.number_of(&address).unwrap_or_else(|| map.add(address));
            map.slots[usize::from(first)..=usize::from(last)].fill(u16::try_from(number).unwrap_or(NOBODY));
        }
        Some(map)
    }

    /// The number of the slot's master, or one that no master has as long as nobody is known to serve it.
    pub(super) fn shard(&self, slot: u16) -> usize {
        Some(self.slots[usize::from(slot)]).filter(|number| *number != NOBODY).map_or(UNSERVED, usize::from)
    }

    /// The slot's master.
    pub(super) fn master(&self, slot: u16) -> Option<&Address> {
        self.masters.get(usize::from(self.slots[usize::from(slot)]))?.as_ref()
    }

    /// All masters that serve a slot.
    pub(super) fn masters(&self) -> impl Iterator<Item = &Address> {
        self.masters.iter().flatten()
    }

    fn number_of(&self, address: &Address) -> Option<usize> {
        self.masters.iter().position(|master| master.as_ref() == Some(address))
    }

    fn add(&mut self, address: Address) -> usize {
        if let Some(free) = self.masters.iter().position(Option::is_none) {
            self.masters[free] = Some(address);
            return free;
        }
        self.masters.push(Some(address));
        self.masters.len() - 1
    }
}

/// First and last slot, and the master of both and of what is between.
fn range_of(range: &Value, asked: &str) -> Option<(u16, u16, Address)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
    let [host, Value::Int(port), ..] = master.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) => str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    let host = match host {
        // Itself, and it does not know by which name.
        "" => asked,
        // Another one of which it knows no name.
        "?" => return None,
        host => host,
    };
    let slot = |number: i64| u16::try_from(number).ok().filter(|slot| *slot < SLOTS);
    let (first, last) = (slot(*first)?, slot(*last)?);
    (first <= last).then_some((first, last, (host.to_owned(), u16::try_from(*port).ok()?)))
}

/// The slot of everything that has `tag` between braces: CRC-16 (XMODEM), as the cluster's specification says.
pub(super) fn slot_of(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    crc % SLOTS
}

/// What `MOVED` and `ASK` name: `host:port`, where an empty host is the one that was asked.
pub(super) fn redirection(address: &str, asked: &str) -> Option<Address> {
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { asked } else { host.trim_start_matches('[').trim_end_matches(']') };
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(port: u16) -> Address {
        ("10.0.0.1".to_owned(), port)
    }

    fn answer(ranges: &[(u16, u16, &str, u16)]) -> Value {
        let range = |(first, last, host, port): &(u16, u16, &str, u16)| {
            let node = |host: &str, port: u16| {
                let id = Value::BulkString(b"0123".to_vec());
                Value::Array(vec![Value::BulkString(host.into()), Value::Int(port.into()), id, Value::Array(Vec::new())])
            };
            Value::Array(vec![
                Value::Int((*first).into()),
                Value::Int((*last).into()),
                node(host, *port),
                node(host, port + 1000),
            ])
        };
        Value::Array(ranges.iter().map(range).collect())
    }

    fn map(before: &Map, ranges: &[(u16, u16, u16)]) -> Map {
        let ranges: Vec<_> = ranges.iter().map(|(first, last, port)| (*first, *last, "10.0.0.1", *port)).collect();
        Map::of_answer(&answer(&ranges), "asked", before).unwrap()
    }

    #[test]
    fn every_slot_has_the_master_that_the_answer_names() {
        let map = map(&Map::unknown(), &[(0, 5460, 1), (5461, 10_922, 2), (10_923, 16_000, 3)]);
        for (slot, port) in [(0, 1), (5460, 1), (5461, 2), (16_000, 3)] {
            assert_eq!(map.master(slot), Some(&address(port)));
            assert_eq!(map.shard(slot), usize::from(port) - 1);
        }
        assert_eq!(map.masters().count(), 3);
        // What nobody serves takes no master's part down with it.
        assert_eq!(map.master(16_383), None);
        assert!([0, 5461, 10_923].iter().all(|slot| map.shard(*slot) != map.shard(16_383)));
    }

    #[test]
    fn numbers_stay_with_masters_and_are_handed_on_to_who_takes_their_place() {
        let three = map(&Map::unknown(), &[(0, 99, 1), (100, 199, 2), (200, 299, 3)]);
        let failed_over = map(&three, &[(0, 99, 1), (100, 199, 9), (200, 299, 3)]);
        assert_eq!([0, 100, 200].map(|slot| failed_over.shard(slot)), [0, 1, 2]);
        let resharded = map(&failed_over, &[(0, 49, 3), (50, 99, 1), (100, 199, 9), (200, 249, 4), (250, 299, 3)]);
        assert_eq!([0, 50, 100, 200, 250].map(|slot| resharded.shard(slot)), [2, 0, 1, 3, 2]);
        let smaller = map(&resharded, &[(0, 199, 1), (200, 299, 4)]);
        assert_eq!([0, 200].map(|slot| smaller.shard(slot)), [0, 3]);
        let grown = map(&smaller, &[(0, 99, 1), (100, 199, 7), (200, 299, 4)]);
        assert_eq!([0, 100, 200].map(|slot| grown.shard(slot)), [0, 1, 3], "a place that is empty is taken");
    }

    #[test]
    fn names_that_a_server_does_not_know_are_left_out_or_its_own() {
        let answer = answer(&[(0, 1, "", 1), (2, 3, "?", 2)]);
        let map = Map::of_answer(&answer, "asked", &Map::unknown()).unwrap();
        assert_eq!(map.master(0), Some(&("asked".to_owned(), 1)));
        assert_eq!(map.master(2), None);
        for odd in [Value::Nil, Value::Array(Vec::new()), Value::Array(vec![Value::Int(1)])] {
            assert_eq!(Map::of_answer(&odd, "asked", &map), None, "{odd:?}");
        }
    }

    #[test]
    fn redirections_name_a_host_or_the_one_that_was_asked() {
        assert_eq!(redirection("10.0.0.1:7", "asked"), Some(address(7)));
        assert_eq!(redirection(":7", "asked"), Some(("asked".to_owned(), 7)));
        assert_eq!(redirection("[::1]:7", "asked"), Some(("::1".to_owned(), 7)));
        assert_eq!(redirection("nowhere", "asked"), None);
    }

    proptest! {
        #[test]
        fn slots_are_those_of_the_driver(tag in "[a-z]{1,2}:[0-9a-f]{0,40}") {
            let key = format!("rl:2:{{{tag}}}:policy:0");
            prop_assert_eq!(redis::cluster_routing::Slot::new(slot_of(&tag)), Some(redis::cluster_routing::Slot::for_key(key)));
        }
    }
}
