//! Where a request says which tenant it is for.
//!
//! By its host, as a rule. Behind proxies that change the host, by `X-Forwarded-Host`; where there is no wildcard DNS, by a header or
//! the beginning of the path. Each but the host is off until it is turned on. All of this is pure: it gets what a request has.

use std::borrow::Cow;

use crate::HostRef;
use crate::host::{self, Host, HostError, HostRules};

/// What the header is called that names a tenant by its subdomain.
pub const TENANT_HEADER: &str = "x-tenant";

/// What a path begins with that names a tenant by its subdomain: `/t/<subdomain>/…`.
pub const TENANT_PATH: &str = "/t/";

/// Where to look for the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locating {
    forwarded: usize,
    header: bool,
    path: bool,
}

/// What a request has that may name a tenant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'r> {
    /// The value of `Host`, or the authority of an HTTP/2 request.
    pub host: Option<&'r [u8]>,
    /// The values of `X-Forwarded-Host` in the order in which they stand in the request, all of them.
    pub forwarded_host: &'r [&'r [u8]],
    /// The values of `X-Tenant`, all of them.
    pub tenant: &'r [&'r [u8]],
    /// The path, without the query.
    pub path: &'r str,
}

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<'r> {
    /// The deployment itself, or a tenant.
    pub host: Host<'r>,
    /// The path without what named the tenant in it; begins with a slash where the whole path does.
    pub path: &'r str,
}

impl Located<'_> {
    /// What to look the tenant up by; `None` for the deployment itself.
    pub fn key(&self) -> Option<HostRef<'_>> {
        self.host.key()
    }
}

/// Why it is not known whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// The host names nobody.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What stands in the header or the path can be nobody's subdomain.
    #[error("the request names a tenant that cannot be")]
    Name,
    /// Two places name different tenants.
    #[error("the request names two tenants")]
    Conflict,
}

impl Locating {
    /// By the value of `Host` alone.
    pub const fn by_host() -> Self {
        Self { forwarded: 0, header: false, path: false }
    }

    /// Believes `X-Forwarded-Host` of so many proxies of ours. See [`forwarded_host`].
    #[must_use]
    pub const fn behind(mut self, proxies: usize) -> Self {
        self.forwarded = proxies;
        self
    }

    /// By the header `X-Tenant` too, on the central host.
    #[must_use]
    pub const fn by_header(mut self) -> Self {
        self.header = true;
        self
    }

    /// By paths that begin with `/t/<subdomain>/` too, on the central host.
    #[must_use]
    pub const fn by_path(mut self) -> Self {
        self.path = true;
        self
    }

    /// Whether [`Named::forwarded_host`] is looked at.
    pub const fn reads_forwarded_host(&self) -> bool {
        self.forwarded > 0
    }

    /// Whether [`Named::tenant`] is looked at.
    pub const fn reads_header(&self) -> bool {
        self.header
    }

    /// Whom the request is for.
    ///
    /// Header and path count on the central host. On a tenant's host they may only say the same, so that nothing which trusts a page
    /// of one tenant can be led to another one.
    ///
    /// # Errors
    /// [`LocateError`]; to the client, there is nothing here.
    pub fn locate<'r>(&self, rules: &HostRules, request: &Named<'r>) -> Result<Located<'r>, LocateError> {
        let host = request.host.unwrap_or_default();
        let host = rules.read(forwarded_host(host, request.forwarded_host, self.forwarded))?;
        let (in_path, path) = match request.path.strip_prefix(TENANT_PATH).filter(|_| self.path) {
            Some(rest) => {
                let (label, _) = rest.split_once('/').unwrap_or((rest, ""));
                (Some(read(label.as_bytes())?), &rest[label.len()..])
            }
            None => (None, request.path),
        };
        // `/t/acme` is the tenant's root.
        let path = if path.is_empty() { "/" } else { path };
        let in_header = match request.tenant {
            [] => None,
            _ if !self.header => None,
            [one] => Some(read(one)?),
            // Which of them a proxy of ours has looked at is not known.
            _ => return Err(LocateError::Conflict),
        };
        let named = match (in_path, in_header) {
            (Some(one), Some(other)) if one != other => return Err(LocateError::Conflict),
            (one, other) => one.or(other),
        };
        let host = match (host, named) {
            (host, None) => host,
            (Host::Central, Some(label)) => Host::Subdomain(label),
            (Host::Subdomain(own), Some(label)) if own == label => Host::Subdomain(own),
            (Host::Subdomain(_) | Host::Domain(_), Some(_)) => return Err(LocateError::Conflict),
        };
        Ok(Located { host, path })
    }
}

fn read(label: &[u8]) -> Result<Cow<'_, str>, LocateError> {
    host::subdomain(label.trim_ascii()).map_err(|_| LocateError::Name)
}

