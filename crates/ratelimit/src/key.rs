//! What a limit is kept under.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use togglebox_core::TenantId;

/// The name of a policy: 1 to 23 lower-case letters, digits and hyphens. It is shown to clients and stands in keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName {
    bytes: [u8; Self::LONGEST],
    len: u8,
}

/// A name that no policy can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy: {0:?} is no name; 1 to 23 lower-case letters, digits and hyphens are")]
pub struct PolicyNameError(String);

impl PolicyName {
    const LONGEST: usize = 23;

    /// The name.
    pub fn as_str(&self) -> &str {
        // ASCII, by construction.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl FromStr for PolicyName {
    type Err = PolicyNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let fits = (1..=Self::LONGEST).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits {
            return Err(PolicyNameError(name.chars().take(64).collect()));
        }
        let mut bytes = [0; Self::LONGEST];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self { bytes, len: u8::try_from(name.len()).unwrap_or(u8::MAX) })
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Whose limits these are. Wherever it leaves the process, so that nobody can be recognised: the first half of a SHA-256, or of two of them
/// combined. Of a store [within it](crate::LimitStore::is_within_process) it may be a number with such a half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

/// As one number: its bytes are spread already, and tables are asked for it on every request.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl Digest {
    /// Of parts that are told apart: no two lists of parts have the same one.
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut digester = Digester::default();
        parts.into_iter().for_each(|part| digester.add(part));
        digester.digest()
    }

    /// Of this and `other` together, whichever comes first. Where one of the two is of a SHA-256, two pairs have one only as digests collide. Not
    /// for two that may be equal.
    #[must_use]
    pub(crate) const fn combined(self, other: Self) -> Self {
        Self((u128::from_ne_bytes(self.0) ^ u128::from_ne_bytes(other.0)).to_ne_bytes())
    }

    /// One that was told by its bytes before.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Makes the digest of parts that come one by one.
#[derive(Default)]
pub(crate) struct Digester(Sha256);

impl Digester {
    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(crate) fn digest(self) -> Digest {
        let hash: [u8; 32] = self.0.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        Digest(half)
    }
}

/// Thirty-two hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// What keeps limits together: all of one tag are in one place, so that several of them can be asked in one atomic act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tag {
    /// Everything of a tenant.
    Tenant(TenantId),
    /// Everything of a network address.
    Address(Digest),
    /// Everything of an account that nobody has signed in to yet.
    Account(Digest),
}

/// As `t:<32 hexadecimal digits>`, `ip:…`, `a:…`: no braces, so that a store may put it between some.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "t:{}", tenant.as_uuid().as_simple()),
            Self::Address(digest) => write!(f, "ip:{digest}"),
            Self::Account(digest) => write!(f, "a:{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_policies_are_short_and_plain() {
        for name in ["ip", "tenant-2", "a-name-of-23-characters"] {
            assert_eq!(name.parse::<PolicyName>().unwrap().as_str(), name);
        }
        for name in ["", "Ip", "a b", "ü", "{t}", "a-name-of-24-characters-"] {
            let error = name.parse::<PolicyName>().unwrap_err().to_string();
            assert!(error.starts_with("policy: ") && error.contains("1 to 23"), "{error}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let of = |parts: &[&str]| Digest::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", ""]), of(&["a"]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    }

    #[test]
    fn tags_have_no_braces() {
        let digest = Digest::of([b"}{".as_slice()]);
        for tag in [Tag::Tenant(TenantId::DEFAULT), Tag::Address(digest), Tag::Account(digest)] {
            assert!(!tag.to_string().contains(['{', '}']), "{tag}");
        }
        assert_eq!(Tag::Tenant(TenantId::DEFAULT).to_string(), "t:00000000000000000000000000000000");
    }
}
