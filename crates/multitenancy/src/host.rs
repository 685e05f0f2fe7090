//! What the host of a request means.
//!
//! Pure, and total: any bytes are a host of ours, somebody's own domain, or an error that says what is wrong. A name is compared as
//! it is looked up: in lower case, without port, without the one dot that may end it. Nothing is allocated for a host that is
//! written so already.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::HostRef;

/// The most bytes of a host name, without port and final dot (RFC 1035 §2.3.4 as text: 255 octets with length bytes).
pub const LONGEST_HOST: usize = 253;

/// The most bytes of one label (RFC 1035 §2.3.4).
const LONGEST_LABEL: usize = 63;

/// The fewest characters of a tenant's subdomain.
const SHORTEST_LABEL: usize = 3;

/// `:65535`.
const LONGEST_PORT: usize = 6;

/// Why a host names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is none.
    #[error("the host is missing")]
    Missing,
    /// It is longer than any name.
    #[error("the host is longer than {LONGEST_HOST} bytes")]
    TooLong,
    /// It has a character that names do not have, an empty label, or a label that is too long or begins or ends with a hyphen.
    #[error("the host is not a name")]
    Malformed,
    /// What follows the colon is no port.
    #[error("the port of the host is not a number up to 65535")]
    Port,
    /// It is an IP address, and not one of the central names.
    #[error("the host is an address")]
    Address,
    /// It is the base domain itself, and that is not one of the central names.
    #[error("the host has no subdomain")]
    NoSubdomain,
    /// There is more than one label before the base domain.
    #[error("the host has more than one label before the base domain")]
    TooDeep,
    /// The label before the base domain cannot be a subdomain: too short, or with `--` (and so `xn--`).
    #[error("the subdomain is not one that a tenant can have")]
    Label,
    /// It is not below the base domain, and custom domains are off.
    #[error("the host does not belong here")]
    Foreign,
}

/// What a host means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host<'h> {
    /// The deployment itself: accounts, sign-up, the operator.
    Central,
    /// A tenant's, by its subdomain.
    Subdomain(Cow<'h, str>),
    /// Perhaps a tenant's, by a domain of its own.
    Domain(Cow<'h, str>),
}

impl Host<'_> {
    /// What to look the tenant up by; `None` for the central host.
    pub fn key(&self) -> Option<HostRef<'_>> {
        match self {
            Self::Central => None,
            Self::Subdomain(label) => Some(HostRef::Subdomain(label)),
            Self::Domain(host) => Some(HostRef::Domain(host)),
        }
    }
}

/// Which hosts are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRules {
    base: String,
    central: BTreeSet<String>,
    custom_domains: bool,
}

impl HostRules {
    /// Tenants live at `<subdomain>.<base>`, the deployment itself at `api.<base>`.
    ///
    /// # Errors
    /// As [`normalise`], and [`HostError::Address`] for an address: nothing can stand before it.
    pub fn new(base: &str) -> Result<Self, HostError> {
        let base = normalise(base.as_bytes())?.into_owned();
        if is_address(&base) {
            return Err(HostError::Address);
        }
        let central = BTreeSet::from([format!("api.{base}")]);
        Ok(Self { base, central, custom_domains: true })
    }

    /// Adds a host that means the deployment itself: a name such as `localhost`, the base domain, or an address.
    ///
    /// # Errors
    /// As [`normalise`].
    pub fn central(mut self, host: &str) -> Result<Self, HostError> {
        self.central.insert(normalise(host.as_bytes())?.into_owned());
        Ok(self)
    }

    /// Whether tenants may have domains of their own. They may, unless this says otherwise.
    #[must_use]
    pub const fn custom_domains(mut self, allowed: bool) -> Self {
        self.custom_domains = allowed;
        self
    }

    /// Whether tenants may have domains of their own.
    pub const fn allows_custom_domains(&self) -> bool {
        self.custom_domains
    }

    /// What stands before the base domain in hosts that mean the deployment itself: nobody's subdomains.
    pub fn central_labels(&self) -> impl Iterator<Item = &str> {
        let label = |host: &'_ String| host.strip_suffix(&*self.base)?.strip_suffix('.').map(str::len);
        self.central.iter().filter_map(move |host| Some(&host[..label(host)?])).filter(|label| !label.contains('.'))
    }

