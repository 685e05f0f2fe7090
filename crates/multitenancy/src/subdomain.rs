//! The label under which a tenant is reached, and which labels nobody may take.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One DNS label: 3 to 63 of `a-z`, `0-9` and single hyphens, a letter or digit at both ends.
///
/// Two hyphens in a row are refused, and with them `xn--`: no label of ours is shown as other letters than it is made of. What is
/// well formed may still be reserved: see [`SubdomainPolicy`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subdomain(Box<str>);

/// Why a text is no subdomain, or none that may be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubdomain {
    /// Too short or too long.
    #[error("subdomain must have {} to {} characters", Subdomain::MIN_LENGTH, Subdomain::MAX_LENGTH)]
    Length,
    /// A character that does not belong there.
    #[error("subdomain may hold lower-case letters a to z, digits and hyphens only")]
    Character,
    /// A hyphen at an end.
    #[error("subdomain must begin and end with a letter or digit")]
    Edge,
    /// Two hyphens in a row, `xn--` among them.
    #[error("subdomain must not hold two hyphens in a row")]
    DoubleHyphen,
    /// It is kept for the service itself.
    #[error("subdomain {0} is reserved: choose another one")]
    Reserved(Subdomain),
    /// It begins like the service's own names.
    #[error("subdomain must not begin with {0}")]
    BlockedPrefix(String),
}

impl Subdomain {
    /// The fewest characters.
    pub const MIN_LENGTH: usize = 3;
    /// The most characters: those of a DNS label (RFC 1035 §2.3.4).
    pub const MAX_LENGTH: usize = 63;

    /// Takes `text` as it is. Letters in upper case are refused, not changed: what is reserved is what was asked for.
    ///
    /// # Errors
    /// What is wrong with the form.
    pub fn new(text: &str) -> Result<Self, InvalidSubdomain> {
        let bytes = text.as_bytes();
        if !(Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&bytes.len()) {
            return Err(InvalidSubdomain::Length);
        }
        if !bytes.iter().all(|byte| is_plain(*byte)) {
            return Err(InvalidSubdomain::Character);
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(InvalidSubdomain::Edge);
        }
        if text.contains("--") {
            return Err(InvalidSubdomain::DoubleHyphen);
        }
        Ok(Self(text.into()))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

impl fmt::Display for Subdomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subdomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subdomain({})", self.0)
    }
}

impl FromStr for Subdomain {
    type Err = InvalidSubdomain;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Labels that a service has for itself, or that would pass for it. Sorted, with a space between.
const RESERVED: &str = "\
    about abuse account accounts admin administrator api app apps assets auth autoconfig autodiscover beta billing blog \
    broadcasthost cdn checkout cloud community config console contact dashboard demo dev developer developers dns docs \
    download email enterprise events example files ftp gateway git graphql help home hooks host hostmaster identity imap \
    img info internal invite isatap jobs legal live localhost log login logout logs mail mailer media metrics monitor \
    mta-sts news noreply ns1 ns2 ns3 ns4 oauth onboarding ops partners pay payment payments ping pop pop3 portal postmaster \
    pricing privacy private prod production proxy public register root sales sandbox search security server shop sign-in \
    sign-up signin signup smtp sso staging static stats status store stream stripe support sys sysadmin system team test \
    testing togglebox trust undefined usenet web webhook webhooks webmail webmaster wpad www www1 www2";

/// Beginnings that would pass for the service.
const BLOCKED_PREFIXES: &[&str] = &["admin-", "api-", "app-", "auth-", "internal-", "login-", "togglebox-", "www-"];

/// A word that cannot be part of a label, in what is to be reserved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "reserved names and blocked prefixes are made of lower-case letters a to z, digits and hyphens, and not empty: {0:?} is not"
)]
pub struct InvalidReservation(String);

/// Which subdomains nobody may take. Asked when one is reserved, and when a tenant is renamed; who has one already keeps it.
#[derive(Clone, Debug)]
pub struct SubdomainPolicy {
    reserved: BTreeSet<String>,
    prefixes: BTreeSet<String>,
}

impl Default for SubdomainPolicy {
    /// The names that services commonly have for themselves: `www`, `api`, `mail`, `status`, …
    fn default() -> Self {
        let reserved = RESERVED.split(' ').map(str::to_owned).collect();
        Self { reserved, prefixes: BLOCKED_PREFIXES.iter().map(|prefix| (*prefix).to_owned()).collect() }
    }
}

impl SubdomainPolicy {
    /// Reserves more names. Those too short to be a subdomain do no harm.
    ///
    /// # Errors
    /// [`InvalidReservation`].
    pub fn reserve<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Result<Self, InvalidReservation> {
        for name in names {
            self.reserved.insert(checked(name.into())?);
        }
        Ok(self)
    }

    /// Blocks more beginnings.
    ///
    /// # Errors
    /// [`InvalidReservation`].
    pub fn block<I: IntoIterator<Item: Into<String>>>(mut self, prefixes: I) -> Result<Self, InvalidReservation> {
        for prefix in prefixes {
            self.prefixes.insert(checked(prefix.into())?);
        }
        Ok(self)
    }

