//! Whom a network address stands for.

use std::net::{IpAddr, Ipv6Addr};

/// The part of an IPv6 address that one subscriber has, in bits.
///
/// A subscriber gets a /64 at the least, and with it 2^64 addresses: whoever counts single ones counts nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ipv6Prefix {
    /// /48: a site.
    Site48,
    /// /56: a household, with many providers.
    Home56,
    /// /64: a network.
    #[default]
    Network64,
}

impl Ipv6Prefix {
    const fn bits(self) -> u32 {
        match self {
            Self::Site48 => 48,
            Self::Home56 => 56,
            Self::Network64 => 64,
        }
    }

    /// The address that stands for everybody whom `address` may belong to: an IPv4 address itself, also where it is written as IPv6; of
    /// another IPv6 address the network.
    #[must_use]
    pub fn network(self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let mask = u128::MAX << (128 - self.bits());
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        }
    }

    /// The [network](Self::network) in sixteen octets.
    #[inline]
    pub(crate) fn octets(self, address: IpAddr) -> [u8; 16] {
        match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(_) => match self.network(address) {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(network) => network.octets(),
            },
        }
    }
}

/// The address of the client behind `hops` proxies that are ours.
///
/// Each proxy appends the address that it was called from to `X-Forwarded-For`, so that only the entries that our own proxies wrote can
/// be believed: the last `hops` ones. The client is the first of these. What stands before them is whatever the client wrote.
///
/// `forwarded_for` are the values of the header in the order in which they stand in the request, all of them: bytes, since a client may
/// send what is no text, and a proxy of ours append to it. Where an entry that must be there is missing or no address, the request did
/// not come by way of our proxies: then `peer`, the address that the connection comes from, is the client.
pub fn client<'h, V>(peer: IpAddr, forwarded_for: impl IntoIterator<Item = &'h V>, hops: usize) -> IpAddr
where
    V: AsRef<[u8]> + ?Sized + 'h,
{
    let Some(place) = hops.checked_sub(1) else { return peer };
    let entries: Vec<&[u8]> = forwarded_for.into_iter().flat_map(|value| value.as_ref().split(|byte| *byte == b',')).collect();
    let entry = entries.iter().rev().nth(place).and_then(|entry| str::from_utf8(entry).ok());
    entry.and_then(|entry| parse(entry.trim())).unwrap_or(peer)
}

/// An address with or without brackets and port, as proxies write them.
fn parse(entry: &str) -> Option<IpAddr> {
    if let Ok(address) = entry.parse() {
        return Some(address);
    }
    if let Ok(address) = entry.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_subscriber_is_one_however_many_addresses_it_has() {
        let prefix = Ipv6Prefix::default();
        assert_eq!(prefix.network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(prefix.network(ip("2001:db8:1:2:ffff::1")), ip("2001:db8:1:2::"));
        assert_ne!(prefix.network(ip("2001:db8:1:3::1")), ip("2001:db8:1:2::"));
        assert_eq!(Ipv6Prefix::Home56.network(ip("2001:db8:1:2ff::1")), ip("2001:db8:1:200::"));
        assert_eq!(Ipv6Prefix::Site48.network(ip("2001:db8:1:2ff::1")), ip("2001:db8:1::"));
        assert_eq!(prefix.network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(prefix.network(ip("192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let peer = ip("10.0.0.1");
        let forged = ["6.6.6.6, 203.0.113.7", "10.0.0.2"];
        assert_eq!(client(peer, forged, 0), peer);
        assert_eq!(client(peer, forged, 1), ip("10.0.0.2"));
        assert_eq!(client(peer, forged, 2), ip("203.0.113.7"));
        assert_eq!(client(peer, forged, 4), peer, "an entry is missing");
        assert_eq!(client::<str>(peer, [], 1), peer);
        assert_eq!(client(peer, ["unknown"], 1), peer);
        assert_eq!(client(peer, [" ,, "], 1), peer);
    }

    #[test]
    fn what_is_no_text_hides_nothing_that_a_proxy_has_appended_to_it() {
        let peer = ip("10.0.0.1");
        assert_eq!(client(peer, [b"\xff, 203.0.113.7".as_slice()], 1), ip("203.0.113.7"));
        // The first proxy appends to the last line, the second one adds a line.
        let lines = [b"6.6.6.6".as_slice(), b"\xff, 203.0.113.7", b"10.0.0.2"];
        assert_eq!(client(peer, lines, 2), ip("203.0.113.7"));
        assert_eq!(client(peer, [b"203.0.113.7, \xff".as_slice()], 1), peer);
    }

    #[test]
    fn proxies_write_addresses_in_many_ways() {
        let peer = ip("10.0.0.1");
        for (written, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
        ] {
            assert_eq!(client(peer, [written], 1), ip(expected), "{written}");
        }
    }
}