    /// The base domain, normalised.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What the value of a `Host` header means.
    ///
    /// # Errors
    /// Why it names nobody. To the client all of them are one: there is nothing here.
    pub fn read<'h>(&self, host: &'h [u8]) -> Result<Host<'h>, HostError> {
        let name = normalise(host)?;
        if self.central.contains(&*name) {
            return Ok(Host::Central);
        }
        if *name == *self.base {
            return Err(HostError::NoSubdomain);
        }
        match name.strip_suffix(&*self.base).and_then(|rest| rest.strip_suffix('.')).map(str::len) {
            Some(length) => {
                let label = cut(name, length);
                if label.contains('.') {
                    return Err(HostError::TooDeep);
                }
                may_be_had(&label).then_some(Host::Subdomain(label)).ok_or(HostError::Label)
            }
            // The base is none, so that nothing below it is.
            None if is_address(&name) => Err(HostError::Address),
            None if !self.custom_domains => Err(HostError::Foreign),
            // Whoever owns a domain has proven it, so that one in another script (`xn--`) is theirs to choose.
            None if name.contains('.') => Ok(Host::Domain(name)),
            None => Err(HostError::Foreign),
        }
    }
}

/// Reads a subdomain that is given by itself, as in a header or a path: in lower case.
///
/// # Errors
/// [`HostError::Label`] when no tenant can have it.
pub fn subdomain(label: &[u8]) -> Result<Cow<'_, str>, HostError> {
    if label.len() > LONGEST_LABEL {
        return Err(HostError::Label);
    }
    let label = lower(text(label).ok_or(HostError::Label)?);
    is_subdomain(&label).then_some(label).ok_or(HostError::Label)
}

/// A host as it is compared: in lower case, without port, without the one dot that may end it. What this returns it leaves as it is.
///
/// Names and addresses pass, an IPv6 address with its brackets and in the one spelling of RFC 5952.
///
/// # Errors
/// [`Missing`](HostError::Missing), [`TooLong`](HostError::TooLong), [`Malformed`](HostError::Malformed) or
/// [`Port`](HostError::Port).
pub fn normalise(host: &[u8]) -> Result<Cow<'_, str>, HostError> {
    if host.is_empty() {
        return Err(HostError::Missing);
    }
    // Before anything is read: a megabyte is no host, wherever its colon is.
    if host.len() > LONGEST_HOST + 1 + LONGEST_PORT {
        return Err(HostError::TooLong);
    }
    let host = text(host).ok_or(HostError::Malformed)?;
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(HostError::Malformed)?;
        check_port(port)?;
        let address: Ipv6Addr = address.parse().map_err(|_| HostError::Malformed)?;
        let spelt = format!("[{address}]");
        return Ok(if host == spelt { Cow::Borrowed(host) } else { Cow::Owned(spelt) });
    }
    let end = host.find(':').unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    check_port(port)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(HostError::Missing);
    }
    if name.len() > LONGEST_HOST {
        return Err(HostError::TooLong);
    }
    name.split('.').all(is_label).then(|| lower(name)).ok_or(HostError::Malformed)
}

/// Nothing, a colon, or a colon and a port (RFC 3986 §3.2.3 lets the number be missing).
fn check_port(port: &str) -> Result<(), HostError> {
    let Some(number) = port.strip_prefix(':') else {
        return port.is_empty().then_some(()).ok_or(HostError::Malformed);
    };
    let digits = port.len() <= LONGEST_PORT && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (number.is_empty() || number.parse::<u16>().is_ok())).then_some(()).ok_or(HostError::Port)
}

/// Letters, digits and hyphens, and no hyphen at an end (RFC 1123 §2.1).
fn is_label(label: &str) -> bool {
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether a tenant can have this, which is in lower case already: `[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])` without `--`, which is how names
/// in other scripts begin, that look like what they are not.
fn is_subdomain(label: &str) -> bool {
    is_label(label) && may_be_had(label)
}

/// The same of what is known to be a label.
fn may_be_had(label: &str) -> bool {
    label.len() >= SHORTEST_LABEL && !label.as_bytes().windows(2).any(|two| two == b"--")
}

/// Whether a normalised host is an address, or what some programs take for one: they read a last label of digits, or of `0x` and
/// hexadecimal digits, as a number (WHATWG URL §3.5, "ends in a number").
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    name.starts_with('[') || is_number(last) || name.parse::<Ipv4Addr>().is_ok()
}

