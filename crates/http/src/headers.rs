//! The headers of every answer.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};

use crate::config::{ApiConfig, Origins};

/// The request's id, on every answer and log line.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Present with the value `true` when the node knows of something newer than it answers with, or cannot ask whether there is.
pub(crate) const STALE: HeaderName = HeaderName::from_static("x-togglebox-stale");

/// What the original sends, header by header.
const SECURITY: [(&str, &str); 12] = [
    (
        "content-security-policy",
        "default-src 'self';style-src 'self' 'unsafe-inline';script-src 'self';img-src 'self' data: https:;base-uri 'self';\
         font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';object-src 'none';script-src-attr 'none';\
         upgrade-insecure-requests",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "DENY"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "1; mode=block"),
];

/// What in a request an answer depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variation {
    /// The codings that the client takes.
    pub(crate) coding: bool,
    /// Who is calling.
    pub(crate) credential: bool,
}

/// The headers that do not depend on the request, made once.
#[derive(Debug)]
pub(crate) struct StandingHeaders {
    security: Vec<(HeaderName, HeaderValue)>,
    origins: Origins,
    pub(crate) revalidate_public: HeaderValue,
    pub(crate) revalidate_private: HeaderValue,
}

impl StandingHeaders {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let fixed =
            |(name, value): (&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        // Without the edge's help a server still says these two.
        let always = ["x-content-type-options", "x-frame-options", "x-xss-protection", "strict-transport-security"];
        let security = SECURITY.into_iter().filter(|(name, _)| config.security_headers || always.contains(name)).map(fixed);
        let age = |unset: &'static str, scope: &str, shared: bool| {
            if config.browser_max_age_s == 0 && config.shared_max_age_s == 0 {
                // Copying what is static is free, while cores that share a made text must count who uses it.
                return HeaderValue::from_static(unset);
            }
            let text = if shared {
                format!("{scope}, max-age={}, s-maxage={}", config.browser_max_age_s, config.shared_max_age_s)
            } else {
                format!("{scope}, max-age={}", config.browser_max_age_s)
            };
            HeaderValue::try_from(text).expect("words and numbers are header text")
        };
        Self {
            security: security.collect(),
            origins: config.origins.clone(),
            revalidate_public: age("public, no-cache, stale-if-error=86400", "public", true),
            revalidate_private: age("private, no-cache, stale-if-error=86400", "private", false),
        }
    }

    /// Adds the security headers.
    pub(crate) fn secure(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.security {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Adds what lets web pages read the answer.
    pub(crate) fn share(&self, request: &HeaderMap, headers: &mut HeaderMap) {
        match &self.origins {
            Origins::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Origins::Only(allowed) => {
                let origin =
                    request.get(ORIGIN).filter(|origin| allowed.iter().any(|known| origin.as_bytes() == known.as_bytes()));
                if let Some(origin) = origin {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                }
            }
        }
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "X-Request-ID, ETag, Retry-After, Content-Disposition, X-ToggleBox-Stale, RateLimit-Policy, RateLimit, \
                 X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Warning",
            ),
        );
    }

    /// Says what else in a request the answer depends on, besides the origin where origins are listed.
    pub(crate) fn vary(&self, variation: Variation, headers: &mut HeaderMap) {
        let names = match (variation.coding, variation.credential, matches!(self.origins, Origins::Only(_))) {
            (false, false, false) => return,
            (false, false, true) => "Origin",
            (false, true, false) => "Authorization, X-API-Key",
            (false, true, true) => "Authorization, X-API-Key, Origin",
            (true, false, false) => "Accept-Encoding",
            (true, false, true) => "Accept-Encoding, Origin",
            (true, true, false) => "Accept-Encoding, Authorization, X-API-Key",
            (true, true, true) => "Accept-Encoding, Authorization, X-API-Key, Origin",
        };
        headers.insert(VARY, HeaderValue::from_static(names));
    }

    /// Adds what a preflight asks for.
    pub(crate) fn permit(headers: &mut HeaderMap) {
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET,POST,PUT,DELETE,PATCH,OPTIONS"),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type,Authorization,X-API-Key,X-Request-ID,If-Match,If-None-Match,Idempotency-Key",
            ),
            (ACCESS_CONTROL_MAX_AGE, "86400"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origins: Origins, origin: &'static str) -> HeaderMap {
        let standing = StandingHeaders::new(&ApiConfig { origins, ..ApiConfig::default() });
        let (mut request, mut answer) = (HeaderMap::new(), HeaderMap::new());
        request.insert(ORIGIN, HeaderValue::from_static(origin));
        standing.share(&request, &mut answer);
        answer
    }

    #[test]
    fn a_listed_origin_is_reflected_and_no_other() {
        let listed = || Origins::Only(vec!["https://a.test".into(), "https://b.test".into()]);
        assert_eq!(asked(listed(), "https://b.test").get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "https://b.test");
        assert!(asked(listed(), "https://c.test").get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
        let any = asked(Origins::Any, "https://c.test");
        assert_eq!(any.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(any.get(ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
    }
}
