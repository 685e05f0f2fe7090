//! URLs with a password in them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// A URL that may hold a password. Shown without it: scheme and host at the most.
#[derive(Clone)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// `text` when it begins with one of `schemes` (as `redis`), goes on after `://`, and has neither white space nor control characters.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let sound = schemes.contains(&scheme) && !rest.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Self(text.to_owned().into()))
    }

    /// All of it, to connect with.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Where it leads, without who goes there: host, port and path. `None` where there is doubt about the host.
    #[cfg(feature = "cloud")]
    pub(crate) fn place(&self) -> Option<String> {
        let host = self.host()?;
        let (_, rest) = self.expose().split_once("://")?;
        let path = rest.split(['?', '#']).next().and_then(|rest| rest.split_once('/'));
        Some(format!("{host}/{}", path.map_or("", |(_, path)| path)))
    }

    /// Host and port, if there is no doubt about them. A password with a `/` or `?` that should have been escaped ends the place where
    /// a host stands, so that what stands there may be a part of it: then, an `@` comes later.
    fn host(&self) -> Option<&str> {
        let (_, rest) = self.expose().split_once("://")?;
        let (authority, later) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b',');
        (!later.contains('@') && !host.is_empty() && host.bytes().all(is_host)).then_some(host)
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.expose().split("://").next().unwrap_or_default();
        write!(f, "{scheme}://{}", self.host().unwrap_or("…"))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        SecretUrl::parse(text, &["postgres", "redis"]).unwrap().to_string()
    }

    #[cfg(feature = "cloud")]
    #[test]
    fn a_place_is_told_without_who_goes_there() {
        let place = |text: &str| SecretUrl::parse(text, &["postgres"]).unwrap().place();
        assert_eq!(place("postgres://ann:hunter2@db:5432/box?password=x").as_deref(), Some("db:5432/box"));
        assert_eq!(place("postgres://db").as_deref(), Some("db/"));
        assert_eq!(place("postgres://ann:hun/ter2@db/box"), None);
    }

    #[test]
    fn the_host_is_shown_and_nothing_else() {
        assert_eq!(shown("postgres://ann:hunter2@db.example.com:5432/box?sslmode=require"), "postgres://db.example.com:5432");
        assert_eq!(shown("redis://[::1]:6379/0"), "redis://[::1]:6379");
        assert_eq!(shown("redis://:p%40ss@cache"), "redis://cache");
        assert_eq!(shown("postgres://ann:a@b@db/box"), "postgres://db");
        for unclear in [
            "postgres://ann:hun/ter2@db/box",
            "postgres://ann:hun?ter2@db/box",
            "postgres:///box?host=/run&password=hunter2",
            "redis://x?password=hunter2@y",
        ] {
            assert!(shown(unclear).ends_with("://…"), "{}", shown(unclear));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["", "postgres", "postgres:", "postgres://", "mysql://db", "postgres://a b", "postgres://a\n", "Postgres://db"]
        {
            assert!(SecretUrl::parse(bad, &["postgres"]).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_password_is_never_shown(password in "[!-~]{0,8}q7Zx[!-~]{0,8}", rest in "(/[a-z]{1,5})?(\\?[a-z]=[a-z])?") {
            let url = SecretUrl::parse(&format!("postgres://ann:{password}@db{rest}"), &["postgres"]).unwrap();
            for text in [url.to_string(), format!("{url:?}")] {
                prop_assert!(!text.contains("q7Zx"), "{}", text);
            }
        }
    }
}