/// Whether a label in lower case is digits, or `0x` and hexadecimal digits.
pub(crate) fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn text(bytes: &[u8]) -> Option<&str> {
    bytes.is_ascii().then(|| str::from_utf8(bytes).ok()).flatten()
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

/// The first `length` bytes of what is ASCII.
fn cut(name: Cow<'_, str>, length: usize) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[..length]),
        Cow::Owned(mut name) => {
            name.truncate(length);
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> HostRules {
        HostRules::new("example.com").unwrap().central("localhost").unwrap().central("[::1]").unwrap()
    }

    /// What a host means, in a word.
    fn read(host: &str) -> Result<String, HostError> {
        Ok(match rules().read(host.as_bytes())? {
            Host::Central => "central".to_owned(),
            Host::Subdomain(label) => label.into_owned(),
            Host::Domain(host) => format!("domain {host}"),
        })
    }

    #[test]
    fn a_tenant_is_one_label_before_the_base() {
        for host in ["acme.example.com", "ACME.Example.COM", "acme.example.com.", "acme.example.com:8080", "acme.example.com.:"] {
            assert_eq!(read(host).as_deref(), Ok("acme"), "{host}");
        }
        for (host, error) in [
            ("example.com", HostError::NoSubdomain),
            ("a.acme.example.com", HostError::TooDeep),
            ("ab.example.com", HostError::Label),
            ("xn--bcher-kva.example.com", HostError::Label),
            ("a--b.example.com", HostError::Label),
            ("-acme.example.com", HostError::Malformed),
            ("acme-.example.com", HostError::Malformed),
            (".example.com", HostError::Malformed),
            ("acme..example.com", HostError::Malformed),
            ("acme.example.com..", HostError::Malformed),
            ("ac_me.example.com", HostError::Malformed),
            ("acme.example.com@evil.com", HostError::Malformed),
            ("acme.example.com/", HostError::Malformed),
            (" acme.example.com", HostError::Malformed),
            ("äcme.example.com", HostError::Malformed),
            ("acme.example.com:http", HostError::Port),
            ("acme.example.com:65536", HostError::Port),
            ("acme.example.com:000080", HostError::Port),
            ("acme.example.com:80:80", HostError::Port),
            ("", HostError::Missing),
            (".", HostError::Missing),
            (":80", HostError::Missing),
        ] {
            assert_eq!(read(host), Err(error), "{host}");
        }
    }

    #[test]
    fn the_deployment_has_names_of_its_own() {
        for host in ["api.example.com", "API.example.com.:443", "localhost", "localhost:8080", "[::1]:80", "[0:0::0:1]"] {
            assert_eq!(read(host).as_deref(), Ok("central"), "{host}");
        }
    }

    #[test]
    fn addresses_are_nobody() {
        for host in ["127.0.0.1", "127.0.0.1:80", "[::2]", "[::ffff:1.2.3.4]:80", "1.2.3.999", "2130706433", "a.0x7f", "acme.1"] {
            assert_eq!(read(host), Err(HostError::Address), "{host}");
        }
        for host in ["[::1", "[::1]x", "[acme.example.com]", "[]", "[fe80::1%eth0]"] {
            assert_eq!(read(host), Err(HostError::Malformed), "{host}");
        }
        assert_eq!(read("::1"), Err(HostError::Port), "without brackets, what follows a colon is a port");
        assert_eq!(HostRules::new("10.0.0.1"), Err(HostError::Address));
    }

    #[test]
    fn what_only_looks_like_the_base_is_a_domain_of_its_own() {
        for host in ["evil-example.com", "example.com.evil.com", "acme.example.co", "acme.example.com.uk", "xn--bcher-kva.test"] {
            assert_eq!(read(host).unwrap(), format!("domain {host}"));
            let without = rules().custom_domains(false);
            assert_eq!(without.read(host.as_bytes()), Err(HostError::Foreign));
        }
        assert_eq!(read("acme"), Err(HostError::Foreign), "a single label is nobody's domain");
    }

    #[test]
    fn names_have_an_end() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), LONGEST_HOST);
        assert!(normalise(format!("{longest}.:65535").as_bytes()).is_ok());
        assert_eq!(normalise(format!("{longest}a").as_bytes()), Err(HostError::TooLong));
        assert_eq!(normalise(format!("{label}a.test").as_bytes()), Err(HostError::Malformed));
        assert_eq!(normalise("a".repeat(1_000_000).as_bytes()), Err(HostError::TooLong));
    }

    #[test]
    fn a_host_that_is_written_well_is_only_borrowed() {
        let borrowed = |host: &'static str| match rules().read(host.as_bytes()) {
            Ok(Host::Subdomain(name) | Host::Domain(name)) => matches!(name, Cow::Borrowed(_)),
            _ => false,
        };
        assert!(borrowed("acme.example.com:8080") && borrowed("flags.acme.test."));
        assert!(!borrowed("Acme.example.com"));
    }
}