/// The host that the client asked for, behind `proxies` proxies that are ours.
///
/// Each appends the host that it was asked for, so that only the entries which our own proxies wrote can be believed: the last `proxies`
/// ones. The client's is the first of these; what stands before them is whatever the client wrote. A proxy that leaves the header as it
/// found it is not counted here, although it is for `X-Forwarded-For`; one that replaces it is counted as the first.
///
/// Where an entry is missing that must be there, or is empty, the request did not come by way of our proxies: then `host` is what counts.
pub fn forwarded_host<'r>(host: &'r [u8], values: &[&'r [u8]], proxies: usize) -> &'r [u8] {
    let Some(place) = proxies.checked_sub(1) else { return host };
    let entries = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let entry = entries.map(<[u8]>::trim_ascii).nth(place);
    entry.filter(|entry| !entry.is_empty()).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Locating = Locating::by_host().behind(1).by_header().by_path();

    /// Whom a request is for, in words, and its path.
    fn locate(how: Locating, request: &Named<'_>) -> Result<(String, String), LocateError> {
        let located = how.locate(&HostRules::new("example.com").unwrap(), request)?;
        let whom = located.key().map_or_else(|| "central".to_owned(), |key| key.to_string());
        Ok((whom, located.path.to_owned()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "what `locate` says")]
    fn is(whom: &str, path: &str) -> Result<(String, String), LocateError> {
        Ok((whom.to_owned(), path.to_owned()))
    }

    fn request<'r>(host: &'r str, tenant: &'r [&'r [u8]], path: &'r str) -> Named<'r> {
        Named { host: Some(host.as_bytes()), tenant, path, ..Named::default() }
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let forged: [&[u8]; 2] = [b"forged.example.com, one.example.com", b"two.example.com"];
        for (proxies, expected) in [(0, "host"), (1, "two.example.com"), (2, "one.example.com"), (4, "host")] {
            assert_eq!(forwarded_host(b"host", &forged, proxies), expected.as_bytes(), "{proxies}");
        }
        assert_eq!(forwarded_host(b"host", &[], 1), b"host");
        assert_eq!(forwarded_host(b"host", &[b" , "], 1), b"host");
        assert_eq!(forwarded_host(b"host", &[b"\xff, one"], 1), b"one");
    }

    #[test]
    fn a_header_that_nobody_turned_on_says_nothing() {
        let values: [&[u8]; 1] = [b"evil.example.com"];
        let named = Named { forwarded_host: &values, tenant: &[b"evil"], ..request("acme.example.com", &[], "/t/evil/api") };
        assert_eq!(locate(Locating::by_host(), &named), is("acme", "/t/evil/api"));
        let named = Named { tenant: &[], ..named };
        assert_eq!(locate(Locating::by_host().behind(1), &named), is("evil", "/t/evil/api"));
    }

    #[test]
    fn without_wildcard_dns_a_header_or_the_path_names_the_tenant() {
        let host = "api.example.com";
        assert_eq!(locate(EVERYTHING, &request(host, &[b" ACME "], "/api/v1/x")), is("acme", "/api/v1/x"));
        assert_eq!(locate(EVERYTHING, &request(host, &[], "/t/acme/api/v1/x")), is("acme", "/api/v1/x"));
        assert_eq!(locate(EVERYTHING, &request(host, &[b"acme"], "/t/Acme")), is("acme", "/"));
        assert_eq!(locate(EVERYTHING, &request(host, &[], "/api/v1/x")), is("central", "/api/v1/x"));
        assert_eq!(locate(EVERYTHING, &request(host, &[], "/tea/acme")), is("central", "/tea/acme"));
        for path in ["/t/", "/t//api", "/t/../api", "/t/a.b/api", "/t/%61cme/api", "/t/xn--acme/api"] {
            assert_eq!(locate(EVERYTHING, &request(host, &[], path)), Err(LocateError::Name), "{path}");
        }
        assert_eq!(locate(EVERYTHING, &request(host, &[b"\xff"], "/")), Err(LocateError::Name));
    }

    #[test]
    fn nobody_is_led_to_another_tenant() {
        let conflict = Err(LocateError::Conflict);
        assert_eq!(locate(EVERYTHING, &request("acme.example.com", &[b"evil"], "/")), conflict);
        assert_eq!(locate(EVERYTHING, &request("acme.example.com", &[], "/t/evil/x")), conflict);
        assert_eq!(locate(EVERYTHING, &request("flags.acme.test", &[b"evil"], "/")), conflict);
        assert_eq!(locate(EVERYTHING, &request("api.example.com", &[b"acme", b"evil"], "/")), conflict);
        assert_eq!(locate(EVERYTHING, &request("api.example.com", &[b"acme"], "/t/evil/x")), conflict);
        assert_eq!(locate(EVERYTHING, &request("acme.example.com", &[b"acme"], "/t/acme/x")), is("acme", "/x"));
        assert_eq!(locate(EVERYTHING, &Named::default()), Err(LocateError::Host(HostError::Missing)));
    }
}