    /// Whether somebody may take `subdomain`.
    ///
    /// # Errors
    /// `Reserved`, `BlockedPrefix`.
    pub fn check(&self, subdomain: &Subdomain) -> Result<(), InvalidSubdomain> {
        if self.reserved.contains(subdomain.as_str()) {
            return Err(InvalidSubdomain::Reserved(subdomain.clone()));
        }
        match self.prefixes.iter().find(|prefix| subdomain.as_str().starts_with(prefix.as_str())) {
            Some(prefix) => Err(InvalidSubdomain::BlockedPrefix(prefix.clone())),
            None => Ok(()),
        }
    }
}

fn checked(word: String) -> Result<String, InvalidReservation> {
    if !word.is_empty() && word.bytes().all(is_plain) { Ok(word) } else { Err(InvalidReservation(word)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_apart() {
        use InvalidSubdomain::{Character, DoubleHyphen, Edge, Length};
        let long = "a".repeat(64);
        let cases = [
            ("", Length),
            ("ab", Length),
            (&long, Length),
            ("Acme", Character),
            ("a.b.c", Character),
            ("acme ", Character),
            ("acmé", Character),
            ("a_b", Character),
            ("-acme", Edge),
            ("acme-", Edge),
            ("---", Edge),
            ("xn--acme", DoubleHyphen),
            ("a--b", DoubleHyphen),
        ];
        for (text, why) in cases {
            assert_eq!(Subdomain::new(text), Err(why), "{text:?}");
        }
        for text in ["abc", "a-1", "0-0", "acme-corp", &"a".repeat(63)] {
            assert_eq!(Subdomain::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn names_of_the_service_are_reserved() {
        let policy = SubdomainPolicy::default();
        let check = |text: &str| policy.check(&text.parse().unwrap());
        for reserved in
            ["www", "api", "app", "admin", "auth", "login", "static", "assets", "cdn", "mail", "smtp", "ftp", "status"]
                .into_iter()
                .chain(["docs", "help", "support", "billing", "dev", "staging", "test", "internal", "metrics", "ns1"])
        {
            assert_eq!(check(reserved), Err(InvalidSubdomain::Reserved(reserved.parse().unwrap())));
        }
        assert_eq!(check("admin-eu"), Err(InvalidSubdomain::BlockedPrefix("admin-".to_owned())));
        assert_eq!(check("administration"), Ok(()), "a prefix ends with its hyphen");
        assert_eq!(check("acme"), Ok(()));
    }

    #[test]
    fn the_list_of_reserved_names_is_sorted_and_well_formed() {
        let reserved: Vec<&str> = RESERVED.split(' ').collect();
        assert!(reserved.is_sorted() && reserved.iter().all(|name| Subdomain::new(name).is_ok()));
        assert!(BLOCKED_PREFIXES.is_sorted() && SubdomainPolicy::default().block(BLOCKED_PREFIXES.iter().copied()).is_ok());
    }

    #[test]
    fn more_can_be_reserved() {
        let policy = SubdomainPolicy::default().reserve(["acme"]).unwrap().block(["corp"]).unwrap();
        assert!(policy.check(&"acme".parse().unwrap()).is_err() && policy.check(&"corporation".parse().unwrap()).is_err());
        assert!(policy.check(&"www".parse().unwrap()).is_err(), "what was reserved stays so");
        for word in ["", "Acme", "a.b"] {
            assert_eq!(SubdomainPolicy::default().reserve([word]).unwrap_err(), InvalidReservation(word.to_owned()));
            assert_eq!(SubdomainPolicy::default().block([word]).unwrap_err(), InvalidReservation(word.to_owned()));
        }
    }

    /// `[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])` without `--`, written another way.
    fn by_the_letter(text: &str) -> bool {
        let inner = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
        let chars: Vec<char> = text.chars().collect();
        let [first, middle @ .., last] = chars.as_slice() else { return false };
        inner(*first)
            && inner(*last)
            && (1..=61).contains(&middle.len())
            && middle.iter().all(|c| inner(*c) || *c == '-')
            && !chars.windows(2).any(|pair| pair == ['-', '-'])
    }

    proptest! {
        #[test]
        fn any_text_is_judged_by_the_letter(text in prop_oneof!["\\PC{0,70}", "[a-z0-9-]{0,70}", "[a-zA-Z0-9.-]{0,6}"]) {
            let read = Subdomain::new(&text);
            prop_assert_eq!(read.is_ok(), by_the_letter(&text));
            if let Ok(subdomain) = read {
                prop_assert_eq!(subdomain.as_str(), &text);
                prop_assert_eq!(subdomain.to_string().parse::<Subdomain>().unwrap(), subdomain);
            }
        }

        #[test]
        fn what_is_reserved_is_refused_and_nothing_else(names in prop::collection::vec("[a-z]{3,5}", 0..8), asked in "[a-z]{3,5}") {
            let mut policy = SubdomainPolicy::default();
            policy.reserved.clear();
            policy.prefixes.clear();
            let policy = policy.reserve(names.clone()).unwrap();
            let refused = policy.check(&asked.parse().unwrap()).is_err();
            prop_assert_eq!(refused, names.contains(&asked));
        }
    }
}
