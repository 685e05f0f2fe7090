//! What a tenant is looked up by.

use std::fmt;

use papaya::Equivalent;
use smol_str::SmolStr;

/// The name that leads to a tenant: normalised, as [`HostRules::read`](crate::HostRules::read) gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostKey {
    /// The one label before the base domain: `acme` of `acme.example.com`.
    Subdomain(SmolStr),
    /// A whole host that is not below the base domain: `flags.acme.test`.
    Domain(SmolStr),
}

/// A [`HostKey`] that is borrowed, so that a look-up costs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostRef<'k> {
    /// See [`HostKey::Subdomain`].
    Subdomain(&'k str),
    /// See [`HostKey::Domain`].
    Domain(&'k str),
}

impl HostKey {
    /// The same, borrowed.
    pub fn as_ref(&self) -> HostRef<'_> {
        match self {
            Self::Subdomain(label) => HostRef::Subdomain(label),
            Self::Domain(host) => HostRef::Domain(host),
        }
    }
}

impl HostRef<'_> {
    /// The same, owned.
    pub fn to_key(self) -> HostKey {
        match self {
            Self::Subdomain(label) => HostKey::Subdomain(label.into()),
            Self::Domain(host) => HostKey::Domain(host.into()),
        }
    }
}

// Both derive `Hash` over the same variants, and `str` hashes as `SmolStr` does.
impl Equivalent<HostKey> for HostRef<'_> {
    fn equivalent(&self, key: &HostKey) -> bool {
        *self == key.as_ref()
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Display for HostRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Subdomain(name) | Self::Domain(name)) = self;
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    #[test]
    fn a_borrowed_key_finds_the_owned_one_and_no_other() {
        let state = RandomState::new();
        let (label, host) = (HostRef::Subdomain("acme"), HostRef::Domain("acme"));
        for key in [label, host] {
            assert_eq!(state.hash_one(key), state.hash_one(key.to_key()));
            assert!(key.equivalent(&key.to_key()));
        }
        assert!(!label.equivalent(&host.to_key()));
    }
}
