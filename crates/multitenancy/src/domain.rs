//! Domains that tenants bring along, and how they prove that they may.

use std::error::Error;
use std::fmt;
use std::fmt::Debug;
use std::str::FromStr;

use async_trait::async_trait;
use togglebox_core::{Entropy, EntropyExt as _, Timestamp};

/// Why a text is no domain name that a tenant can bring along.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDomain {
    /// Too short or too long.
    #[error("domain must have at most {} characters", DomainName::MAX_LENGTH)]
    Length,
    /// Fewer than two labels, an empty or overlong one, one with a hyphen at an end, or one of other characters.
    #[error("domain must be a host name of at least two labels of letters a to z, digits and hyphens, as flags.example.com")]
    Label,
    /// The last label is a number, as in an address of the network: such a host is nobody's.
    #[error("domain must not end with a number")]
    Number,
    /// It belongs to the service itself.
    #[error("domain {0} belongs to the service: choose a subdomain instead")]
    Own(DomainName),
}

/// A host name in lower case, without a dot at its end. International names are written with `xn--`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<str>);

impl DomainName {
    /// The most characters: 253 (RFC 1035 §2.3.4, as text) less those of [`DomainClaim::PREFIX`].
    pub const MAX_LENGTH: usize = 242;

    /// The most domains of a tenant, verified or not: so that all of them fit into one transaction and one notice.
    pub const MAX_PER_TENANT: usize = 10;

    /// Takes `text` in lower case.
    ///
    /// # Errors
    /// [`InvalidDomain`].
    pub fn new(text: &str) -> Result<Self, InvalidDomain> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(InvalidDomain::Length);
        }
        let text = text.to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = |label: &str| {
            (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(plain)
        };
        let last = match text.rsplit_once('.') {
            Some((_, last)) if text.split('.').all(sound) => last,
            _ => return Err(InvalidDomain::Label),
        };
        if crate::host::is_number(last) {
            return Err(InvalidDomain::Number);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `parent` or below it.
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0.strip_suffix(&*parent.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainName({})", self.0)
    }
}

impl FromStr for DomainName {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// That a tenant says a domain is its own, and whether it has shown that.
///
/// Several tenants may claim one domain, so that nobody blocks its owner by being first; only one can have it verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainClaim {
    /// Which domain.
    pub domain: DomainName,
    /// 256 random bits, hexadecimal. The world may read it: it stands in the DNS.
    pub token: String,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When the record was found; the domain leads to the tenant from then on.
    pub verified_at: Option<Timestamp>,
    /// When the record of a verified domain was last looked for again, and the DNS said whether it is there.
    pub checked_at: Option<Timestamp>,
    /// How often in a row it was not there.
    pub misses: u32,
}

impl DomainClaim {
    /// What stands before the domain in the name of the record.
    pub const PREFIX: &str = "_togglebox.";
    const VALUE: &str = "togglebox-verification=";

    /// A claim that is yet to be shown.
    pub fn new(domain: DomainName, entropy: &dyn Entropy, now: Timestamp) -> Self {
        Self { domain, token: entropy.hex::<32>(), claimed_at: now, verified_at: None, checked_at: None, misses: 0 }
    }

    /// The name of the TXT record that shows it.
    pub fn record_name(&self) -> String {
        format!("{}{}", Self::PREFIX, self.domain)
    }

    /// What the record must hold.
    pub fn record_value(&self) -> String {
        format!("{}{}", Self::VALUE, self.token)
    }

    /// Whether one of `records` shows it. Others beside it do no harm; white space around it neither.
    pub fn is_shown_by(&self, records: &[String]) -> bool {
        let wanted = self.record_value();
        records.iter().any(|record| record.trim() == wanted)
    }
}

/// The DNS did not answer, or not in a way that says whether there is a record. Asking again later may help.
#[derive(Debug, thiserror::Error)]
#[error("the domain's TXT records could not be looked up")]
pub struct LookUpError(#[source] Box<dyn Error + Send + Sync + 'static>);

impl LookUpError {
    /// With the cause, for logs.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        Self(cause.into())
    }
}

/// Looks up TXT records.
#[async_trait]
pub trait TxtResolver: Send + Sync + Debug + 'static {
    /// The TXT records of `name`, each one's character strings joined (RFC 7208 §3.3 does the same). None where the name has none, or
    /// does not exist.
    ///
    /// # Errors
    /// [`LookUpError`].
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookUpError>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::SeededEntropy;

    use super::InvalidDomain::{Label, Length, Number};
    use super::*;

    #[test]
    fn host_names_are_taken_in_lower_case() {
        assert_eq!(DomainName::new("Flags.Example.COM").unwrap().as_str(), "flags.example.com");
        for good in ["example.com", "xn--bcher-kva.example", "a.b.c.d.e", "1.example.com", "3com.co"] {
            assert_eq!(DomainName::new(good).unwrap().as_str(), good);
        }
        let (long, longest) = (format!("{}.com", "a".repeat(64)), format!("{}com", "a.".repeat(120)));
        let cases = [
            ("", Length),
            (&longest, Length),
            ("com", Label),
            (&long, Label),
            ("example.com.", Label),
            (".example.com", Label),
            ("a..com", Label),
            ("-a.com", Label),
            ("a-.com", Label),
            ("_dmarc.example.com", Label),
            ("bücher.example", Label),
            ("example.com:80", Label),
            ("*.example.com", Label),
            ("[::1]", Label),
            ("192.0.2.1", Number),
            ("192.0.2.0xFF", Number),
        ];
        for (text, why) in cases {
            assert_eq!(DomainName::new(text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_lies_below_is_told_by_labels() {
        let name = |text: &str| DomainName::new(text).unwrap();
        let own = name("toggle.example");
        assert!(name("toggle.example").is_within(&own) && name("a.b.toggle.example").is_within(&own));
        assert!(!name("nottoggle.example").is_within(&own) && !own.is_within(&name("a.toggle.example")));
    }

    #[test]
    fn only_the_very_record_shows_a_claim() {
        let entropy = SeededEntropy::new(1);
        let domain = DomainName::new("flags.example.com").unwrap();
        let claim = DomainClaim::new(domain.clone(), &entropy, Timestamp::EPOCH);
        let other = DomainClaim::new(domain, &entropy, Timestamp::EPOCH);
        assert_eq!(claim.record_name(), "_togglebox.flags.example.com");
        assert_eq!(claim.record_value(), format!("togglebox-verification={}", claim.token));
        assert_eq!(claim.token.len(), 64);
        let shows = |records: &[&str]| claim.is_shown_by(&records.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert!(shows(&["v=spf1 -all", &format!(" {} ", claim.record_value())]));
        assert!(!shows(&[]) && !shows(&[&other.record_value()]) && !shows(&[&claim.token]));
        assert!(!shows(&[&format!("{}0", claim.record_value())]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_reads_back(text in prop_oneof!["\\PC{0,80}", "[a-zA-Z0-9.-]{0,30}"]) {
            if let Ok(name) = DomainName::new(&text) {
                prop_assert_eq!(name.as_str(), text.to_ascii_lowercase());
                prop_assert_eq!(DomainName::new(name.as_str()).unwrap(), name);
            }
        }
    }
}
